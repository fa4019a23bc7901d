"""The difference of any two versions, of rows and of documents."""

import datetime
import pickle
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from history import diff
from history.diff import FieldDiff, ItemsDiff, diff_document, diff_fields
from history.difftree import Branch, Change, Leaf, WrongBaseError
from history.values import ABSENT
from tests.history.documents import JSON_VALUES, OBJECTS, at, containers, edits, text

LINUX_DE = ("platforms", "Linux", "locales", "de")


def release(**changed_locales):
    locales = {
        name: {"buildID": "1", "partials": [{"from": "A"}, {"from": "B"}]} for name in ("de", "fr", "it")
    }
    return {
        "name": "Product-1",
        "platforms": {
            "Linux": {"OS": "linux", "locales": locales | changed_locales},
            "Win": {"alias": "Linux"},
        },
    }


def by_platform_and_locale(path):
    platform = path[1] if path[:1] == ("platforms",) and len(path) > 1 else None
    locale = path[3] if platform and path[2:3] == ("locales",) and len(path) > 3 else None
    return platform, locale


def later_versions(value):
    return st.tuples(st.just(value), edits(value))


VERSIONS = st.tuples(JSON_VALUES, JSON_VALUES) | OBJECTS.flatmap(later_versions)


# Documents


def test_diff_document__one_value_deep_inside__collapses_and_counts_the_rest():
    new = release(de={"buildID": "2", "partials": [{"from": "A"}, {"from": "C"}]})
    difference = diff_document(release(), new)
    partials = (*LINUX_DE, "partials")
    assert list(difference.changes()) == [
        Leaf((*LINUX_DE, "buildID"), "1", "2"),
        Leaf((*partials, 1, "from"), "B", "C"),
    ]
    assert difference.at(LINUX_DE[:3]).unchanged == 2
    assert difference.at(("platforms",)).unchanged == 1
    assert difference.at(partials) == Branch(
        partials, True, (Branch((*partials, 1), False, (Leaf((*partials, 1, "from"), "B", "C"),), 0),), 1
    )
    assert difference.at(("name",)) is None
    assert difference.at((*LINUX_DE, "buildID", "inside")) is None
    assert difference.counts == {Change.ADDED: 0, Change.REMOVED: 0, Change.CHANGED: 2}


def test_diff_document__values_equal_for_python_only__are_changes():
    difference = diff_document({"a": 1, "b": [0], "c": 2}, {"a": True, "b": [0.0], "c": 2})
    assert [(leaf.where, text(leaf.old), text(leaf.new)) for leaf in difference.changes()] == [
        ("a", "1", "true"),
        ("b[0]", "0", "0.0"),
    ]


def test_diff_document__null_and_no_value__are_different():
    difference = diff_document({"a": None}, {"b": None})
    assert [(leaf.name, leaf.change) for leaf in difference.changes()] == [
        ("a", Change.REMOVED),
        ("b", Change.ADDED),
    ]


def test_diff_document__type_changed__is_one_change():
    assert diff_document({"a": {"b": 1}}, {"a": ["b"]}).root.children == (Leaf(("a",), {"b": 1}, ["b"]),)
    assert diff_document([1], {"0": 1}).root == Leaf((), [1], {"0": 1})


def test_diff_document__document_created_or_deleted__is_one_change():
    assert diff_document(ABSENT, {"a": 1}).root == Leaf((), ABSENT, {"a": 1})
    assert diff_document({"a": 1}, ABSENT).root == Leaf((), {"a": 1}, ABSENT)
    assert not diff_document(ABSENT, ABSENT)


def test_diff_document__items_inserted_and_removed__aligns_the_others():
    difference = diff_document(["a", "b", "c", "d"], ["x", "a", "b", "d", "e"])
    assert list(difference.changes()) == [
        Leaf((0,), ABSENT, "x"),
        Leaf((2,), "c", ABSENT),
        Leaf((4,), ABSENT, "e"),
    ]
    assert difference.root.unchanged == 3


def test_diff_document__too_many_equal_items__compares_by_position(monkeypatch):
    monkeypatch.setattr(diff, "MAX_MATCHING_PAIRS", 3)
    old, new = [0, 0], [1, 0, 0]
    difference = diff_document(old, new)
    assert [leaf.change for leaf in difference.changes()] == [Change.CHANGED, Change.ADDED]
    assert difference.apply(old) == new


