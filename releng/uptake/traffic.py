"""What the service's own traffic says: shares of versions, numbers of requests, and how they went over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.conf import settings
from django.db import models
from django.db.models import Max, Q, Sum
from django.db.models.functions import Trunc
from django.utils import timezone

from releng.uptake.clients import OTHER
from releng.uptake.models import UptakeCount
from releng.uptake.readings import NoReadingError

MINUTE = timedelta(minutes=1)
LONGEST_BY_MINUTE = timedelta(hours=6)
LONGEST_BY_HOUR = timedelta(days=14)


class Measure(Enum):
    """What is taken from the counts of a window."""

    SHARE = "share"  # percent of the channel's requests that came from a version
    REQUESTS = "requests"  # how many requests came from a version, from all where none is named


@dataclass(frozen=True, slots=True)
class Traffic:
    """A number from the service's own traffic."""

    measure: Measure = Measure.SHARE


def measured(
    measure: Measure, product: str, channel: str, version: str, build_target: str | None = None
) -> tuple[float, datetime]:
    """Return a number over the window of the settings, and until when requests were counted.

    Requests that were not told apart count against a share, never for it. Raises NoReadingError when there are
    too few requests to tell.
    """
    if not product or not channel:
        raise NoReadingError("a number of the traffic needs a product and a channel")
    if measure is Measure.SHARE and not version:
        raise NoReadingError("a share of the traffic needs a version")
    window, now = timedelta(minutes=settings.UPTAKE_WINDOW_MINUTES), timezone.now()
    rows = _counted(product, channel, now - window)
    mine = Q(version=version) if version else Q()
    if build_target:
        rows = rows.filter(build_target__in=[build_target, OTHER])
        mine &= Q(build_target=build_target)
    found = rows.aggregate(
        total=Sum("requests", default=0), mine=Sum("requests", filter=mine, default=0), last=Max("start")
    )
    minutes = f"the last {settings.UPTAKE_WINDOW_MINUTES:g} minutes"
    if found["last"] is None:
        raise NoReadingError(f"no requests in {minutes}")
    if measure is Measure.SHARE and found["total"] < settings.UPTAKE_LEAST_REQUESTS:
        needed = settings.UPTAKE_LEAST_REQUESTS
        raise NoReadingError(f"only {found['total']} requests in {minutes}, {needed} are needed")
    value = found["mine"] if measure is Measure.REQUESTS else 100 * found["mine"] / found["total"]
    return float(value), min(now, found["last"] + MINUTE)


def shares(
    product: str, channel: str, since: datetime, until: datetime | None = None
) -> list[tuple[str, int]]:
    """Return how many requests each version made, the commonest first; what was not told apart is `OTHER`."""
    rows = _counted(product, channel, since)
    if until is not None:
        rows = rows.filter(start__lt=until)
    found = rows.values_list("version").annotate(total=Sum("requests")).order_by("-total", "version")
    return [(version, total) for version, total in found]


@dataclass(frozen=True, slots=True)
class Series:
    """Requests by version, in steps of a minute, an hour or a day; a step without requests is left out."""

    step: timedelta
    points: list[tuple[datetime, dict[str, int]]]


def series(product: str, channel: str, since: datetime, until: datetime) -> Series:
    """Return how many requests each version made over time, in the finest steps that fit the span and are kept."""
    age, span = timezone.now() - since, until - since
    if span <= LONGEST_BY_MINUTE and age <= timedelta(hours=settings.UPTAKE_HOURS_BY_MINUTE):
        step, name = MINUTE, "minute"
    elif span <= LONGEST_BY_HOUR and age <= timedelta(days=settings.UPTAKE_DAYS_BY_HOUR):
        step, name = timedelta(hours=1), "hour"
    else:
        step, name = timedelta(days=1), "day"
    rows = _counted(product, channel, since).filter(start__lt=until)
    steps = rows.annotate(step=Trunc("start", name)).values_list("step", "version")
    points: dict[datetime, dict[str, int]] = {}
    for start, version, total in steps.annotate(total=Sum("requests")).order_by("step", "version"):
        points.setdefault(start, {})[version] = total
    return Series(step, list(points.items()))


def _counted(product: str, channel: str, since: datetime) -> models.QuerySet[UptakeCount]:
    # Partners' channels are counted under the channel that they are taken from, as rules match them.
    return UptakeCount.objects.filter(product=product, channel=channel.split("-cck-", 1)[0], start__gte=since)
