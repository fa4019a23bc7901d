"""Three-way merge of documents and three-way comparison of rows."""

import datetime
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from history.exceptions import HistoryError
from history.merge import Conflict, MergeConflictError, Outcome, compare_fields, merge
from history.values import ABSENT
from tests.history.documents import OBJECTS, at, containers, edits, is_tags, text, three_versions


def conflicts_of(base, theirs, yours, **options):
    with pytest.raises(MergeConflictError) as refused:
        merge(base, theirs, yours, **options)
    return refused.value.conflicts


def merged_or_conflicts(base, theirs, yours):
    try:
        return merge(base, theirs, yours, is_set=is_tags)
    except MergeConflictError as refused:
        return refused.conflicts


def with_sorted_tags(value, path=()):
    if isinstance(value, dict):
        return {key: with_sorted_tags(item, (*path, key)) for key, item in value.items()}
    return sorted(value, key=text) if isinstance(value, list) and is_tags(path) else value


# Objects


def test_merge__disjoint_paths__has_both_changes():
    base = {"name": "R", "platforms": {"Linux": {"de": 1, "fr": 1}, "Win": {"de": 1}}}
    theirs = {"name": "R", "platforms": {"Linux": {"de": 2, "fr": 1}, "Win": {"de": 1}}, "new": {"x": []}}
    yours = {"name": "R", "platforms": {"Linux": {"de": 1, "fr": 3, "it": 4}}}
    merged = merge(base, theirs, yours)
    assert merged.value == {
        "name": "R",
        "platforms": {"Linux": {"de": 2, "fr": 3, "it": 4}},
        "new": {"x": []},
    }
    assert merged.theirs == (("platforms", "Linux", "de"), ("new",))
    assert merged.yours == (("platforms", "Linux", "fr"), ("platforms", "Linux", "it"), ("platforms", "Win"))


def test_merge__second_stale_write_on_a_merged_version__keeps_all_changes():
    base = {"a": 1, "b": 1, "c": 1}
    first = merge(base, base | {"a": 2}, base | {"b": 2}).value
    second = merge(base, first, base | {"c": 2}).value
    assert second == {"a": 2, "b": 2, "c": 2}


def test_merge__same_change_on_both_sides__is_no_conflict():
    merged = merge({"a": 1, "gone": [1]}, {"a": {"b": [2]}, "n": 0}, {"a": {"b": [2]}, "n": 0})
    assert merged.value == {"a": {"b": [2]}, "n": 0}
    assert set(merged.theirs) == set(merged.yours) == {("a",), ("gone",), ("n",)}


@pytest.mark.parametrize(("theirs", "yours"), [(True, 1), (1, 1.0), (0, False), (0.0, -0.0)])
def test_merge__values_equal_for_python_only__is_conflict(theirs, yours):
    assert [conflict.path for conflict in conflicts_of({"a": 5}, {"a": theirs}, {"a": yours})] == [("a",)]


def test_merge__change_from_1_to_true__is_a_change():
    assert merge({"a": 1}, {"a": True}, {"a": 1}).value["a"] is True
    assert merge({"a": 1}, {"a": 1}, {"a": True}).value["a"] is True


def test_merge__deleted_by_one_and_changed_inside_by_the_other__is_conflict():
    base = {"p": {"de": {"x": 1}, "fr": 1}}
    changed = {"p": {"de": {"x": 2}, "fr": 1}}
    deleted = {"p": {"fr": 1}}
    assert conflicts_of(base, changed, deleted) == (Conflict(("p", "de"), {"x": 1}, {"x": 2}, ABSENT),)
    assert conflicts_of(base, deleted, changed) == (Conflict(("p", "de"), {"x": 1}, ABSENT, {"x": 2}),)


def test_merge__deleted_by_one_or_both__is_deleted():
    assert merge({"a": {"b": 1}, "c": 1}, {"c": 1}, {"a": {"b": 1}, "c": 1}).value == {"c": 1}
    assert merge({"a": {"b": 1}, "c": 1}, {"c": 1}, {"c": 1}).value == {"c": 1}
    assert merge({"a": 1, "b": 1}, {"a": 1}, {"b": 1}).value == {}


def test_merge__null_and_no_value__are_different():
    assert merge({"a": None}, {}, {"a": None}).value == {}
    assert conflicts_of({"a": 1}, {}, {"a": None}) == (Conflict(("a",), 1, ABSENT, None),)


