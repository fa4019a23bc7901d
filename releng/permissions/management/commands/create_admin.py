"""The first administrator, made by whoever holds the database."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import CommandParser
from django.core.management.base import BaseCommand

from releng.permissions import actions
from releng.permissions.management.accounts import as_operator, chosen_password
from releng.permissions.models import Permission


class Command(BaseCommand):
    help = (
        "Make an account that may do everything; an existing account becomes one and keeps its password. "
        "The password is asked for on the terminal, or taken from ACCOUNT_PASSWORD."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the name to sign in with, best an e-mail address")
        parser.add_argument("--email", default="")
        parser.add_argument(
            "--no-password", action="store_true", help="only single sign-on opens the account"
        )

    def handle(self, *args: Any, name: str, email: str, no_password: bool, **options: Any) -> None:
        user = get_user_model().objects.filter(username=name).first()
        password = None if no_password or user is not None else chosen_password(name)
        with as_operator(f"make {name} an administrator"):
            if user is None:
                user = actions.create_person(name, email, password=password)
            if not user.is_active:
                actions.activate(user)
            if not user.is_staff:
                user.is_staff = True
                user.save(update_fields=["is_staff"])
            row = Permission.objects.filter(user=user, permission="admin").first()
            if row is None:
                actions.grant(user, "admin")
            elif row.products:
                actions.update_permission(row.pk, based_on=row.data_version)
        self.stdout.write(f"{name} may do everything.")
