"""Whether two groups of an update line can match the same client: exact reasoning on their conditions.

Both groups match some client exactly when, for each condition that both have, some value satisfies both: the
conditions look at different things (channel, locale, version, build id), which a client may combine at will.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from releases.blobs.errors import BadVersion
from releases.blobs.expressions import SHORTEST_GLOB, compile_string, compile_version, parse_comparison
from releases.blobs.versions import GlobVersion, MozVersion, parse_version

CONDITIONS = ("locales", "channels", "versions", "buildIDs")


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
    """A channel or star pattern accepts a channel itself and what remains before `-cck-`."""
    patterns = sorted((one, other), key=lambda pattern: pattern.endswith("*"))
    exact, second = patterns
    if any(pattern.endswith("*") and len(pattern) < SHORTEST_GLOB for pattern in patterns):
        return False
    if not second.endswith("*"):
        # A partner channel `x-cck-y` is accepted by the pattern `x` and by the pattern `x-cck-y`.
        return exact == second or exact.split("-cck-", 1)[0] == second or second.split("-cck-", 1)[0] == exact
    stem = second[:-1]
    if not exact.endswith("*"):
        # `exact-cck-...` is accepted by `exact` too, so the stem may go on behind it.
        return exact.startswith(stem) or f"{exact}-cck-".startswith(stem) or stem.startswith(f"{exact}-cck-")
    start = exact[:-1]
    return start.startswith(stem) or stem.startswith(start) or _partner(start, stem) or _partner(stem, start)


def _partner(base: str, full: str) -> bool:
    """Tell whether a channel that starts with `full` can leave a text that starts with `base` before its `-cck-`."""
    return full.split("-cck-", 1)[0].startswith(base)


def _versions_share(one: str, other: str) -> bool:
    return _any_meets(_version_candidates(one) + _version_candidates(other), _version_tests(one, other))


def _build_ids_share(one: str, other: str) -> bool:
    candidates = _string_candidates(one) + _string_candidates(other)
    first, second = compile_string(one), compile_string(other)
    return any(first.matches(text) and second.matches(text) for text in candidates)


def _version_tests(one: str, other: str) -> tuple[Callable[[MozVersion], bool], ...]:
    return tuple(compile_version(text, loose=False).matches for text in (one, other))


def _any_meets(candidates: Sequence[MozVersion], tests: Sequence[Callable[[MozVersion], bool]]) -> bool:
    return any(all(test(candidate) for test in tests) for candidate in candidates)


def _version_candidates(text: str) -> list[MozVersion]:
    """Return the versions at which the truth of a comparison can change, and their next neighbours.

    Versions are numbers; between two bounds a version exists exactly when a neighbour of one lies between them.
    """
    found = []
    for item in text.split(","):
        comparison = parse_comparison(item)
        if comparison is None:
            continue
        try:
            version = parse_version(comparison.operand)
        except BadVersion:
            continue
        found += _neighbours(version)
    return found


def _neighbours(version: MozVersion | GlobVersion) -> list[MozVersion]:
    if isinstance(version, GlobVersion):
        numbers = (*version.numbers, 0, 0)[:3]
        base = MozVersion("", (numbers[0], numbers[1], numbers[2], 0, "a", 1))
        return [base, *_neighbours(MozVersion("", (numbers[0], numbers[1], numbers[2], 1, "", 0)))]
    major, minor, patch, final, letter, number = version.key
    keys = [version.key, (major, minor, patch, 0, "a", 0), (major, minor, patch + 1, 1, "", 0)]
    keys.append((major, minor, patch + 1, 0, "a", 0))
    if final:
        keys.append((major, minor, patch, 0, "z", 999))
        if patch:
            keys.append((major, minor, patch - 1, 1, "", 0))
        elif minor:
            keys.append((major, minor - 1, 999, 1, "", 0))
        elif major:
            keys.append((major - 1, 999, 999, 1, "", 0))
    else:
        keys += [(major, minor, patch, 0, letter, number + 1), (major, minor, patch, 1, "", 0)]
        if number:
            keys.append((major, minor, patch, 0, letter, number - 1))
    return [MozVersion("", key) for key in keys]


def _string_candidates(text: str) -> list[str]:
    comparison = parse_comparison(text)
    if comparison is None:
        return []
    operand = comparison.operand
    # The next text is operand + NUL; one just before it has the character before its last, and much behind.
    before = [operand[:-1] + chr(ord(operand[-1]) - 1) + "\uffff"] if operand else []
    return [operand, operand + "\0", *before]


_SHARE: dict[str, Callable[[str, str], bool]] = {
    "locales": _locales_share,
    "channels": _channels_share,
    "versions": _versions_share,
    "buildIDs": _build_ids_share,
}
