"""The calendar: what happens when, by product and channel; what was made, what will be, and what has no moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.dateparse import parse_date

from releng.changes.models import ScheduledChange
from releng.changes.standing import Standing, standings
from releng.console.change_words import waits_for, write_words
from releng.console.pages import Page, render_page

VIEW = "changes.view_scheduledchange"
DAYS = 7
ENACTED_SHOWN = 200  # of one week; a crowd of them would hide what is ahead

Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One change at one moment in one place. `is_limit`: that is its latest moment, it may happen before."""

    scheduled: ScheduledChange
    place: Place
    moment: datetime | None
    title: str
    missing: dict[str, int]
    is_limit: bool = False

    @property
    def is_late(self) -> bool:
        """Whether it should have been made: its moment is over, and it waits for nothing else but signoffs."""
        waits = self.waits_for and not self.is_limit
        is_over = self.moment is not None and self.moment < timezone.now()
        return is_over and not waits and self.scheduled.state == ScheduledChange.State.PENDING

    @property
    def waits_for(self) -> list[str]:
        """The numbers and the change that it waits for."""
        return waits_for(self.scheduled)


@dataclass
class Day:
    """One day of one place."""

    date: date
    is_today: bool
    entries: list[Entry] = field(default_factory=list)


@dataclass
class Row:
    """One product and channel: its days."""

    product: str
    channel: str
    days: list[Day]


def calendar(request: HttpRequest) -> HttpResponse:
    """A week of scheduled changes; `from` is its first day, `product` and `channel` leave the others out."""
    today = timezone.now().astimezone(UTC).date()
    first = _first_day(request.GET.get("from", ""), today)
    product, channel = (request.GET.get(name, "").strip() for name in ("product", "channel"))
    entries = [
        entry
        for entry in _entries(first)
        if product in ("", entry.place[0]) and channel in ("", entry.place[1])
    ]
    dates = [first + timedelta(days=number) for number in range(DAYS)]
    rows: dict[Place, Row] = {}
    undated = []
    for entry in sorted(entries, key=lambda entry: (entry.place, entry.moment or _start(first))):
        if entry.moment is None:
            undated.append(entry)
            continue
        row = rows.get(entry.place)
        if row is None:
            row = rows[entry.place] = Row(*entry.place, [Day(day, day == today) for day in dates])
        row.days[(entry.moment.astimezone(UTC).date() - first).days].entries.append(entry)
    asked = {name: value for name, value in (("product", product), ("channel", channel)) if value}
    return render_page(
        request,
        "changes/calendar.html",
        "Calendar",
        rows=list(rows.values()),
        undated=undated,
        dates=[(day, day == today) for day in dates],
        first=first,
        last=dates[-1],
        product=product,
        channel=channel,
        places=sorted({entry.place for entry in entries}),
        before="?" + urlencode(asked | {"from": (first - timedelta(days=DAYS)).isoformat()}),
        after="?" + urlencode(asked | {"from": (first + timedelta(days=DAYS)).isoformat()}),
        now="?" + urlencode(asked),
        is_now=first == today,
    )


def _first_day(text: str, today: date) -> date:
    try:
        found = parse_date(text)
    except ValueError:
        found = None
    # Years that dates cannot leave on either side.
    return found if found is not None and 1990 <= found.year <= 2200 else today


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _entries(first: date) -> list[Entry]:
    since, until = _start(first), _start(first + timedelta(days=DAYS))
    within = Q(when__gte=since, when__lt=until) | Q(at_latest__gte=since, at_latest__lt=until)
    undated = Q(when=None, at_latest=None)
    rows = ScheduledChange.objects.open().filter(within | undated).select_related("author", "follows")
    made = ScheduledChange.objects.filter(enacted_at__gte=since, enacted_at__lt=until)
    made = made.select_related("author", "enacted_by").prefetch_related("writes").order_by("-enacted_at")
    found = [entry for scheduled in made[:ENACTED_SHOWN] for entry in _made(scheduled)]
    for standing in standings(list(rows)):
        found += _ahead(standing, since, until)
    return found


def _ahead(standing: Standing, since: datetime, until: datetime) -> Iterable[Entry]:
    scheduled = standing.scheduled
    moments = [
        (moment, is_limit)
        for moment, is_limit in ((scheduled.when, False), (scheduled.at_latest, True))
        if moment is not None and since <= moment < until
    ]
    if scheduled.when is None and scheduled.at_latest is None:
        moments = [(None, False)]  # type: ignore[list-item]  # as soon as somebody signs, or a number is there
    for place, titles in _titles(
        (write, before) for write, (before, _) in zip(standing.writes, standing.rows, strict=True)
    ).items():
        for moment, is_limit in moments:
            yield Entry(scheduled, place, moment, titles, standing.missing, is_limit)


def _made(scheduled: ScheduledChange) -> Iterable[Entry]:
    for place, titles in _titles((write, None) for write in scheduled.writes.all()).items():
        yield Entry(scheduled, place, scheduled.enacted_at, titles, {})


def _titles(writes: Iterable[tuple[Any, Any]]) -> dict[Place, str]:
    found: dict[Place, list[str]] = defaultdict(list)
    for write, before in writes:
        words = write_words(write, before)
        pairs = ", ".join(f"{pair.label} {pair.new}" for pair in words.pairs[:2] if not pair.is_document)
        told = f"{words.title}: {pairs}" if pairs and words.change == "update" else words.title
        found[write.product or "", write.channel or ""].append(told)
    return {
        place: titles[0] + (f" and {len(titles) - 1} more" if len(titles) > 1 else "")
        for place, titles in found.items()
    }


PAGES: tuple[Page, ...] = (Page("changes/calendar/", "changes_calendar", calendar, (VIEW,), "Calendar"),)
