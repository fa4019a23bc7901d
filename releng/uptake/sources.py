"""Where the numbers come from that scheduled changes wait for: own traffic, or services that tell them as JSON."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import requests
from django.conf import settings
from django.db.models import Sum
from django.utils import timezone
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from releng.uptake.models import MetricReading, UptakeCount

logger = logging.getLogger(__name__)

MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """A number, in percent where it is a share, and when it was read."""

    value: float
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Unknown:
    """No number that can be relied on, and why. It never counts as reached."""

    reason: str


def uptake_of(product: str, channel: str, version: str, build_target: str | None = None) -> Reading | Unknown:
    """Return which share (percent) of a product's clients on a channel runs a version, by the configured source."""
    if settings.UPTAKE_SOURCE == "http":
        return _fetched("uptake", settings.UPTAKE_HTTP, product, channel, version, build_target or "")
    return _traffic(product, channel, version, build_target)


def metric(name: str, product: str, channel: str, version: str) -> Reading | Unknown:
    """Return a configured number by its name, asked for a product, channel and version."""
    source = settings.METRICS.get(name)
    if source is None:
        return Unknown(f"no metric {name} is configured")
    return _fetched(name, source, product, channel, version, "")


def metric_names() -> frozenset[str]:
    """Return the names of the configured numbers."""
    return frozenset(settings.METRICS)


def shares(product: str, channel: str, since: datetime) -> dict[str, int]:
    """Return how many requests each version made on a product and channel since a moment."""
    rows = _counted(product, channel, since).values("version").annotate(total=Sum("requests"))
    return {row["version"]: row["total"] for row in rows.order_by("-total", "version")}


# --- Own traffic --------------------------------------------------------------------------------------------


def _traffic(product: str, channel: str, version: str, build_target: str | None) -> Reading | Unknown:
    now = timezone.now()
    rows = _counted(product, channel, now - timedelta(minutes=settings.UPTAKE_WINDOW_MINUTES))
    if build_target:
        rows = rows.filter(build_target=build_target)
    total = rows.aggregate(total=Sum("requests"))["total"] or 0
    if total < settings.UPTAKE_LEAST_REQUESTS:
        return Unknown(
            f"only {total} requests in the last {settings.UPTAKE_WINDOW_MINUTES:g} minutes, "
            f"{settings.UPTAKE_LEAST_REQUESTS} are needed"
        )
    own = rows.filter(version=version).aggregate(total=Sum("requests"))["total"] or 0
    return Reading(100.0 * own / total, now)


def _counted(product: str, channel: str, since: datetime) -> Any:
    return UptakeCount.objects.filter(product=product, channel=channel, start__gte=since)


# --- Other services -----------------------------------------------------------------------------------------


def _fetched(
    name: str, source: Mapping[str, Any], product: str, channel: str, version: str, build_target: str
) -> Reading | Unknown:
    """Return the last good value, read again when it is older than the refresh time."""
    given = {"product": product, "channel": channel, "version": version, "build_target": build_target}
    url = str(source["url"]).format_map({key: quote(value, safe="") for key, value in given.items()})
    key = hashlib.sha256(json.dumps([name, url, source.get("path", "")]).encode()).hexdigest()
    now = timezone.now()
    row = MetricReading.objects.filter(key=key).first() or MetricReading(key=key, name=name)
    refresh = timedelta(seconds=settings.UPTAKE_REFRESH_SECONDS)
    if row.tried_at is None or row.tried_at <= now - refresh:
        try:
            row.value, row.read_at, row.problem = _read(url, source), now, ""
        except (requests.RequestException, ValueError) as error:
            # The address may hold a key, so the log and the page get the kind of failure alone.
            told = str(error) if isinstance(error, MetricError) else type(error).__name__
            row.problem = told[:200]
            logger.warning("uptake.not_read: %s: %s", name, told)
        row.tried_at = now
        MetricReading.objects.update_or_create(
            key=key,
            defaults={
                "name": name,
                "value": row.value,
                "read_at": row.read_at,
                "tried_at": now,
                "problem": row.problem,
            },
        )
    if row.value is None or row.read_at is None:
        return Unknown(f"{name} could not be read: {row.problem}")
    age = now - row.read_at
    if age > timedelta(seconds=settings.UPTAKE_STALE_SECONDS):
        return Unknown(f"{name} was last read {age.total_seconds() / 60:.0f} minutes ago: {row.problem}")
    return Reading(row.value, row.read_at)


class MetricError(ValueError):
    """The answer holds no number where one is expected."""


def _read(url: str, source: Mapping[str, Any]) -> float:
    """Ask for JSON and return the number at the configured path."""
    session = requests.Session()
    retries = Retry(total=2, backoff_factor=0.2, status_forcelist=(429, 500, 502, 503, 504))
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retries))
    timeout = float(source.get("timeout", 3.0))
    headers = {"Accept": "application/json", **source.get("headers", {})}
    with session.get(url, timeout=timeout, headers=headers, allow_redirects=False, stream=True) as answer:
        if answer.status_code != 200:
            raise MetricError(f"answered {answer.status_code}")
        body = answer.raw.read(MOST_BYTES + 1, decode_content=True)
    if len(body) > MOST_BYTES:
        raise MetricError(f"answered more than {MOST_BYTES} bytes")
    try:
        value: Any = json.loads(body)
    except ValueError as error:
        raise MetricError("answered no JSON") from error
    return _at(value, str(source.get("path", "")))


def _at(value: Any, path: str) -> float:
    for step in filter(None, path.split(".")):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise MetricError(f"there is no {path} in the answer") from error
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise MetricError(f"{path} is no number")
    return float(value)
