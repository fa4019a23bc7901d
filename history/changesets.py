"""Change sets: one act of one person or machine, however many rows it touches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import transaction

from history import chain, context
from history.context import Guard, OpenChangeSet
from history.signals import change_set_closing

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


@contextmanager
def change_set(
    *,
    actor: AbstractBaseUser | Callable[[], Any] | None = None,
    actor_name: str = "",
    reason: str = "",
    origin: str = "command",
    request_id: str = "",
    client_address: str | None = None,
    guard: Guard | None = None,
) -> Iterator[OpenChangeSet]:
    """Open a change set and a transaction; inside another one, join it.

    `origin` is one of `ChangeSet.Origin`. All writes succeed together or not at all. A change set in which nothing
    was written leaves no trace. `guard` is asked before each write (OpenChangeSet). When joining, a `reason` fills
    the outer one's if that has none; the rest of the outer one stands.
    """
    outer = context.current()
    if outer is not None:
        outer.reason = outer.reason or reason
        with transaction.atomic():
            yield outer
        return
    opened = OpenChangeSet(
        origin=origin,
        actor=actor,
        actor_name=actor_name,
        reason=reason,
        request_id=request_id,
        client_address=client_address,
        guard=guard,
    )
    with transaction.atomic():
        leave = context.enter(opened)
        try:
            yield opened
            if opened.has_writes and not transaction.get_rollback():
                with opened.guarded_by(None):  # what follows from allowed writes is allowed
                    change_set_closing.send(sender=OpenChangeSet, change_set=opened)
                chain.seal(opened)
        finally:
            leave()
