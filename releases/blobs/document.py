"""A release document, kept compactly: its top as an object, each locale as text that is parsed on first use.

This module alone knows how a document is cut into parts and put together again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from history.canonical import canonical_json

PARTED_SCHEMA_VERSIONS = frozenset({1, 2, 3, 4, 5, 6, 8, 9})
PARSED_LOCALES = 64

Place = tuple[str, str]

_FROM = re.compile(rb'"from":"((?:[^"\\]|\\.)*)"')


def split(blob: Mapping[str, Any]) -> tuple[dict[str, Any], dict[Place, dict[str, Any]]]:
    """Cut a document into its top and its locales, `{(platform, locale): object}`.

    Only application releases are cut. What does not have the usual shape stays in the top, so that
    `join(*split(blob)) == blob` for every document, except that a `locales` object that is there but empty stays empty.
    """
    top = dict(blob)
    parts: dict[Place, dict[str, Any]] = {}
    platforms = blob.get("platforms")
    if blob.get("schema_version") not in PARTED_SCHEMA_VERSIONS or not isinstance(platforms, dict):
        return top, parts
    top["platforms"] = {}
    for platform, entry in platforms.items():
        if isinstance(entry, dict) and isinstance(entry.get("locales"), dict):
            locales = entry["locales"]
            parts.update({(platform, name): data for name, data in locales.items() if isinstance(data, dict)})
            rest = {name: data for name, data in locales.items() if not isinstance(data, dict)}
            top["platforms"][platform] = {**entry, "locales": rest}
        else:
            top["platforms"][platform] = entry
    return top, parts


def join(top: Mapping[str, Any], parts: Mapping[Place, Any]) -> dict[str, Any]:
    """Put a document together again from its top and its locales; nothing is shared with the arguments' tops."""
    blob = dict(top)
    if isinstance(top.get("platforms"), dict):
        blob["platforms"] = {
            platform: {**entry, "locales": dict(entry["locales"])}
            if isinstance(entry, dict) and isinstance(entry.get("locales"), dict)
            else entry
            for platform, entry in top["platforms"].items()
        }
    for (platform, locale), data in parts.items():
        entry = blob.setdefault("platforms", {}).setdefault(platform, {"locales": {}})
        entry.setdefault("locales", {})[locale] = data
    return blob


class Document:
    """One release's document. Immutable by agreement: what it hands out must not be changed."""

    __slots__ = ("_parsed", "_texts", "top")

    def __init__(self, top: Mapping[str, Any], locales: Mapping[Place, bytes]) -> None:
        self.top: dict[str, Any] = dict(top)
        self._texts = locales
        self._parsed: dict[Place, dict[str, Any]] = {}

    @classmethod
    def from_dict(cls, blob: Mapping[str, Any]) -> Document:
        """Make a document of a whole blob."""
        top, parts = split(blob)
        return cls(top, {place: canonical_json(data).encode() for place, data in parts.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return the whole blob."""
        return join(self.top, {place: json.loads(text) for place, text in self._texts.items()})

    @property
    def platforms(self) -> dict[str, Any]:
        """The platforms' own objects, by name; empty when the document has none."""
        found = self.top.get("platforms")
        return found if isinstance(found, dict) else {}

    def places(self) -> Iterator[Place]:
        """All (platform, locale) that the document lists."""
        return iter(self._texts)

    def locale(self, platform: str, locale: str) -> dict[str, Any] | None:
        """Return one locale's object, or None; `platform` is not resolved here."""
        place = (platform, locale)
        parsed = self._parsed.get(place)
        if parsed is not None:
            return parsed
        text = self._texts.get(place)
        if text is None:
            return None
        try:
            parsed = json.loads(text)
        except ValueError:
            return None
        if not isinstance(parsed, dict):
            return None
        if len(self._parsed) >= PARSED_LOCALES:
            self._parsed = {}  # hot places come back at once; this bounds what one document can hold
        self._parsed[place] = parsed
        return parsed

    def from_releases(self) -> frozenset[str]:
        """Return the names in every patch's `from`, without parsing the locales."""
        found: set[str] = set()
        for text in self._texts.values():
            for raw in _FROM.findall(text):
                found.add(json.loads(b'"' + raw + b'"') if b"\\" in raw else raw.decode())
        found.discard("*")
        return frozenset(found)
