"""Is history whole? Checks rows against their digests, the chain, the live tables and the guards.

Everything is read as ordered streams of bounded size: a million rows take minutes and little memory.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db import connection, models

from history import triggers
from history.chain import link, pruning, versioned_models
from history.fields import plain
from history.models import ChangeSet, Generation, PrunedRow, VersionedModel
from history.records import digest_of

ROWS_AT_ONCE = 2_000

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was written: what it concerns, since when, and what is wrong."""

    what: str
    problem: str
    time: datetime | None = None

    def __str__(self) -> str:
        when = f" ({self.time:%Y-%m-%d %H:%M:%S} UTC)" if self.time is not None else ""
        return f"{self.what}{when}: {self.problem}"


def _no_progress(rows: Iterable[Any], label: str, total: int) -> Iterable[Any]:
    return rows


def differences(progress: Progress = _no_progress, *, expect_head: str | None = None) -> Iterator[Difference]:
    """Yield everything that is wrong with history, most telling first.

    `expect_head` is `SEQUENCE:DIGEST` as an earlier run printed it: the chain must still contain it.
    """
    for name in triggers.missing(connection):
        yield Difference(f"trigger {name}", "is missing: history could have been changed unseen.")
    for model in versioned_models():
        yield from _check_rows(model, progress)
    yield from _check_chain(progress, expect_head)
    for model in versioned_models():
        yield from _check_replay(model, progress)


def head() -> str:
    """Return the chain's head as `SEQUENCE:DIGEST`, to be kept where nobody of this system can change it."""
    found = Generation.objects.get(pk=Generation.HEAD)
    return f"{found.number}:{found.digest}"


def _named(model: type[VersionedModel], row: Any) -> str:
    return f"{model._meta.label} {getattr(row, model._meta.pk.attname)} version {row.data_version}"


def _time_of(change_set_id: Any) -> datetime | None:
    return ChangeSet.objects.filter(pk=change_set_id).values_list("time", flat=True).first()


# --- Rows against their digests ---------------------------------------------------------------------------


def _check_rows(model: type[VersionedModel], progress: Progress) -> Iterator[Difference]:
    """Each history row must still say what its digest was made of."""
    rows = model.history.order_by("history_id")
    for row in progress(rows.iterator(ROWS_AT_ONCE), f"{model._meta.label} rows", rows.count()):
        if digest_of(row) != row.digest:
            yield Difference(
                _named(model, row),
                "its history row was changed after it was written.",
                _time_of(row.change_set_id),
            )


# --- The chain --------------------------------------------------------------------------------------------


def _digests_by_change_set() -> Iterator[tuple[int, str]]:
    """Yield (sequence, row digest) of every history row, kept or pruned, in the order of the chain."""
    sources: list[models.QuerySet[Any]] = [model.history.order_by() for model in versioned_models()]
    sources.append(PrunedRow.objects.order_by())
    rows: models.QuerySet[Any] = sources[0].values_list("change_set__sequence", "digest")
    rest = [source.values_list("change_set__sequence", "digest") for source in sources[1:]]
    merged = (rows.union(*rest, all=True) if rest else rows).order_by("change_set__sequence")
    prunings = PrunedRow.objects.select_related("pruned_by").order_by("pruned_by__sequence")
    yield from heapq.merge(
        merged.iterator(ROWS_AT_ONCE),
        ((row.pruned_by.sequence, pruning(row)) for row in prunings.iterator(ROWS_AT_ONCE)),
        key=lambda pair: pair[0],
    )


