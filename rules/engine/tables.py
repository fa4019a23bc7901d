"""For each kind of rule field: from a client's value to the set of rules that accept it.

A set of rules is an integer, rule *i* being bit *i*. Tables never test rule by rule: what a field's expressions have
in common (equal values, order, prefixes, terms) is prepared once, so that a value never seen before costs little too.
What the expressions mean is said in `releases/blobs/expressions.py`; here are only the sets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import reduce
from itertools import accumulate
from operator import or_
from typing import Any

from releases.blobs.expressions import (
    CHANNEL_SEPARATOR,
    SHORTEST_GLOB,
    compile_int,
    compile_list,
    compile_os_version,
    compile_string,
    compile_version,
)
from releases.blobs.versions import GlobVersion, LooseVersion, MozVersion, parse_loose, parse_version

Expressions = Mapping[Any, int]

# Bounds on what diverse or hostile values can make a process remember, for each table; a full one starts anew.
VALUES_REMEMBERED = 1_024
LONGEST_REMEMBERED = 200  # characters


class Table:
    """One field of a group of rules.

    `asking` are the rules that look at the field; all others are indifferent, and in every answer. `known` holds
    answers by value; whoever asks looks there first. What is not there is answered by `otherwise`, or, where that is
    None, by `accepting`.
    """

    __slots__ = ("asking", "indifferent", "known", "otherwise")

    def __init__(self, expressions: Expressions, indifferent: int) -> None:
        """`expressions` maps each distinct text of the field to the rules that have it."""
        self.indifferent = indifferent
        self.asking = reduce(or_, expressions.values(), 0)
        self.known: dict[Any, int] = {}
        self.otherwise: int | None = indifferent

    def accepting(self, value: Any) -> int:
        """Return the rules that accept a client's value."""
        return self.known.get(value, self.indifferent)


class ComputedTable(Table, ABC):
    """A table that works out the answer for a new value, and remembers it for a while."""

    __slots__ = ()

    def __init__(self, expressions: Expressions, indifferent: int) -> None:
        super().__init__(expressions, indifferent)
        self.otherwise = None

    def accepting(self, value: Any) -> int:
        found = self.indifferent | self._among_asking(value)
        if not isinstance(value, str) or len(value) <= LONGEST_REMEMBERED:
            if len(self.known) >= VALUES_REMEMBERED:
                self.known.clear()
            self.known[value] = found
        return found

    @abstractmethod
    def _among_asking(self, value: Any) -> int:
        """Return those of the asking rules that accept `value`."""


class ExactTable(Table):
    """The client's value must be the rule's; an absent or unknown one never is."""

    __slots__ = ()

    def __init__(self, expressions: Expressions, indifferent: int) -> None:
        super().__init__(expressions, indifferent)
        self.known = {value: bits | indifferent for value, bits in expressions.items()}


class ListTable(Table):
    """The client's value must be an item of the rule's comma list; an unknown one never is."""

    __slots__ = ()

    def __init__(self, expressions: Expressions, indifferent: int) -> None:
        super().__init__(expressions, indifferent)
        for text, bits in expressions.items():
            for item in compile_list(text).items:
                self.known[item] = self.known.get(item, indifferent) | bits


class AbsentIsEmptyListTable(ListTable):
    """As ListTable, but a value that is absent counts as the empty text."""

    __slots__ = ()

    def __init__(self, expressions: Expressions, indifferent: int) -> None:
        super().__init__(expressions, indifferent)
        self.known[None] = self.known.get("", indifferent)


class ChannelTable(ComputedTable):
    """Exact channels and prefixes, for the client's channel and for what stands before its partner suffix."""

    __slots__ = ("_exact", "_lengths", "_prefixes")

    def __init__(self, expressions: Expressions, indifferent: int) -> None:
        super().__init__(expressions, indifferent)
        self._exact: dict[str, int] = {}
        self._prefixes: dict[str, int] = {}
        for pattern, bits in expressions.items():
            if not pattern.endswith("*"):
                self._exact[pattern] = bits
            elif len(pattern) >= SHORTEST_GLOB:
                self._prefixes[pattern[:-1]] = bits
        self._lengths = sorted({len(prefix) for prefix in self._prefixes})

    def _among_asking(self, value: str) -> int:
        base = value.split(CHANNEL_SEPARATOR, 1)[0]
        # Whatever the base starts with, the whole channel starts with too.
        found = self._exact.get(value, 0) | self._exact.get(base, 0)
        for length in self._lengths:
            if length > len(value):
                break
            found |= self._prefixes.get(value[:length], 0)
        return found


