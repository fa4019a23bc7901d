"""`manage.py uptake PRODUCT CHANNEL`: which versions ask for updates."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from releng.uptake.sources import Unknown, shares, uptake_of

HEAD = ("version", "requests", "share")


class Command(BaseCommand):
    """Prints the share of each version in the requests that were counted."""

    help = "Print which versions ask for updates on a product and channel, as far as the public service counted them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("product")
        parser.add_argument("channel")
        parser.add_argument(
            "--minutes",
            type=float,
            default=settings.UPTAKE_WINDOW_MINUTES,
            help="How far back to count; as conditions do by default (%(default)g).",
        )
        parser.add_argument(
            "--of",
            metavar="VERSION",
            help="Print instead what a condition reads for this version, from the source that the settings name.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        product, channel = options["product"], options["channel"]
        if options["of"] is not None:
            reading = uptake_of(product, channel, options["of"])
            if isinstance(reading, Unknown):
                raise CommandError(f"unknown: {reading.reason}")
            age = reading.age.total_seconds()
            self.stdout.write(f"{reading.value:.2f} % ({age:.0f} s ago)")
            return
        found = shares(product, channel, timezone.now() - timedelta(minutes=options["minutes"]))
        total = sum(requests for _, requests in found)
        if not total:
            raise CommandError(
                f"No requests of {product} on {channel} were counted in the last {options['minutes']:g} minutes."
            )
        rows = [(version, str(number), f"{100 * number / total:.2f} %") for version, number in found]
        width, digits = (max(len(row[column]) for row in [HEAD, *rows]) for column in (0, 1))
        for version, number, share in [HEAD, *rows]:
            self.stdout.write(f"{version:<{width}}  {number:>{digits}}  {share:>8}")
