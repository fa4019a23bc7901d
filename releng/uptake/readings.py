"""Numbers and how they are kept: read again now and then, in between the stored value is told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from releng.uptake.models import MetricReading

logger = logging.getLogger(__name__)

KEPT = timedelta(days=30)  # after it was last asked for


@dataclass(frozen=True, slots=True)
class Reading:
    """A number, in percent where it is a share, when it was read, and how old it was when it was asked for."""

    value: float
    read_at: datetime
    age: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Unknown:
    """No number that can be relied on, and why. It never counts as reached."""

    reason: str


class NoReadingError(Exception):
    """A number cannot be told at the moment; the text says why, and is fit for people and logs."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: `key` identifies it, `name` is what people call it.

    `read` returns the number and when it was true; raises NoReadingError. `keeps_last`: the last good value stands
    in while a new one cannot be read, until it is stale.
    """

    key: str
    name: str
    read: Callable[[], tuple[float, datetime]]
    refresh_seconds: float
    keeps_last: bool


def answer(question: Question) -> Reading | Unknown:
    """Return the stored reading; read it first when it is not there, or older than `refresh_seconds`.

    Of many processes that ask at once, one reads; the others get what is stored.
    """
    now = timezone.now()
    rows = MetricReading.objects.filter(key=question.key)
    row = rows.first()
    if _is_old(row, question, now):
        if _is_ours_to_read(question, now):
            _read(question)
        row, now = rows.get(), timezone.now()
    return _told(row, question, now)


def answers(questions: Iterable[Question], most_read: int) -> dict[str, Reading | Unknown]:
    """Return what is stored for many questions, by key: one query, and `answer` for at most `most_read` old ones."""
    now = timezone.now()
    asked = {question.key: question for question in questions}
    rows = MetricReading.objects.in_bulk(list(asked), field_name="key") if asked else {}
    found = {}
    for key, question in asked.items():
        row = rows.get(key)
        if most_read > 0 and _is_old(row, question, now):
            most_read -= 1
            found[key] = answer(question)
        else:
            found[key] = _told(row, question, now)
    return found


def _is_old(row: MetricReading | None, question: Question, now: datetime) -> bool:
    return row is None or row.tried_at <= now - timedelta(seconds=question.refresh_seconds)


def _told(row: MetricReading | None, question: Question, now: datetime) -> Reading | Unknown:
    if row is None or row.value is None or row.read_at is None:
        problem = row.problem if row is not None else ""
        return Unknown(problem or f"{question.name} is being read for the first time")
    age = max(now - row.read_at, timedelta(0))
    if age > timedelta(seconds=settings.UPTAKE_STALE_SECONDS):
        why = f": {row.problem}" if row.problem else ""
        return Unknown(f"{question.name} was last known {age.total_seconds() / 60:.0f} minutes ago{why}")
    return Reading(row.value, row.read_at, age)


def _is_ours_to_read(question: Question, now: datetime) -> bool:
    latest = now - timedelta(seconds=question.refresh_seconds)
    with transaction.atomic():
        # Who finds the row locked does not wait: somebody else is reading just now.
        old = MetricReading.objects.select_for_update(skip_locked=True).filter(key=question.key)
        if old.filter(tried_at__lte=latest).first() is not None:
            return old.update(tried_at=now) > 0
        _, is_new = MetricReading.objects.get_or_create(
            key=question.key, defaults={"name": question.name, "tried_at": now}
        )
        if is_new:
            MetricReading.objects.filter(tried_at__lt=now - KEPT).delete()
        return is_new


def _read(question: Question) -> None:
    rows = MetricReading.objects.filter(key=question.key)
    try:
        value, read_at = question.read()
    except NoReadingError as error:
        logger.warning("uptake.not_read", extra={"metric": question.name, "error": str(error)})
        rows.update(problem=str(error)[:200])
        if not question.keeps_last:
            rows.update(value=None, read_at=None)
    else:
        rows.update(value=value, read_at=read_at, problem="")
