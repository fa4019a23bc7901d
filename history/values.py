"""JSON values inside documents: when two are the same, how to copy one, how to name a place in one. Pure."""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import Any, Final, TypeAlias

Json: TypeAlias = Any
"""A value as `json.loads` returns it: dict[str, Json], list[Json], str, int, float, bool or None."""

Path: TypeAlias = tuple[str | int, ...]
"""Keys of objects and indexes of arrays from the root of a document down to a value; () is the document."""

_SCALARS: Final = (bool, int, float, str)  # bool stands first because it is a subclass of int
_PLAIN_KEY: Final = re.compile(r"[\w-]+")


class Absent(Enum):
    """The type of `ABSENT`; an enum, so that there is one value only, also after copying and pickling."""

    ABSENT = "(absent)"

    def __str__(self) -> str:
        return self.value

    __repr__ = __str__


ABSENT: Final = Absent.ABSENT
"""Stands where a version has no value at all, which is not the same as null."""


def same_value(one: Json | Absent, other: Json | Absent) -> bool:
    """Tell whether two values have the same canonical text: 1, 1.0 and true are three different values.

    Values that are not JSON (dates in the fields of a row) are the same when their types and values are.
    """
    if one is other:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_value(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    if _kind(one) is not _kind(other):
        return False
    # repr tells 0.0 from -0.0, as their JSON texts do.
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)


def _kind(value: object) -> type:
    # A choice that is also a str is the same value as the plain str that the database gives back.
    return next((scalar for scalar in _SCALARS if isinstance(value, scalar)), type(value))


def copy_value(value: Json) -> Json:
    """Return a copy of `value` that shares no object or array with it."""
    if isinstance(value, dict):
        return {key: copy_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy_value(item) for item in value]
    return value


def step_text(step: str | int) -> str:
    """Return one step of a path for people: a plain key as it is, another in quotes, an index in brackets."""
    if isinstance(step, int):
        return f"[{step}]"
    return step if _PLAIN_KEY.fullmatch(step) else json.dumps(step, ensure_ascii=False)


def path_text(path: Path) -> str:
    """Return `path` for people: `platforms.Linux.locales.de.partials[0]`; `(document)` for the root."""
    steps = [step_text(step) if isinstance(step, int) else f".{step_text(step)}" for step in path]
    return "".join(steps).removeprefix(".") or "(document)"
