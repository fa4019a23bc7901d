"""The tree of what differs between two documents, made by `history.diff`: walk, group, apply, print. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, TypeVar

from history.exceptions import HistoryError
from history.values import ABSENT, Absent, Json, Path, copy_value, path_text, same_value, step_text

Key = TypeVar("Key", bound=Hashable)


class WrongBaseError(HistoryError):
    """A difference was applied to a document that is not the version it was made from."""

    code = "wrong_base"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return (
            f"The document is not the version that the difference was made from: see {path_text(self.path)}."
        )


class Change(StrEnum):
    """What happened to a value."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value that was added, removed or changed as a whole; `old` or `new` is ABSENT accordingly.

    In an array the last step of `path` is the index in the old array for a removed item, else in the new.
    """

    path: Path
    old: Json | Absent
    new: Json | Absent

    @property
    def change(self) -> Change:
        """What happened to the value."""
        if self.old is ABSENT:
            return Change.ADDED
        return Change.REMOVED if self.new is ABSENT else Change.CHANGED

    @property
    def name(self) -> str:
        """The last step of the path, for people."""
        return _name(self.path)

    @property
    def where(self) -> str:
        """The whole path, for people."""
        return path_text(self.path)

    def leaves(self) -> Iterator[Leaf]:
        """Yield the one change that this is."""
        yield self

    def applied(self, old: Json | Absent) -> Json | Absent:
        """Return a copy of the new value; raise WrongBaseError when `old` is not the old one."""
        if not same_value(old, self.old):
            raise WrongBaseError(self.path)
        return copy_value(self.new)

    def lines(self, depth: int = 0) -> Iterator[str]:
        """Yield the lines of the old value after `-` and those of the new one after `+`."""
        for sign, value in (("-", self.old), ("+", self.new)):
            if value is not ABSENT:
                text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
                for line in f"{self.name}: {text}".split("\n"):
                    yield f"{sign}{'  ' * depth}{line}"


@dataclass(frozen=True, slots=True)
class Branch:
    """An object or array that is in both versions and not the same.

    `children` are the differences inside, in document order. Entries that are the same in both versions are
    not among them, only counted: `unchanged` is the number of such entries of this very object or array.
    """

    path: Path
    is_array: bool
    children: tuple[Branch | Leaf, ...]
    unchanged: int

    @property
    def name(self) -> str:
        """The last step of the path, for people."""
        return _name(self.path)

    @property
    def where(self) -> str:
        """The whole path, for people."""
        return path_text(self.path)

    def leaves(self) -> Iterator[Leaf]:
        """Yield every single change inside, in document order."""
        for child in self.children:
            yield from child.leaves()

    def applied(self, old: Json | Absent) -> Json | Absent:
        """Return `old` with the changes made, sharing nothing with it.

        Raises WrongBaseError when `old` is of another kind or size, or has other values in changed places.
        """
        in_old = self.unchanged + sum(not _is(child, Change.ADDED) for child in self.children)
        if isinstance(old, list) and self.is_array and len(old) == in_old:
            return self._applied_to_array(old)
        if isinstance(old, dict) and not self.is_array and len(old) == in_old:
            return self._applied_to_object(old)
        raise WrongBaseError(self.path)

    def _applied_to_object(self, old: dict[str, Json]) -> dict[str, Json]:
        result = dict(old)
        for child in self.children:
            key = str(child.path[-1])
            value = child.applied(result.pop(key, ABSENT))
            if value is not ABSENT:
                result[key] = value
        return {key: copy_value(value) for key, value in result.items()}

    def _applied_to_array(self, old: list[Json]) -> list[Json]:
        removed = {child.path[-1]: child for child in self.children if _is(child, Change.REMOVED)}
        others = {child.path[-1]: child for child in self.children if not _is(child, Change.REMOVED)}
        for index, leaf in removed.items():
            leaf.applied(old[int(index)])
        # Items are never moved: those that stay fill, in their order, the new places that nothing was added to.
        staying = (item for index, item in enumerate(old) if index not in removed)
        added = sum(_is(child, Change.ADDED) for child in self.children)
        result = []
        for index in range(len(old) - len(removed) + added):
            child = others.get(index)
            item = ABSENT if child is not None and _is(child, Change.ADDED) else next(staying)
            result.append(copy_value(item) if child is None else child.applied(item))
        return result

    def lines(self, depth: int = 0) -> Iterator[str]:
        """Yield the name, the lines of all differences inside, and how many entries are unchanged."""
        indent = "  " * depth
        yield f" {indent}{self.name}:"
        for child in self.children:
            yield from child.lines(depth + 1)
        if self.unchanged:
            yield f" {indent}  ({self.unchanged} unchanged)"


@dataclass(frozen=True, slots=True)
class Group(Generic[Key]):
    """The differences that belong to one key of the caller: for reading, not for applying."""

    key: Key
    differences: tuple[Branch | Leaf, ...]

    def changes(self) -> Iterator[Leaf]:
        """Yield every single change of the group."""
        for difference in self.differences:
            yield from difference.leaves()

    @property
    def counts(self) -> dict[Change, int]:
        """How many values were added, removed and changed."""
        return count_changes(self.changes())


def count_changes(changes: Iterable[Leaf]) -> dict[Change, int]:
    """Count the changes of each kind; all kinds are in the result."""
    counted = Counter(leaf.change for leaf in changes)
    return {change: counted[change] for change in Change}


def group(root: Branch | Leaf, group_of: Callable[[Path], Key]) -> list[Group[Key]]:
    """Cut a tree into one group for each key that `group_of(path)` returns (see `DocumentDiff.grouped`)."""
    return [Group(key, tuple(parts)) for key, parts in _cut(root, group_of).items() if parts]


def _cut(node: Branch | Leaf, group_of: Callable[[Path], Key]) -> dict[Key, list[Branch | Leaf]]:
    own_key = group_of(node.path)
    children = node.children if isinstance(node, Branch) else _entries(node)
    own: list[Branch | Leaf] = []
    parts: dict[Key, list[Branch | Leaf]] = {own_key: []}
    for child in children:
        for key, found in _cut(child, group_of).items():
            for part in found:
                stays = key == own_key and len(part.path) == len(child.path)
                (own if stays else parts.setdefault(key, [])).append(part)
    if isinstance(node, Branch):
        own = [replace(node, children=tuple(own))] if own else []
    elif len(own) == len(children) and all(part is child for part, child in zip(own, children, strict=True)):
        own = [node]
    parts[own_key][:0] = own
    return parts


def _entries(leaf: Leaf) -> tuple[Leaf, ...]:
    """Return one leaf for each entry of an object that was added or removed as a whole."""
    if leaf.change is Change.ADDED and isinstance(leaf.new, dict):
        return tuple(Leaf((*leaf.path, key), ABSENT, leaf.new[key]) for key in sorted(leaf.new))
    if leaf.change is Change.REMOVED and isinstance(leaf.old, dict):
        return tuple(Leaf((*leaf.path, key), leaf.old[key], ABSENT) for key in sorted(leaf.old))
    return ()


def _is(node: Branch | Leaf, change: Change) -> bool:
    return isinstance(node, Leaf) and node.change is change


def _name(path: Path) -> str:
    return step_text(path[-1]) if path else path_text(path)
