"""Every list and form with 5,000 rules, 1,000 releases and 100,000 history rows: few queries each.

A page that is added names itself here, with the most queries that it may ask.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from releases.models import Release
from releng.changes.models import ScheduledChange
from rules.models import Rule
from tests.console.crowd import HISTORY_ROWS, RELEASES, RULES, crowd

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.once]

UPDATE_URL = (
    "/update/3/Acme0/8.0/20200101000000/Linux_x86_64-gcc3/de/release/default/default/default/update.xml"
)
PAGES: tuple[tuple[str, int], ...] = (
    ("/admin/", 20),
    ("/admin/rules/rule/", 12),
    ("/admin/rules/rule/?product=Acme3", 12),
    ("/admin/rules/rule/add/", 20),
    ("/admin/rules/rule/{rule}/change/", 20),
    ("/admin/rules/rule/add/?from={rule}", 20),
    ("/admin/rules/rule/{rule}/move/", 12),
    ("/admin/rules/rule/?product=Acme3&channel=release&pending=on&throttled=on&points_at=other&q=a", 12),
    ("/admin/rules/rule/?page=7", 12),
    ("/admin/rules/rule/{rule}/delete/", 32),
    ("/admin/rules/rule/{rule}/history/", 12),
    ("/admin/rules/emergencyshutoff/", 12),
    ("/admin/rules/pinnablerelease/", 12),
    ("/admin/releases/release/", 12),
    ("/admin/releases/release/?q=Acme3", 12),
    ("/admin/releases/release/?q=Acme3 9.0&use=active&read_only=no&type=9&page=2", 12),
    ("/admin/releases/release/?use=unused&order=new", 12),
    ("/admin/releases/release/{release}/change/", 20),
    ("/admin/releases/release/{release}/edit/", 16),
    ("/admin/releases/release/{release}/read-only/", 16),
    ("/admin/releases/release/add/", 12),
    ("/admin/releases/release/compare/?base=Acme0-0&other=Acme0-20", 16),
    ("/admin/releases/release/{release}/history/", 12),
    ("/admin/changes/scheduledchange/", 18),
    ("/admin/changes/scheduledchange/?show=over", 18),
    ("/admin/changes/scheduledchange/{change}/change/", 45),
    ("/admin/changes/scheduledchange/together/?change={change}:1", 20),
    ("/admin/changes/calendar/", 18),
    ("/admin/rollouts/", 16),
    ("/admin/rollouts/?product=Acme0&channel=release", 22),
    ("/admin/rollouts/plan/", 14),
    ("/admin/ask/", 14),
    ("/admin/ask/?rule={rule}", 20),
    ("/admin/ask/?change={change}", 36),
    (f"/admin/ask/?url={UPDATE_URL}&every=on", 18),
    (f"/admin/ask/?url={UPDATE_URL}&at=2026-01-01&compare=on", 26),
    (f"/admin/ask/?url={UPDATE_URL}&at=2099-01-01", 28),
    ("/admin/history/", 12),
    ("/admin/history/?product=Acme3", 12),
    ("/admin/auth/user/", 12),
    ("/admin/auth/user/{user}/change/", 20),
    ("/admin/people/", 12),
    ("/admin/people/{user}/", 18),
    ("/admin/people/me/", 18),
    ("/admin/people/requirements/", 12),
    ("/admin/people/clients/", 12),
    ("/admin/people/sessions/", 12),
    ("/admin/permissions/permission/", 12),
    ("/admin/permissions/role/", 12),
    ("/admin/permissions/productrequiredsignoff/", 12),
)


def test_every_page__crowded__asks_few_queries(client: Any) -> None:
    user = crowd()
    assert (Rule.objects.count(), Release.objects.count()) == (RULES, RELEASES)
    assert Rule.history.count() >= HISTORY_ROWS
    keys = {
        "rule": Rule.objects.filter(product="Acme0").earliest("pk").pk,
        "release": Release.objects.earliest("pk").pk,
        "change": ScheduledChange.objects.earliest("pk").pk,
        "user": user.pk,
    }
    client.force_login(user)
    client.get("/admin/")  # what is read once for a process is read
    too_many = []
    for address, most in PAGES:
        with CaptureQueriesContext(connection) as asked:
            answer = client.get(address.format(**keys))
        assert answer.status_code == 200, address
        if len(asked) > most:
            told = "\n".join(query["sql"][:160] for query in asked.captured_queries)
            too_many.append(f"{address}: {len(asked)} queries, {most} allowed:\n{told}")
    assert not too_many, "\n\n".join(too_many)
