"""Prove that history is whole, or say where it is not."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from history.verify import differences, head

MOST_SHOWN = 100


def show_progress(rows: Iterable[Any], label: str, total: int) -> Iterable[Any]:
    """Show a progress bar on a terminal, and nothing elsewhere."""
    return tqdm(rows, desc=label, total=total, disable=None, file=sys.stderr, leave=False)


class Command(BaseCommand):
    help = "Check history rows, the chain of change sets, and that replaying history gives the live tables."
    requires_system_checks: list[str] = []  # a missing trigger is one of the things that this command reports

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--all", action="store_true", help=f"list up to {MOST_SHOWN} differences, not just one"
        )
        parser.add_argument(
            "--expect-head",
            metavar="SEQUENCE:DIGEST",
            help="a head that an earlier run printed: the chain must still contain it",
        )

    def handle(self, *args: Any, expect_head: str | None, **options: Any) -> None:
        found = differences(show_progress, expect_head=expect_head)
        shown = list(islice(found, MOST_SHOWN if options["all"] else 1))
        if shown:
            raise CommandError("\n".join(f"History differs: {difference}" for difference in shown))
        self.stdout.write(self.style.SUCCESS(f"History is whole. Head: {head()}"))
