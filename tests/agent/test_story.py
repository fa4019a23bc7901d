"""The story of a throttled rollout: people plan and sign it, and from then on nobody is needed."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.agent.stage import Person, Stage, stage
from tests.servers import ROOT, manage, own_postgresql, wait_until

pytestmark = pytest.mark.slow

SHOWN = 0.3  # seconds between two passes, and between two flushes of counts

TRAFFIC = """
import http.client, sys
port, version, requests = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
place = "WINNT_x86_64-msvc-x64/de/release/Windows/default/default"
for number in range(requests):
    path = f"/update/3/Firefox/{version}/2024010100000{number % 10}/{place}/update.xml"
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, answer.status
"""
REQUIREMENTS = """
from history.changesets import change_set
from releng.permissions.actions import require_for_product
with change_set(actor_name="stage"):
    require_for_product("Firefox", "release", "releng", 1)
    require_for_product("Firefox", "release", "relman", 1)
"""


def ask(place: Stage, version: str, requests: int) -> None:
    """Clients of a version ask for updates, from a process of their own."""
    subprocess.run(
        [sys.executable, "-c", TRAFFIC, str(place.port), version, str(requests)],
        cwd=ROOT,
        check=True,
        timeout=120,
    )


def test_throttled_rollout__planned_and_signed__happens_by_itself(tmp_path: Path) -> None:
    with own_postgresql() as server:
        place = stage(
            server.url,
            tmp_path,
            UPTAKE_FLUSH_SECONDS=str(SHOWN),
            UPTAKE_LEAST_REQUESTS="50",
            MAIL_LEAD_MINUTES="1",
        )
        place.account("bob", "--permission", "rule", "--role", "releng")
        place.account("rita", "--permission", "rule:modify", "--role", "relman")
        place.shell(REQUIREMENTS)
        with place.server():
            _tell(place)
        assert "History is whole" in manage(place.env, "verify_history")


def _tell(place: Stage) -> None:
    bob, rita = place.person("bob"), place.person("rita")
    rule = next(row for row in bob.get("v1/rules")["rules"] if row["alias"] == "firefox-release")
    new = next(
        row["name"]
        for row in bob.get("v1/releases")["releases"]
        if row["name"] != rule["mapping"] and row["product"] == "Firefox"
    )
    start = datetime.now(UTC) + timedelta(seconds=6)
    plan = {
        "rule_id": rule["rule_id"],
        "mapping": new,
        "rate": 25,
        "version": "145.0",
        "target_percent": 60,
        "start": start.isoformat(),
        "time_limit": (start + timedelta(hours=12)).isoformat(),
        "finish": (start + timedelta(hours=24)).isoformat(),
        "reason": "145 slowly.",
    }
    trial = bob.post("v2/rollouts?dry_run=1", plan, status=201)
    assert trial["scheduled_changes"][0]["required_signoffs"] == {"releng": 1, "relman": 1}
    assert bob.get("v2/scheduled_changes")["count"] == 0, "a trial leaves nothing"
    steps = bob.post("v2/rollouts", plan, status=201)["scheduled_changes"]
    assert [step["missing_signoffs"] for step in steps] == [{"relman": 1}] * 3
    first, second, third = (step["id"] for step in steps)

    with place.agent(interval=SHOWN):
        signed = {"role": "relman", "digest": steps[0]["digest"], "with_followers": True}
        signed["follower_digests"] = {str(step["id"]): step["digest"] for step in steps[1:]}
        rita.post(f"v2/scheduled_changes/{first}/signoffs", signed)
        wait_until(lambda: state(bob, first) == "enacted", "the agent starts the rollout")
        enacted = bob.get(f"v2/scheduled_changes/{first}")
        assert datetime.fromisoformat(enacted["enacted_at"]) >= start
        assert (rate(bob, rule), mapping(bob, rule)) == (25, new)

        ask(place, "144.0", 100)
        ask(place, "145.0", 50)
        wait_until(lambda: 30 < (uptake(bob, second) or 0) < 37, "the traffic is counted")
        assert (state(bob, second), rate(bob, rule)) == ("pending", 25)
        ask(place, "145.0", 200)
        wait_until(lambda: state(bob, second) == "enacted", "the agent pauses the rollout")
        assert rate(bob, rule) == 0
        assert state(bob, third) == "pending"
        wait_until(lambda: len(place.mails()) >= 4, "all mails are sent")

    mails = place.mails()

    def sent(change: int, what: str) -> int:
        return next(
            number
            for number, mail in enumerate(mails)
            if f"Subject: Scheduled change {change} {what}" in mail
        )

    for change in (first, second):
        assert sent(change, "will be made soon") < sent(change, "was made")
    assert "release@example.com, all@example.com" in mails[0]

    acts = bob.get(f"v1/rules/{rule['rule_id']}/revisions")["rules"]
    assert [(act["backgroundRate"], act["changed_by"]) for act in acts[:2]] == [(0, "bob"), (25, "bob")]
    told = place.shell(REASONS)
    for said in ("145 slowly.", "bob as releng", "rita as relman", "enacted by robot"):
        assert said in told


REASONS = """
from history.models import ChangeSet
for row in ChangeSet.objects.filter(origin="agent"):
    print(row.reason)
"""


def state(person: Person, change: int) -> str:
    return str(person.get(f"v2/scheduled_changes/{change}")["state"])


def uptake(person: Person, change: int) -> float | None:
    value: float | None = person.get(f"v2/scheduled_changes/{change}")["progress"][0]["value"]
    return value


def rate(person: Person, rule: dict[str, object]) -> int:
    return int(person.get(f"v1/rules/{rule['rule_id']}")["backgroundRate"])


def mapping(person: Person, rule: dict[str, object]) -> str:
    return str(person.get(f"v1/rules/{rule['rule_id']}")["mapping"])
