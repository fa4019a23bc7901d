"""Version classes: protocol.md section 4.3."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.blobs.errors import BadPin, BadVersion, ClientError
from releases.blobs.versions import (
    GlobVersion,
    LooseVersion,
    MozVersion,
    compare,
    equal,
    is_loose,
    parse_for,
    parse_loose,
    parse_pin,
    parse_version,
)

NUMBERS = st.integers(0, 150)


@st.composite
def moz_texts(draw):
    """Text of every kind that clients send."""
    major = draw(NUMBERS)
    rest = draw(st.lists(NUMBERS, min_size=1, max_size=2))
    kind = draw(st.sampled_from(["plain", "prerelease", "ancient"]))
    if kind == "ancient":
        letter = draw(st.sampled_from(["", "a1", "pre3", "rc2"]))
        return f"{major}.{rest[0]}.{draw(st.integers(0, 9))}.{draw(NUMBERS)}{letter}"
    text = ".".join(str(number) for number in (major, *rest))
    if kind == "plain":
        return text
    letters = "a" if major > 4 else draw(st.sampled_from(["a", "b", "pre", "rc"]))
    return f"{text}{letters}{draw(NUMBERS)}"


VERSIONS = moz_texts().map(parse_version)
LOOSE = st.lists(st.integers(0, 20), min_size=1, max_size=4).map(
    lambda numbers: parse_loose(".".join(map(str, numbers)))
)


UNREADABLE = ["5.0b3", "70.0esr", "banana", "45", "", ".", "1.", "5.0.0.0.0", "4.*", "80*", "80.*.*", "50.0a"]
HOSTILE = ["-1.0", "60.0.12.5", "\u0665\u0660.0", f"{'9' * 20}.0", f"{'1' * 200}.0", "5.0 ", "5.0\n"]


@pytest.mark.parametrize("text", [*UNREADABLE, *HOSTILE])
def test_parse_version__unreadable_text__is_the_clients_error(text):
    with pytest.raises(BadVersion) as raised:
        parse_version(text)
    assert isinstance(raised.value, ClientError)
    assert text in str(raised.value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("5.0", (5, 0, 0, 1, "", 0)),
        ("128.0.3", (128, 0, 3, 1, "", 0)),
        ("128.0a1", (128, 0, 0, 0, "a", 1)),
        ("3.6b4", (3, 6, 0, 0, "b", 4)),
        ("3.6.4pre2", (3, 6, 4, 0, "p", 2)),
        ("2.0.0.12", (2, 0, 12, 1, "", 0)),
        ("1.5.0.4rc3", (1, 5, 4, 0, "r", 3)),
    ],
)
def test_parse_version__each_kind__gives_its_order(text, key):
    parsed = parse_version(text)
    assert isinstance(parsed, MozVersion)
    assert parsed.key == key


@given(VERSIONS, VERSIONS)
def test_compare__two_versions__exactly_one_order_holds(one, other):
    order = compare(one, other)
    assert order in (-1, 0, 1)
    assert compare(other, one) == -order
    assert (order == 0) == equal(one, other)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_compare__three_versions__order_is_transitive(one, two, three):
    first, second, third = sorted((one, two, three), key=lambda version: version.key)
    assert compare(first, second) <= 0
    assert compare(second, third) <= 0
    assert compare(first, third) <= 0


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_compare__prerelease__comes_before_its_release(major, minor, patch, number):
    release = parse_version(f"{major}.{minor}.{patch}")
    assert compare(parse_version(f"{major}.{minor}.{patch}a{number}"), release) == -1


def test_compare__missing_patch__is_zero():
    assert equal(parse_version("80.0"), parse_version("80.0.0"))


@given(st.integers(5, 150), NUMBERS, VERSIONS)
def test_glob__any_version__equals_what_starts_with_its_numbers(major, minor, version):
    one, two = parse_version(f"{major}.*"), parse_version(f"{major}.{minor}.*")
    assert isinstance(one, GlobVersion)
    assert equal(one, version) == equal(version, one) == (version.key[0] == major)
    assert equal(two, version) == (version.key[:2] == (major, minor))
    assert compare(one, version) is None


def test_glob__prerelease_and_zero_patch__are_covered():
    assert equal(parse_version("70.*"), parse_version("70.0a1"))
    assert equal(parse_version("80.0.*"), parse_version("80.0"))
    assert not equal(parse_version("7.*"), parse_version("70.0"))
    assert equal(parse_version("70.*"), parse_version("70.*"))
    assert not equal(parse_version("70.*"), parse_version("70.0.*"))


@given(LOOSE, LOOSE, LOOSE)
def test_loose__numbers__are_totally_ordered(one, two, three):
    assert compare(one, two) == -compare(two, one)
    assert (compare(one, two) == 0) == equal(one, two)
    if compare(one, two) <= 0 and compare(two, three) <= 0:
        assert compare(one, three) <= 0


def test_loose__worked_examples__as_specified():
    assert compare(parse_loose("2.9"), parse_loose("2.9.0")) == -1
    assert not equal(parse_loose("2.9"), parse_loose("2.9.0"))
    assert compare(parse_loose("2.9"), parse_loose("2.10")) == -1
    assert compare(parse_loose("2.a"), parse_loose("2.1")) is None
    assert compare(parse_loose("2.a"), parse_loose("2.b")) == -1


@given(st.text(max_size=300), st.text(max_size=300))
def test_loose__any_text__never_raises(one, other):
    assert isinstance(parse_loose(one), LooseVersion)
    assert compare(parse_loose(one), parse_loose(other)) in (-1, 0, 1, None)


@given(st.text(max_size=300))
def test_parse_version__any_text__parses_or_is_the_clients_error(text):
    with contextlib.suppress(BadVersion):
        assert parse_version(text).text == text


def test_loose__huge_text__keeps_only_its_beginning():
    assert len(parse_loose("1." * 10_000).text) <= 100


def test_versions_of_two_classes__are_neither_equal_nor_ordered():
    loose, moz, glob = parse_loose("80.0"), parse_version("80.0"), parse_version("80.*")
    for one, other in ((loose, moz), (moz, loose), (loose, glob), (glob, loose)):
        assert not equal(one, other)
        assert compare(one, other) is None


def test_is_loose__products__are_the_two_of_the_specification():
    assert is_loose("FirefoxVPN")
    assert is_loose("Guardian")
    assert not is_loose("Firefox")
    assert not is_loose(None)
    assert isinstance(parse_for("banana", loose=True), LooseVersion)


@pytest.mark.parametrize(
    "text", ["22", "", ".", "22.9", "22.9.1.", "a.", "22..", " 22.", "22.\n", "9" * 200 + "."]
)
def test_pin__bad_text__is_the_clients_error(text):
    with pytest.raises(BadPin):
        parse_pin(text)


@given(NUMBERS, NUMBERS, VERSIONS)
def test_pin__two_numbers__is_exceeded_by_what_lies_beyond(major, minor, version):
    pin = parse_pin(f"0{major}.{minor:03}.")
    assert pin.text == f"{major}.{minor}."
    assert pin.is_exceeded_by(version) == (version.key[:2] > (major, minor))
    assert parse_pin(f"{major}.").is_exceeded_by(version) == (version.key[0] > major)
