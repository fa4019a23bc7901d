"""What load balancers, crawlers and operators ask the public service (protocol.md sections 1 and 10)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections

from releng.updates.keeper import SnapshotKeeper
from rules.engine.render import TEXT_TYPE, Answer

STALE_AFTER_SECONDS = 10.0
ROBOTS = "# Per bug 997919, we don't want anything indexable\nUser-agent: *\nDisallow: /\n"
NO_CACHE = [("Cache-Control", "no-cache")]


@dataclass(frozen=True, slots=True)
class Page:
    """An answer with headers that replace or join the usual ones."""

    answer: Answer
    headers: list[tuple[str, str]] = field(default_factory=list)


class Health:
    """The fixed pages, by path. `problems` tells what else is wrong, where the process has more to do."""

    def __init__(self, keeper: SnapshotKeeper, problems: Callable[[], list[str]] | None = None) -> None:
        self._keeper = keeper
        self._problems = problems
        self._pages: dict[str, Callable[[], Page]] = {
            "/__heartbeat__": self._heartbeat,
            "/__lbheartbeat__": lambda: Page(Answer(200, TEXT_TYPE, b"OK!"), NO_CACHE),
            "/__version__": lambda: Page(Answer(200, "application/json", _version()), NO_CACHE),
            "/robots.txt": lambda: Page(Answer(200, TEXT_TYPE, ROBOTS.encode()), NO_CACHE),
            "/contribute.json": lambda: Page(Answer(200, "application/json", _contribute()), NO_CACHE),
        }

    def page(self, path: str) -> Page | None:
        """Return the page at `path`, or None when it is none of these."""
        make = self._pages.get(path)
        return make() if make is not None else None

    def _heartbeat(self) -> Page:
        """The number of rules; 502 and the reason when the snapshot does not follow the database."""
        self._keeper.ensure_watching()
        freshness = self._keeper.freshness()
        snapshot = self._keeper.snapshot
        age = freshness.checked_seconds_ago
        if snapshot is None or freshness.problem or age is None or age > STALE_AFTER_SECONDS:
            reason = freshness.problem or "the database has not been asked for too long"
            served = "nothing" if snapshot is None else f"generation {snapshot.generation}"
            return Page(Answer(502, TEXT_TYPE, f"unhealthy: {reason}; serving {served}\n".encode()), NO_CACHE)
        if found := self._further_problems():
            return Page(Answer(502, TEXT_TYPE, f"unhealthy: {'; '.join(found)}\n".encode()), NO_CACHE)
        body = str(len(snapshot.index.rules)).encode()
        return Page(Answer(200, TEXT_TYPE, body), [("Cache-Control", "public, max-age=60")])

    def _further_problems(self) -> list[str]:
        if self._problems is None:
            return []
        close_old_connections()  # no request of Django's does it here
        try:
            return self._problems()
        except (DatabaseError, InterfaceError) as error:
            return [f"the database cannot be read ({type(error).__name__})"]


@cache
def _version() -> bytes:
    file = Path(settings.BASE_DIR) / "version.json"
    if file.is_file():
        return file.read_bytes()
    unknown = {"source": "unknown", "version": "unknown", "commit": "unknown", "build": "unknown"}
    return json.dumps(unknown).encode()


@cache
def _contribute() -> bytes:
    return json.dumps(
        {
            "name": "releng",
            "description": "Update server and release management.",
            "keywords": ["python", "django", "updates", "release engineering"],
        }
    ).encode()
