"""The sources of numbers as the settings describe them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from releng.uptake.fetching import ALTOGETHER_SECONDS, Endpoint
from releng.uptake.traffic import Measure, Traffic

PLACES = frozenset({"product", "channel", "version", "build_target"})
KEYS = frozenset({"url", "path", "headers", "timeout", "scale"})
_PLACE = re.compile(r"\{([^{}]*)\}")


class BadSourceError(ValueError):
    """A source that cannot be used, and why."""


def uptake_source() -> Endpoint | Traffic:
    """Return where uptake comes from. Raises BadSourceError."""
    if settings.UPTAKE_SOURCE == "traffic":
        return Traffic()
    if settings.UPTAKE_SOURCE == "http":
        return _endpoint(settings.UPTAKE_HTTP)
    raise BadSourceError(f"UPTAKE_SOURCE is {settings.UPTAKE_SOURCE!r}, neither traffic nor http")


def metric_source(name: str) -> Endpoint | Traffic:
    """Return where a named metric comes from. Raises BadSourceError."""
    found = settings.METRICS.get(name) if isinstance(settings.METRICS, Mapping) else None
    if found is None:
        raise BadSourceError(f"no metric {name} is configured")
    if isinstance(found, Mapping) and "traffic" in found:
        return _traffic(found)
    return _endpoint(found)


def _traffic(found: Mapping[str, Any]) -> Traffic:
    measures = {measure.value: measure for measure in Measure}
    if found["traffic"] not in measures or len(found) > 1:
        raise BadSourceError(
            f'a metric of the traffic is {{"traffic": ...}} with one of {", ".join(measures)}'
        )
    return Traffic(measures[found["traffic"]])


def _endpoint(found: Any) -> Endpoint:
    if not isinstance(found, Mapping) or not isinstance(found.get("url"), str):
        raise BadSourceError("there is no url")
    if unknown := sorted(found.keys() - KEYS):
        raise BadSourceError(f"{unknown[0]} is unknown; known are {', '.join(sorted(KEYS))}")
    url, path, headers = found["url"], found.get("path", ""), found.get("headers", {})
    try:
        parts = urlsplit(url)
        is_complete = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_complete = False
    if not is_complete:
        raise BadSourceError("the url is not one of http or https")
    if unknown := sorted(set(_PLACE.findall(url)) - PLACES):
        raise BadSourceError(f"the url has {{{unknown[0]}}}; known are {', '.join(sorted(PLACES))}")
    if _PLACE.search(parts.netloc):
        raise BadSourceError("the url's server must not depend on what is asked")
    if not isinstance(path, str):
        raise BadSourceError("the path is no text like data.0.share")
    if not isinstance(headers, Mapping) or not all(isinstance(text, str) for text in headers.values()):
        raise BadSourceError("the headers are no texts by name")
    timeout = _number(found, "timeout", 3.0)
    if not 0 < timeout <= ALTOGETHER_SECONDS:
        raise BadSourceError(f"the timeout is not above 0 and at most {ALTOGETHER_SECONDS:g} seconds")
    scale = _number(found, "scale", 1.0)
    return Endpoint(url, path, {str(name): text for name, text in headers.items()}, timeout, scale)


def _number(found: Mapping[str, Any], name: str, default: float) -> float:
    value = found.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadSourceError(f"the {name} is no number")
    return float(value)
