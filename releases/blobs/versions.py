"""Version numbers as clients, rules and pins write them (protocol.md section 4.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from releases.blobs.errors import BadPin, BadVersion

LOOSE_PRODUCTS = frozenset({"FirefoxVPN", "Guardian"})
MODERN_UNTIL_MAJOR = 4
LONGEST_VERSION = 100
FIRST_LETTER = "A"  # of a prerelease; letters order by code point

_POSTMODERN = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:(a)(\d+))?", re.ASCII)
_MODERN = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:([a-zA-Z])[a-zA-Z]*(\d+))?", re.ASCII)
_ANCIENT = re.compile(r"(\d+)\.(\d+)\.\d\.(\d+)(?:([a-zA-Z])[a-zA-Z]*(\d+))?", re.ASCII)
_GLOB = re.compile(r"(\d+)\.(?:(\d+)\.)?\*", re.ASCII)
_PIN = re.compile(r"(\d+)\.(?:(\d+)\.)?", re.ASCII)
_LOOSE_PART = re.compile(r"[0-9]+|[a-z]+|\.|[^0-9a-z.]+")

Key = tuple[int, int, int, int, str, int]


@dataclass(frozen=True, slots=True)
class MozVersion:
    """A version of Mozilla's kinds; `key` orders them, a prerelease before its release."""

    text: str
    key: Key


@dataclass(frozen=True, slots=True)
class GlobVersion:
    """`N.*` or `N.N.*`: equal to every version that starts with these numbers; it has no order."""

    text: str
    numbers: tuple[int, ...]

    def covers(self, version: MozVersion) -> bool:
        """Tell whether `version` starts with the glob's numbers."""
        return version.key[: len(self.numbers)] == self.numbers


@dataclass(frozen=True, slots=True)
class LooseVersion:
    """A version compared part by part, numbers as numbers; `2.9` and `2.9.0` differ."""

    text: str
    parts: tuple[int | str, ...]

    def compare(self, other: LooseVersion) -> int | None:
        """Return -1, 0 or 1, or None where a number would meet text."""
        for mine, theirs in zip(self.parts, other.parts, strict=False):
            if mine == theirs:
                continue
            if isinstance(mine, int) and isinstance(theirs, int):
                return -1 if mine < theirs else 1
            if isinstance(mine, str) and isinstance(theirs, str):
                return -1 if mine < theirs else 1
            return None
        return (len(self.parts) > len(other.parts)) - (len(self.parts) < len(other.parts))


@dataclass(frozen=True, slots=True)
class PinVersion:
    """A client's pin: it wants nothing beyond the versions that start with these numbers."""

    numbers: tuple[int, ...]

    @property
    def text(self) -> str:
        """The normalised text, under which pins are stored."""
        return "".join(f"{number}." for number in self.numbers)

    def is_exceeded_by(self, version: MozVersion) -> bool:
        """Tell whether `version` lies beyond the pin."""
        return version.key[: len(self.numbers)] > self.numbers


@lru_cache(maxsize=8_192)
def parse_version(text: str) -> MozVersion | GlobVersion:
    """Parse a version of Mozilla's kinds; raise BadVersion for anything else."""
    kind = _ANCIENT
    if text.count(".") in (1, 2):
        first = text.split(".", 1)[0]
        if not (first.isascii() and first.isdigit()) or len(first) > 9:
            raise BadVersion(text)
        if int(first) <= MODERN_UNTIL_MAJOR:
            kind = _MODERN
        elif text.endswith(".*"):
            return _parse_glob(text)
        else:
            kind = _POSTMODERN
    found = kind.fullmatch(text)
    if found is None or len(text) > LONGEST_VERSION:
        raise BadVersion(text)
    major, minor, patch, letter, number = found.groups()
    numbers = (int(major), int(minor), int(patch or 0))
    prerelease = (0, letter, int(number)) if letter else (1, "", 0)
    return MozVersion(text, numbers + prerelease)


def _parse_glob(text: str) -> GlobVersion:
    found = _GLOB.fullmatch(text)
    if found is None or len(text) > LONGEST_VERSION:
        raise BadVersion(text)
    return GlobVersion(text, tuple(int(number) for number in found.groups() if number is not None))


def parse_loose(text: str) -> LooseVersion:
    """Parse a version of the loose kind; everything is one, though not everything compares.

    Of a text longer than any version only the beginning counts, so that the cache stays small whatever clients send.
    """
    return _parse_loose(text[:LONGEST_VERSION])


@lru_cache(maxsize=8_192)
def _parse_loose(text: str) -> LooseVersion:
    parts = [part for part in _LOOSE_PART.findall(text) if part != "."]
    return LooseVersion(text, tuple(int(part) if part[0] in "0123456789" else part for part in parts))


@lru_cache(maxsize=1_024)
def parse_pin(text: str) -> PinVersion:
    """Parse a pin; raise BadPin unless it is `N.` or `N.N.`."""
    found = _PIN.fullmatch(text)
    if found is None or len(text) > LONGEST_VERSION:
        raise BadPin(text)
    return PinVersion(tuple(int(number) for number in found.groups() if number is not None))


def is_loose(product: str | None) -> bool:
    """Tell whether rules compare this product's versions loosely."""
    return product in LOOSE_PRODUCTS


Version = MozVersion | GlobVersion | LooseVersion


def parse_for(text: str, *, loose: bool) -> Version:
    """Parse `text` by the version class that a product uses; raise BadVersion."""
    return parse_loose(text) if loose else parse_version(text)


def equal(mine: Version, theirs: Version) -> bool:
    """Tell whether two versions are the same; a glob equals what it covers."""
    if isinstance(mine, MozVersion):
        if isinstance(theirs, MozVersion):
            return mine.key == theirs.key
        return isinstance(theirs, GlobVersion) and theirs.covers(mine)
    if isinstance(mine, GlobVersion):
        if isinstance(theirs, MozVersion):
            return mine.covers(theirs)
        return isinstance(theirs, GlobVersion) and mine.numbers == theirs.numbers
    return isinstance(theirs, LooseVersion) and mine.parts == theirs.parts


def compare(mine: Version, theirs: Version) -> int | None:
    """Return -1, 0 or 1, or None where the two have no order."""
    if isinstance(mine, MozVersion) and isinstance(theirs, MozVersion):
        return (mine.key > theirs.key) - (mine.key < theirs.key)
    if isinstance(mine, LooseVersion) and isinstance(theirs, LooseVersion):
        return mine.compare(theirs)
    return None
