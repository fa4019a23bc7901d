"""The difference of two versions: rows field by field, documents as a tree. Pure, no database.

A difference knows what it was made from: applying it to another base is refused, and its text form names
both versions, so that nobody reads a difference as one from a version that it is not based on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from history.canonical import canonical_json
from history.difftree import Branch, Change, Group, Key, Leaf, count_changes, group
from history.values import ABSENT, Absent, Json, Path, copy_value, same_value

MAX_MATCHING_PAIRS: Final = 200_000
"""Pairs of equal items above which two arrays are compared by position: aligning costs time for each pair."""


@dataclass(frozen=True, slots=True)
class DocumentDiff:
    """The difference of two documents; false when there is none. `root` is None then."""

    root: Branch | Leaf | None

    def __bool__(self) -> bool:
        return self.root is not None

    def changes(self) -> Iterator[Leaf]:
        """Yield every single change in document order."""
        if self.root is not None:
            yield from self.root.leaves()

    @property
    def counts(self) -> dict[Change, int]:
        """How many values were added, removed and changed."""
        return count_changes(self.changes())

    def at(self, path: Path) -> Branch | Leaf | None:
        """Return the difference at exactly `path`, None when nothing changed there or inside."""
        found = self.root
        for length in range(1, len(path) + 1):
            children = found.children if isinstance(found, Branch) else ()
            found = next((child for child in children if child.path == path[:length]), None)
        return found

    def grouped(self, group_of: Callable[[Path], Key]) -> list[Group[Key]]:
        """Cut the tree into one group for each key that `group_of(path)` returns, in document order.

        A path inside belongs to its own key, not to that of its parent, so the function sees every changed
        path and every path of objects that were added or removed as a whole. Each change is in exactly one
        group; what belongs together stays one tree, rooted where the key first appears.
        """
        return [] if self.root is None else group(self.root, group_of)

    def apply(self, old: Json | Absent) -> Json | Absent:
        """Return the new version made from `old`, sharing nothing with it or with this difference.

        Raises WrongBaseError when `old` has other values in the changed places, or objects and arrays
        around them of another size, than the version that the difference was made from.
        """
        return copy_value(old) if self.root is None else self.root.applied(old)

    def as_text(self, *, old_label: str, new_label: str) -> str:
        """Return the difference as text in the manner of unified diffs; empty when there is none.

        Lines begin with `-` (old), `+` (new) or a space; unchanged entries are counted, not shown. Labels
        name the versions and stand in the first two lines.
        """
        if self.root is None:
            return ""
        return "\n".join([f"--- {old_label}", f"+++ {new_label}", *self.root.lines()]) + "\n"


def diff_document(old: Json | Absent, new: Json | Absent) -> DocumentDiff:
    """Compare two documents; ABSENT stands for a version in which there was no document.

    Objects are compared key by key and arrays item by item, after their equal items have been aligned. A
    value that changes its type is changed as a whole. Raises ValueError for NaN inside arrays.
    """
    return DocumentDiff(_difference((), old, new))


def _difference(path: Path, old: Json | Absent, new: Json | Absent) -> Branch | Leaf | None:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
        entries = [((*path, key), old.get(key, ABSENT), new.get(key, ABSENT)) for key in keys]
        return _branch(path, entries, is_array=False)
    if same_value(old, new):
        return None
    if isinstance(old, list) and isinstance(new, list):
        entries = [
            (
                (*path, before if after is None else after),
                ABSENT if before is None else old[before],
                ABSENT if after is None else new[after],
            )
            for before, after in _alignment(old, new)
        ]
        return _branch(path, entries, is_array=True)
    return Leaf(path, copy_value(old), copy_value(new))


def _branch(
    path: Path, entries: Sequence[tuple[Path, Json | Absent, Json | Absent]], *, is_array: bool
) -> Branch | None:
    found = [_difference(*entry) for entry in entries]
    children = tuple(child for child in found if child is not None)
    return Branch(path, is_array, children, len(found) - len(children)) if children else None


def _alignment(old: list[Json], new: list[Json]) -> Iterator[tuple[int | None, int | None]]:
    """Yield pairs of indexes (old, new) in order; None on one side for an item only on the other side."""
    old_start = new_start = 0
    for old_end, new_end in [*_common_items(old, new), (len(old), len(new))]:
        yield from zip_longest(range(old_start, old_end), range(new_start, new_end))
        if old_end < len(old):
            yield old_end, new_end
        old_start, new_start = old_end + 1, new_end + 1


def _common_items(old: list[Json], new: list[Json]) -> list[tuple[int, int]]:
    """Return the indexes of a longest common subsequence of two arrays (the method of Hunt and Szymanski)."""
    old_texts, new_texts = ([canonical_json(item) for item in items] for items in (old, new))
    places: dict[str, list[int]] = {}
    for index in reversed(range(len(new))):
        places.setdefault(new_texts[index], []).append(index)
    if sum(len(places.get(text, ())) for text in old_texts) > MAX_MATCHING_PAIRS:
        return []
    # For each length, the subsequence that ends earliest in the new array: its end, and itself as linked pairs.
    ends: list[int] = []
    chains: list[_Chain] = []
    for old_index, text in enumerate(old_texts):
        for new_index in places.get(text, ()):
            length = bisect_left(ends, new_index)
            ends[length : length + 1] = [new_index]
            chains[length : length + 1] = [
                _Chain(old_index, new_index, chains[length - 1] if length else None)
            ]
    found = []
    chain = chains[-1] if chains else None
    while chain is not None:
        found.append((chain.old_index, chain.new_index))
        chain = chain.before
    return found[::-1]


class _Chain(NamedTuple):
    old_index: int
    new_index: int
    before: _Chain | None


@dataclass(frozen=True, slots=True)
class ItemsDiff:
    """The difference of two lists that are written as text. Items that occur n times count n times."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    reordered: bool
    """The items that are in both versions stand in another order."""


