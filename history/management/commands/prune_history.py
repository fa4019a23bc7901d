"""Remove old objects that nothing refers to, and their history."""

from __future__ import annotations

import getpass
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from history.changesets import change_set
from history.retention import Criteria, prune

MOST_SHOWN = 200


class Command(BaseCommand):
    help = (
        "Remove objects that have not changed for some days and that nothing refers to, with their history. "
        "Change sets and digests stay: verify_history still proves the rest."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than", type=int, required=True, metavar="DAYS", help="last changed so long ago"
        )
        parser.add_argument("--product", help="only this product")
        parser.add_argument(
            "--name-glob", default="*-nightly-*", help="only these names (default: *-nightly-*)"
        )
        parser.add_argument("--dry-run", action="store_true", help="only tell what would be removed")
        parser.add_argument("--reason", default="", help="why, for the history")

    def handle(self, *args: Any, older_than: int, dry_run: bool, **options: Any) -> None:
        if older_than < 1:
            raise CommandError(f"--older-than {older_than}: must be at least 1 day.")
        criteria = Criteria(
            timezone.now() - timedelta(days=older_than), options["product"], options["name_glob"]
        )
        reason = (
            options["reason"] or f"prune_history --older-than {older_than} --name-glob {criteria.name_glob}"
        )
        with change_set(actor_name=getpass.getuser(), reason=reason):
            pruned = prune(criteria, dry_run=dry_run)
        verb = "Would remove" if dry_run else "Removed"
        for name in pruned.objects[:MOST_SHOWN]:
            self.stdout.write(f"{verb} {name}")
        if len(pruned.objects) > MOST_SHOWN:
            self.stdout.write(f"... and {len(pruned.objects) - MOST_SHOWN} more")
        self.stdout.write(
            f"{verb}: {len(pruned.objects)} objects, {pruned.live_rows} rows, {pruned.history_rows} history rows."
        )
