"""Settings of this room that cannot work, told at start."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

PLACES = frozenset({"product", "channel", "version", "build_target"})


def check_sources(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """uptake.E001 to E003: the source of uptake, and each metric, must be whole."""
    found: list[CheckMessage] = []
    if settings.UPTAKE_SOURCE not in ("traffic", "http"):
        found.append(
            Error(
                f"UPTAKE_SOURCE is {settings.UPTAKE_SOURCE!r}.",
                hint="It is traffic, or http with UPTAKE_HTTP.",
                id="uptake.E001",
            )
        )
    if settings.UPTAKE_SOURCE == "http":
        found += _checked("UPTAKE_HTTP", settings.UPTAKE_HTTP, "uptake.E002")
    for name, source in settings.METRICS.items():
        found += _checked(f"METRICS[{name!r}]", source, "uptake.E003")
    return found


def _checked(name: str, source: Any, identity: str) -> list[CheckMessage]:
    hint = 'For instance {"url": "https://metrics.example/{product}/{channel}", "path": "data.0.value"}.'
    if not isinstance(source, Mapping) or not isinstance(source.get("url"), str):
        return [Error(f"{name} needs a url.", hint=hint, id=identity)]
    if not source["url"].startswith(("http://", "https://")):
        return [Error(f"The url of {name} is not of http or https.", hint=hint, id=identity)]
    try:
        places = {place for _, place, _, _ in string.Formatter().parse(source["url"]) if place is not None}
    except ValueError as error:
        return [Error(f"The url of {name} cannot be filled in: {error}.", hint=hint, id=identity)]
    if unknown := sorted(places - PLACES):
        return [
            Error(f"The url of {name} has {{{unknown[0]}}}.", hint=f"Known: {sorted(PLACES)}.", id=identity)
        ]
    return []