def test_merge__both_add_an_object__combines_its_entries():
    assert merge({}, {"p": {"de": 1, "all": 0}}, {"p": {"fr": 2, "all": 0}}).value == {
        "p": {"de": 1, "all": 0, "fr": 2}
    }
    assert conflicts_of({}, {"p": {"de": 1}}, {"p": {"de": 2}}) == (Conflict(("p", "de"), ABSENT, 1, 2),)


def test_merge__both_create_the_document__combines_them():
    assert merge(ABSENT, {"a": 1}, {"b": 2}).value == {"a": 1, "b": 2}


def test_merge__document_deleted__is_absent_or_conflict():
    assert merge({"a": 1}, ABSENT, {"a": 1}).value is ABSENT
    assert merge({"a": 1}, ABSENT, ABSENT).value is ABSENT
    assert conflicts_of({"a": 1}, ABSENT, {"a": 2}) == (Conflict((), {"a": 1}, ABSENT, {"a": 2}),)


def test_merge__type_changed_by_one_and_inside_changed_by_the_other__is_conflict():
    base = {"p": {"de": 1}}
    assert merge(base, {"p": "alias"}, base).value == {"p": "alias"}
    assert conflicts_of(base, {"p": ["de"]}, {"p": {"de": 2}}) == (
        Conflict(("p",), {"de": 1}, ["de"], {"de": 2}),
    )
    assert conflicts_of({"p": 1}, {"p": {"a": 1}}, {"p": {"b": 1}}) == (
        Conflict(("p",), 1, {"a": 1}, {"b": 1}),
    )


# Arrays


def test_merge__array_that_is_no_set__is_one_value():
    base = {"list": [1, 2]}
    assert merge(base, {"list": [1, 2, 3]}, base).value == {"list": [1, 2, 3]}
    assert conflicts_of(base, {"list": [1, 2, 3]}, {"list": [0, 1, 2]}) == (
        Conflict(("list",), [1, 2], [1, 2, 3], [0, 1, 2]),
    )


def test_merge__set__keeps_base_order_then_theirs_then_yours_without_what_was_removed():
    base = {"tags": ["c", "a", "b", "d"]}
    theirs = {"tags": ["z", "a", "b", "d", "y"]}
    yours = {"tags": ["x", "c", "d", "b", "y"]}
    assert merge(base, theirs, yours, is_set=is_tags).value == {"tags": ["b", "d", "z", "y", "x"]}


def test_merge__set_of_objects_and_confusable_scalars__compares_canonical_text():
    base = {"tags": [{"k": 1, "l": 2}]}
    theirs = {"tags": [{"l": 2, "k": 1}, 1]}
    yours = {"tags": [{"k": 1, "l": 2}, True, 1.0]}
    merged = merge(base, theirs, yours, is_set=is_tags).value
    assert text(merged) == text({"tags": [{"k": 1, "l": 2}, 1, True, 1.0]})


def test_merge__set_of_objects__shares_no_item_with_the_inputs():
    versions = [{"tags": [{"k": 1}]}, {"tags": [{"k": 1}, {"k": 2}]}, {"tags": [{"k": 1}, {"k": 3}]}]
    merged = merge(*versions, is_set=is_tags).value
    assert merged == {"tags": [{"k": 1}, {"k": 2}, {"k": 3}]}
    assert not containers(merged) & containers(versions)


def test_merge__set_added_by_both__is_union():
    assert merge({}, {"tags": ["a", "b"]}, {"tags": ["c", "b"]}, is_set=is_tags).value == {
        "tags": ["a", "b", "c"]
    }


def test_merge__set_deleted_or_of_another_type_on_one_side__is_conflict():
    base = {"tags": ["a"]}
    assert len(conflicts_of(base, {"tags": ["a", "b"]}, {}, is_set=is_tags)) == 1
    assert len(conflicts_of(base, {"tags": ["a", "b"]}, {"tags": "a"}, is_set=is_tags)) == 1
    assert len(conflicts_of({"tags": 1}, {"tags": ["a"]}, {"tags": ["b"]}, is_set=is_tags)) == 1


def test_merge__set_changed_by_one_side__is_taken_as_it_is():
    base = {"tags": ["a", "a", "b"]}
    reordered = {"tags": ["b", "a", "a"]}
    assert merge(base, reordered, base, is_set=is_tags).value == reordered
    assert merge(base, base, reordered, is_set=is_tags).value == reordered


# Conflicts