def _check_chain(progress: Progress, expect_head: str | None) -> Iterator[Difference]:
    """Each change set's digest must follow from its rows and from the one before it, up to the head."""
    groups = groupby(_digests_by_change_set(), key=lambda pair: pair[0])
    waiting = next(groups, None)
    previous, expected, seen_head = "0" * 64, 1, False
    sets = ChangeSet.objects.order_by("sequence")
    for row in progress(sets.iterator(ROWS_AT_ONCE), "change sets", sets.count()):
        what = f"change set {row.sequence} by {row.actor_name}"
        if row.sequence != expected:
            yield Difference(what, f"change set {expected} before it is missing.", row.time)
        digests: list[str] = []
        if waiting is not None and waiting[0] == row.sequence:
            digests = [digest for _, digest in waiting[1]]
            waiting = next(groups, None)
        if link(previous, row, digests) != row.digest:
            yield Difference(
                what,
                "its digest does not fit: it, its rows or a change set before it were changed.",
                row.time,
            )
        seen_head = seen_head or expect_head == f"{row.sequence}:{row.digest}"
        previous, expected = row.digest, row.sequence + 1
    if waiting is not None:
        yield Difference("history", "has rows whose change set is missing.")
    generation = Generation.objects.get(pk=Generation.HEAD)
    if (generation.number, generation.digest) != (expected - 1, previous):
        yield Difference(
            "the chain's head",
            f"says {generation.number}, but the last change set is {expected - 1}: change sets at the end are missing.",
            generation.time,
        )
    if expect_head is not None and not seen_head:
        yield Difference("the chain", f"does not contain {expect_head}: it was cut or written anew.")


# --- History against the live tables ----------------------------------------------------------------------


def _check_replay(model: type[VersionedModel], progress: Progress) -> Iterator[Difference]:
    """The last history row of each object must be the live row, and the versions before it without a gap."""
    key = model._meta.pk.attname
    rows = model.history.order_by(key, "history_id")
    histories = groupby(
        progress(rows.iterator(ROWS_AT_ONCE), f"{model._meta.label} replay", rows.count()),
        key=lambda row: getattr(row, key),
    )
    pruned = set(
        PrunedRow.objects.filter(table_name=model.history.model._meta.db_table)
        .values_list("object_id", flat=True)
        .distinct()
    )
    live = iter(model._base_manager.order_by("pk").iterator(ROWS_AT_ONCE))
    current = next(live, None)
    for object_id, versions in histories:
        while current is not None and current.pk < object_id:
            yield Difference(f"{model._meta.label} {current.pk}", "is in the table, but not in history.")
            current = next(live, None)
        last = None
        for row in versions:
            problem = None if object_id in pruned and last is None else _follows(last, row)
            if problem is not None:
                yield Difference(_named(model, row), problem, _time_of(row.change_set_id))
            last = row
        mine = current if current is not None and current.pk == object_id else None
        yield from _compare(model, last, mine)
        if mine is not None:
            current = next(live, None)
    while current is not None:
        yield Difference(f"{model._meta.label} {current.pk}", "is in the table, but not in history.")
        current = next(live, None)


def _follows(last: Any, row: Any) -> str | None:
    """Return why history row `row` cannot come after `last`, or None."""
    if last is None:
        return None if row.history_type == "+" else "its history does not begin with its creation."
    if last.history_type == "-":
        if row.history_type != "+" or row.data_version != last.data_version + 1:
            return "follows a deletion, but does not restore it."
        return None
    if row.history_type == "-":
        return None if row.data_version == last.data_version else "deletes another version than the last."
    if row.history_type != "~" or row.data_version != last.data_version + 1:
        return f"follows version {last.data_version}: a history row is missing between them."
    return None


def _compare(model: type[VersionedModel], last: Any, live: Any) -> Iterator[Difference]:
    when = _time_of
    if last.history_type == "-":
        if live is not None:
            yield Difference(
                _named(model, last), "was deleted, but is in the table.", when(last.change_set_id)
            )
        return
    if live is None:
        yield Difference(
            _named(model, last),
            "is not in the table any more, and history knows no deletion.",
            when(last.change_set_id),
        )
        return
    for field in model._meta.concrete_fields:
        was, is_now = plain(field, getattr(last, field.attname)), plain(field, getattr(live, field.attname))
        if was != is_now:
            yield Difference(
                _named(model, last),
                f"{field.name} is {is_now!r} in the table, but history says {was!r}.",
                when(last.change_set_id),
            )
            return
