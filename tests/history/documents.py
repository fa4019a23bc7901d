"""Documents for the tests of merge and diff: small, so that versions overlap; of values easily confused."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from history.values import ABSENT, Json, Path

KEYS = ("a", "b", "tags")
SCALARS = st.sampled_from([None, True, False, 0, 1, 1.0, 0.0, -0.0, "", "0", "x", "y"])
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from(KEYS), JSON_VALUES, max_size=3)


def is_tags(path: Path) -> bool:
    """Declare every list named `tags` to be a set."""
    return path[-1:] == ("tags",)


@st.composite
def edits(draw: st.DrawFn, value: Json) -> Json:
    """Draw a later version of `value`: most of it is kept, some is changed, deleted or added."""
    if isinstance(value, list) and value and draw(st.booleans()):
        return draw(st.permutations([*value, draw(SCALARS)]))[: draw(st.integers(0, len(value) + 1))]
    if not isinstance(value, dict):
        return draw(st.just(value) | st.just(value) | JSON_VALUES)
    result = {}
    for key in KEYS:
        action = draw(st.sampled_from(["keep", "keep", "edit", "edit", "new", "delete"]))
        if action == "new":
            result[key] = draw(JSON_VALUES)
        elif key in value and action != "delete":
            result[key] = draw(edits(value[key])) if action == "edit" else value[key]
    return result


@st.composite
def three_versions(draw: st.DrawFn) -> tuple[Json, Json, Json]:
    """Draw base, theirs and yours, which share no object with each other."""
    base = draw(OBJECTS)
    return tuple(json.loads(json.dumps(side)) for side in (base, draw(edits(base)), draw(edits(base))))


def text(value: Any) -> str:
    """Return what makes a value the same as another one; the order of keys does not count."""
    return "(absent)" if value is ABSENT else json.dumps(value, sort_keys=True)


def at(document: Json, path: Path) -> Any:
    """Return the value at `path`, ABSENT when there is none."""
    for step in path:
        if isinstance(document, dict):
            document = document.get(step, ABSENT)
        elif isinstance(document, list) and isinstance(step, int):
            document = document[step]
        else:
            return ABSENT
    return document


def containers(value: Any) -> set[int]:
    """Return the identities of all objects and arrays in a value."""
    if isinstance(value, dict):
        return {id(value)}.union(*map(containers, value.values()))
    if isinstance(value, list):
        return {id(value)}.union(*map(containers, value))
    return set()
