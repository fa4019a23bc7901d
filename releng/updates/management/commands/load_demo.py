"""Fill an empty database with the demo, once."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from history.changesets import change_set
from releng.changes.demo import (
    BEFORE_THE_ROLLOUT,
    DATA_LOADED,
    PEOPLE,
    PEOPLE_MADE,
    clock_at,
    make_people,
    tell_story,
)
from releng.updates.demo import demo_data
from releng.uptake.demo import make_traffic
from rules.datafile import load
from rules.models import Rule

DEMO_USER = "demo"
# Printed below, and only ever set where DEBUG is on.
DEMO_PASSWORD = "demo-demo-demo"  # noqa: S105
DEMO_URL = (
    "/update/6/Firefox/144.0/20251006120000/WINNT_x86_64-msvc-x64/de/release/Windows_NT%2010.0.0.0.26100/"
    "ISET:SSE4_2,MEM:16384/default/default/update.xml?force=1"
)


class Command(BaseCommand):
    help = "Load the demo data into an empty database, and create the demo's people. Needs DEBUG."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "The demo has a user with a known password: it needs DEBUG=true, and no real data."
            )
        now = timezone.now()
        users = get_user_model().objects
        with clock_at(now - PEOPLE_MADE):
            user = users.filter(username=DEMO_USER).first() or make_people(DEMO_USER, DEMO_PASSWORD)
        if not Rule.objects.exists():
            data = demo_data()
            release_rule = dict(data["rules"][0])
            data["rules"][0] |= BEFORE_THE_ROLLOUT
            with clock_at(now - DATA_LOADED), change_set(actor=user, reason="Demo data"):
                load(data)
            tell_story(release_rule, now)
            make_traffic(now)
        host = "http://127.0.0.1:8000"
        self.stdout.write(
            f"Demo data are loaded.\n  Admin:  {host}/admin/  ({DEMO_USER}, or {', '.join(PEOPLE)} / {DEMO_PASSWORD})\n"
            f"  Update: {host}{DEMO_URL}\n"
        )
