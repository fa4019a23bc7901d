"""The inbox: all open scheduled changes by what they wait for, in few queries however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import Q
from django.utils import timezone

from releng.changes.allowed import roles_held
from releng.changes.conditions import Due, due, uptake_place
from releng.changes.examination import RoleProgress
from releng.changes.kinds import TARGETS
from releng.changes.models import ScheduledChange, ScheduledWrite
from releng.changes.notices import overdue_since
from releng.changes.standing import Standing, standings
from releng.console.change_words import WriteWords, waits_for, write_words
from releng.permissions.who import people_by_role
from releng.uptake.sources import uptakes_of

DUE_SOON = timedelta(hours=24)
OVER_ON_A_PAGE = 50
MOST_READ = 5  # numbers that are read anew for one page; of the others what is stored is told

# Name -> heading and what it holds; a change stands in the first of those that it belongs to.
SECTIONS: dict[str, tuple[str, str]] = {
    "mine": ("Mine to sign", "A signoff is missing in a role that you hold."),
    "overdue": ("Overdue", "Their moment is over, and nobody has made them."),
    "suspended": ("Suspended", "They wait for somebody to look: edit, resume or cancel them."),
    "due": ("Due", "They can be made now, or their moment comes within a day."),
    "waiting": ("Waiting for others", "Signoffs of others are missing."),
    "agreed": ("Agreed", "Everybody needed has signed; they wait for their moment or a number."),
}
OVER = "over"


@dataclass(frozen=True, slots=True)
class Item:
    """One change in the inbox: how far it is, and in which roles the reader's signoff is missing."""

    standing: Standing
    my_roles: tuple[str, ...]
    state: (
        Due | None
    )  # None where its conditions were not asked: it waits for a moment, or for another change
    overdue_since: datetime | None
    people: dict[str, list[str]]
    can_be_chosen: bool  # the reader may put it together with others

    @property
    def scheduled(self) -> ScheduledChange:
        """The change."""
        return self.standing.scheduled

    @property
    def sections(self) -> set[str]:
        """The names of the sections that it belongs to."""
        scheduled, missing = self.scheduled, bool(self.standing.missing)
        if scheduled.state == ScheduledChange.State.SUSPENDED:
            return {"suspended"}
        found = {"mine"} if self.my_roles else {"waiting"} if missing else set()
        if self.overdue_since is not None:
            found.add("overdue")
        elif self.is_due:
            found.add("due")
        elif not missing:
            found.add("agreed")
        return found

    @property
    def is_due(self) -> bool:
        """Whether it can be made now, or its moment comes soon."""
        if self.state is not None and self.state.met:
            return not self.standing.missing
        moment = self.scheduled.when or self.scheduled.at_latest
        return moment is not None and self.scheduled.follows_id is None and moment < timezone.now() + DUE_SOON

    @property
    def words(self) -> list[WriteWords]:
        """What it writes, each write in words."""
        rows = self.standing.rows
        return [
            write_words(write, before) for write, (before, _) in zip(self.standing.writes, rows, strict=True)
        ]

    @property
    def waits_for(self) -> list[str]:
        """The numbers and the change that it waits for."""
        return waits_for(self.scheduled)

    @property
    def signers(self) -> list[tuple[RoleProgress, list[str]]]:
        """The roles that must agree, with those who still can."""
        return [
            (item, [name for name in self.people.get(item.role, []) if name not in item.signed])
            for item in self.standing.progress
        ]


class Filters:
    """What the address of the inbox asks for; unknown sections and empty values ask for nothing."""

    def __init__(self, asked: Any) -> None:
        self.product, self.channel, self.author, self.text = (
            asked.get(name, "").strip() for name in ("product", "channel", "author", "q")
        )
        self.target = asked.get("target", "") if asked.get("target", "") in TARGETS else ""
        self.show = asked.get("show", "") if asked.get("show", "") in {*SECTIONS, OVER} else ""

    @property
    def chosen(self) -> dict[str, str]:
        """The filters that are set, without the section."""
        asked = {
            "product": self.product,
            "channel": self.channel,
            "author": self.author,
            "target": self.target,
            "q": self.text,
        }
        return {name: value for name, value in asked.items() if value}

    def address(self, show: str) -> str:
        """Return the query of the same filters with another section."""
        return "?" + urlencode(self.chosen | ({"show": show} if show else {}))

    def rows(self) -> Any:
        """Return the changes that fit, open or not."""
        rows = ScheduledChange.objects.all()
        writes = ScheduledWrite.objects.all()
        if self.product:
            writes = writes.filter(product=self.product)
        if self.channel:
            writes = writes.filter(channel=self.channel)
        if self.target:
            writes = writes.filter(target=self.target)
        if self.product or self.channel or self.target:
            rows = rows.filter(pk__in=writes.values("scheduled_change"))
        if self.author:
            rows = rows.filter(author__username=self.author)
        if self.text:
            named = ScheduledWrite.objects.filter(object_name__icontains=self.text)
            fits = Q(reason__icontains=self.text) | Q(pk__in=named.values("scheduled_change"))
            fits |= Q(author__username__icontains=self.text)
            if self.text.isascii() and self.text.isdigit() and len(self.text) < 10:
                fits |= Q(pk=int(self.text))
            rows = rows.filter(fits)
        return rows


