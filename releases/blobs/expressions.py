"""The small language of rule fields: what a client's value is compared with (protocol.md section 4.2).

Each field's text is compiled once (`compile_*`, cached) into an object with `matches(value)`. Evaluation never raises:
a stored text that cannot be read matches nothing. What people write is checked before it is stored,
by the `check_*` functions, which return a message or None.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from releases.blobs.errors import BadVersion
from releases.blobs.versions import GlobVersion, Version, compare, equal, parse_for

SHORTEST_GLOB = 3
CHANNEL_SEPARATOR = "-cck-"  # a partner's suffix begins here (protocol.md section 3)
CACHED_EXPRESSIONS = 65_536

_OPERATOR = re.compile(r"(>=|<=|>|<)([\w.]*)")
_WORD = re.compile(r"\w")
_LOOSE = re.compile(r"[0-9][0-9a-z]*(\.[0-9a-z]+)*")

_HOLDS: dict[str, Callable[[int], bool]] = {
    ">=": lambda order: order >= 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    "<": lambda order: order < 0,
}


class Expression(Protocol):
    """A compiled field of a rule."""

    def matches(self, value: str) -> bool:
        """Tell whether a client's value passes."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """An operator (`=`, `>=`, `<=`, `>`, `<`) and its operand's text."""

    operator: str
    operand: str


@lru_cache(maxsize=CACHED_EXPRESSIONS)
def parse_comparison(text: str) -> Comparison | None:
    """Read one item: operator and operand, or None for text that is neither."""
    if text.endswith("*") or _WORD.match(text):
        return Comparison("=", text)
    found = _OPERATOR.match(text)
    return Comparison(found[1], found[2]) if found else None


# --- Channels ---------------------------------------------------------------------------------------------


def channel_matches(pattern: str, channel: str) -> bool:
    """Tell whether a channel pattern, with an optional star at its end, accepts `channel`; letter case counts."""
    if pattern.endswith("*"):
        return len(pattern) >= SHORTEST_GLOB and channel.startswith(pattern[:-1])
    return pattern == channel


def check_channel(text: str) -> str | None:
    """Return what is wrong with a channel pattern, or None."""
    if "*" in text[:-1]:
        return "a star may only stand at the end; write one rule for each channel."
    if text.endswith("*") and len(text) < SHORTEST_GLOB:
        return "a pattern with a star needs at least two characters before it, else it never matches."
    if "," in text:
        return "a rule has one channel; write one rule for each."
    return None


# --- Versions ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VersionExpression:
    """A comma list of versions and comparisons; one that holds suffices."""

    items: tuple[tuple[str, Version], ...]

    def matches(self, version: Version) -> bool:
        """Tell whether `version`, of the class that the expression was compiled for, passes."""
        for operator, operand in self.items:
            if operator == "=":
                if equal(version, operand):
                    return True
            else:
                order = compare(version, operand)
                if order is not None and _HOLDS[operator](order):
                    return True
        return False


@lru_cache(maxsize=CACHED_EXPRESSIONS)
def compile_version(text: str, *, loose: bool) -> VersionExpression:
    """Compile a rule's version field; items that cannot be read are left out."""
    items = []
    for item in text.split(","):
        comparison = parse_comparison(item)
        if comparison is None:
            continue
        try:
            items.append((comparison.operator, parse_for(comparison.operand, loose=loose)))
        except BadVersion:
            continue
    return VersionExpression(tuple(items))