@dataclass(frozen=True, slots=True)
class FieldDiff:
    """One field that is not the same in two versions of a row; ABSENT where a version does not have it.

    `items` is set for fields that are lists written as text, `document` where both values are objects or
    both are arrays. If `items` shows nothing, the list is only written differently (white space, commas).
    """

    name: str
    old: Any
    new: Any
    items: ItemsDiff | None = None
    document: DocumentDiff | None = None


def diff_fields(
    old: Mapping[str, Any], new: Mapping[str, Any], *, list_fields: Mapping[str, str] | None = None
) -> list[FieldDiff]:
    """Return the fields that differ, in the order of the row; `{}` is a row before it was made.

    `list_fields` names the fields that are lists written as text, with the separator of each.
    """
    separators = list_fields or {}
    found = []
    for name in {**old, **new}:
        before, after = (copy_value(row.get(name, ABSENT)) for row in (old, new))
        if not same_value(before, after):
            items = _items_diff(before, after, separators[name]) if name in separators else None
            found.append(FieldDiff(name, before, after, items, _inner_diff(before, after)))
    return found


def _inner_diff(old: Any, new: Any) -> DocumentDiff | None:
    both_contain = any(isinstance(old, kind) and isinstance(new, kind) for kind in (dict, list))
    return diff_document(old, new) if both_contain else None


def _items_diff(old: Any, new: Any, separator: str) -> ItemsDiff | None:
    before, after = _items(old, separator), _items(new, separator)
    if before is None or after is None:
        return None
    counted_before, counted_after = Counter(before), Counter(after)
    common = counted_before & counted_after
    return ItemsDiff(
        added=tuple((counted_after - counted_before).elements()),
        removed=tuple((counted_before - counted_after).elements()),
        unchanged=common.total(),
        reordered=_only(before, common) != _only(after, common),
    )


def _items(text: Any, separator: str) -> list[str] | None:
    """Return the items of a list that is written as text; None for a value that is not text at all."""
    if text is None or text is ABSENT:
        return []
    if not isinstance(text, str):
        return None
    return [item.strip() for item in text.split(separator) if item.strip()]


def _only(items: list[str], wanted: Counter[str]) -> list[str]:
    """Return `items` in their order, each at most as often as `wanted` has it."""
    left = wanted.copy()
    kept = []
    for item in items:
        if left[item]:
            left[item] -= 1
            kept.append(item)
    return kept