@given(JSON_VALUES)
def test_diff_document__same_version__is_empty(value):
    difference = diff_document(value, value)
    assert not difference
    assert list(difference.changes()) == []
    assert difference.grouped(len) == []
    assert difference.as_text(old_label="1", new_label="1") == ""
    assert text(difference.apply(value)) == text(value)


@given(VERSIONS)
def test_diff_document__applied_to_old__gives_new(versions):
    old, new = versions
    assert text(diff_document(old, new).apply(old)) == text(new)
    assert text(diff_document(new, old).apply(new)) == text(old)


@given(VERSIONS)
def test_diff_document__any__is_empty_only_for_the_same_value(versions):
    old, new = versions
    difference = diff_document(old, new)
    assert bool(difference) is (text(old) != text(new))
    assert all(text(leaf.old) != text(leaf.new) for leaf in difference.changes())


@given(VERSIONS)
def test_diff_document__any__has_the_values_of_both_versions_at_the_paths(versions):
    old, new = versions
    for leaf in diff_document(old, new).changes():
        if all(isinstance(step, str) for step in leaf.path):
            assert text(leaf.old) == text(at(old, leaf.path))
            assert text(leaf.new) == text(at(new, leaf.path))


@given(VERSIONS)
def test_diff_document__any__shares_nothing_and_changes_no_input(versions):
    before = text(versions)
    difference = diff_document(*versions)
    shown = [side for leaf in difference.changes() for side in (leaf.old, leaf.new)]
    applied = difference.apply(versions[0])
    assert not containers(shown) & containers(list(versions))
    assert not containers(applied) & (containers(list(versions)) | containers(shown))
    assert text(versions) == before


@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
def test_diff_document__arrays__leave_a_longest_common_part_unchanged(old, new):
    lengths = {(-1, column): 0 for column in range(-1, len(new))} | {(row, -1): 0 for row in range(len(old))}
    for row, item in enumerate(old):
        for column, other in enumerate(new):
            lengths[row, column] = (
                lengths[row - 1, column - 1] + 1
                if item == other
                else max(lengths[row - 1, column], lengths[row, column - 1])
            )
    root = diff_document(old, new).root
    assert (len(old) if root is None else root.unchanged) == lengths[len(old) - 1, len(new) - 1]


# The right base


def test_diff_document__three_versions__shows_the_base_that_was_chosen():
    first, second, third = release(), release(de={"buildID": "2"}), release(de={"buildID": "3"})
    assert at(diff_document(first, third).at((*LINUX_DE, "buildID")).old, ()) == "1"
    assert at(diff_document(second, third).at((*LINUX_DE, "buildID")).old, ()) == "2"


@pytest.mark.parametrize(
    ("old", "new", "other", "where"),
    [
        ({"a": 1}, {"a": 2}, {"a": 3}, "a"),
        ({"a": 1}, {"a": 2}, {"a": True}, "a"),
        ({"a": 1}, {"a": 2}, {"a": 1, "b": 1}, "(document)"),
        ({"a": 1}, {"a": 2}, {"b": 1}, "a"),
        ({"a": {"b": 1}}, {"a": {}}, {"a": [1]}, "a"),
        ({}, {"a": 1}, {"a": 1}, "(document)"),
        ({"b": 1}, {"b": 1, "a": 1}, {"a": 1}, "a"),
        ([1, 2], [2], [3, 2], "[0]"),
        ([1, 2], [2], [1, 2, 3], "(document)"),
        ([1], [1, 2], {"0": 1}, "(document)"),
        ({"a": 1}, ABSENT, {"a": 2}, "(document)"),
    ],
)
def test_apply__other_base__is_refused(old, new, other, where):
    with pytest.raises(WrongBaseError, match="is not the version") as refused:
        diff_document(old, new).apply(other)
    assert str(refused.value).endswith(f"see {where}.")
    assert pickle.loads(pickle.dumps(refused.value)).path == refused.value.path


@given(OBJECTS.flatmap(lambda base: st.tuples(st.just(base), edits(base), edits(base))))
def test_apply__any_base__is_refused_or_had_the_old_values_in_all_changed_places(versions):
    old, new, other = versions
    difference = diff_document(old, new)
    places = [leaf for leaf in difference.changes() if all(isinstance(step, str) for step in leaf.path)]
    try:
        difference.apply(other)
    except WrongBaseError:
        assert text(other) != text(old)
    else:
        assert all(text(at(other, leaf.path)) == text(leaf.old) for leaf in places)


# Groups