def check_version(text: str, *, loose: bool | None) -> str | None:
    """Return what is wrong with a version field, or None; `loose=None` (no product) accepts either class."""
    for item in text.split(","):
        if any(character.isspace() for character in item):
            return f"{item!r} contains white space; separate versions by commas alone."
        comparison = parse_comparison(item)
        if comparison is None or not comparison.operand:
            return f"{item!r} is neither a version nor >, >=, < or <= and a version."
        if comparison.operator + comparison.operand != item and comparison.operator != "=":
            return f"{item!r} has characters behind the version; separate versions by commas."
        if loose:
            if not _LOOSE.fullmatch(comparison.operand):
                return f"{comparison.operand!r} is not a version such as 2.9 or 2.10.1."
            continue
        try:
            version = parse_for(comparison.operand, loose=False)
        except BadVersion:
            if loose is None:
                continue
            return f"{comparison.operand!r} is not a version such as 128.0, 128.0.1, 128.0a1 or 128.*."
        if isinstance(version, GlobVersion) and comparison.operator != "=":
            return f"{item!r}: a version with a star can only be equal; it has no order."
    return None


# --- Build ids and memory ---------------------------------------------------------------------------------


@lru_cache(maxsize=CACHED_EXPRESSIONS)
def compile_string(text: str) -> StringExpression:
    """Compile a comparison of texts, as build ids are compared."""
    return StringExpression(parse_comparison(text))


@dataclass(frozen=True, slots=True)
class StringExpression:
    """One comparison by the order of characters: `3` is more than `2020`."""

    comparison: Comparison | None

    def matches(self, value: str) -> bool:
        if self.comparison is None:
            return False
        operator, operand = self.comparison.operator, self.comparison.operand
        if operator == "=":
            return value == operand
        return _HOLDS[operator]((value > operand) - (value < operand))


@lru_cache(maxsize=CACHED_EXPRESSIONS)
def compile_int(text: str) -> IntExpression:
    """Compile a comparison of whole numbers."""
    comparison = parse_comparison(text)
    if comparison is None or not _is_number(comparison.operand):
        return IntExpression(None, 0)
    return IntExpression(comparison.operator, int(comparison.operand))


@dataclass(frozen=True, slots=True)
class IntExpression:
    """One comparison of whole numbers; an unknown value passes."""

    operator: str | None
    operand: int

    def matches(self, value: int | None) -> bool:
        if value is None:
            return True
        if self.operator is None:
            return False
        order = (value > self.operand) - (value < self.operand)
        return order == 0 if self.operator == "=" else _HOLDS[self.operator](order)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def check_number(text: str) -> str | None:
    """Return what is wrong with a build id or memory comparison, or None."""
    comparison = parse_comparison(text)
    if comparison is None or not _is_number(comparison.operand):
        return "must be a whole number, or >, >=, < or <= and a whole number."
    if comparison.operator != "=" and comparison.operator + comparison.operand != text:
        return "has characters behind the number; only one comparison can be given."
    return None


# --- Lists ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=CACHED_EXPRESSIONS)
def compile_list(text: str) -> ListExpression:
    """Compile a comma list of exact values; white space is part of a value."""
    return ListExpression(frozenset(text.split(",")))


@dataclass(frozen=True, slots=True)
class ListExpression:
    """The value must be one of these."""

    items: frozenset[str]

    def matches(self, value: str) -> bool:
        return value in self.items


@lru_cache(maxsize=CACHED_EXPRESSIONS)
def compile_os_version(text: str) -> OSVersionExpression:
    """Compile an operating system field: commas are OR, `&&` is AND, each term is a part of the value."""
    return OSVersionExpression(
        tuple(tuple(term.strip() for term in group.split("&&")) for group in text.split(","))
    )


@dataclass(frozen=True, slots=True)
class OSVersionExpression:
    """All terms of one group must occur in the value."""

    groups: tuple[tuple[str, ...], ...]

    def matches(self, value: str) -> bool:
        return any(all(term in value for term in group) for group in self.groups)


def check_list(text: str) -> str | None:
    """Return what is wrong with a comma list, or None."""
    if any(not item.strip() for item in text.split(",")):
        return "has an empty item; remove the superfluous comma."
    return None


def check_os_version(text: str) -> str | None:
    """Return what is wrong with an operating system field, or None."""
    for group in text.split(","):
        if any(not term.strip() for term in group.split("&&")):
            return "has an empty term, which would match every system; remove the superfluous comma or &&."
    return None
