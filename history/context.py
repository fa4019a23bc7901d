"""Which change set is open: the leaf module that models and verbs ask."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from history.exceptions import NoChangeSetError

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


@dataclass(slots=True)
class OpenChangeSet:
    """The change set that is being written; it becomes a `ChangeSet` row when its transaction ends.

    `actor` may be given as a callable, since a request knows its user only once a view has asked for it.
    """

    origin: str
    actor: AbstractBaseUser | Callable[[], Any] | None = None
    actor_name: str = ""
    reason: str = ""
    request_id: str = ""
    client_address: str | None = None
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    touched: set[type[Any]] = field(default_factory=set)

    def resolved_actor(self) -> AbstractBaseUser | None:
        """Return the user who acts, or None for an anonymous command."""
        actor = self.actor() if callable(self.actor) else self.actor
        return actor if actor is not None and actor.pk is not None else None

    @property
    def has_writes(self) -> bool:
        return bool(self.touched)


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