def test_merge__several_overlaps__lists_every_one_with_three_values():
    base = {"a": 1, "b": {"c": 1, "d": [1]}, "e": 1, "f": 1}
    theirs = {"a": 2, "b": {"c": 1, "d": [2]}, "f": 2}
    yours = {"a": 3, "b": {"c": 1, "d": [3]}, "e": 2, "f": 1}
    assert conflicts_of(base, theirs, yours) == (
        Conflict(("a",), 1, 2, 3),
        Conflict(("b", "d"), [1], [2], [3]),
        Conflict(("e",), 1, ABSENT, 2),
    )


def test_conflict__as_dict__is_json_that_tells_null_from_absent():
    conflict = Conflict(("p", "a.b"), None, ABSENT, {"x": 1})
    assert json.loads(json.dumps(conflict.as_dict())) == {
        "path": ["p", "a.b"],
        "where": 'p."a.b"',
        "base": None,
        "yours": {"x": 1},
        "absent": ["theirs"],
    }


def test_merge_conflict_error__as_text__names_every_place():
    with pytest.raises(HistoryError) as refused:
        merge({"a": 1, "b": {}}, {"a": 2}, {"a": "x" * 100, "b": {"c": 1}})
    first, *places = str(refused.value).split("\n")
    assert first == "Both sides changed 2 places in different ways."
    assert places[0].startswith('a: was 1, theirs 2, yours "xxx')
    assert places[0].endswith("x…")
    assert len(places[0]) < 100
    assert places[1] == 'b: was {}, theirs (absent), yours {"c":1}'
    assert refused.value.code == "merge_conflict"
    assert pickle.loads(pickle.dumps(refused.value)).conflicts == refused.value.conflicts


# Properties


@given(three_versions())
def test_merge__sides_swapped__gives_the_same_up_to_order(versions):
    base, theirs, yours = versions
    one, other = merged_or_conflicts(base, theirs, yours), merged_or_conflicts(base, yours, theirs)
    if isinstance(one, tuple):
        swapped = [(conflict.path, text(conflict.yours), text(conflict.theirs)) for conflict in other]
        straight = [(conflict.path, text(conflict.theirs), text(conflict.yours)) for conflict in one]
        assert sorted(swapped) == sorted(straight)
    else:
        assert text(with_sorted_tags(one.value)) == text(with_sorted_tags(other.value))
        assert (set(one.theirs), set(one.yours)) == (set(other.yours), set(other.theirs))


@given(OBJECTS.flatmap(lambda base: st.tuples(st.just(base), edits(base))))
def test_merge__one_side_unchanged__is_the_other_side(versions):
    base, changed = versions
    for merged in (
        merge(base, base, changed, is_set=is_tags),
        merge(base, changed, base, is_set=is_tags),
        merge(base, changed, changed, is_set=is_tags),
    ):
        assert text(merged.value) == text(changed)


@given(three_versions())
def test_merge__merged__has_no_value_that_no_side_has(versions):
    base, theirs, yours = versions
    merged = merged_or_conflicts(base, theirs, yours)

    def check(value, path):
        sides = [at(side, path) for side in (theirs, yours)]
        if isinstance(value, dict):
            assert any(isinstance(side, dict) for side in sides)
            for key, item in value.items():
                check(item, (*path, key))
        elif not any(text(side) == text(value) for side in sides):
            assert is_tags(path)
            known = {text(item) for side in sides for item in side}
            assert {text(item) for item in value} <= known

    if not isinstance(merged, tuple):
        check(merged.value, ())


@given(three_versions())
def test_merge__merged_again_with_either_side__stays_as_it_is(versions):
    base, theirs, yours = versions
    merged = merged_or_conflicts(base, theirs, yours)
    if not isinstance(merged, tuple):
        for side in (theirs, yours):
            again = merge(base, side, merged.value, is_set=is_tags).value
            assert text(with_sorted_tags(again)) == text(with_sorted_tags(merged.value))


@given(three_versions())
def test_merge__any__shares_nothing_and_changes_no_input(versions):
    before = text(versions)
    merged = merged_or_conflicts(*versions)
    values = (
        [side for conflict in merged for side in (conflict.base, conflict.theirs, conflict.yours)]
        if isinstance(merged, tuple)
        else [merged.value]
    )
    assert not containers(values) & containers(list(versions))
    assert text(versions) == before


SIDES = st.sampled_from([ABSENT, None, True, 0, 1, 1.0, "x", [1], [True]])
PLACES = st.dictionaries(
    st.tuples(st.sampled_from("pq"), st.sampled_from("rs"), st.sampled_from("tu")),
    st.tuples(SIDES, SIDES, SIDES),
)


