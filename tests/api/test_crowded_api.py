"""The lists of the API with 5,000 rules, 1,000 releases and 100,000 history rows: few queries each."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from rules.models import Rule
from tests.console.crowd import RELEASES, RULES, crowd

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.once]

# The most queries of each, those for session, account and permissions among them; where the list stands, and how long
# it is when all of it is asked for.
LISTS: tuple[tuple[str, str, int | None, int], ...] = (
    ("rules", "rules", RULES, 10),
    ("rules?product=Acme3", "rules", RULES // 20, 10),
    ("rules?page=1&limit=100", "rules", 100, 10),
    ("rules?page=49&limit=100", "rules", 100, 10),
    ("rules?ordering=-priority,alias&limit=1000", "rules", 1000, 10),
    ("rules/{rule}/revisions", "rules", 10, 10),
    ("releases", "releases", RELEASES, 12),
    ("releases?page=9&limit=100", "releases", 100, 12),
    ("releases?names_only=1", "names", RELEASES, 10),
    ("v2/releases?limit=100", "releases", 100, 14),
    ("emergency_shutoff", "shutoffs", 8, 10),
    ("v2/pins", "pins", 50, 10),
    ("scheduled_changes/rules", "scheduled_changes", 60, 20),
    ("v2/scheduled_changes", "scheduled_changes", 60, 20),
    ("rules/history?limit=100", "", None, 12),
    ("users", "", None, 10),
    ("rules/columns/mapping", "mapping", 100, 8),
)


def test_lists__with_many_rows__ask_few_queries(client: Any) -> None:
    client.force_login(crowd())
    told = {"rule": Rule.objects.order_by("pk")[0].pk}
    over = {}
    for path, key, length, most in LISTS:
        address = f"/api/{path.format_map(told)}"
        with CaptureQueriesContext(connection) as asked:
            answer = client.get(address)
        assert answer.status_code == 200, (address, answer.content[:500])
        if length is not None:
            assert len(answer.json()[key]) == length, address
        if len(asked) > most:
            over[address] = (len(asked), most)
    assert over == {}
