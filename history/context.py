"""Which change set is open: the leaf module that models and verbs ask."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from history.exceptions import NoChangeSetError

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

Change = Literal["insert", "update", "delete"]


class Written(NamedTuple):
    """One row that was written in a change set."""

    change: Change
    model: type[Any]
    key: Any


@dataclass(slots=True)
class OpenChangeSet:
    """The change set that is being written; it becomes a `ChangeSet` row when its transaction ends.

    `actor` may be given as a callable, since a request knows its user only once a view has asked for it.
    `guard(change_set, change, rows)` is asked before rows of one model are written, and raises what forbids it;
    without one, everything is allowed: that is for operators, who hold the database itself.
    """

    origin: str
    actor: AbstractBaseUser | Callable[[], Any] | None = None
    actor_name: str = ""
    reason: str = ""
    request_id: str = ""
    client_address: str | None = None
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    guard: Guard | None = None
    touched: set[type[Any]] = field(default_factory=set)
    written: list[Written] = field(default_factory=list)
    rows: int = 0
    """How many history rows have been made in it, those of savepoints that were rolled back among them."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What the rooms above remember of it until it ends, each under its own name."""

    def resolved_actor(self) -> AbstractBaseUser | None:
        """Return the user who acts, or None for an anonymous command."""
        actor = self.actor() if callable(self.actor) else self.actor
        return actor if actor is not None and actor.pk is not None else None

    @property
    def has_writes(self) -> bool:
        return bool(self.touched)

    def allow(self, change: Change, rows: Sequence[Any]) -> None:
        """Ask the guard about rows of one model that are about to be written; from here on they count as touched."""
        if self.guard is not None:
            self.guard(self, change, rows)
        self.touched.add(type(rows[0]))

    def record(self, change: Change, rows: Sequence[Any]) -> None:
        """Note which rows have been written, for whoever must follow them (`history.signals.change_set_closing`)."""
        self.written += [Written(change, type(row), row.pk) for row in rows]

    @contextmanager
    def guarded_by(self, guard: Guard | None) -> Iterator[None]:
        """Within the block, ask another guard: for a verb that has an authority of its own."""
        before, self.guard = self.guard, guard
        try:
            yield
        finally:
            self.guard = before


Guard = Callable[[OpenChangeSet, Change, Sequence[Any]], None]

_current: ContextVar[OpenChangeSet | None] = ContextVar("history_change_set", default=None)


def current() -> OpenChangeSet | None:
    """Return the open change set, if any."""
    return _current.get()


def require(what: str) -> OpenChangeSet:
    """Return the open change set; raise NoChangeSetError naming `what` when there is none."""
    opened = _current.get()
    if opened is None:
        raise NoChangeSetError(what)
    return opened


def enter(opened: OpenChangeSet) -> Callable[[], None]:
    """Make `opened` the open change set; call what is returned to leave it."""
    token = _current.set(opened)
    return lambda: _current.reset(token)