class Inbox:
    """What one person sees: the open changes that fit the filters, by section, and how many each section has."""

    def __init__(self, user: Any, filters: Filters) -> None:
        self.filters = filters
        self._user = user
        rows = filters.rows().filter(state__in=ScheduledChange.OPEN).select_related("author", "follows")
        found = list(rows.order_by("pk"))
        self.items = self._items(found)

    def _items(self, found: Sequence[ScheduledChange]) -> list[Item]:
        if not found:
            return []
        now, roles, people = timezone.now(), roles_held(self._user), people_by_role()
        followers = ScheduledChange.objects.open().exclude(follows=None)
        followed = set(followers.values_list("follows_id", flat=True))
        asked = {scheduled.pk for scheduled in found if _is_asked(scheduled, now)}
        places = (uptake_place(scheduled) for scheduled in found if scheduled.pk in asked)
        uptakes = uptakes_of({place for place in places if place is not None}, MOST_READ)
        items = []
        for standing in standings(found, people):
            state = due(standing.scheduled, now, uptakes) if standing.scheduled.pk in asked else None
            late = overdue_since(standing.scheduled, state, now) if state is not None else None
            mine = tuple(standing.can_be_signed_by(self._user, roles))
            alone = standing.scheduled.follows_id is None and standing.scheduled.pk not in followed
            items.append(
                Item(
                    standing,
                    mine,
                    state,
                    late,
                    people,
                    can_be_chosen=alone
                    and standing.scheduled.state == ScheduledChange.State.PENDING
                    and standing.could_be_proposed_by(self._user),
                )
            )
        return sorted(items, key=_when)

    @cached_property
    def sections(self) -> list[tuple[str, str, str, list[Item]]]:
        """The sections that are shown: name, heading, what it holds, and its changes; the empty ones are left out."""
        found: dict[str, list[Item]] = {name: [] for name in SECTIONS}
        for item in self.items:
            if self.filters.show:
                if self.filters.show in item.sections:
                    found[self.filters.show].append(item)
                continue
            found[next(name for name in SECTIONS if name in item.sections)].append(item)
        return [(name, *SECTIONS[name], items) for name, items in found.items() if items]

    @property
    def counts(self) -> list[tuple[str, str, int, str]]:
        """For each section its name, heading, how many changes belong to it, and the address that shows them alone."""
        return [
            (
                name,
                heading,
                sum(name in item.sections for item in self.items),
                self.filters.address(name),
            )
            for name, (heading, _) in SECTIONS.items()
        ]

    @property
    def choosable(self) -> bool:
        """Whether there are two changes at least that the reader may put together."""
        return sum(item.can_be_chosen for item in self.items) > 1

    @cached_property
    def facets(self) -> dict[str, list[str]]:
        """Products, channels and authors of the open changes, for the filters."""
        rows = ScheduledWrite.objects.filter(scheduled_change__state__in=ScheduledChange.OPEN).order_by()
        columns = ("product", "channel", "scheduled_change__author__username")
        found = set(rows.values_list(*columns))
        names = ("products", "channels", "authors")
        return {name: sorted({row[place] for row in found} - {None, ""}) for place, name in enumerate(names)}


def over(filters: Filters, page: int) -> Any:
    """Return a page of the changes whose end is decided, the newest first."""
    rows = filters.rows().exclude(state__in=ScheduledChange.OPEN)
    rows = rows.select_related("author", "enacted_by").prefetch_related("writes").order_by("-pk")
    return Paginator(rows, OVER_ON_A_PAGE).get_page(page)


def _is_asked(scheduled: ScheduledChange, now: datetime) -> bool:
    """Tell whether the conditions of a change are worth asking for: it waits for nothing else, no moment or change."""
    if scheduled.state != ScheduledChange.State.PENDING:
        return False
    if scheduled.follows is not None and scheduled.follows.state != ScheduledChange.State.ENACTED:
        return False
    late = scheduled.at_latest is not None and scheduled.at_latest <= now
    return late or scheduled.when is None or scheduled.when <= now


def _when(item: Item) -> tuple[bool, float, int]:
    """Sort by moment; those without one come first: they happen as soon as somebody signs."""
    moment = item.scheduled.when or item.scheduled.at_latest
    root = item.scheduled.follows_id or item.scheduled.pk
    if moment is None:
        return item.scheduled.follows_id is not None, 0.0, root
    return True, moment.timestamp(), root
