"""People, requirements and scheduled changes for the demo, each in a state worth looking at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone

from history.changesets import change_set
from releng.changes.actions import Proposal, propose
from releng.changes.rollouts import Rollout, throttled_rollout
from releng.permissions import actions
from rules.actions import update_rule
from rules.models import Rule

# name: permissions, roles
PEOPLE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "bob": (("rule", "release", "release_read_only", "emergency_shutoff"), ("releng",)),
    "rita": (("rule", "emergency_shutoff"), ("relman",)),
    "quinn": (("rule",), ("qa",)),
    "otto": ((), ("auditor",)),
}


def make_people(admin: str, password: str) -> Any:
    """Make the demo's administrator and the others, all with one known password; return the administrator."""
    with change_set(actor_name="demo", reason="People of the demo"):
        chief = actions.create_person(admin, password=password)
        actions.grant(chief, "admin")
        actions.grant_role(chief, "releng")
        for name, (permissions, roles) in PEOPLE.items():
            user = actions.create_person(name, f"{name}@example.com", password=password)
            for permission in permissions:
                actions.grant(user, permission, ["Firefox"])
            for role in roles:
                actions.grant_role(user, role)
        agent = actions.create_system_account("agent")
        actions.grant(agent, "scheduled_change", None, ["enact"])
        actions.require_for_product("Firefox", "release", "releng", 1)
        actions.require_for_product("Firefox", "release", "relman", 1)
    return chief


def schedule(release_alias: str, beta_alias: str, mapping: str) -> None:
    """Schedule a rollout that waits for signoffs, and a change that two people's edits have suspended."""
    users = {name: _user(name) for name in PEOPLE}
    now = timezone.now()
    release_rule = Rule.objects.get(alias=release_alias)
    beta_rule = Rule.objects.get(alias=beta_alias)
    with change_set(actor=users["bob"], reason="Plan the rollout"):
        throttled_rollout(
            users["bob"],
            Rollout(
                rule_id=release_rule.pk,
                mapping=mapping,
                rate=50,
                target_percent=30.0,
                start=now + timedelta(hours=20),
                time_limit=now + timedelta(days=3),
                finish=now + timedelta(days=5),
            ),
            reason="A week of care.",
        )
    with change_set(actor=users["bob"], reason="Tonight"):
        rate = Proposal("rule", "update", {"comment": "After the press embargo."}, beta_rule.pk)
        conditions = {"when": now + timedelta(hours=6)}
        propose(users["bob"], [rate], conditions=conditions, reason="Tell the others.")
    with change_set(actor=users["quinn"], reason="Two people, one rule"):
        update_rule(beta_rule.pk, {"comment": "Before the press embargo."}, based_on=beta_rule.data_version)


def _user(name: str) -> Any:
    return get_user_model().objects.get(username=name)
