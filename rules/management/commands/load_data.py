"""Load rules, releases and what belongs to them from one JSON file."""

from __future__ import annotations

import getpass
import gzip
import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from history.changesets import change_set
from rules.datafile import DataFileError, load

MAX_WARNINGS_SHOWN = 50


def user_name() -> str:
    """Return who runs this command, as the system knows them: a container may have a user without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def show_progress(rows: Iterable[Any], label: str, total: int) -> Iterable[Any]:
    """Show a progress bar on a terminal, and nothing elsewhere."""
    return tqdm(rows, desc=label, total=total, disable=None, file=sys.stderr)


class Command(BaseCommand):
    help = "Load rules and releases from one JSON file (docs/data-format.md): all of it, or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", help="the file; - is standard input, a name ending in .gz is decompressed"
        )
        parser.add_argument("--replace", action="store_true", help="empty the loaded tables first")
        parser.add_argument("--reason", default="", help="why, for the history")

    def handle(self, *args: Any, file: str, replace: bool, reason: str, **options: Any) -> None:
        data = self._read(file)
        try:
            with change_set(actor_name=user_name(), reason=reason or f"load_data {file}"):
                loaded = load(data, replace=replace, progress=show_progress)
        except DataFileError as error:
            raise CommandError(f"{file}: nothing was loaded.\n{error}") from error
        for warning in loaded.warnings[:MAX_WARNINGS_SHOWN]:
            self.stderr.write(self.style.WARNING(f"warning: {warning}"))
        if len(loaded.warnings) > MAX_WARNINGS_SHOWN:
            self.stderr.write(
                self.style.WARNING(f"... and {len(loaded.warnings) - MAX_WARNINGS_SHOWN} more warnings")
            )
        self.stdout.write(", ".join(f"{count} {key}" for key, count in loaded.counts.items()))

    @staticmethod
    def _read(file: str) -> Any:
        try:
            if file == "-":
                return json.load(sys.stdin)
            with (
                gzip.open(file, "rt", encoding="utf-8")
                if file.endswith(".gz")
                else open(file, encoding="utf-8") as source
            ):
                return json.load(source)
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror or error}") from error
        except ValueError as error:
            raise CommandError(f"{file}: this is not JSON: {error}") from error
