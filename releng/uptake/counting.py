"""Counting update requests in memory, on the request path; the recorder writes them down beside it.

A request costs one step of a counter that its remembered answer leads to. Counts are kept by minutes: with each
minute begins a new page, so that what hostile requests have filled is empty again.
"""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from datetime import datetime

from django.utils import timezone

from releng.uptake.clients import Client, Limits, Roster, client_of

LIMITS = Limits(clients=500, channels=50)  # of one product in one minute and worker
TICKETS_SHARED = 10_000

# How many requests came in a minute (its beginning) from a kind of client.
Counts = dict[tuple[datetime, Client], int]


class _Cell:
    """Counts one key of one minute. Requests call nothing but `tick`."""

    __slots__ = ("_last", "key", "tick", "total")

    def __init__(self, key: Client) -> None:
        self.key = key
        # One step of C code: no other thread can come between reading the number and adding to it.
        self.tick: Callable[[], int] = itertools.count().__next__
        self.total = 0
        self._last = -1

    def take(self) -> int:
        """Return how many requests were counted since the last call; one thread at a time."""
        before, self._last = self._last, self.tick()
        requests = self._last - before - 1
        self.total += requests
        return requests


class _Page:
    """The cells of one minute."""

    def __init__(self, minute: datetime, limits: Limits) -> None:
        self.minute = minute
        self._limits = limits
        self._roster = Roster(limits)
        self._cells: dict[Client, _Cell] = {}

    def cell(self, client: Client) -> _Cell:
        key = self._roster.key_of(client)
        found = self._cells.get(key)
        if found is None:
            found = self._cells[key] = _Cell(key)
        return found

    def take(self) -> Counts:
        taken = ((cell.key, cell.take()) for cell in self._cells.values())
        return {(self.minute, key): requests for key, requests in taken if requests}

    def next(self, minute: datetime) -> _Page:
        """Return the page after this one; the busiest half of the keys keep their places.

        So what real clients send is told apart whoever floods the rest with made-up versions.
        """
        page = _Page(minute, self._limits)
        kept: dict[str, int] = defaultdict(int)
        for cell in sorted(self._cells.values(), key=lambda cell: -cell.total):
            kept[cell.key.product] += 1
            if kept[cell.key.product] <= self._limits.clients // 2:
                page.cell(cell.key)
        return page


class Ticket:
    """What a request counts as, and where it was counted last; remembered with the answer."""

    __slots__ = ("client", "page", "tick")

    def __init__(self, client: Client) -> None:
        self.client = client
        self.page: _Page | None = None
        self.tick: Callable[[], int] = int


class Counter:
    """Counts the requests of one process, in all its threads. Memory and keys are bounded by `limits`."""

    def __init__(self, limits: Limits = LIMITS, now: Callable[[], datetime] = timezone.now) -> None:
        self._limits = limits
        self._now = now
        self._tickets: dict[tuple[str, ...], Ticket] = {}
        self.clear()

    def clear(self) -> None:
        """Forget everything, and hold nothing that another process may hold."""
        self._lock = threading.Lock()
        self._page = _Page(_minute_of(self._now()), self._limits)
        self._left: _Page | None = None

    def ticket(
        self, product: str, channel: str, version: str, build_target: str, known_products: Collection[str]
    ) -> Ticket:
        """Return the ticket of a request's client; the same one for all requests like it, as far as there is room."""
        found = self._tickets.get((product, channel, version, build_target))  # as most requests say it
        if found is not None and product in known_products:
            return found
        client = client_of(product, channel, version, build_target, known_products)
        found = self._tickets.get(client)
        if found is None:
            if len(self._tickets) >= TICKETS_SHARED:
                self._tickets = {}
            found = self._tickets[client] = Ticket(client)
        return found

    def count(self, ticket: Ticket) -> None:
        """Count one request."""
        if ticket.page is not self._page:
            self._place(ticket)
        ticket.tick()

    def take(self) -> Counts:
        """Return what was counted since the last call, by minutes."""
        with self._lock:
            counts = self._page.take()
            if self._left is not None:
                counts |= self._left.take()
                self._left = None
            minute = _minute_of(self._now())
            if minute != self._page.minute:
                # Requests under way may still count on the old page: it is taken once more the next time.
                self._left, self._page = self._page, self._page.next(minute)
            return counts

    def _place(self, ticket: Ticket) -> None:
        with self._lock:
            # In this order: a thread that sees the page must find its tick.
            ticket.tick = self._page.cell(ticket.client).tick
            ticket.page = self._page


def _minute_of(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
