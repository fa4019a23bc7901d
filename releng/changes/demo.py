"""People, requirements and scheduled changes for the demo, each in a state worth looking at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

from django.contrib.auth import get_user_model
from django.utils import timezone

from history.changesets import change_set
from releases.models import Release, ReleasePart
from releng.changes.actions import Proposal, cancel, propose, reject, sign_off
from releng.changes.enacting import enact
from releng.changes.models import ScheduledChange
from releng.changes.rollouts import Rollout, throttled_rollout
from releng.permissions import actions
from releng.permissions.credentials import make_client
from rules.actions import update_rule
from rules.models import Rule

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PEOPLE_MADE, DATA_LOADED = 9 * DAY, 8 * DAY  # so long before now

# name: permissions, roles
PEOPLE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "bob": (("rule", "release", "release_read_only", "emergency_shutoff"), ("releng",)),
    "rita": (("rule", "emergency_shutoff"), ("relman",)),
    "quinn": (("rule",), ("qa",)),
    "otto": ((), ("auditor",)),
}
# The rule of the release channel as it was before the rollout that the demo tells of.
BEFORE_THE_ROLLOUT = {
    "mapping": "Firefox-145.0-build2",
    "fallbackMapping": None,
    "backgroundRate": 100,
    "comment": "145.0 for everybody",
}


@contextmanager
def clock_at(moment: datetime) -> Iterator[None]:
    """Let what is done within have been done at a moment: a demo needs a past, and nobody can wait for one.

    For a command that is alone in its process; times of history are what the clock says.
    """
    with mock.patch.object(timezone, "now", return_value=moment):
        yield


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
        builds = actions.create_system_account("build-bot")
        for permission in ("release", "release_locale"):
            actions.grant(builds, permission, ["Firefox"])
        for machine in (agent, builds):
            make_client(machine.get_username(), machine, by="demo")
        nora = actions.create_person("nora", "nora@example.com", password=password)
        actions.grant(nora, "rule", ["Thunderbird"])
        actions.grant_role(nora, "mail-relman")
        actions.require_for_product("Thunderbird", "release", "mail-relman", 1)
    with change_set(actor=chief, reason="Nora has left"):
        actions.deactivate(nora)
    return chief


def tell_story(rule_after: Mapping[str, Any], now: datetime) -> None:
    """Let the week before `now` happen, and schedule what is ahead.

    `rule_after` says how the rule of the release channel is at its end (docs/data-format.md). Made: a release that was
    raised in two steps. Ahead: a throttled rollout and a batch that wait for signoffs, a locale of a release to be
    written again, two changes that are overdue, one that two people's edits have suspended; one was rejected, one
    cancelled.
    """
    _raise_the_rate(rule_after, now)
    _end_some(now)
    _schedule_rollout(now)
    _schedule_batch(now)
    _schedule_locale(now)
    _leave_some_overdue(now)
    _let_two_collide(now)


def _raise_the_rate(rule_after: Mapping[str, Any], now: datetime) -> None:
    rule = Rule.objects.get(alias=rule_after["alias"])
    first = {
        "mapping": rule_after["mapping"],
        "fallback_mapping": rule_after["fallbackMapping"],
        "background_rate": 10,
        "comment": "145.0.1 throttled at 10 %, everybody else gets 145.0",
    }
    second = {"background_rate": rule_after["backgroundRate"], "comment": rule_after["comment"]}
    for values, made_at, reason in (
        (first, now - 5 * DAY, "145.0.1 fixes the crash at start-up; carefully first."),
        (second, now - 2 * DAY, "Crash rate as before, so more of it."),
    ):
        scheduled = _proposed("bob", values, rule, made_at - 8 * HOUR, reason, when=made_at)
        _signed(scheduled, "rita", "relman", made_at - 5 * HOUR, "Looks right.")
        with clock_at(made_at + timedelta(seconds=20)):
            agent = _user("agent")
            with change_set(actor=agent, origin="agent"):
                enact(scheduled.pk, agent)


def _end_some(now: datetime) -> None:
    esr = Rule.objects.get(alias="firefox-esr")
    scheduled = _proposed(
        "quinn", {"background_rate": 100}, esr, now - 30 * HOUR, "ESR looks fine.", when=now + DAY
    )
    with clock_at(now - 26 * HOUR), change_set(actor=_user("bob")):
        reject(scheduled.pk, _user("bob"), comment="Not before the certificate question is answered.")
    scheduled = _proposed("quinn", {"background_rate": 75}, esr, now - 25 * HOUR, "Then a little more.")
    with clock_at(now - 24 * HOUR), change_set(actor=_user("quinn")):
        cancel(scheduled.pk, _user("quinn"), comment="Next week, all at once.")


def _schedule_rollout(now: datetime) -> None:
    rule = Rule.objects.get(alias="firefox-release")
    plan = Rollout(
        rule_id=rule.pk,
        mapping=str(rule.mapping_id),
        rate=50,
        target_percent=30.0,
        start=now + 20 * HOUR,
        time_limit=now + 3 * DAY,
        finish=now + 5 * DAY,
    )
    with clock_at(now - 3 * HOUR), change_set(actor=_user("bob"), reason="Plan the rollout"):
        throttled_rollout(_user("bob"), plan, reason="A week of care.")


def _schedule_batch(now: datetime) -> None:
    rules = Rule.objects.in_bulk(["firefox-win7-desupport", "firefox-release-no-sse"], field_name="alias")
    proposals = [
        Proposal("rule", "update", {"priority": rule.priority + 50}, rule.pk)
        for _, rule in sorted(rules.items())
    ]
    with clock_at(now - 2 * HOUR), change_set(actor=_user("rita"), reason="Order of the exceptions"):
        propose(
            _user("rita"),
            proposals,
            conditions={"when": now + 2 * DAY},
            reason="Both must stand before the new watershed.",
        )


def _schedule_locale(now: datetime) -> None:
    release = Release.objects.get(name="Firefox-145.0.1-build1")
    part = ReleasePart.objects.filter(release=release).order_by("pk").last()
    if part is None:
        return
    document = deepcopy(part.document)
    document["completes"][0]["filesize"] += 4_096
    document["buildID"] = "20251120081500"
    with clock_at(now - HOUR), change_set(actor=_user("bob"), reason="A build again"):
        proposal = Proposal("release_part", "update", {"document": document}, part.pk)
        propose(
            _user("bob"), [proposal], reason="The build of this locale was made again: a string was missing."
        )


def _leave_some_overdue(now: datetime) -> None:
    """One waits for an agent only, and is made by the first pass of the demo's; one for somebody who must sign."""
    for alias, comment, reason, ago in (
        ("firefox-release-watershed-72", "Watershed: certificate store (see the report)", "Say why.", 40),
        ("firefox-oak", "Back to normal once it has landed", "The back-out is expected today.", 50),
    ):
        rule = Rule.objects.get(alias=alias)
        moment = now - ago * timedelta(minutes=1)
        _proposed("bob", {"comment": comment}, rule, now - DAY, reason, when=moment)


def _let_two_collide(now: datetime) -> None:
    rule = Rule.objects.get(alias="firefox-beta")
    values = {"comment": "After the press embargo."}
    _proposed("bob", values, rule, now - HOUR, "Tell the others.", when=now + 6 * HOUR)
    with (
        clock_at(now - 20 * timedelta(minutes=1)),
        change_set(actor=_user("quinn"), reason="Two people, one rule"),
    ):
        update_rule(rule.pk, {"comment": "Before the press embargo."}, based_on=rule.data_version)


def _proposed(
    name: str,
    values: dict[str, Any],
    rule: Rule,
    at: datetime,
    reason: str,
    *,
    when: datetime | None = None,
) -> ScheduledChange:
    author = _user(name)
    with clock_at(at), change_set(actor=author, reason=reason):
        proposal = Proposal("rule", "update", values, rule.pk)
        return propose(author, [proposal], conditions={"when": when}, reason=reason)


def _signed(scheduled: ScheduledChange, name: str, role: str, at: datetime, comment: str) -> None:
    user = _user(name)
    with clock_at(at), change_set(actor=user):
        sign_off(scheduled.pk, user, role, comment=comment)


def _user(name: str) -> Any:
    return get_user_model().objects.get(username=name)
