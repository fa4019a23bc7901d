"""Credentials of automation: made, or replaced by new ones, and shown once."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import CommandError, CommandParser
from django.core.management.base import BaseCommand
from django.db import transaction
from oauth2_provider.models import get_application_model

from releng.permissions.credentials import make_client, rotate_secret
from releng.permissions.management.accounts import operator
from releng.permissions.questions import is_system


class Command(BaseCommand):
    help = (
        "Make an OAuth client that acts as a system account, and print its id and secret; the secret is not kept. "
        "With --rotate an existing client gets a new secret, and its tokens end."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what the client is called here")
        parser.add_argument(
            "--user", help="the system account that it acts as (manage.py create_account --system)"
        )
        parser.add_argument(
            "--rotate", action="store_true", help="replace the secret of a client that exists"
        )

    @transaction.atomic
    def handle(self, *args: Any, name: str, user: str | None, rotate: bool, **options: Any) -> None:
        found = get_application_model().objects.filter(name=name).first()
        if rotate:
            if found is None:
                raise CommandError(f"There is no client {name}.")
            client, secret = found, rotate_secret(found, by=operator())
        else:
            if found is not None:
                raise CommandError(f"There is a client {name} already; --rotate gives it a new secret.")
            client, secret = make_client(name, self._account(user), by=operator())
        self.stdout.write(f"CLIENT_ID={client.client_id}\nCLIENT_SECRET={secret}")

    def _account(self, name: str | None) -> Any:
        account = get_user_model().objects.filter(username=name or "").first()
        if account is None:
            raise CommandError(f"--user {name}: there is no such account; create_account --system makes one.")
        if not is_system(account):
            raise CommandError(f"--user {name}: is a person; clients act as system accounts only.")
        return account
