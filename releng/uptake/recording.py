"""Writing counts down beside the requests: every few seconds, in a thread of each process."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import defaultdict
from multiprocessing.util import Finalize

from django.db import DatabaseError, InterfaceError, connections, transaction

from releng.uptake.clients import Client, commonest
from releng.uptake.counting import LIMITS, Counter, Counts
from releng.uptake.folding import fold
from releng.uptake.rows import Level, add

logger = logging.getLogger(__name__)

FOLD_EVERY_SECONDS = 300.0
MINUTES_WAITING = 10  # counts of more minutes than these do not wait apart for a database that is away
LAST_FLUSH_SECONDS = 5.0


class Recorder:
    """Writes a counter down; a crash loses what was counted since the last flush, a clean stop nothing."""

    def __init__(self, counter: Counter, every_seconds: float) -> None:
        self.counter = counter
        self._every_seconds = every_seconds
        self._waiting: Counts = {}
        self._is_away = False
        self._fold_at = 0.0
        self._pid: int | None = None
        self._start_lock = threading.Lock()
        self._flush_lock = threading.Lock()
        self._stop = threading.Event()

    def ensure_running(self) -> None:
        """Start the thread in this process, once: servers fork after the application is loaded."""
        if self._pid == os.getpid():
            return
        with self._start_lock:
            if self._pid == os.getpid():
                return
            if self._pid is not None:  # a fork: what was counted before it is the parent's
                self.counter.clear()
                self._waiting = {}
                self._flush_lock = threading.Lock()
            self._stop = threading.Event()
            threading.Thread(target=self._run, name="uptake-recorder", daemon=True).start()
            # Unlike atexit alone, this also runs where a server's workers are processes of multiprocessing.
            Finalize(None, self.stop, exitpriority=0)
            self._pid = os.getpid()

    def stop(self) -> None:
        """End the thread, and write down what is left."""
        self._stop.set()
        self._pid = None
        self.flush(patience_seconds=LAST_FLUSH_SECONDS)

    def flush(self, patience_seconds: float = -1) -> bool:
        """Write down what was counted; return whether that worked. What cannot be written waits for the next time."""
        if not self._flush_lock.acquire(timeout=patience_seconds):
            return False
        try:
            return self._flush()
        finally:
            self._flush_lock.release()

    def _flush(self) -> bool:
        for key, requests in self.counter.take().items():
            self._waiting[key] = self._waiting.get(key, 0) + requests
        self._waiting = _shortened(self._waiting)
        if not self._waiting:
            return True
        try:
            with transaction.atomic():
                add(Level.MINUTE, self._waiting)
        except (DatabaseError, InterfaceError) as error:
            if not self._is_away:
                logger.warning("uptake.not_written", extra={"error": type(error).__name__})
            self._is_away = True
            connections.close_all()
            return False
        if self._is_away:
            logger.info("uptake.written_again")
        self._is_away = False
        self._waiting = {}
        return True

    def _run(self) -> None:
        stop = self._stop
        try:
            while not stop.wait(self._every_seconds):
                try:
                    if self.flush() and time.monotonic() >= self._fold_at:
                        self._fold_at = time.monotonic() + FOLD_EVERY_SECONDS
                        fold()
                except Exception:  # counting must go on
                    logger.exception("uptake.failed")
                    connections.close_all()
        finally:
            connections.close_all()


def _shortened(waiting: Counts) -> Counts:
    """Return counts of at most MINUTES_WAITING minutes: the oldest are counted with the next one."""
    minutes = sorted({minute for minute, _ in waiting})
    if len(minutes) <= MINUTES_WAITING:
        return waiting
    first = minutes[-MINUTES_WAITING]
    old: dict[Client, int] = defaultdict(int)
    for (minute, client), requests in waiting.items():
        if minute <= first:
            old[client] += requests
    kept = {key: requests for key, requests in waiting.items() if key[0] > first}
    return kept | {(first, client): requests for client, requests in commonest(old, LIMITS).items()}
