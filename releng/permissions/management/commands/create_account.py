"""Accounts of people and machines from the command line."""

from __future__ import annotations

from typing import Any

from django.core.management import CommandError, CommandParser
from django.core.management.base import BaseCommand

from releng.permissions import actions
from releng.permissions.management.accounts import as_operator, chosen_password


class Command(BaseCommand):
    help = (
        "Make an account with permissions and roles, all or nothing. "
        "The password is asked for on the terminal, or taken from ACCOUNT_PASSWORD."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the name to sign in with, best an e-mail address")
        parser.add_argument("--email", default="")
        parser.add_argument("--system", action="store_true", help="a machine: no password, never signs off")
        parser.add_argument(
            "--no-password", action="store_true", help="only single sign-on opens the account"
        )
        parser.add_argument(
            "--permission",
            action="append",
            default=[],
            metavar="NAME[:ACTION,...]",
            help="for instance rule, or release:create,modify; may be given several times",
        )
        parser.add_argument(
            "--product",
            action="append",
            default=[],
            help="limits the permissions that take products to these",
        )
        parser.add_argument("--role", action="append", default=[], help="may be given several times")

    def handle(
        self,
        *args: Any,
        name: str,
        email: str,
        system: bool,
        no_password: bool,
        permission: list[str],
        product: list[str],
        role: list[str],
        **options: Any,
    ) -> None:
        if system and role:
            raise CommandError("A machine never signs off, so it takes no --role.")
        password = None if system or no_password else chosen_password(name)
        with as_operator(f"make the account {name}"):
            if system:
                user = actions.create_system_account(name)
            else:
                user = actions.create_person(name, email, password=password)
            for text in permission:
                kind, _, listed = text.partition(":")
                takes_products = actions.takes_products(kind)
                actions.grant(
                    user,
                    kind,
                    product or None if takes_products else None,
                    listed.split(",") if listed else None,
                )
            for held in role:
                actions.grant_role(user, held)
        self.stdout.write(f"Made {name}.")
