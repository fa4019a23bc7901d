"""When a scheduled change is due: a moment, numbers that must be reached, and numbers that must not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from releases.validation import shown
from releng.changes.exceptions import PastTimeError
from releng.changes.models import ScheduledChange
from releng.uptake.sources import Reading, Unknown, UptakePlace, metric, metric_names, uptake_of

TIMES = ("when", "at_latest")
UPTAKE = ("uptake_product", "uptake_channel", "uptake_version", "uptake_build_target", "uptake_percent")
FIELDS = (*TIMES, *UPTAKE, "metric", "metric_above", "guard_metric", "guard_above")
"""The condition fields of a scheduled change; with none of the first ten it is due as soon as it is signed."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A number that a change waits for, and how far it is: `value` None while it is unknown."""

    name: str
    value: float | None
    target: float
    unknown: str = ""

    @property
    def reached(self) -> bool:
        """Whether the number is there; an unknown one never is."""
        return self.value is not None and self.value >= self.target

    @property
    def share(self) -> float:
        """How much of the target is reached, 0 to 1."""
        return 0.0 if self.value is None or self.target <= 0 else min(1.0, self.value / self.target)


@dataclass(frozen=True, slots=True)
class Due:
    """Whether the conditions are met; `waiting_for` says what is missing, `tripped` why it must not happen."""

    waiting_for: tuple[str, ...]
    progress: tuple[Progress, ...] = ()
    tripped: str = ""

    @property
    def met(self) -> bool:
        """Whether it may be enacted, as far as the conditions go."""
        return not self.waiting_for and not self.tripped


def checked(given: Mapping[str, Any], *, stored: ScheduledChange | None = None) -> dict[str, Any]:
    """Return condition fields that may be stored; `stored` has those that are there already.

    A moment that is given again as it is stored may be over. Raises ValidationError naming the field, and
    PastTimeError.
    """
    if unknown := sorted(given.keys() - set(FIELDS)):
        raise ValidationError(dict.fromkeys(unknown, "is no condition."))
    values = {name: given.get(name) or None for name in FIELDS if name in given}
    errors: dict[str, str] = {}
    now = timezone.now()
    for name in TIMES:
        moment = values.get(name)
        if moment is None:
            continue
        if not isinstance(moment, datetime) or timezone.is_naive(moment):
            errors[name] = (
                f"{shown(str(moment))}: give the time with its zone, for instance 2030-01-31T14:00Z."
            )
        elif moment <= now and (stored is None or getattr(stored, name) != moment):
            raise PastTimeError(name, moment, now)
    for name in ("uptake_percent", "metric_above", "guard_above"):
        number = given.get(name)
        if number is None:
            continue
        values[name] = number
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
            errors[name] = f"{shown(number)}: must be a number."
    whole = {name: getattr(stored, name) if stored is not None else None for name in FIELDS} | values
    errors |= _incomplete(whole)
    if errors:
        raise ValidationError(errors)
    return values


def _incomplete(values: Mapping[str, Any]) -> dict[str, str]:
    errors = {}
    percent = values["uptake_percent"]
    if isinstance(percent, (int, float)) and not 0 < percent <= 100:
        errors["uptake_percent"] = f"{percent}: must be above 0 and at most 100."
    needed = ("uptake_product", "uptake_channel", "uptake_version", "uptake_percent")
    if any(values[name] is not None for name in UPTAKE):
        errors |= {
            name: "is missing: uptake needs product, channel, version and percent."
            for name in needed
            if values[name] is None
        }
    for name, number in (("metric", "metric_above"), ("guard_metric", "guard_above")):
        if (values[name] is None) != (values[number] is None):
            missing = name if values[name] is None else number
            errors[missing] = f"is missing: {name} and {number} belong together."
        if values[name] is not None and values[name] not in metric_names():
            known = ", ".join(sorted(metric_names())) or "none is configured"
            errors[name] = f"{shown(values[name])}: is no metric; known: {known}."
    waits = values["uptake_percent"] is not None or values["metric"] is not None
    if values["at_latest"] is not None and not waits:
        errors["at_latest"] = (
            "ends the waiting for uptake or a metric, and there is none; give `when` instead."
        )
    return errors


def stored(change: ScheduledChange) -> dict[str, Any]:
    """Return the conditions of a change as JSON values, for its digest and for answers."""
    values = {name: getattr(change, name) for name in FIELDS}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()
    }


Uptakes = Mapping[UptakePlace, Reading | Unknown]


def uptake_place(change: ScheduledChange) -> UptakePlace | None:
    """Return whose uptake a change waits for; None for a change that waits for none."""
    product, channel, version = change.uptake_product, change.uptake_channel, change.uptake_version
    if not (product and channel and version) or change.uptake_percent is None:
        return None
    return product, channel, version, change.uptake_build_target


def due(change: ScheduledChange, now: datetime | None = None, uptakes: Uptakes | None = None) -> Due:
    """Tell whether the conditions of a change are met now; reads the numbers that it waits for.

    `uptakes` has those that have been read already, for lists of many.
    """
    now = timezone.now() if now is None else now
    tripped = _tripped(change)
    waiting = []
    if change.follows is not None and change.follows.state != ScheduledChange.State.ENACTED:
        waiting.append(f"for scheduled change {change.follows_id}, which comes first")
    progress = tuple(_progress(change, uptakes or {}))
    late = change.at_latest is not None and change.at_latest <= now
    if not late:
        if change.when is not None and change.when > now:
            waiting.append(f"for {change.when.isoformat(timespec='minutes')}")
        waiting += [f"for {_wanted(item)}" for item in progress if not item.reached]
    return Due(tuple(waiting), progress, tripped)


def _progress(change: ScheduledChange, uptakes: Uptakes) -> list[Progress]:
    found = []
    place = uptake_place(change)
    if place is not None and change.uptake_percent is not None:
        product, channel, version, _ = place
        reading = uptakes[place] if place in uptakes else uptake_of(*place)
        name = f"uptake of {product} {version} on {channel}"
        found.append(_read(name, reading, change.uptake_percent))
    if change.metric is not None and change.metric_above is not None:
        # "above": a number that only equals the limit has not gone above it.
        limit = math.nextafter(change.metric_above, math.inf)
        found.append(_read(change.metric, metric_of(change, change.metric), limit))
    return found


def metric_of(change: ScheduledChange, name: str) -> Reading | Unknown:
    """Read a metric for what the change is about: its first write's product and channel."""
    write = change.writes.order_by("position").first()
    product, channel = (write.product, write.channel) if write is not None else (None, None)
    return metric(name, product or "", channel or "", change.uptake_version or "")


def _read(name: str, reading: Reading | Unknown, target: float) -> Progress:
    if isinstance(reading, Unknown):
        return Progress(name, None, target, reading.reason)
    return Progress(name, reading.value, target)


def _wanted(item: Progress) -> str:
    value = f"unknown: {item.unknown}" if item.value is None else f"now {item.value:g}"
    return f"{item.name} to reach {item.target:g} ({value})"


def _tripped(change: ScheduledChange) -> str:
    if change.guard_metric is None or change.guard_above is None:
        return ""
    reading = metric_of(change, change.guard_metric)
    if isinstance(reading, Unknown) or reading.value <= change.guard_above:
        return ""
    return f"{change.guard_metric} is {reading.value:g}, above {change.guard_above:g}"
