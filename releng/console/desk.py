"""The front page: what needs the person who opens it, what is stopped or late, and what changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from history.feed import as_number
from releng.changes.conditions import Due, due
from releng.changes.models import AgentHeartbeat, ScheduledChange, ScheduledWrite
from releng.changes.notices import overdue_since
from releng.changes.standing import Standing, standings
from releng.console.actions import looked
from releng.console.firststeps import first_steps
from releng.console.needed import Needed
from releng.console.news import news_for
from releng.console.pages import render_page
from releng.console.places import active_stops, stale_seconds
from releng.permissions.models import AUDITOR
from releng.permissions.questions import administrators, rows_of
from releng.permissions.who import people_by_role
from rules.models import Rule

SHOWN = 8
# Of more open changes than these only the next are looked at: the inbox has them all.
CHANGES_READ = 300
DAY = timedelta(days=1)
SEE_STOPS = "rules.view_emergencyshutoff"


@dataclass(frozen=True, slots=True)
class Item:
    """A scheduled change on the front page: when, what is the matter, and what the person can do about it."""

    standing: Standing
    roles: tuple[str, ...] = ()
    missing: tuple[Needed, ...] = ()
    late_since: datetime | None = None
    state: Due | None = None

    @property
    def scheduled(self) -> ScheduledChange:
        """The change itself."""
        return self.standing.scheduled

    @property
    def title(self) -> str:
        """What it writes, in a line."""
        first, *others = [written(write) for write in self.standing.writes] or ["nothing"]
        return f"{first} and {len(others)} more" if others else first


def written(write: ScheduledWrite) -> str:
    """Return what a write does, in a few words."""
    verb = {"insert": "new", "update": "change", "delete": "delete"}[write.change]
    place = " ".join(filter(None, (write.product, write.channel)))
    return " ".join(filter(None, (verb, write.target.replace("_", " "), write.object_name or place)))


@dataclass(frozen=True, slots=True)
class Changes:
    """Open scheduled changes, sorted by what they need from somebody."""

    to_sign: list[Item]
    overdue: list[Item]
    today: list[Item]
    numbers: list[Item]
    suspended: list[Item]
    mine_waiting: list[Item]
    resuming: dict[int, ScheduledChange]
    total: int
    read: int


@dataclass(frozen=True, slots=True)
class Throttle:
    """A rule that has offered its mapping to less than everybody for long."""

    rule: Rule
    since: datetime


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent, and whether it has asked for work lately."""

    name: str
    last_pass: datetime
    is_silent: bool


def front(request: HttpRequest, apps: list[Any]) -> HttpResponse:
    """Show the front page; on POST note that the person has read what changed. `apps` are the lists of all models."""
    if request.method == "POST":
        return _read(request)
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(("GET", "HEAD", "POST"))
    user: Any = request.user
    may_rules = user.has_perm("rules.view_rule")
    changes = changes_for(user) if user.has_perm("changes.view_scheduledchange") else None
    return render_page(
        request,
        "console/desk.html",
        "What needs you",
        nothing_allowed=not apps and not rows_of(user),
        helpers=administrators() if not apps else [],
        steps=first_steps(user) if may_rules else [],
        changes=changes,
        stops=active_stops(changes.resuming) if changes and user.has_perm(SEE_STOPS) else None,
        stale_seconds=stale_seconds(),
        throttles=long_throttles() if may_rules else None,
        throttle_days=settings.THROTTLE_LONG_DAYS,
        agents=agents() if may_rules else None,
        silent_seconds=settings.AGENT_SILENT_SECONDS,
        news=news_for(user),
        apps=apps,
        shown=SHOWN,
    )


def _read(request: HttpRequest) -> HttpResponse:
    sequence = as_number(request.POST.get("sequence"))
    if sequence is None:
        messages.error(request, "The page does not say how far it was read; nothing was noted.")
    else:
        looked(request.user, sequence)
        messages.success(request, "Noted: what comes from now on will be shown here.")
    return HttpResponseRedirect(reverse("admin:index"))


# --- Scheduled changes --------------------------------------------------------------------------------------


