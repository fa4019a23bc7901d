"""The agents' work, and whether it is done: what is due, who was here last, what is late."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from releng.changes.conditions import due
from releng.changes.enacting import retry_after
from releng.changes.models import AgentHeartbeat, ScheduledChange
from releng.changes.notices import Mail, claimed, note_what_comes, overdue_since

MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Work:
    """What an agent is to do: first the mails, then the changes, by their ids."""

    mails: list[Mail]
    due: list[int]
    pending: int


def work_for(agent: str) -> Work:
    """Note that an agent was here, and return its work.

    Every change that is due, or that must be suspended, is named, except those that failed a short while ago. Each
    agent starts at another place of the list, so that several share the work.
    """
    now = timezone.now()
    AgentHeartbeat.objects.update_or_create(name=agent, defaults={"last_pass": now})
    found = []
    pending = list(
        ScheduledChange.objects.pending().select_related("follows", "author").order_by("when", "pk")
    )
    for scheduled in pending:
        state = due(scheduled, now)
        note_what_comes(scheduled, state, now)
        if state.met or state.tripped:
            pause = retry_after(scheduled)
            if pause is None or pause <= now:
                found.append(scheduled.pk)
    start = int(hashlib.sha256(agent.encode()).hexdigest(), 16) % len(found) if found else 0
    return Work(claimed(now), found[start:] + found[:start], len(pending))


def problems() -> list[str]:
    """Return what is wrong with the work of the agents, in sentences; nothing while all is well."""
    now = timezone.now()
    pending = list(ScheduledChange.objects.pending().select_related("follows").order_by("when", "pk"))
    late = [
        scheduled for scheduled in pending if overdue_since(scheduled, due(scheduled, now), now) is not None
    ]
    found = []
    if late:
        more = f" and {len(late) - MOST_NAMED} more" if len(late) > MOST_NAMED else ""
        named = ", ".join(str(scheduled) for scheduled in late[:MOST_NAMED])
        found.append(f"overdue scheduled changes: {named}{more}")
    if pending:
        last = AgentHeartbeat.objects.order_by("-last_pass").first()
        patience = timedelta(seconds=settings.AGENT_SILENT_SECONDS)
        if last is None:
            found.append(f"{len(pending)} changes are scheduled, and no agent has ever asked for work")
        elif last.last_pass < now - patience:
            found.append(f"no agent has asked for work since {last.last_pass:%Y-%m-%d %H:%M:%S} UTC")
    return found
