"""Settings of this room that cannot work, told before they matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from releng.uptake.configuration import BadSourceError, metric_source, uptake_source
from releng.uptake.models import MetricReading

POSITIVE = (
    "UPTAKE_FLUSH_SECONDS",
    "UPTAKE_WINDOW_MINUTES",
    "UPTAKE_STALE_SECONDS",
    "UPTAKE_HOURS_BY_MINUTE",
    "UPTAKE_DAYS_BY_HOUR",
    "UPTAKE_DAYS_KEPT",
    "UPTAKE_LEAST_REQUESTS",
)
LONGEST_NAME = MetricReading._meta.get_field("name").max_length
EXAMPLE = (
    'For instance {"url": "https://metrics.example/{product}/{channel}/{version}", "path": "data.0.value"}.'
)


def check_sources(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """uptake.E001 to E003: where uptake and metrics come from."""
    found: list[CheckMessage] = []
    try:
        uptake_source()
    except BadSourceError as error:
        identity = "uptake.E001" if settings.UPTAKE_SOURCE != "http" else "uptake.E002"
        found.append(Error(f"Uptake: {error}.", hint=f"See UPTAKE_HTTP. {EXAMPLE}", id=identity))
    if not isinstance(settings.METRICS, Mapping):
        return [
            *found,
            Error("METRICS is no JSON object.", hint=f"Name each metric. {EXAMPLE}", id="uptake.E003"),
        ]
    for name in settings.METRICS:
        try:
            metric_source(name)
        except BadSourceError as error:
            found.append(Error(f"METRICS, {name}: {error}.", hint=EXAMPLE, id="uptake.E003"))
        if LONGEST_NAME is not None and not 0 < len(name) <= LONGEST_NAME:
            found.append(
                Error(
                    f"METRICS: the name {name[:20]!r}... has not 1 to {LONGEST_NAME} characters.",
                    id="uptake.E003",
                )
            )
    return found


def check_lengths(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """uptake.E004 and E005: lengths of time that are possible, and fit together."""
    found: list[CheckMessage] = [
        Error(f"{name} is {getattr(settings, name)}, and must be above 0.", id="uptake.E004")
        for name in POSITIVE
        if getattr(settings, name) <= 0
    ]
    pairs = (
        ("UPTAKE_WINDOW_MINUTES", settings.UPTAKE_WINDOW_MINUTES * 60, "UPTAKE_HOURS_BY_MINUTE", 3600),
        ("UPTAKE_REFRESH_SECONDS", settings.UPTAKE_REFRESH_SECONDS, "UPTAKE_STALE_SECONDS", 1),
    )
    for shorter, seconds, longer, unit in pairs:
        if seconds > getattr(settings, longer) * unit:
            found.append(
                Error(
                    f"{shorter} is longer than {longer}.",
                    hint="A reading must be newer than what is stale, and a window must be counted by minutes.",
                    id="uptake.E005",
                )
            )
    return found
