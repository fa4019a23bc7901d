"""The numbers that scheduled changes wait for: uptake, and metrics by name. Both are cheap to ask for often."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from releng.uptake.configuration import BadSourceError, metric_source, uptake_source
from releng.uptake.fetching import Endpoint, fetch
from releng.uptake.readings import NoReadingError, Question, Reading, Unknown, answer, answers
from releng.uptake.traffic import Series, Traffic, measured, series, shares

__all__ = [
    "Reading",
    "Series",
    "Unknown",
    "metric",
    "metric_names",
    "series",
    "shares",
    "uptake_of",
    "uptakes_of",
]


UptakePlace = tuple[str, str, str, str | None]
"""A product, a channel, a version, and a build target or None for all."""


def uptake_of(product: str, channel: str, version: str, build_target: str | None = None) -> Reading | Unknown:
    """Return which share (percent) of a product's clients on a channel runs a version.

    With `build_target`, of the clients of that platform. The setting UPTAKE_SOURCE says where that comes from.
    """
    try:
        return answer(_uptake_question((product, channel, version, build_target)))
    except BadSourceError as error:
        return Unknown(f"uptake is not configured: {error}")


def uptakes_of(places: Iterable[UptakePlace], most_read: int) -> dict[UptakePlace, Reading | Unknown]:
    """Return many uptakes for a list: what is stored, in one query; at most `most_read` that are old are read anew."""
    places = list(places)
    try:
        questions = {place: _uptake_question(place) for place in places}
    except BadSourceError as error:
        return dict.fromkeys(places, Unknown(f"uptake is not configured: {error}"))
    found = answers(questions.values(), most_read)
    return {place: found[question.key] for place, question in questions.items()}


def _uptake_question(place: UptakePlace) -> Question:
    question = _question("uptake", uptake_source(), _places(*place))
    return replace(question, read=lambda: _percentage(question))


def metric(name: str, product: str, channel: str, version: str) -> Reading | Unknown:
    """Return a number that the setting METRICS names, for a product, channel and version (each may be empty)."""
    try:
        return answer(_question(name, metric_source(name), _places(product, channel, version, None)))
    except BadSourceError as error:
        return Unknown(f"{name}: {error}")


def metric_names() -> frozenset[str]:
    """Return the names of the configured metrics."""
    return frozenset(settings.METRICS) if isinstance(settings.METRICS, Mapping) else frozenset()


def _places(product: str, channel: str, version: str, build_target: str | None) -> dict[str, str]:
    return {"product": product, "channel": channel, "version": version, "build_target": build_target or ""}


def _question(name: str, source: Endpoint | Traffic, places: dict[str, str]) -> Question:
    if isinstance(source, Traffic):
        return Question(
            key=_key(name, source.measure.value, places),
            name=name,
            read=lambda: measured(source.measure, **places),
            # New counts come no more often than they are written down.
            refresh_seconds=min(settings.UPTAKE_REFRESH_SECONDS, settings.UPTAKE_FLUSH_SECONDS),
            keeps_last=False,
        )
    url = source.url_for(places)

    def read() -> tuple[float, datetime]:
        asked_at = timezone.now()
        return fetch(source, url), asked_at

    return Question(
        key=_key(name, url, source.path, source.scale),
        name=name,
        read=read,
        refresh_seconds=settings.UPTAKE_REFRESH_SECONDS,
        keeps_last=True,
    )


def _percentage(question: Question) -> tuple[float, datetime]:
    value, read_at = question.read()
    if not 0 <= value <= 100:
        raise NoReadingError(f"{value:g} is no percentage")
    return value, read_at


def _key(*said: Any) -> str:
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
