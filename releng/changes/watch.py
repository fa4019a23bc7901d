"""The agents' work, and whether it is done: what is due, who was here last, what is late."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from releng.changes.conditions import Due, due
from releng.changes.enacting import pause_after
from releng.changes.models import AgentHeartbeat, EnactFailure, ScheduledChange
from releng.changes.notices import Mail, announce, claimed, overdue_since

MOST_AT_ONCE = 50
MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Work:
    """What an agent is to do: first the mails, then the changes, by their ids. `pending` counts all that wait."""

    mails: list[Mail]
    due: list[int]
    pending: int


def work_for(agent: str) -> Work:
    """Note that an agent was here, and return some of the work: ask again when it is done.

    Changes that are due, or that must be suspended, are named, except those that failed a short while ago. Agents that
    have been here lately share them: each is given its own first, and others' only when it has none.
    """
    now = timezone.now()
    AgentHeartbeat.objects.update_or_create(name=agent, defaults={"last_pass": now})
    states = _states(now)
    announce(states, now)
    failed = _failures([scheduled.pk for scheduled, _ in states])
    found = [
        scheduled.pk
        for scheduled, state in states
        if (state.met or state.tripped) and pause_after(failed[scheduled.pk]) <= now
    ]
    return Work(claimed(now), _share(found, agent, now)[:MOST_AT_ONCE], len(states))


def problems() -> list[str]:
    """Return what is wrong with the work of the agents, in sentences; nothing while all is well."""
    now = timezone.now()
    moments = ScheduledChange.objects.pending().order_by().values_list("pk", "when", "at_latest")
    pending = len(moments)
    late = _overdue(list(moments), now)
    found = []
    if late:
        more = f" and {len(late) - MOST_NAMED} more" if len(late) > MOST_NAMED else ""
        named = ", ".join(str(scheduled) for scheduled in late[:MOST_NAMED])
        what = "scheduled change" if len(late) == 1 else "scheduled changes"
        found.append(f"overdue: {what} {named}{more}")
    if pending:
        last = AgentHeartbeat.objects.order_by("-last_pass").first()
        patience = timedelta(seconds=settings.AGENT_SILENT_SECONDS)
        if last is None:
            found.append(f"{pending} changes are scheduled, and no agent has ever asked for work")
        elif last.last_pass < now - patience:
            found.append(f"no agent has asked for work since {last.last_pass:%Y-%m-%d %H:%M:%S} UTC")
    return found


def overdue() -> list[ScheduledChange]:
    """Return the changes that nobody has made though their moment is over by OVERDUE_MINUTES, the first first."""
    moments = ScheduledChange.objects.pending().order_by().values_list("pk", "when", "at_latest")
    return _overdue(list(moments), timezone.now())


def _overdue(
    moments: list[tuple[int, datetime | None, datetime | None]], now: datetime
) -> list[ScheduledChange]:
    # Only those whose moment is over are asked for their numbers: every page of the admin asks this.
    keys = [key for key, when, at_latest in moments if (when or at_latest or now) < now]
    if not keys:
        return []
    rows = ScheduledChange.objects.pending().filter(pk__in=keys).select_related("follows", "author")
    return [
        scheduled
        for scheduled in rows.order_by("when", "pk")
        if overdue_since(scheduled, due(scheduled, now), now) is not None
    ]


def _states(now: datetime) -> list[tuple[ScheduledChange, Due]]:
    pending = ScheduledChange.objects.pending().select_related("follows", "author")
    return [(scheduled, due(scheduled, now)) for scheduled in pending.order_by("when", "pk")]


def _failures(keys: list[int]) -> dict[int, list[datetime]]:
    found: dict[int, list[datetime]] = defaultdict(list)
    rows = EnactFailure.objects.filter(scheduled_change__in=keys).order_by("time", "pk")
    for key, time in rows.values_list("scheduled_change_id", "time"):
        found[key].append(time)
    return found


def _share(found: list[int], agent: str, now: datetime) -> list[int]:
    lately = now - timedelta(seconds=settings.AGENT_SILENT_SECONDS)
    agents = AgentHeartbeat.objects.filter(last_pass__gte=lately).order_by("name")
    names = list(agents.values_list("name", flat=True))
    own = [key for key in found if names and names[key % len(names)] == agent]
    return own or found