def test_grouped__release_by_platform_and_locale__has_one_tree_for_each():
    new = release(de={"buildID": "2", "partials": [{"from": "A"}]}, ja={"buildID": "1"})
    new["name"] = "Product-2"
    new["platforms"]["Linux"]["OS"] = "linux64"
    groups = diff_document(release(), new).grouped(by_platform_and_locale)
    found = {group.key: [difference.where for difference in group.differences] for group in groups}
    assert found == {
        (None, None): ["(document)"],
        ("Linux", None): ["platforms.Linux"],
        ("Linux", "de"): ["platforms.Linux.locales.de"],
        ("Linux", "ja"): ["platforms.Linux.locales.ja"],
    }
    assert [leaf.where for leaf in groups[0].changes()] == ["name"]
    changes = {group.key: group.counts for group in groups}
    assert changes["Linux", "de"] == {Change.ADDED: 0, Change.REMOVED: 1, Change.CHANGED: 1}


def test_grouped__whole_platform_added_or_removed__is_opened_by_locale():
    other = release()
    platform = other["platforms"].pop("Linux")
    for old, new in ((other, release()), (release(), other)):
        groups = diff_document(old, new).grouped(by_platform_and_locale)
        assert [group.key for group in groups] == [
            ("Linux", None),
            ("Linux", "de"),
            ("Linux", "fr"),
            ("Linux", "it"),
        ]
        (locale,) = groups[1].differences
        assert text(platform["locales"]["de"]) in (text(locale.old), text(locale.new))
        assert [leaf.where for leaf in groups[0].changes()] == ["platforms.Linux.OS"]


def test_grouped__added_object_of_one_key__stays_whole():
    difference = diff_document({}, {"a": {"b": {"c": 1}}, "d": {}})
    (group,) = difference.grouped(lambda path: "all")
    assert group.differences == (difference.root,)


def test_grouped__key_comes_back_below_another_key__has_two_trees():
    old = {"a": {"b": {"c": 1, "d": {"e": 1}}}}
    new = {"a": {"b": {"c": 2, "d": {"e": 2}}}}
    groups = diff_document(old, new).grouped(lambda path: "even" if len(path) % 2 == 0 else "odd")
    found = {group.key: [difference.where for difference in group.differences] for group in groups}
    assert found == {"even": ["a.b.d.e"], "odd": ["a.b.c"]}
    groups = diff_document(old, new).grouped(lambda path: path[:3] == ("a", "b", "c"))
    assert [(group.key, [difference.where for difference in group.differences]) for group in groups] == [
        (False, ["(document)"]),
        (True, ["a.b.c"]),
    ]
    (tree,) = groups[0].differences
    assert [child.where for child in tree.children] == ["a"]
    groups = diff_document(old, new).grouped(lambda path: path in [("a",), ("a", "b")])
    assert [(group.key, [difference.where for difference in group.differences]) for group in groups] == [
        (False, ["a.b.c", "a.b.d"])
    ]


def leaf_values(leaves):
    """Count the single values that leaves add and remove, with objects taken apart."""
    counted = Counter()

    def count(sign, path, value):
        if isinstance(value, dict) and value:
            for key, item in value.items():
                count(sign, (*path, key), item)
        elif value is not ABSENT:
            counted[sign, path, text(value)] += 1

    for leaf in leaves:
        count("-", leaf.path, leaf.old)
        count("+", leaf.path, leaf.new)
    return counted


@given(OBJECTS.flatmap(later_versions), st.integers(0, 3))
def test_grouped__any__has_each_change_once_and_under_its_own_key(versions, depth):
    difference = diff_document(*versions)
    groups = difference.grouped(lambda path: path[:depth])
    changes = [leaf for group in groups for leaf in group.changes()]
    assert leaf_values(changes) == leaf_values(difference.changes())
    assert len({group.key for group in groups}) == len(groups)
    for group in groups:
        assert group.differences
        assert all(leaf.path[:depth] == group.key for leaf in group.changes())


# Text


def test_as_text__changes_of_all_kinds__is_a_tree_with_signs_and_counts():
    old = {"name": "R", "keep": 1, "p": {"de": {"x": 1}, "a.b": [1, 2]}}
    new = {"name": "S", "keep": 1, "p": {"fr": {"x": "ü"}, "a.b": [1, 3]}}
    assert diff_document(old, new).as_text(old_label="R version 1", new_label="R version 4").split("\n") == [
        "--- R version 1",
        "+++ R version 4",
        " (document):",
        '-  name: "R"',
        '+  name: "S"',
        "   p:",
        '     "a.b":',
        "-      [1]: 2",
        "+      [1]: 3",
        "       (1 unchanged)",
        "-    de: {",
        '-      "x": 1',
        "-    }",
        "+    fr: {",
        '+      "x": "ü"',
        "+    }",
        "   (1 unchanged)",
        "",
    ]