@given(PLACES)
def test_merge__independent_places__conflicts_are_exactly_the_overlaps(places):
    documents = [{}, {}, {}]
    wanted = {}
    overlaps = {}
    for path, sides in places.items():
        base, theirs, yours = map(text, sides)
        if base != theirs and base != yours and theirs != yours:
            overlaps[path] = (base, theirs, yours)
        chosen = sides[2] if base == theirs else sides[1]
        for document, value in zip([*documents, wanted], [*sides, chosen], strict=True):
            inner = document.setdefault(path[0], {}).setdefault(path[1], {})
            if value is not ABSENT:
                inner[path[2]] = value
    if overlaps:
        found = {
            conflict.path: (text(conflict.base), text(conflict.theirs), text(conflict.yours))
            for conflict in conflicts_of(*documents)
        }
        assert found == overlaps
    else:
        assert text(merge(*documents).value) == text(wanted)


# Rows


def test_compare_fields__one_field_of_each_kind__names_the_outcome():
    comparison = compare_fields(
        {"priority": 1, "channel": "beta", "mapping": "A", "comment": None, "locale": "de"},
        {"priority": 2, "channel": "beta", "mapping": "B", "comment": "x", "locale": "de"},
        {"priority": 1, "channel": "nightly", "mapping": "C", "comment": "x", "locale": "de"},
    )
    assert {compared.name: compared.outcome for compared in comparison.fields} == {
        "priority": Outcome.ONLY_THEIRS,
        "channel": Outcome.ONLY_YOURS,
        "mapping": Outcome.CONFLICT,
        "comment": Outcome.SAME,
        "locale": Outcome.UNCHANGED,
    }
    assert [compared.name for compared in comparison.changed] == ["priority", "channel", "mapping", "comment"]
    assert comparison.conflicts == (Conflict(("mapping",), "A", "B", "C"),)
    assert str(comparison) == ("only theirs: priority; only yours: channel; same: comment; conflict: mapping")


def test_compare_fields__lists_and_objects__are_never_merged():
    comparison = compare_fields({"locale": ["a"]}, {"locale": ["a", "b"]}, {"locale": ["a", "c"]})
    assert comparison.conflicts == (Conflict(("locale",), ["a"], ["a", "b"], ["a", "c"]),)


def test_compare_fields__true_and_1_and_missing__are_different():
    comparison = compare_fields(
        {"a": 1, "b": 1, "c": None}, {"a": True, "b": 1, "c": None}, {"a": 1, "b": 1.0}
    )
    assert [compared.outcome for compared in comparison.fields] == [
        Outcome.ONLY_THEIRS,
        Outcome.ONLY_YOURS,
        Outcome.ONLY_YOURS,
    ]
    assert comparison.fields[2].yours is ABSENT


def test_compare_fields__both_changed_to_values_equal_for_python_only__is_conflict():
    comparison = compare_fields({"a": 5, "b": 5}, {"a": 1, "b": 1}, {"a": True, "b": 1.0})
    assert [conflict.path for conflict in comparison.conflicts] == [("a",), ("b",)]


def test_compare_fields__as_dict__lists_changed_fields_for_json():
    comparison = compare_fields({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 1, "c": None})
    assert json.loads(json.dumps(comparison.as_dict())) == {
        "fields": [
            {"name": "a", "outcome": "only theirs", "base": 1, "theirs": 2, "yours": 1, "absent": []},
            {"name": "c", "outcome": "only yours", "yours": None, "absent": ["base", "theirs"]},
        ]
    }


def test_compare_fields__date__is_shown_as_text():
    days = [{"when": datetime.date(2024, 1, day)} for day in (1, 2, 3)]
    (conflict,) = compare_fields(*days).conflicts
    assert str(conflict) == "when: was 2024-01-01, theirs 2024-01-02, yours 2024-01-03"


@given(three_versions())
def test_compare_fields__any__agrees_with_merging_each_field_as_one_value(versions):
    before = text(versions)
    comparison = compare_fields(*versions)
    for compared in comparison.fields:
        base, theirs, yours = (text(at(side, (compared.name,))) for side in versions)
        assert (compared.outcome is Outcome.UNCHANGED) is (base == theirs == yours)
        assert (compared.outcome is Outcome.SAME) is (theirs == yours != base)
        assert (compared.outcome is Outcome.CONFLICT) is (len({base, theirs, yours}) == 3)
        values = [compared.base, compared.theirs, compared.yours]
        assert not containers(values) & containers(list(versions))
    assert {compared.name for compared in comparison.fields} == set().union(*versions)
    assert text(versions) == before
