"""What the commands that make accounts share: passwords that appear on no command line, and refusals in one line."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import CommandError

from history.changesets import change_set
from history.exceptions import HistoryError

PASSWORD_VARIABLE = "ACCOUNT_PASSWORD"  # noqa: S105  # the name of a variable


def chosen_password(user_name: str) -> str:
    """Return the password from the environment, or asked for on the terminal; raise CommandError for a weak one."""
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if not password:
        if not sys.stdin.isatty():
            raise CommandError(
                f"There is no terminal to ask for a password; set {PASSWORD_VARIABLE}, or give --no-password for "
                "single sign-on."
            )
        password = getpass.getpass(f"Password of {user_name}: ")
        if password != getpass.getpass("Once more: "):
            raise CommandError("The two passwords differ.")
    try:
        validate_password(password)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    return password


@contextmanager
def as_operator(reason: str) -> Iterator[Any]:
    """Open a change set of whoever runs the command; tell refusals in one line."""
    try:
        with change_set(actor_name=operator(), reason=reason, origin="command") as opened:
            yield opened
    except ValidationError as error:
        raise CommandError("; ".join(error.messages)) from error
    except HistoryError as error:
        raise CommandError(str(error)) from error


def operator() -> str:
    """Return the name under which the operating system knows whoever runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "command"