def changes_for(user: Any) -> Changes:
    """Return the open changes as one person sees them; the numbers that some wait for are read for those shown."""
    now = timezone.now()
    rows = ScheduledChange.objects.open().select_related("author", "follows")
    moment = Coalesce("when", "at_latest")
    by_role = people_by_role()
    found = standings(list(rows.order_by(moment.asc(nulls_first=True), "pk")[:CHANGES_READ]), by_role)
    total = len(found) if len(found) < CHANGES_READ else rows.count()
    roles = {role for role, names in by_role.items() if user.get_username() in names} - {AUDITOR}
    sorted_out = Changes([], [], [], [], [], [], resuming(found), total, len(found))
    for standing in found:
        scheduled = standing.scheduled
        if scheduled.state == ScheduledChange.State.SUSPENDED:
            sorted_out.suspended.append(Item(standing))
            continue
        if can := standing.can_be_signed_by(user, roles):
            sorted_out.to_sign.append(Item(standing, roles=tuple(can)))
        elif scheduled.author_id == user.pk and standing.missing:
            sorted_out.mine_waiting.append(Item(standing))
        _add_by_time(sorted_out, standing, now)
    mine_first = sorted(sorted_out.suspended, key=lambda item: item.scheduled.author_id != user.pk)
    sorted_out.suspended[:] = mine_first
    sorted_out.mine_waiting[:SHOWN] = [
        _with_signers(item, by_role) for item in sorted_out.mine_waiting[:SHOWN]
    ]
    return sorted_out


def resuming(found: Iterable[Standing]) -> dict[int, ScheduledChange]:
    """Return the open changes that lift shutoffs, by shutoff."""
    return {
        write.object_id: one.scheduled
        for one in found
        for write in one.writes
        if write.target == "emergency_shutoff" and write.change == "delete" and write.object_id is not None
    }


def _add_by_time(sorted_out: Changes, standing: Standing, now: datetime) -> None:
    scheduled = standing.scheduled
    moment = scheduled.when or scheduled.at_latest
    waits_for_number = scheduled.uptake_percent is not None or scheduled.metric is not None
    if moment is not None and moment < now and len(sorted_out.overdue) < SHOWN:
        state = due(scheduled, now)
        if late := overdue_since(scheduled, state, now):
            sorted_out.overdue.append(Item(standing, late_since=late))
            return
    if waits_for_number and (scheduled.when is None or scheduled.when <= now):
        if len(sorted_out.numbers) < SHOWN:
            sorted_out.numbers.append(Item(standing, state=due(scheduled, now)))
    elif moment is not None and moment < now + DAY:
        sorted_out.today.append(Item(standing))


def _with_signers(item: Item, by_role: Mapping[str, list[str]]) -> Item:
    """Say of a change who can give the signoffs that are missing."""
    missing = sorted(item.standing.missing.items())
    return replace(item, missing=tuple(Needed(role, count, by_role.get(role, [])) for role, count in missing))


# --- Rules and agents ---------------------------------------------------------------------------------------


def long_throttles() -> list[Throttle]:
    """Return the rules that have offered what they offer now to less than everybody for long, the longest first.

    One more than are shown at most, so that the page can say that there are more: one query.
    """
    before = timezone.now() - timedelta(days=settings.THROTTLE_LONG_DAYS)
    of_rule = Rule.history.filter(rule_id=OuterRef("pk")).order_by()
    is_other = Q(background_rate__gte=100) | Q(mapping_id=None) | ~Q(mapping_id=OuterRef("mapping_id"))
    other = of_rule.filter(is_other).order_by("-data_version").values("data_version")[:1]
    began = of_rule.filter(data_version__gt=OuterRef("other")).order_by("data_version")
    rows = Rule.objects.filter(background_rate__lt=100).exclude(mapping=None)
    rows = rows.annotate(other=Coalesce(Subquery(other), Value(0)))
    rows = rows.annotate(since=Subquery(began.values("change_set__time")[:1]))
    found = rows.filter(since__lt=before).order_by(F("since").asc(), "pk")[: SHOWN + 1]
    return [Throttle(rule, rule.since) for rule in found]


def agents() -> list[Agent]:
    """Return the agents of the last day, the most recent first; at least the last one that there was: one query."""
    now = timezone.now()
    rows: Iterable[AgentHeartbeat] = AgentHeartbeat.objects.order_by("-last_pass")[:SHOWN]
    patience = timedelta(seconds=settings.AGENT_SILENT_SECONDS)
    found = [Agent(row.name, row.last_pass, row.last_pass < now - patience) for row in rows]
    return [agent for place, agent in enumerate(found) if place == 0 or agent.last_pass > now - DAY]