@given(VERSIONS)
def test_as_text__any__has_one_sign_on_every_line(versions):
    shown = diff_document(*versions).as_text(old_label="1", new_label="2")
    assert all(line[:1] in ("-", "+", " ") for line in shown.split("\n")[:-1])


# Rows


def test_diff_fields__locales_as_text__shows_added_and_removed_items():
    (found,) = diff_fields(
        {"locale": "de,fr, it", "channel": "beta"},
        {"locale": "it,de,ja", "channel": "beta"},
        list_fields={"locale": ","},
    )
    assert found == FieldDiff(
        "locale",
        "de,fr, it",
        "it,de,ja",
        ItemsDiff(added=("ja",), removed=("fr",), unchanged=2, reordered=True),
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("de,fr", "fr,de", ItemsDiff((), (), 2, True)),
        ("de,fr", "de, fr,", ItemsDiff((), (), 2, False)),
        ("de,de", "de", ItemsDiff((), ("de",), 1, False)),
        ("a,b,a", "b,a,a", ItemsDiff((), (), 3, True)),
        ("x,a,b", "a,y,b", ItemsDiff(("y",), ("x",), 2, False)),
        (None, "de", ItemsDiff(("de",), (), 0, False)),
        ("de", "", ItemsDiff((), ("de",), 0, False)),
        (None, "", ItemsDiff((), (), 0, False)),
        (1, "de", None),
    ],
)
def test_diff_fields__list_as_text__counts_items(old, new, expected):
    (found,) = diff_fields({"locale": old}, {"locale": new}, list_fields={"locale": ","})
    assert found.items == expected
    assert (found.old, found.new) == (old, new)


def test_diff_fields__other_separator__splits_at_it():
    (found,) = diff_fields({"os": "A 1|B,2"}, {"os": "B,2"}, list_fields={"os": "|"})
    assert found.items == ItemsDiff((), ("A 1",), 1, False)


def test_diff_fields__row_made_or_deleted__lists_all_fields_in_order():
    row = {"priority": 1, "locale": "de", "comment": None}
    made = diff_fields({}, row, list_fields={"locale": ","})
    assert [(field.name, field.old, field.new) for field in made] == [
        ("priority", ABSENT, 1),
        ("locale", ABSENT, "de"),
        ("comment", ABSENT, None),
    ]
    assert made[1].items == ItemsDiff(("de",), (), 0, False)
    assert [field.new for field in diff_fields(row, {})] == [ABSENT] * 3


def test_diff_fields__values_equal_for_python_only_and_dates__are_compared_strictly():
    day = datetime.date(2024, 1, 2)
    found = diff_fields({"a": 1, "when": day, "b": day}, {"a": True, "when": day, "b": None})
    assert [field.name for field in found] == ["a", "b"]


def test_diff_fields__objects_and_arrays__have_a_diff_of_their_own():
    found = diff_fields(
        {"o": {"a": 1, "b": 1}, "l": [1], "n": None}, {"o": {"a": 2, "b": 1}, "l": [], "n": {}}
    )
    assert [field.document and list(field.document.changes()) for field in found] == [
        [Leaf(("a",), 1, 2)],
        [Leaf((0,), 1, ABSENT)],
        None,
    ]


ITEMS = st.lists(st.sampled_from(["de", "fr", "it", "ja-JP-mac"]), max_size=6)


@given(ITEMS, ITEMS)
def test_diff_fields__any_lists__removed_and_added_items_lead_from_old_to_new(old, new):
    found = diff_fields({"l": ",".join(old)}, {"l": ",".join(new)}, list_fields={"l": ","})
    assert bool(found) is (old != new)
    for field in found:
        items = field.items
        assert Counter(old) - Counter(items.removed) + Counter(items.added) == Counter(new)
        assert not set(items.added) & set(items.removed)
        assert items.unchanged == len(old) - len(items.removed)
        assert not items.reordered or items.unchanged > 1


@given(OBJECTS)
def test_diff_fields__same_row__is_empty(row):
    assert diff_fields(row, row, list_fields={"a": ","}) == []
