"""Many agents, many changes, and crashes: each change is enacted once, and none holds up another."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.stage import Stage, stage
from tests.servers import answers, manage, own_postgresql, query, wait_until

pytestmark = pytest.mark.slow

AGENTS = 8
CHANGES = 1_000
INTERVAL_SECONDS = 10.0
DUE_IN_SECONDS = 20  # once all are scheduled: time enough for the agents to start
KILLS = 100
TO_SURVIVE = 800

PREPARE = """
import sys
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.utils import timezone
from history.changesets import change_set
from history import bulk
from releng.changes.actions import Proposal, propose
from releng.changes.models import ScheduledChange
from rules.models import Rule
count, ahead, poisoned = {count}, {ahead}, {poisoned}
user = get_user_model().objects.get(username="bob")
conditions = {{"when": timezone.now() + timedelta(days=1)}} if ahead else {{}}
with change_set(actor_name="stage"):
    bulk.insert(Rule(product="Acme", channel=f"c{{number}}", priority=1) for number in range(count))
keys = list(Rule.objects.filter(product="Acme").order_by("pk").values_list("pk", flat=True))
with change_set(actor=user, reason="many"):
    if poisoned:
        poison = Proposal("rule", "insert", {{"alias": "taken", "product": "Acme"}})
        propose(user, [poison], conditions=conditions)
    for key in keys:
        propose(user, [Proposal("rule", "update", {{"priority": 2}}, key)], conditions=conditions)
if poisoned:
    with change_set(actor_name="stage"):
        Rule(alias="taken").save()
if ahead:  # however long it took to schedule them all, they are due at one moment soon
    due = timezone.now() + timedelta(seconds=ahead)
    with change_set(actor=user, reason="soon"):
        for scheduled in ScheduledChange.objects.all():
            scheduled.when = due
            scheduled.save()
"""
OUTCOME = """
import json
from django.db.models import F, Max
from releng.changes.models import EnactFailure, ScheduledChange
from rules.models import Rule
changes = ScheduledChange.objects.all()
late = [(c.enacted_at - c.when).total_seconds() for c in changes.filter(state="enacted").exclude(when=None)]
versions = list(Rule.objects.filter(product="Acme").exclude(alias="taken").values_list("data_version", "priority"))
print(json.dumps({
    "states": {state: changes.filter(state=state).count() for state in ("pending", "enacted", "suspended")},
    "latest": max(late, default=0),
    "versions": sorted(set(map(tuple, versions))),
    "failures": EnactFailure.objects.count(),
}))
"""
ENACTED = "SELECT count(*) FROM changes_scheduledchange WHERE state = 'enacted'"


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Stage]:
    with own_postgresql() as server:
        made = stage(server.url, tmp_path, AGENT_SILENT_SECONDS="5")
        made.account("bob", "--permission", "rule", "--role", "releng")
        yield made


def outcome(place: Stage) -> dict[str, object]:
    found: dict[str, object] = json.loads(place.shell(OUTCOME).splitlines()[-1])
    return found


def enacted(place: Stage) -> int:
    [(count,)] = query(place.env["DATABASE_URL"], ENACTED)
    return int(count)


def test_eight_agents__a_thousand_due_changes_and_a_poisoned_one__each_enacted_once_and_in_time(
    postgres: Stage,
) -> None:
    postgres.shell(PREPARE.format(count=CHANGES, ahead=DUE_IN_SECONDS, poisoned=True))
    with postgres.server(workers=2):
        agents = [postgres.start_agent(f"agent-{number}", INTERVAL_SECONDS) for number in range(AGENTS)]
        try:
            wait_until(lambda: enacted(postgres) == CHANGES, "all are enacted", seconds=600)
        finally:
            for agent in agents:
                agent.terminate()
            endings = [agent.wait(60) for agent in agents]
    assert endings == [0] * AGENTS, "SIGTERM ends an agent cleanly"
    found = outcome(postgres)
    assert found["states"] == {"pending": 1, "enacted": CHANGES, "suspended": 0}
    assert found["versions"] == [[2, 2]]
    # How many seconds that took is the machine's affair (`make bench`); in how many passes is ours.
    assert all(_passes(postgres, number) <= 2 for number in range(AGENTS))
    assert found["failures"] >= 1
    assert "History is whole" in manage(postgres.env, "verify_history")


def _passes(place: Stage, number: int) -> int:
    """Return in how many passes an agent has enacted anything."""
    log = (place.folder / f"agent-{number}.log").read_text()
    return sum("agent.pass" in line and "'enacted'" in line for line in log.splitlines())


def _said(place: Stage, number: int) -> int:
    """Return how often an agent has told what became of a change, in all its lives."""
    log = place.folder / f"agent-{number}.log"
    return log.read_text().count("agent.") if log.exists() else 0


def test_kill_of_agents_and_servers__at_random_points__none_lost_half_or_twice(postgres: Stage) -> None:
    rng = random.Random(7)
    postgres.shell(PREPARE.format(count=TO_SURVIVE, ahead=0, poisoned=False))
    server = postgres.start_server(workers=2)
    agents = [postgres.start_agent(f"agent-{number}", 0.2) for number in range(3)]
    seen = [0, 0, 0]
    try:
        for number in range(KILLS):
            if number % 5 == 0:  # the whole server, master and workers, in the middle of its work
                wait_until(lambda: answers(postgres.port), "the server answers")
                time.sleep(rng.uniform(0.0, 0.7))  # the point of the crash
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()
                server = postgres.start_server(workers=2)
            else:
                victim = number % len(agents)
                # Not before it has begun to work: else a slow machine would only ever kill what is still starting.
                wait_until(lambda: _said(postgres, victim) > seen[victim], "the agent works")  # noqa: B023
                time.sleep(rng.uniform(0.0, 0.2))  # the point of the crash
                agents[victim].kill()
                agents[victim].wait()
                seen[victim] = _said(postgres, victim)
                agents[victim] = postgres.start_agent(f"agent-{victim}", 0.2)
        before = enacted(postgres)
        wait_until(lambda: enacted(postgres) == TO_SURVIVE, "all are enacted", seconds=600)
    finally:
        for agent in agents:
            agent.terminate()
        for agent in agents:
            agent.wait(60)
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)
    assert before > 0, "the crashes met work that was being done"
    found = outcome(postgres)
    assert found["states"] == {"pending": 0, "enacted": TO_SURVIVE, "suspended": 0}
    assert found["versions"] == [[2, 2]]
    assert "History is whole" in manage(postgres.env, "verify_history")
