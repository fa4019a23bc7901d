"""Folding counts by age: minutes into hours, hours into days, and days away."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from releng.uptake.clients import Client, Limits, commonest
from releng.uptake.models import UptakeCount
from releng.uptake.rows import Level, add

LIMITS = Limits(clients=1_000, channels=100)  # of one product in one hour or day
ROWS_AT_ONCE = 5_000
SUMS_AT_ONCE = 50_000  # clients that are told apart while a long list is added up

_LENGTHS = {Level.HOUR: timedelta(hours=1), Level.DAY: timedelta(days=1)}


def fold(now: datetime | None = None) -> None:
    """Fold what is old enough by the settings, as of `now`; drop the oldest days.

    Any number of processes may do so at once: each row is folded by one of them, and the sums stay.
    """
    now = timezone.now() if now is None else now
    minutes_kept = timedelta(hours=settings.UPTAKE_HOURS_BY_MINUTE)
    hours_kept = timedelta(days=settings.UPTAKE_DAYS_BY_HOUR)
    while _fold_oldest(Level.MINUTE, Level.HOUR, now - minutes_kept):
        pass
    while _fold_oldest(Level.HOUR, Level.DAY, now - hours_kept):
        pass
    days = UptakeCount.objects.filter(level=Level.DAY)
    days.filter(start__lt=now - timedelta(days=settings.UPTAKE_DAYS_KEPT)).delete()


def start_of(moment: datetime, level: Level) -> datetime:
    """Return when the minute, hour or day of a moment began, in UTC."""
    if level == Level.MINUTE:
        return moment.replace(second=0, microsecond=0)
    hour = 0 if level == Level.DAY else moment.hour
    return moment.replace(hour=hour, minute=0, second=0, microsecond=0)


def _fold_oldest(level: Level, into: Level, before: datetime) -> bool:
    """Fold one product's oldest hour (or day) that was over before a moment; return whether there was one.

    One at a time: SQLite lets nobody else write meanwhile.
    """
    with transaction.atomic():
        old = UptakeCount.objects.filter(level=level, start__lt=start_of(before, into))
        oldest = old.order_by("start").values_list("start", "product").first()
        if oldest is None:
            return False
        start, product = start_of(oldest[0], into), oldest[1]
        sums = _taken(old.filter(product=product, start__lt=start + _LENGTHS[into]))
        add(into, {(start, client): requests for client, requests in commonest(sums, LIMITS).items()})
    return bool(sums)


def _taken(rows: models.QuerySet[UptakeCount]) -> dict[Client, int]:
    """Delete rows and return what they counted. Rows that another process is at are left to it."""
    sums: dict[Client, int] = defaultdict(int)
    columns = ("pk", "requests", *Client._fields)
    locked = rows.select_for_update(skip_locked=True).order_by("pk").values_list(*columns)
    while batch := list(locked[:ROWS_AT_ONCE]):
        UptakeCount.objects.filter(pk__in=[pk for pk, *_ in batch]).delete()
        for _, requests, *client in batch:
            sums[Client(*client)] += requests
        if len(sums) > SUMS_AT_ONCE:
            sums = defaultdict(int, commonest(sums, LIMITS))
    return sums
