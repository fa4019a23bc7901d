"""Keeps one process's snapshot fresh: looks for changes beside the running service, never on a request's path."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, InterfaceError, connections

from releng.updates.loader import SnapshotLoader
from rules.engine.snapshot import Snapshot

logger = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Freshness:
    """How a snapshot compares with the database: `problem` is empty while the last look succeeded."""

    generation: int | None
    checked_seconds_ago: float | None
    problem: str


class SnapshotKeeper:
    """Holds the running snapshot of this process and replaces it when the database has moved on.

    `snapshot` is None until the first load has succeeded. A thread looks at the generation row at most once a second;
    when the number differs it builds a new snapshot beside the running one and swaps them in one assignment.
    When the database cannot be asked, the running snapshot goes on, and `freshness()` says why.
    """

    def __init__(
        self, loader: SnapshotLoader | None = None, every_seconds: float = LOOK_EVERY_SECONDS
    ) -> None:
        self.snapshot: Snapshot | None = None
        self._loader = loader or SnapshotLoader()
        self._every_seconds = every_seconds
        self._checked_at: float | None = None
        self._problem = "nothing has been loaded yet"
        self._watching_pid: int | None = None
        self._start_lock = threading.Lock()
        self._stop = threading.Event()

    def freshness(self) -> Freshness:
        """Tell which generation is served and how the last look at the database went."""
        return Freshness(
            generation=self.snapshot.generation if self.snapshot is not None else None,
            checked_seconds_ago=time.monotonic() - self._checked_at if self._checked_at is not None else None,
            problem=self._problem,
        )

    def refresh(self) -> bool:
        """Look at the database once; return whether the snapshot was replaced. Never raises for a sick database."""
        try:
            found = self._loader.load(self.snapshot)
        except (DatabaseError, InterfaceError) as error:
            if not self._problem:
                logger.warning("updates.database_away", extra={"error": type(error).__name__})
            self._problem = f"the database cannot be read ({type(error).__name__})"
            connections.close_all()
            return False
        if self._problem and self.snapshot is not None:
            logger.info("updates.database_back")
        self._checked_at, self._problem = time.monotonic(), ""
        replaced = found is not self.snapshot
        first = self.snapshot is None
        self.snapshot = found
        if first:
            # What lives as long as the process need not be visited by every collection.
            gc.collect()
            gc.freeze()
        return replaced

    def ensure_watching(self) -> None:
        """Start the watching thread in this process, once: servers fork after the application is loaded."""
        if self._watching_pid == os.getpid():
            return
        with self._start_lock:
            if self._watching_pid == os.getpid():
                return
            connections.close_all()  # a connection must not be shared with the parent process
            self._stop = threading.Event()
            threading.Thread(target=self._watch, name="snapshot-keeper", daemon=True).start()
            self._watching_pid = os.getpid()

    def stop(self) -> None:
        """End the watching thread after its current look."""
        self._stop.set()
        self._watching_pid = None

    def _watch(self) -> None:
        stop = self._stop
        try:
            while not stop.wait(self._every_seconds):
                self._guarded(self.refresh)
        finally:
            connections.close_all()

    def _guarded(self, look: Callable[[], Any]) -> None:
        try:
            look()
        except Exception as error:
            self._problem = f"the snapshot could not be built ({type(error).__name__})"
            logger.exception("updates.snapshot_failed")
