"""What stands out in a release beside its siblings, and what the difference of two documents says."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from history.diff import diff_document
from releng.console.release_diff import Comparison
from releng.console.release_table import table_of, top_facts
from tests.factories import release_document

BUILD, HASH = "20250101000000", "ab" * 64
PLATFORMS = ("Linux", "Mac", "Win32", "Win64")
LOCALES = ("de", "en-US", "fr", "ja")


def patch(source: str = "*", **more: Any) -> dict[str, Any]:
    return {"from": source, "filesize": 1000, "hashValue": HASH} | more


def full() -> dict[str, Any]:
    """Four platforms, of which one has `ja` under its own name, and an alias; nothing is missing."""
    platforms: dict[str, Any] = {"Win64-x64": {"alias": "Win64"}}
    for platform in PLATFORMS:
        locales = {
            locale: {"buildID": BUILD, "completes": [patch()], "partials": [patch("Acme-9"), patch("Acme-8")]}
            for locale in LOCALES
        }
        if platform == "Mac":
            locales["ja-JP-mac"] = locales.pop("ja")
        platforms[platform] = {"OS_BOUNCER": platform, "OS_FTP": platform, "locales": locales}
    return {
        "name": "Acme-10",
        "schema_version": 9,
        "hashFunction": "sha512",
        "appVersion": "10.0",
        "platforms": platforms,
    }


def gaps(document: dict[str, Any]) -> list[tuple[str, str]]:
    table = table_of(document)
    assert table is not None
    return table.found


def test_table__nothing_missing__has_no_gaps() -> None:
    document = full()
    table = table_of(document)
    assert table is not None
    assert table.found == []
    assert [column.platform for column in table.columns] == list(PLATFORMS)
    assert [column.aliases for column in table.columns] == [[], [], [], ["Win64-x64"]]
    assert [column.usual for column in table.columns] == [BUILD] * 4
    assert [row.name for row in table.rows] == ["de", "en-US", "fr", "ja", "ja-JP-mac"]
    assert table.count == 16
    assert [cell.sign for cell in table.rows[3].cells] == ["\u2713", "\u2013", "\u2713", "\u2713"]
    assert table.rows[0].cells[0].notes == ("2 partials",)


def change(document: dict[str, Any], what: str) -> None:
    """Take something away, or change it."""
    platforms = document["platforms"]
    linux = platforms["Linux"]
    german = linux["locales"]["de"]
    {
        "locale": lambda: linux["locales"].pop("de"),
        "build": lambda: german.update(buildID="20250202000000"),
        "no build": lambda: german.pop("buildID"),
        "version": lambda: german.update(appVersion="11.0"),
        "partial": lambda: german["partials"].pop(),
        "complete": lambda: german.update(completes=[]),
        "hash": lambda: german["completes"][0].update(hashValue="ab"),
        "no hash": lambda: german["partials"][0].update(hashValue=""),
        "size": lambda: german["completes"][0].update(filesize=0),
        "platform": lambda: linux.update(locales={}),
        "other build": lambda: [
            entry.update(buildID="20250202000000") for entry in linux["locales"].values()
        ],
        "os": lambda: linux.pop("OS_FTP"),
        "alias": lambda: platforms.update({"Win64-x64": {"alias": "Win65"}}),
    }[what]()


GAPS: dict[str, list[tuple[str, str]]] = {
    "locale": [("Linux de", "missing")],
    "build": [("Linux de", "other build ID than its siblings")],
    "no build": [("Linux de", "no build ID")],
    "version": [("Linux de", "version 11.0")],
    "partial": [("Linux de", "no partial from Acme-8")],
    "complete": [("Linux de", "no complete")],
    "hash": [("Linux de", "complete: hash has 2 digits, sha512 has 128")],
    "no hash": [("Linux de", "partial from Acme-9: no hash")],
    "size": [("Linux de", "complete: no size")],
    "platform": [
        ("Linux", "no locales"),
        *((f"Linux {locale}", "missing") for locale in LOCALES),
    ],
    "other build": [("Linux", f"other build than most platforms, which have {BUILD}")],
    "os": [("Linux", "no OS_FTP")],
    "alias": [("the whole release", "Win64-x64 is an alias of Win65, which is not listed")],
}


@pytest.mark.parametrize("what", GAPS, ids=str)
def test_table__what_siblings_have__is_missed_where_it_is_not(what: str) -> None:
    document = copy.deepcopy(full())
    change(document, what)
    assert gaps(document) == GAPS[what]


def test_table__locale_of_one_platform_alone__is_no_gap_elsewhere() -> None:
    document = full()
    document["platforms"]["Linux"]["locales"]["ast"] = {
        "buildID": BUILD,
        "completes": [patch()],
        "partials": [patch("Acme-9"), patch("Acme-8")],
    }
    assert gaps(document) == []


def test_table__partial_of_one_build_alone__is_no_gap_elsewhere() -> None:
    document = full()
    document["platforms"]["Linux"]["locales"]["de"]["partials"].append(patch("Acme-7"))
    assert gaps(document) == []


def test_table__old_schema__reads_single_patches_and_its_version() -> None:
    locales = {
        locale: {"buildID": BUILD, "complete": patch(hashValue="ab" * 64), "extv": version}
        for locale, version in (("de", "3.6"), ("fr", "3.6"), ("ja", "3.7"))
    }
    document = {
        "name": "Old",
        "schema_version": 1,
        "hashFunction": "sha512",
        "platforms": {"Linux": {"locales": locales}},
    }
    assert gaps(document) == [("Linux ja", "version 3.7")]


def test_table__add_ons__have_a_row_each() -> None:
    file = {"filesize": 5, "hashValue": HASH, "fileUrl": "https://cdn.example/x"}
    whole = {"Linux": file, "Mac": file, "Win": {"alias": "Linux"}}
    document = {
        "name": "G",
        "schema_version": 1000,
        "hashFunction": "sha512",
        "vendors": {
            "gmp-a": {"version": "1", "platforms": whole},
            "gmp-b": {"version": "2", "platforms": {**whole, "Mac": {**file, "hashValue": "ab"}}},
            "gmp-c": {"version": "3", "platforms": {"Mac": file, "Win": {"alias": "Linux"}}},
        },
    }
    table = table_of(document)
    assert table is not None
    assert [(row.name, row.note) for row in table.rows] == [("gmp-a", "1"), ("gmp-b", "2"), ("gmp-c", "3")]
    assert [cell.head for cell in table.rows[0].cells] == ["5 bytes", "5 bytes", "as Linux"]
    assert table.found == [
        ("Mac gmp-b", "hash has 2 digits, sha512 has 128"),
        ("Linux gmp-c", "missing"),
        ("Win gmp-c", "Linux is not listed"),
    ]


@pytest.mark.parametrize(
    "document",
    [{"name": "x", "schema_version": 4000, "blobs": []}, {"name": "x", "schema_version": 7}, {"name": "x"}],
    ids=["superblob", "unknown", "none"],
)
def test_table__other_kinds__have_none(document: dict[str, Any]) -> None:
    assert table_of(document) is None


@pytest.mark.parametrize("platforms", [None, {}, {"Linux": 5}, {"Linux": {"locales": {"de": {}}}}], ids=str)
def test_table__odd_documents__are_shown_all_the_same(platforms: Any) -> None:
    document = {"name": "x", "schema_version": 9, "platforms": platforms}
    assert table_of(document) is not None


JUNK = st.recursive(
    st.none() | st.integers() | st.sampled_from(["", "Linux", BUILD, "*"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "locales",
                    "de",
                    "alias",
                    "buildID",
                    "completes",
                    "partials",
                    "from",
                    "hashValue",
                    "Linux",
                    "platforms",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=20,
)


@given(st.sampled_from([1, 4, 9, 1000, 5000]), JUNK)
def test_table__whatever_is_stored__is_shown(version: int, junk: Any) -> None:
    document = {"name": "x", "schema_version": version, "platforms": junk, "vendors": junk, "addons": junk}
    table = table_of(document)
    assert table is not None
    assert all(len(row.cells) == len(table.columns) for row in table.rows)
    assert all(isinstance(what, str) for _, what in table.found)


def test_top_facts__tell_plain_from_nested_values() -> None:
    plain, nested = top_facts(release_document("Acme-10"))
    assert plain == [("appVersion", "10.0"), ("displayVersion", "10.0"), ("hashFunction", "sha512")]
    assert [key for key, _ in nested] == ["updateLine"]


# --- Differences --------------------------------------------------------------------------------------------


def test_comparison__the_same_in_many_places__is_told_once() -> None:
    document = full()
    for platform in PLATFORMS:
        for entry in document["platforms"][platform]["locales"].values():
            entry["buildID"] = "20250202000000"
    document["platforms"]["Linux"]["OS_FTP"] = "other"
    found = Comparison(diff_document(full(), document))
    assert [(one.where, one.leaf.old, one.leaf.new, one.count) for one in found.alike] == [
        ("platforms.*.locales.*.buildID", BUILD, "20250202000000", 16)
    ]
    assert [group.key for group, _ in found.shown][:2] == ["Linux", "Linux de"]


def test_comparison__nested_values__are_unified_lines() -> None:
    document = full()
    document["platforms"]["Linux"]["locales"]["de"]["partials"].pop()
    ((group, changes),) = Comparison(diff_document(full(), document)).shown
    assert group.key == "Linux de"
    assert {sign for sign, _ in changes[0].lines} == {"-"}
    assert any("Acme-8" in line for _, line in changes[0].lines)


def test_comparison__place_and_page__limit_what_is_shown() -> None:
    document = full() | {"platforms": {}}
    found = Comparison(diff_document(full(), document), place="linux", page=2, per_page=2)
    assert {group.key for group in found.groups} >= {"Linux", "Linux de"}
    assert all("Linux" in group.key for group in found.groups)
    assert (found.pages, len(found.shown)) == (3, 2)
