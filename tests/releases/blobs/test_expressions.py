"""The language of rule fields: protocol.md section 4.2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.blobs.expressions import (
    channel_matches,
    check_channel,
    check_list,
    check_number,
    check_os_version,
    check_version,
    compile_int,
    compile_list,
    compile_os_version,
    compile_string,
    compile_version,
    parse_comparison,
)
from releases.blobs.versions import parse_loose, parse_version

ANY_TEXT = st.text(max_size=40)
RULE_LIKE = st.text(st.sampled_from(list("0123456789.*<>=,ab &")), max_size=20)


def version_matches(expression, text, *, loose=False):
    parse = parse_loose if loose else parse_version
    return compile_version(expression, loose=loose).matches(parse(text))


@pytest.mark.parametrize(
    ("pattern", "channel", "expected"),
    [
        ("release", "release", True),
        ("release", "Release", False),
        ("release*", "release", True),
        ("release*", "release-cck-x", True),
        ("re*", "release", True),
        ("r*", "release", False),
        ("*", "release", False),
        ("a.b*", "axb", False),
        ("rel*se*", "rel*sex", True),
        ("rel*se*", "release", False),
        ("(rel*", "(release", True),
        ("release", "release*", False),
    ],
)
def test_channel__pattern__star_counts_only_at_the_end(pattern, channel, expected):
    assert channel_matches(pattern, channel) is expected


@pytest.mark.parametrize(
    ("expression", "version", "expected"),
    [
        ("80.0", "80.0", True),
        ("80.0", "80.0.0", True),
        ("80.0", "80.0.1", False),
        ("70.0,80.0", "80.0", True),
        ("<70.0,>=80.0", "80.0", True),
        ("<70.0,>=80.0", "75.0", False),
        ("<=80.0", "80.0", True),
        (">80.0", "80.0", False),
        ("80.*", "80.0a1", True),
        (">=80.*", "81.0", False),
        ("70.0, 80.0", "80.0", False),
        ("=80.0", "80.0", False),
        ("banana", "80.0", False),
        ("banana,80.0", "80.0", True),
        ("", "80.0", False),
        (">=80.0 or so", "81.0", True),
    ],
)
def test_version__expression__any_item_of_the_list_suffices(expression, version, expected):
    assert version_matches(expression, version) is expected


def test_version__loose_product__compares_loosely():
    assert version_matches("<2.10", "2.9", loose=True)
    assert version_matches("2.9.0", "2.9.0", loose=True)
    assert not version_matches("2.9.0", "2.9", loose=True)
    assert not version_matches("<2.10", "2.x", loose=True)


def test_string__build_ids__compare_as_text():
    assert compile_string(">2020").matches("3")
    assert compile_string("2024*").matches("2024*")
    assert not compile_string("2024*").matches("20240101")
    assert compile_string("<2024").matches("")
    assert not compile_string("!2024").matches("2024")


@given(st.sampled_from(["", "<", "<=", ">", ">="]), st.integers(0, 300), st.integers(0, 300))
def test_int__operator__agrees_with_arithmetic(operator, operand, value):
    truth = {"": value == operand, "<": value < operand, "<=": value <= operand}
    truth |= {">": value > operand, ">=": value >= operand}
    assert compile_int(f"{operator}{operand}").matches(value) is truth[operator]


def test_int__unknown_memory__passes_every_expression():
    assert compile_int("<2000").matches(None)
    assert compile_int("junk").matches(None)
    assert not compile_int("junk").matches(5)


@pytest.mark.parametrize(
    ("expression", "value", "expected"),
    [
        ("Wind && 10", "Windows 10", True),
        ("Wind && 10", "Win11", False),
        ("Darwin 8,Wind&&10", "Windows_NT 10.0", True),
        ("Windows", "Linux", False),
        ("", "anything", True),
    ],
)
def test_os_version__groups__or_over_commas_and_over_ampersands(expression, value, expected):
    assert compile_os_version(expression).matches(value) is expected


def test_list__items__are_exact_and_not_trimmed():
    assert compile_list("de,fr").matches("fr")
    assert not compile_list("de, fr").matches("fr")
    assert compile_list("").matches("")
    assert not compile_list("SSE3").matches("SSE")


def test_comparison__text_behind_the_operand__is_cut_off():
    found = parse_comparison(">=12.0 beta")
    assert found is not None
    assert (found.operator, found.operand) == (">=", "12.0")
    assert parse_comparison("=12") is None
    assert parse_comparison("") is None


@given(ANY_TEXT | RULE_LIKE, st.sampled_from(["80.0", "3.6b4", "70.*", "2.0.0.1"]), ANY_TEXT, st.integers(0))
def test_evaluation__any_stored_text__never_raises(text, version, value, number):
    assert version_matches(text, version) in (True, False)
    assert version_matches(text, value, loose=True) in (True, False)
    assert compile_string(text).matches(value) in (True, False)
    assert compile_int(text).matches(number) in (True, False)
    assert compile_list(text).matches(value) in (True, False)
    assert compile_os_version(text).matches(value) in (True, False)
    assert channel_matches(text, value) in (True, False)


@pytest.mark.parametrize(
    "text", ["80.0", "<80.0", "70.*,80.0.*", "<70.0,>=80.0", "3.6b4", "2.0.0.12", "80.0a1"]
)
def test_check_version__legal__is_accepted(text):
    assert check_version(text, loose=False) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "80.0,",
        ",",
        "80",
        "70.0, 80.0",
        "=80.0",
        "==80.0",
        "banana",
        ">=80.*",
        "5.0b3",
        ">=80.0!",
        "4.*",
        "80.0\n",
    ],
)
def test_check_version__what_would_never_match__is_refused_with_a_reason(text):
    message = check_version(text, loose=False)
    assert message
    assert message.endswith(".")


def test_check_version__loose_product__has_rules_of_its_own():
    assert check_version("<2.10.0,2.9", loose=True) is None
    assert "2.*" in (check_version("2.*", loose=True) or "")
    assert check_version("banana", loose=True)
    assert check_version("2.9", loose=None) is None
    assert check_version("2", loose=None) is None


@given(RULE_LIKE)
def test_check_version__accepted__every_item_compiles(text):
    if check_version(text, loose=False) is None:
        assert len(compile_version(text, loose=False).items) == len(text.split(","))


@given(RULE_LIKE)
def test_check_number__accepted__the_expression_compiles(text):
    if check_number(text) is None:
        assert compile_int(text).operator is not None


@pytest.mark.parametrize("text", ["20240101", "<20240101000000", ">=5"])
def test_check_number__legal__is_accepted(text):
    assert check_number(text) is None


@pytest.mark.parametrize("text", ["", "<", "2024*", "=5", "abc", "<5,>7", "5 6", ">=5!"])
def test_check_number__illegal__is_refused(text):
    assert check_number(text)


@pytest.mark.parametrize("text", ["r*", "*", "a*b", "beta,release", "re*l*"])
def test_check_channel__what_cannot_match_as_meant__is_refused(text):
    assert check_channel(text)


@pytest.mark.parametrize("text", ["release", "release*", "release-cck-*", "no(regex"])
def test_check_channel__legal__is_accepted(text):
    assert check_channel(text) is None


def test_check_lists__empty_items__are_refused():
    assert check_list("de,fr") is None
    assert check_list("de,,fr")
    assert check_os_version("Windows && 10,Linux") is None
    assert check_os_version("Windows &&")
    assert check_os_version("Windows,")
