"""Where values stand in a JSON text."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from releng.console.release_lines import Lines, excerpt

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
KEYS = st.text(st.characters(exclude_characters=".", exclude_categories=["Cs"]), min_size=1, max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
SPACES = st.sampled_from(["", " ", "\n", "\r\n", "\n\n  ", "\t"])


def written(draw: Any, value: Any, path: str, told: dict[str, int], before: str) -> str:
    """Write a value with any white space, and note on which line each value begins, a member at its key."""

    def line(text: str) -> int:
        return text.replace("\r\n", "\n").count("\n") + 1

    if isinstance(value, (dict, list)):
        text = "{" if isinstance(value, dict) else "["
        members = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        for number, (step, inner) in enumerate(members):
            text += ("," if number else "") + draw(SPACES)
            own = f"{path}.{step}" if path else f"{step}"
            told[own] = line(before + text)
            if isinstance(value, dict):
                text += json.dumps(step) + draw(SPACES) + ":" + draw(SPACES)
            text += written(draw, inner, own, told, before + text)
        return text + draw(SPACES) + ("}" if isinstance(value, dict) else "]")
    return json.dumps(value, ensure_ascii=draw(st.booleans()))


@st.composite
def texts(draw: Any) -> tuple[str, dict[str, int]]:
    """A JSON text, and the line of each of its values."""
    value, told, start = draw(VALUES), {}, draw(SPACES)
    return start + written(draw, value, "", told, start) + draw(SPACES), told


@given(texts())
def test_lines__of_every_value__whatever_the_white_space(found: tuple[str, dict[str, int]]) -> None:
    text, told = found
    json.loads(text)
    lines = Lines(text)
    assert {path: lines.of(path) for path in told} == told


@given(VALUES)
def test_lines__of_what_is_not_there__are_those_of_what_encloses_it(value: Any) -> None:
    text = json.dumps({"a": value}, indent=2)
    assert Lines(text).of("a.not there.at all") in (Lines(text).of("a"), Lines(text).of("a.not there"))
    assert Lines(text).of("nowhere") == 1


def test_lines__of_keys_with_dots_and_quotes() -> None:
    text = '{\n"10.0": {\n"a\\"b": [1,\n2]}}'
    lines = Lines(text)
    assert [lines.of(path) for path in ("10.0", '10.0.a"b', '10.0.a"b.0', '10.0.a"b.1')] == [2, 3, 3, 4]


def test_excerpt__has_the_lines_around__and_cuts_long_ones() -> None:
    text = "\n".join(str(number) for number in range(1, 10)) + "\n" + "x" * 500
    assert excerpt(text, 1) == [(1, "1"), (2, "2"), (3, "3")]
    assert [number for number, _ in excerpt(text, 10)] == [8, 9, 10]
    assert len(excerpt(text, 10)[-1][1]) == 160
