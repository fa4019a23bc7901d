"""A release document, kept compactly: its top as an object, each locale as text that is parsed when asked for.

This module alone knows how a document is cut into parts and put together again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from history.canonical import canonical_json

PARTED_SCHEMA_VERSIONS = frozenset({1, 2, 3, 4, 5, 6, 8, 9})

Place = tuple[str, str]

_FROM = re.compile(rb'"from"\s*:\s*("(?:[^"\\]|\\.)*")')


def split(blob: Mapping[str, Any]) -> tuple[dict[str, Any], dict[Place, dict[str, Any]]]:
    """Cut a document into its top and its locales, `{(platform, locale): object}`.

    Only application releases are cut. What does not have the usual shape stays in the top, so that
    `join(*split(blob)) == blob` for every document. The locales themselves are shared with `blob`.
    """
    top = dict(blob)
    parts: dict[Place, dict[str, Any]] = {}
    version, platforms = blob.get("schema_version"), blob.get("platforms")
    if type(version) is not int or version not in PARTED_SCHEMA_VERSIONS or not isinstance(platforms, dict):
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
    """Put a document together again from its top and its locales; the arguments are not changed.

    A part whose platform the top does not list makes that platform; one whose platform has an unusable shape
    replaces it, since what was submitted last must not be lost.
    """
    blob = dict(top)
    if not parts:
        return blob
    platforms = blob["platforms"] = dict(_object(top.get("platforms")))
    for platform in {platform for platform, _ in parts}:
        entry = _object(platforms.get(platform))
        platforms[platform] = {**entry, "locales": dict(_object(entry.get("locales")))}
    for (platform, locale), data in parts.items():
        platforms[platform]["locales"][locale] = data
    return blob


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


class Document:
    """One release's document. Immutable by agreement: what it hands out must not be changed.

    `top` is everything but the locales, `platforms` the platforms' own objects by name (empty when the document has
    none).
    """

    __slots__ = ("_texts", "platforms", "top")

    def __init__(self, top: Mapping[str, Any], locales: Mapping[Place, bytes]) -> None:
        self.top: dict[str, Any] = dict(top)
        self.platforms: dict[str, Any] = _object(self.top.get("platforms"))
        self._texts = locales

    @classmethod
    def from_dict(cls, blob: Mapping[str, Any]) -> Document:
        """Make a document of a whole blob."""
        top, parts = split(blob)
        return cls(
            top, {place: canonical_json(data).encode(errors="surrogatepass") for place, data in parts.items()}
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the whole blob; raise ValueError when a locale's text is not JSON."""
        return join(self.top, {place: json.loads(text) for place, text in self._texts.items()})

    def places(self) -> Iterator[Place]:
        """All (platform, locale) that the document lists."""
        return iter(self._texts)

    def lists(self, platform: str, locale: str) -> bool:
        """Tell whether the document lists this place; `platform` is not resolved here."""
        return (platform, locale) in self._texts

    def locale(self, platform: str, locale: str) -> dict[str, Any] | None:
        """Parse and return one locale's object, or None; `platform` is not resolved here."""
        text = self._texts.get((platform, locale))
        if text is None:
            return None
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return parsed if isinstance(parsed, dict) else None

    def from_releases(self) -> frozenset[str]:
        """Return the names in every patch's `from`, without parsing the locales."""
        quoted = {found for text in self._texts.values() for found in _FROM.findall(text)}
        names: set[str] = set()
        for text in quoted:
            try:
                names.add(json.loads(text))
            except ValueError:
                continue
        names.discard("*")
        return frozenset(names)
