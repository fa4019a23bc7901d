"""Whether two groups of an update line can match the same client: exact reasoning on their conditions (features H23).

Both groups match some client exactly when, for each condition that both have, some value satisfies both: the
conditions look at different things (channel, locale, version, build id), which a client may combine at will.

Versions and build ids are well ordered: each has a next one. So every comparison accepts a range with a least
member, and two ranges share a member exactly when the greater of the two least members lies in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from releases.blobs.errors import BadVersion
from releases.blobs.expressions import (
    CHANNEL_SEPARATOR,
    SHORTEST_GLOB,
    compile_string,
    compile_version,
    parse_comparison,
)
from releases.blobs.versions import FIRST_LETTER, GlobVersion, Key, MozVersion, parse_version

CONDITIONS = ("locales", "channels", "versions", "buildIDs")

_LEAST_KEY: Key = (0, 0, 0, 0, FIRST_LETTER, 0)


def can_both_match(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether some client meets the conditions of both; a condition missing on either side is met."""
    return all(
        name not in one
        or name not in other
        or any(_SHARE[name](a, b) for a in one[name] for b in other[name])
        for name in CONDITIONS
    )


def _locales_share(one: str, other: str) -> bool:
    return one == other


def _channels_share(one: str, other: str) -> bool:
    """Tell whether both patterns accept some channel, each by the whole of it or by what stands before `-cck-`."""
    return _same_text(one, other) or _base_of(one, other) or _base_of(other, one)


def _same_text(one: str, other: str) -> bool:
    if _never_matches(one) or _never_matches(other):
        return False
    stem, text = one.removesuffix("*"), other.removesuffix("*")
    if one.endswith("*") and other.endswith("*"):
        return stem.startswith(text) or text.startswith(stem)
    if one.endswith("*"):
        return other.startswith(stem)
    return one.startswith(text) if other.endswith("*") else one == other


def _base_of(base: str, pattern: str) -> bool:
    """Tell whether `pattern` accepts some partner channel of the channel `base`.

    A `base` with a star needs no look: what it accepts before `-cck-` it accepts whole, too.
    """
    partner = base + CHANNEL_SEPARATOR
    if base.endswith("*") or partner.find(CHANNEL_SEPARATOR) < len(base) or _never_matches(pattern):
        return False
    if not pattern.endswith("*"):
        return pattern.startswith(partner)
    stem = pattern[:-1]
    return stem.startswith(partner) or partner.startswith(stem)


def _never_matches(pattern: str) -> bool:
    return pattern.endswith("*") and len(pattern) < SHORTEST_GLOB


def _versions_share(one: str, other: str) -> bool:
    return any(_version_ranges_share(a, b) for a in one.split(",") for b in other.split(","))


def _version_ranges_share(one: str, other: str) -> bool:
    least = [_least_version(one), _least_version(other)]
    keys = [key for key in least if key is not None]
    if len(keys) < len(least):
        return False
    meeting = MozVersion("", max(keys))
    return all(compile_version(text, loose=False).matches(meeting) for text in (one, other))


def _least_version(text: str) -> Key | None:
    """Return the least version that a comparison may accept; None when it cannot be read."""
    comparison = parse_comparison(text)
    if comparison is None:
        return None
    try:
        version = parse_version(comparison.operand)
    except BadVersion:
        return None
    if isinstance(version, GlobVersion):
        major, minor = (*version.numbers, 0)[:2]
        return (major, minor, 0, 0, FIRST_LETTER, 0)
    if comparison.operator in ("<", "<="):
        return _LEAST_KEY
    return _next_key(version.key) if comparison.operator == ">" else version.key


def _next_key(key: Key) -> Key:
    major, minor, patch, final, letter, number = key
    if final:
        return (major, minor, patch + 1, 0, FIRST_LETTER, 0)
    return (major, minor, patch, 0, letter, number + 1)


def _build_ids_share(one: str, other: str) -> bool:
    least = [_least_text(one), _least_text(other)]
    texts = [text for text in least if text is not None]
    if len(texts) < len(least):
        return False
    meeting = max(texts)
    return all(compile_string(text).matches(meeting) for text in (one, other))


def _least_text(text: str) -> str | None:
    """Return the least text that a comparison may accept; None when it cannot be read."""
    comparison = parse_comparison(text)
    if comparison is None:
        return None
    if comparison.operator in ("<", "<="):
        return ""
    return f"{comparison.operand}\0" if comparison.operator == ">" else comparison.operand


_SHARE = {
    "locales": _locales_share,
    "channels": _channels_share,
    "versions": _versions_share,
    "buildIDs": _build_ids_share,
}
