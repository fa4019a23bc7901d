"""Prepare a throttled rollout from the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import CommandError, CommandParser
from django.core.management.base import BaseCommand

from history.changesets import change_set
from history.exceptions import HistoryError
from releng.changes.examination import examine, told
from releng.changes.exceptions import spelled
from releng.changes.rollouts import Rollout, throttled_rollout
from rules.models import Rule


def moment(text: str) -> datetime:
    """Read a time of ISO 8601 with its zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("the time needs a zone")
    return found.astimezone(UTC)


class Command(BaseCommand):
    help = (
        "Schedule a throttled rollout: raise the rate at the start, drop it to 0 when the uptake reaches the target "
        "or the time limit passes, offer it to all at the finish. Times are written 2030-01-31T14:00Z."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("rule", help="the rule's id or alias")
        parser.add_argument("mapping", help="the release to offer")
        parser.add_argument("--author", required=True, help="the account in whose name it is proposed")
        parser.add_argument("--rate", type=int, default=25, help="so many of 100 clients (default: 25)")
        parser.add_argument("--target", type=float, required=True, help="percent of uptake at which to pause")
        parser.add_argument(
            "--time-limit", type=moment, required=True, help="pause then, whatever the uptake"
        )
        parser.add_argument("--start", type=moment, help="default: as soon as it is signed off")
        parser.add_argument("--finish", type=moment, help="offer it to all then")
        parser.add_argument("--fallback", help="what those get who lose")
        parser.add_argument(
            "--counted-version", dest="counted", help="the version to count (default: the release's)"
        )
        parser.add_argument("--guard-metric", help="suspend what has not happened yet when this number")
        parser.add_argument("--guard-above", type=float, help="... goes above this")
        parser.add_argument("--reason", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        author = get_user_model().objects.filter(username=options["author"], is_active=True).first()
        if author is None:
            raise CommandError(f"--author {options['author']}: there is no such active account.")
        plan = Rollout(
            rule_id=_rule(options["rule"]),
            mapping=options["mapping"],
            rate=options["rate"],
            target_percent=options["target"],
            time_limit=options["time_limit"],
            start=options["start"],
            finish=options["finish"],
            guard_metric=options["guard_metric"],
            guard_above=options["guard_above"],
            version=options["counted"],
            fallback_mapping=options["fallback"],
        )
        try:
            with change_set(actor=author, reason=options["reason"], origin="command"):
                steps = throttled_rollout(author, plan, reason=options["reason"])
        except (ValidationError, HistoryError, PermissionDenied) as error:
            raise CommandError(told(error)) from error
        for step in steps:
            missing = examine(step).missing
            wanted = f"needs {spelled(missing)}" if missing else "needs no more signoffs"
            self.stdout.write(f"Scheduled change {step}: {step.reason} ({wanted})")


def _rule(text: str) -> int:
    rows = Rule.objects.filter(pk=text) if text.isdigit() else Rule.objects.filter(alias=text)
    found = rows.values_list("pk", flat=True).first()
    if found is None:
        raise CommandError(f"{text}: there is no such rule.")
    return int(found)
