"""Where the numbers come from that scheduled changes wait for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """A number, in percent where it is a share, and when it was read."""

    value: float
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Unknown:
    """No number that can be relied on, and why."""

    reason: str


def uptake_of(product: str, channel: str, version: str, build_target: str | None = None) -> Reading | Unknown:
    """Return which share of a product's clients on a channel runs a version."""
    return Unknown("no traffic has been counted")


def metric(name: str, product: str, channel: str, version: str) -> Reading | Unknown:
    """Return a configured number by its name."""
    return Unknown(f"there is no metric {name}")


def metric_names() -> frozenset[str]:
    """Return the names of the configured numbers."""
    return frozenset()
