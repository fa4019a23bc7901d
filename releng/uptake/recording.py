"""Writing counts down: minutes while they are young, then hours, then days."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError, connection, connections, transaction
from django.utils import timezone

from releng.uptake.counting import OTHER, Client, Counter, Counts
from releng.uptake.models import UptakeCount

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 500
MINUTES_KEPT = timedelta(hours=3)
HOURS_KEPT = timedelta(days=60)
DAYS_KEPT = timedelta(days=800)
MOST_KEYS_FOLDED = 2_000  # of one product in an hour or day; the rarest beyond become OTHER
FOLD_EVERY_FLUSHES = 60

Level = UptakeCount.Level


class Recorder:
    """Writes a counter down every few seconds, in a thread of each process; a crash loses one interval at most."""

    def __init__(self, counter: Counter, every_seconds: float) -> None:
        self.counter = counter
        self._every_seconds = every_seconds
        self._pid: int | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def ensure_running(self) -> None:
        """Start the thread in this process, once: servers fork after the application is loaded."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid == os.getpid():
                return
            self.counter.take()  # what was counted before the fork is the parent's
            self._stop = threading.Event()
            threading.Thread(target=self._run, name="uptake-recorder", daemon=True).start()
            atexit.register(self.flush)
            self._pid = os.getpid()

    def stop(self) -> None:
        """End the thread, and write down what is left."""
        self._stop.set()
        self._pid = None
        self.flush()

    def flush(self) -> bool:
        """Write down what was counted; what cannot be written is kept for the next time."""
        counts = self.counter.take()
        if not counts:
            return True
        try:
            add(counts, timezone.now())
        except (DatabaseError, InterfaceError) as error:
            self.counter.give_back(counts)
            connections.close_all()
            logger.warning("uptake.not_written: %s", type(error).__name__)
            return False
        return True

    def _run(self) -> None:
        stop, flushes = self._stop, 0
        try:
            while not stop.wait(self._every_seconds):
                flushes += 1
                try:
                    if self.flush() and flushes % FOLD_EVERY_FLUSHES == 1:
                        fold()
                except Exception:  # counting must go on
                    logger.exception("uptake.failed")
                    connections.close_all()
        finally:
            connections.close_all()


def add(counts: Counts, now: datetime) -> None:
    """Add counts to the rows of the minute that `now` is in; all of them or none."""
    minute = now.replace(second=0, microsecond=0)
    with transaction.atomic():
        _add(Level.MINUTE, ((minute, client, requests) for client, requests in counts.items()))


def fold(now: datetime | None = None) -> None:
    """Fold old minutes into hours, and old hours into days; drop days that are too old.

    Several processes may do so at once: each row is folded once, and the sums stay.
    """
    now = timezone.now() if now is None else now
    hour = now.replace(minute=0, second=0, microsecond=0)
    _fold(Level.MINUTE, Level.HOUR, hour - MINUTES_KEPT)
    _fold(Level.HOUR, Level.DAY, hour.replace(hour=0) - HOURS_KEPT)
    UptakeCount.objects.filter(level=Level.DAY, start__lt=now - DAYS_KEPT).delete()


def _fold(level: Level, into: Level, before: datetime) -> None:
    while True:
        with transaction.atomic():
            old = UptakeCount.objects.filter(level=level, start__lt=before)
            first = old.order_by("start").values_list("start", flat=True).first()
            if first is None:
                return
            start = first.replace(minute=0, hour=0 if into == Level.DAY else first.hour)
            end = start + (timedelta(days=1) if into == Level.DAY else timedelta(hours=1))
            rows = list(old.filter(start__lt=end).select_for_update(skip_locked=True).order_by("pk"))
            if not rows:
                return  # another process is at it
            sums: dict[Client, int] = defaultdict(int)
            for row in rows:
                sums[Client(row.product, row.channel, row.version, row.build_target)] += row.requests
            UptakeCount.objects.filter(pk__in=[row.pk for row in rows]).delete()
            _add(into, ((start, client, requests) for client, requests in _commonest(sums).items()))


def _commonest(sums: dict[Client, int]) -> Counts:
    """Keep the commonest clients of each product apart, and count the rest as one."""
    by_product: dict[str, list[Client]] = defaultdict(list)
    for client in sums:
        by_product[client.product].append(client)
    found: Counts = {}
    for product, clients in by_product.items():
        clients.sort(key=lambda client: (-sums[client], client))
        for position, client in enumerate(clients):
            kept = client if position < MOST_KEYS_FOLDED else Client(product, OTHER, OTHER, OTHER)
            found[kept] = found.get(kept, 0) + sums[client]
    return found


def _add(level: Level, counted: Iterable[tuple[datetime, Client, int]]) -> None:
    # In one order, so that two workers that add to the same rows cannot wait for each other.
    rows = sorted((start, client, requests) for start, client, requests in counted)
    table = connection.ops.quote_name(UptakeCount._meta.db_table)
    for position in range(0, len(rows), ROWS_AT_ONCE):
        batch = rows[position : position + ROWS_AT_ONCE]
        marks = ", ".join(["(%s, %s, %s, %s, %s, %s, %s)"] * len(batch))
        sql = (
            f"INSERT INTO {table} (level, start, product, channel, version, build_target, requests) "
            f"VALUES {marks} ON CONFLICT (product, channel, level, start, version, build_target) "
            f"DO UPDATE SET requests = {table}.requests + excluded.requests"
        )
        adapt = connection.ops.adapt_datetimefield_value
        values = [
            value
            for start, client, requests in batch
            for value in (level.value, adapt(start), *client, requests)
        ]
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
