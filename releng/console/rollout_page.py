"""Rollouts: for a product and channel the uptake of each version over time, what changed the rules, and the target."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from history.diff import diff_fields
from releng.changes.models import ScheduledChange
from releng.console.goodstates import DECIDING, State, states_of
from releng.console.pages import Page, render_page
from releng.console.places import Place, known_places, rules_of
from releng.console.rollout_chart import Target, drawn
from releng.console.rule_words import LABELS
from releng.permissions.who import people_allowed
from releng.uptake.models import UptakeCount
from releng.uptake.sources import Reading, Unknown, series, uptake_of
from releng.uptake.trends import Projection, Trend, projected, spelled, trend
from rules.models import Rule

VIEW, PLAN = "rules.view_rule", "rules.change_rule"
VERSIONS_SHOWN = 6
ROWS_SHOWN = 28
MARKS_SHOWN = 12
DAY = timedelta(days=1)
# What can be asked for -> how long it is, and from how much of it a target is projected.
SPANS: dict[str, tuple[str, timedelta, timedelta]] = {
    "6h": ("6 hours", timedelta(hours=6), timedelta(hours=2)),
    "1d": ("1 day", DAY, timedelta(hours=12)),
    "3d": ("3 days", 3 * DAY, DAY),
    "7d": ("7 days", 7 * DAY, DAY),
    "14d": ("14 days", 14 * DAY, 2 * DAY),
    "30d": ("30 days", 30 * DAY, 7 * DAY),
}
DEFAULT_SPAN = "7d"


@dataclass(frozen=True, slots=True)
class Aim:
    """A target: of a scheduled change that waits for it, or only asked about."""

    version: str
    percent: float
    now: Reading | Unknown
    projection: Projection
    scheduled: ScheduledChange | None = None

    @property
    def value(self) -> float | None:
        """What the source of uptake says now; None while it is unknown."""
        return self.now.value if isinstance(self.now, Reading) else None


@dataclass(frozen=True, slots=True)
class Marked:
    """What changed the decisions at a moment."""

    number: str
    state: State
    what: list[str]


def rollouts(request: HttpRequest) -> HttpResponse:
    """One product and channel; without one, all that rules name and what waits for uptake."""
    product, channel = (request.GET.get(name, "").strip() for name in ("product", "channel"))
    user: Any = request.user
    if not product or not channel:
        return render_page(
            request,
            "changes/rollouts.html",
            "Rollouts",
            places=_places(),
            waiting=_waiting(),
            may_plan=user.has_perm(PLAN),
            planners=[] if user.has_perm(PLAN) else people_allowed(PLAN),
        )
    span_name = request.GET.get("span", "")
    span_name = span_name if span_name in SPANS else DEFAULT_SPAN
    label, span, recent = SPANS[span_name]
    now = timezone.now()
    since = now - span
    found_series = series(product, channel, since, now)
    asked = _asked(request)
    waiting = [
        scheduled
        for scheduled in _waiting()
        if (scheduled.uptake_product, scheduled.uptake_channel) == (product, channel)
    ]
    wanted = [str(scheduled.uptake_version) for scheduled in waiting] + ([asked[0]] if asked else [])
    trended = trend(found_series, VERSIONS_SHOWN, wanted)
    aims = _aims(product, channel, trended, waiting, asked, recent, now)
    marks = _marks(product, channel, since)
    rules = rules_of(Place(product, channel))
    plannable = [rule for rule in rules if rule.product and rule.channel and user.has_perm(PLAN, rule)]
    chart = None
    if len(trended.steps) > 1 and trended.versions:
        chart = drawn(
            trended,
            since,
            now,
            targets=[
                Target(aim.version, aim.percent, aim.projection.expected)
                for aim in aims
                if aim.scheduled is None or aim.scheduled.uptake_build_target is None
            ],
            marks=[(mark.state.since, mark.number) for mark in marks],
            limits=[scheduled.at_latest for scheduled in waiting if scheduled.at_latest],
        )
    return render_page(
        request,
        "changes/rollout.html",
        f"Rollout: {product} {channel}",
        product=product,
        channel=channel,
        spans=[(name, text, name == span_name) for name, (text, _, _) in SPANS.items()],
        span_name=span_name,
        span_label=label,
        recent=spelled(recent),
        chart=chart,
        trend=trended,
        rows=_rows(trended),
        aims=aims,
        asked=asked,
        marks=marks,
        least=settings.UPTAKE_LEAST_REQUESTS,
        is_own_traffic=settings.UPTAKE_SOURCE == "traffic",
        rules=[rule for rule in rules if rule.product == product and rule.channel and rule.mapping_id],
        plannable=plannable[:1],
        planners=[] if plannable else people_allowed(PLAN, Rule(product=product)),
    )


def _asked(request: HttpRequest) -> tuple[str, float] | None:
    """Return the version and target that the address asks about."""
    version = request.GET.get("version", "").strip()[:75]
    try:
        target = float(request.GET.get("target", ""))
    except ValueError:
        return None
    return (version, target) if version and 0 < target <= 100 else None


def _waiting() -> list[ScheduledChange]:
    """Return the open changes that wait for an uptake."""
    rows = ScheduledChange.objects.open().exclude(uptake_percent=None).select_related("author", "follows")
    return list(rows.order_by("uptake_product", "uptake_channel", "pk"))


def _places() -> list[dict[str, Any]]:
    """Return the products and channels that rules name, with the requests of the last day: four queries."""
    rows = UptakeCount.objects.filter(start__gte=timezone.now() - DAY).order_by()
    counted = {
        (product, channel): total
        for product, channel, total in rows.values_list("product", "channel").annotate(total=Sum("requests"))
    }
    return [
        {
            "product": product,
            "channel": channel,
            "requests": counted.get((product, channel), 0),
            "query": urlencode({"product": product, "channel": channel}),
        }
        for product, channels in known_places().items()
        for channel in channels
    ]


def _aims(
    product: str,
    channel: str,
    trended: Trend,
    waiting: list[ScheduledChange],
    asked: tuple[str, float] | None,
    recent: timedelta,
    now: datetime,
) -> list[Aim]:
    wanted: list[tuple[str, float, ScheduledChange | None]] = [
        (str(scheduled.uptake_version), float(scheduled.uptake_percent or 0), scheduled)
        for scheduled in waiting
    ]
    if asked is not None:
        wanted.append((*asked, None))
    found = []
    for version, percent, scheduled in wanted:
        build_target = scheduled.uptake_build_target if scheduled is not None else None
        if build_target:
            projection = Projection(why="it is counted on one platform, and the chart shows all")
        else:
            projection = projected(trended.points(version), percent, recent, now)
        reading = uptake_of(product, channel, version, build_target)
        found.append(Aim(version, percent, reading, projection, scheduled))
    return found


def _marks(product: str, channel: str, since: datetime) -> list[Marked]:
    """Return what changed the decisions since a moment, the oldest first; numbered as on the chart."""
    states = states_of(product, channel)
    found = [(state, _changed(older, state)) for state, older in pairwise(states) if state.since >= since][
        :MARKS_SHOWN
    ]
    return [Marked(str(number), state, what) for number, (state, what) in enumerate(reversed(found), start=1)]


def _changed(older: State, state: State) -> list[str]:
    """Return in words what is decided otherwise than before."""
    before, after = ({rule.rule_id: rule for rule in one.rules} for one in (older, state))
    told = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        name = _name(new if new is not None else old)
        if old is None or new is None:
            told.append(f"{name} {'deleted' if new is None else 'made'}")
            continue
        rows = [{field: getattr(row, field) for field in DECIDING} for row in (old, new)]
        told += [
            f"{name}: {_label(change.name)} {_said(change.old)} \u2192 {_said(change.new)}"
            for change in diff_fields(rows[0], rows[1])
        ]
    if older.stopped != state.stopped:
        told.append("updates stopped" if state.stopped else "updates resumed")
    return told


def _name(rule: Any) -> str:
    return f"rule {rule.alias or rule.rule_id}"


def _label(name: str) -> str:
    plain = name.removesuffix("_id") if name.endswith("_id") and name != "build_id" else name
    return LABELS.get(plain, plain.replace("_", " "))


def _said(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _rows(trended: Trend) -> list[dict[str, Any]]:
    """Return the table beside the chart: neighbouring steps are put together where there are many."""
    size = max(1, -(-len(trended.steps) // ROWS_SHOWN))
    found = []
    for place in range(0, len(trended.steps), size):
        steps = trended.steps[place : place + size]
        total = sum(requests for _, requests in steps)
        shares = []
        for version in trended.versions:
            part = trended.shares[version][place : place + size]
            mine = sum(share * requests for share, (_, requests) in zip(part, steps, strict=True))
            shares.append(mine / total if total else 0.0)
        found.append({"start": steps[0][0], "requests": total, "shares": shares})
    return found[::-1]


PAGES: tuple[Page, ...] = (Page("rollouts/", "rollouts", rollouts, (VIEW,), "Rollouts"),)
