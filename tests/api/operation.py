"""One operation of the API as tests ask for it: a request that succeeds, and who may send it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.api.roles import MACHINES, READERS, WRITERS
from tests.api.world import KIND_OF_PLACE, World

Body = Mapping[str, Any] | Callable[[World], Mapping[str, Any]] | None


@dataclass(frozen=True)
class Operation:
    """A request, who may send it, and what they get; all others get 403, and 401 when nobody is known.

    `of_machines` is what machines get that may write something, where that is not 403.

    `address` is as in the URL configuration, with `{name}` for parameters, whose values are those of the world or of
    `keys`. `prepare` makes the state in which the request succeeds. `is_open`: with API_ANONYMOUS_READS for everybody.
    """

    method: str
    address: str
    may: frozenset[str]
    status: int = 200
    body: Body = None
    query: str = ""
    keys: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[World, int], None] | None = None
    is_open: bool = False
    of_machines: int = 403

    @property
    def id(self) -> str:
        """Its name in the output of tests."""
        return f"{self.method} {self.address}"

    @property
    def is_write(self) -> bool:
        """Whether it writes, for those who may."""
        return self.method in ("POST", "PUT", "PATCH", "DELETE")

    def url(self, world: World) -> str:
        """Return where the request goes."""
        asked = f"?{self.query.format_map(world.keys)}" if self.query else ""
        return World({**world.keys, **self.keys}, world.changes).address(self.address) + asked

    def expected(self, who: str, *, opened: bool = False) -> int:
        """Return the status that somebody gets; `opened`: reads are for everybody."""
        if who in self.may or (opened and self.is_open):
            return self.status
        if who in MACHINES & WRITERS:
            return self.of_machines
        return 401 if who == "anonymous" else 403

    def sent(self, world: World) -> dict[str, Any]:
        """Return the body of the request."""
        return dict(self.body(world) if callable(self.body) else self.body or {})

    def made_ready(self, world: World) -> None:
        """Let the request find what it needs."""
        if self.prepare is not None:
            self.prepare(world, self._change(world))

    def _change(self, world: World) -> int:
        for kind, place in KIND_OF_PLACE.items():
            if f"scheduled_changes/{place}/" in self.address:
                return world.changes[kind]
        return world.changes["rule"]


def read(address: str, may: frozenset[str] = READERS, *, is_open: bool = True, **how: Any) -> list[Operation]:
    """Return reading something, whole and by its headers alone."""
    return [Operation(method, address, may, is_open=is_open, **how) for method in ("GET", "HEAD")]


def write(method: str, address: str, may: frozenset[str], body: Body = None, **how: Any) -> Operation:
    """Return a write."""
    return Operation(method, address, may, body=body, **how)
