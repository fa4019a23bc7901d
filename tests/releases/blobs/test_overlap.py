"""Whether two groups of an update line can match one client, against brute force (features H23)."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases.blobs.apprelease.overlap import CONDITIONS, can_both_match
from releases.blobs.expressions import channel_matches, compile_string, compile_version
from releases.blobs.versions import parse_version

OPERATORS = st.sampled_from(["", "<", "<=", ">", ">="])

# Small worlds, each closed: between any two neighbours of an expression's operands the world has a member if any
# legal value lies there.
VERSION_WORLD = [
    parse_version(text)
    for major, minor in itertools.product((0, 5, 6, 7), (0, 1, 2))
    for text in [
        *(f"{major}.{minor}.0.{patch}" for patch in range(4)),
        *(
            f"{major}.{minor}.0.{patch}{letter}{n}"
            for patch in range(4)
            for letter in "Aab"
            for n in range(4)
        ),
    ]
]
VERSION_OPERANDS = st.sampled_from(
    [f"{major}.{minor}" for major in (5, 6) for minor in (0, 1)]
    + [f"{major}.{minor}.{patch}" for major in (5, 6) for minor in (0, 1) for patch in (1, 2)]
    + [f"{major}.{minor}a{number}" for major in (5, 6) for minor in (0, 1) for number in (1, 2)]
    + ["5.0.0.1b1", "6.1.0.2A0"]
)
VERSION_TEXTS = st.one_of(
    st.builds(str.__add__, OPERATORS, VERSION_OPERANDS),
    st.sampled_from(["5.*", "6.*", "5.0.*", "6.1.*", "junk"]),
)

BUILD_WORLD = ["".join(text) for size in range(4) for text in itertools.product("\x00012", repeat=size)]
BUILD_TEXTS = st.builds(str.__add__, OPERATORS, st.sampled_from(["0", "1", "2", "01", "10", "11", "12"]))

CHANNEL_WORLD = [
    f"{base}{suffix}"
    for base in ("re", "rel", "rela", "relb", "beta", "be", "be-cck", "be-cck-", "x")
    for suffix in ("", "-cck-", "-cck-a", "-cck-ab", "-cck-b", "-cck-a-cck-b", "-cck-rel", "a", "b-cck-a")
]
CHANNEL_TEXTS = st.one_of(
    st.sampled_from(CHANNEL_WORLD),
    st.sampled_from([*CHANNEL_WORLD, "r", "", "be-c", "be-cc", "rel-cck", "beta-cck-a"]).map("{}*".format),
)
LOCALES = st.sampled_from(["de", "fr", "it"])


def accepts_channel(pattern, channel):
    return channel_matches(pattern, channel) or channel_matches(pattern, channel.split("-cck-", 1)[0])


def share(name, one, other):
    """What the code under test says about one value each of a condition."""
    return can_both_match({name: [one]}, {name: [other]})


@settings(max_examples=400)
@given(VERSION_TEXTS, VERSION_TEXTS)
def test_versions__any_two_expressions__overlap_when_some_version_meets_both(one, other):
    tests = [compile_version(text, loose=False).matches for text in (one, other)]
    truth = any(all(test(version) for test in tests) for version in VERSION_WORLD)
    assert share("versions", one, other) is truth
    assert share("versions", other, one) is truth


@settings(max_examples=300)
@given(BUILD_TEXTS, BUILD_TEXTS)
def test_build_ids__any_two_expressions__overlap_when_some_text_meets_both(one, other):
    tests = [compile_string(text).matches for text in (one, other)]
    truth = any(all(test(text) for test in tests) for text in BUILD_WORLD)
    assert share("buildIDs", one, other) is truth


@settings(max_examples=600)
@given(CHANNEL_TEXTS, CHANNEL_TEXTS)
def test_channels__any_two_patterns__overlap_when_some_channel_meets_both(one, other):
    # Names made of the patterns' own texts are all that could make a difference.
    stems = [text.removesuffix("*") for text in (one, other)]
    made = [
        f"{stem}{rest}"
        for stem in stems
        for rest in ("", "-cck-q", "q", "q-cck-q", "cck-q", "ck-q", "k-q", "-q")
    ]
    made += [f"{stem}-cck-{rest}" for stem in stems for rest in ("", "a", "b", "ab")]
    truth = any(
        accepts_channel(one, channel) and accepts_channel(other, channel) for channel in CHANNEL_WORLD + made
    )
    assert share("channels", one, other) is truth
    assert share("channels", other, one) is truth


GROUPS = st.fixed_dictionaries(
    {},
    optional={
        "locales": st.lists(LOCALES, min_size=1, max_size=2),
        "channels": st.lists(st.sampled_from(["release", "rel*", "beta"]), min_size=1, max_size=2),
        "versions": st.lists(st.sampled_from(["<5.0", ">=5.0", "5.0", ">6.0"]), min_size=1, max_size=2),
        "buildIDs": st.lists(st.sampled_from(["<1", ">=1", "2"]), min_size=1, max_size=2),
    },
)
CLIENTS = list(
    itertools.product(
        ["de", "fr", "it", "ja"],
        ["release", "relx", "beta", "release-cck-a"],
        [parse_version(text) for text in ("4.0", "5.0", "5.5", "7.0")],
        ["0", "1", "2", "3"],
    )
)


def meets(group, client):
    tests = {
        "locales": lambda value, mine: value == mine,
        "channels": accepts_channel,
        "versions": lambda value, mine: compile_version(value, loose=False).matches(mine),
        "buildIDs": lambda value, mine: compile_string(value).matches(mine),
    }
    return all(
        any(tests[name](value, mine) for value in group[name])
        for name, mine in zip(CONDITIONS, client, strict=True)
        if name in group
    )


@given(GROUPS, GROUPS)
def test_groups__any_two__overlap_when_some_client_meets_both(one, other):
    truth = any(meets(one, client) and meets(other, client) for client in CLIENTS)
    assert can_both_match(one, other) is truth


@pytest.mark.parametrize(
    ("name", "one", "other", "expected"),
    [
        ("versions", "<60.0", ">=60.0", False),
        ("versions", "<60.0", ">=60.0a1", True),
        ("versions", "<=60.0", ">60.0", False),
        ("versions", ">60.0", "<60.0.1", True),  # 60.0.1a1
        ("versions", ">60.0", "<=60.0.0", False),
        ("versions", "60.*", "<60.0", True),
        ("versions", "60.*", "61.0", False),
        ("versions", "<80.0,>90.0", "85.0", False),
        ("versions", "<80.0,>90.0", "91.0", True),
        ("buildIDs", "<=20240101", ">20240101", False),
        ("buildIDs", "<20240102", ">20240101", True),
        ("channels", "release", "release-cck-*", True),
        ("channels", "release-cck-a", "release", True),
        ("channels", "release", "beta*", False),
        ("channels", "r*", "release", False),
    ],
)
def test_overlap__cases_that_engineers_meet__as_expected(name, one, other, expected):
    assert share(name, one, other) is expected
