"""Equality, copies and the written form of paths."""

import copy
import datetime
import json
import pickle
from enum import StrEnum

import pytest
from hypothesis import given

from history.canonical import canonical_json
from history.values import ABSENT, copy_value, path_text, same_value
from tests.history.documents import JSON_VALUES, containers


@given(JSON_VALUES, JSON_VALUES)
def test_same_value__any_json__agrees_with_canonical_text(one, other):
    assert same_value(one, other) is (canonical_json(one) == canonical_json(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [(True, 1), (False, 0), (1, 1.0), (0.0, -0.0), (None, ABSENT), ([True], [1]), ({"a": 1}, {"a": 1.0})],
)
def test_same_value__equal_for_python_only__is_false(one, other):
    assert not same_value(one, other)


def test_same_value__values_of_rows__compares_type_and_value():
    class Kind(StrEnum):
        MINOR = "minor"

    day = datetime.date(2024, 1, 2)
    assert same_value(Kind.MINOR, "minor")
    assert same_value(day, datetime.date(2024, 1, 2))
    assert not same_value(day, datetime.date(2024, 1, 3))
    assert not same_value(day, "2024-01-02")


def test_same_value__copied_document__is_true():
    document = {"a": [1, {"b": None}], "c": "x"}
    assert same_value(document, json.loads(json.dumps(document)))


@given(JSON_VALUES)
def test_copy_value__any_json__is_same_and_shares_nothing(value):
    copied = copy_value(value)
    assert same_value(copied, value)
    assert not containers(copied) & containers(value)


def test_absent__copied_or_pickled__stays_the_only_one():
    assert copy.deepcopy(ABSENT) is ABSENT
    assert pickle.loads(pickle.dumps(ABSENT)) is ABSENT
    assert f"{ABSENT}" == repr(ABSENT) == "(absent)"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), "(document)"),
        (("platforms", "Linux_x86-gcc3", "partials", 0), "platforms.Linux_x86-gcc3.partials[0]"),
        (("a.b", "c"), '"a.b".c'),
        (("", "new\nline"), '""."new\\nline"'),
        ((2, "x"), "[2].x"),
    ],
)
def test_path_text__any_step__is_readable_and_one_line(path, expected):
    assert path_text(path) == expected
