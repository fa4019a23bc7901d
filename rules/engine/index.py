"""The bitmap rule index.

Rules of one product (and those for any product) stand in decision order; rule *i* is bit *i*. Each field that any of
them uses has a table from a client's value to the set of rules that accept it: one integer. A request is a dozen
look-ups and ANDs; the winner is the lowest bit. So 10,000 rules cost about what 100 do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from releases.blobs.query import UpdateQuery
from releases.blobs.versions import is_loose
from rules.engine.fields import AFTER_PRODUCT
from rules.engine.rule import Rule, decision_order, unusable_field

IsListed = Callable[[str, str | None], bool]


class RuleIndex:
    """All rules of a snapshot; immutable but for what its tables remember.

    `rules` are in decision order. `unusable` are those, each with the field's name, that hold what no field can
    hold (see `unusable_field`): they match nobody.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        usable: list[Rule] = []
        unusable: list[tuple[Rule, str]] = []
        for rule in rules:
            wrong = unusable_field(rule)
            if wrong is None:
                usable.append(rule)
            else:
                unusable.append((rule, wrong))
        self.rules = tuple(sorted(usable, key=decision_order))
        self.unusable = tuple(unusable)
        for_any: list[Rule] = []
        by_product: dict[str, list[Rule]] = {rule.product: [] for rule in usable if rule.product is not None}
        for rule in self.rules:
            if rule.product is not None:
                by_product[rule.product].append(rule)
                continue
            for_any.append(rule)
            for others in by_product.values():
                others.append(rule)
        self._groups = {
            product: _Group(found, loose=is_loose(product)) for product, found in by_product.items()
        }
        self._other = {loose: _Group(for_any, loose=loose) for loose in (False, True)}

    def first(self, query: UpdateQuery, is_listed: IsListed) -> Rule | None:
        """Return the winner for `query`, or None.

        `is_listed(whitelist's name, imei)` answers for rules with a whitelist. Raises BadVersion for a version that
        cannot be read when some rule would have to look at it.
        """
        group = self._groups.get(query.product) or self._other[is_loose(query.product)]
        return group.first(query, is_listed)


class _Group:
    """The rules for one product, in decision order."""

    __slots__ = ("_all", "_rules", "_tables", "_whitelists")

    def __init__(self, rules: list[Rule], *, loose: bool) -> None:
        self._rules = rules
        self._all = (1 << len(rules)) - 1
        self._tables = []
        for field in AFTER_PRODUCT:
            expressions = _distinct(rules, field.name)
            indifferent = expressions.pop(None, 0)
            if expressions:
                table = field.table_for(loose=loose)(expressions, indifferent)
                # What is needed for a value seen before lies ready: this is the hottest loop of all.
                self._tables.append((attrgetter(field.name), table.known, table.otherwise, table))
        self._whitelists = _distinct(rules, "whitelist")
        self._whitelists.pop(None, None)

    def first(self, query: UpdateQuery, is_listed: IsListed) -> Rule | None:
        mask = self._all
        for value_of, known, otherwise, table in self._tables:
            value = value_of(query)
            accepting = known.get(value, otherwise)
            if accepting is None:
                if not mask & table.asking:
                    continue  # no rule that is left looks at this field
                accepting = table.accepting(value)
            mask &= accepting
        for name, bits in self._whitelists.items():
            if mask & bits and not is_listed(name, query.imei):
                mask &= ~bits
        return self._rules[(mask & -mask).bit_length() - 1] if mask else None


def _distinct(rules: Iterable[Rule], name: str) -> dict[Any, int]:
    """Return the set of rules for each distinct value of a field."""
    numbers: dict[Any, list[int]] = {}
    value_of = attrgetter(name)
    for number, rule in enumerate(rules):
        numbers.setdefault(value_of(rule), []).append(number)
    return {value: _bits(found) for value, found in numbers.items()}


def _bits(numbers: list[int]) -> int:
    raw = bytearray(numbers[-1] // 8 + 1)
    for number in numbers:
        raw[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(raw, "little")