class Order:
    """Comparisons (`=`, `>`, `>=`, `<`, `<=`) of things that have an order: two binary searches find all that hold."""

    __slots__ = ("_above", "_above_at", "_below", "_below_at", "_equal")

    def __init__(self, comparisons: Iterable[tuple[str, Any, int]]) -> None:
        """Each comparison is (operator, operand, the rules that make it)."""
        # A value v stands at (v, 0): at or behind (k, 0) when v >= k, at or behind (k, 1) when v > k.
        above: dict[tuple[Any, int], int] = {}
        below: dict[tuple[Any, int], int] = {}
        self._equal: dict[Any, int] = {}
        sides = {">=": (above, 0), ">": (above, 1), "<": (below, 0), "<=": (below, 1)}
        for operator, operand, bits in comparisons:
            if operator == "=":
                self._equal[operand] = self._equal.get(operand, 0) | bits
            else:
                side, strict = sides[operator]
                side[operand, strict] = side.get((operand, strict), 0) | bits
        self._above_at = sorted(above)
        self._above = list(accumulate((above[place] for place in self._above_at), or_, initial=0))
        self._below_at = sorted(below)
        self._below = list(accumulate((below[place] for place in reversed(self._below_at)), or_, initial=0))
        self._below.reverse()

    def accepting(self, value: Any) -> int:
        """Return the rules with a comparison that holds for `value`."""
        place = (value, 0)
        return (
            self._equal.get(value, 0)
            | self._above[bisect_right(self._above_at, place)]
            | self._below[bisect_right(self._below_at, place)]
        )


class BuildIDTable(ComputedTable):
    """Build ids compare as texts; an absent one is the empty text."""

    __slots__ = ("_order",)

    def __init__(self, expressions: Expressions, indifferent: int) -> None:
        super().__init__(expressions, indifferent)
        compiled = ((compile_string(text).comparison, bits) for text, bits in expressions.items())
        self._order = Order((found.operator, found.operand, bits) for found, bits in compiled if found)

    def _among_asking(self, value: str | None) -> int:
        return self._order.accepting(value or "")


class MemoryTable(ComputedTable):
    """Memory compares as a number; an unknown amount passes every rule."""

    __slots__ = ("_order",)

    def __init__(self, expressions: Expressions, indifferent: int) -> None:
        super().__init__(expressions, indifferent)
        compiled = ((compile_int(text), bits) for text, bits in expressions.items())
        self._order = Order(
            (found.operator, found.operand, bits) for found, bits in compiled if found.operator
        )

    def _among_asking(self, value: int | None) -> int:
        return self.asking if value is None else self._order.accepting(value)


class OSVersionTable(ComputedTable):
    """Parts that must occur in the client's operating system."""

    __slots__ = ("_several", "_single")

    def __init__(self, expressions: Expressions, indifferent: int) -> None:
        super().__init__(expressions, indifferent)
        groups: dict[tuple[str, ...], int] = {}
        for text, bits in expressions.items():
            for group in compile_os_version(text).groups:
                groups[group] = groups.get(group, 0) | bits
        self._single = [(group[0], bits) for group, bits in groups.items() if len(group) == 1]
        self._several = [(group, bits) for group, bits in groups.items() if len(group) > 1]

    def _among_asking(self, value: str | None) -> int:
        text = value or ""
        found = 0
        for term, bits in self._single:
            if term in text:
                found |= bits
        for terms, bits in self._several:
            if all(term in text for term in terms):
                found |= bits
        return found


class VersionTable(ComputedTable):
    """Versions of Mozilla's kinds; `accepting` raises BadVersion for a client's text that is none."""

    __slots__ = ("_covered", "_globs", "_order")

    def __init__(self, expressions: Expressions, indifferent: int) -> None:
        super().__init__(expressions, indifferent)
        comparisons: list[tuple[str, Any, int]] = []
        self._globs: dict[tuple[int, ...], int] = {}
        # For the odd client whose own version is a glob: the rules that name a version with these first numbers.
        self._covered: dict[tuple[int, ...], int] = {}
        for text, bits in expressions.items():
            for operator, operand in compile_version(text, loose=False).items:
                if isinstance(operand, MozVersion):
                    comparisons.append((operator, operand.key, bits))
                    if operator == "=":
                        for prefix in (operand.key[:1], operand.key[:2]):
                            self._covered[prefix] = self._covered.get(prefix, 0) | bits
                elif isinstance(operand, GlobVersion) and operator == "=":
                    self._globs[operand.numbers] = self._globs.get(operand.numbers, 0) | bits
        self._order = Order(comparisons)

    def _among_asking(self, value: str) -> int:
        version = parse_version(value)
        if isinstance(version, GlobVersion):
            return self._covered.get(version.numbers, 0) | self._globs.get(version.numbers, 0)
        key = version.key
        return self._order.accepting(key) | self._globs.get(key[:1], 0) | self._globs.get(key[:2], 0)


class LooseVersionTable(ComputedTable):
    """Loose versions. They have no one order (a number does not compare with text), so each expression is tested."""

    __slots__ = ("_compiled",)

    def __init__(self, expressions: Expressions, indifferent: int) -> None:
        super().__init__(expressions, indifferent)
        self._compiled = [(compile_version(text, loose=True), bits) for text, bits in expressions.items()]

    def _among_asking(self, value: str) -> int:
        version: LooseVersion = parse_loose(value)
        return reduce(or_, (bits for compiled, bits in self._compiled if compiled.matches(version)), 0)
