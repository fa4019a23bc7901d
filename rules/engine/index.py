"""The bitmap rule index.

Rules of one product (and those for any product) stand in decision order; rule *i* is bit *i*. Each field that any of
them uses maps a client's value to the set of rules that accept it: one integer, made from the field's distinct
expressions and kept in a bounded cache. A request is a dozen look-ups and ANDs; the winner is the lowest bit. So
10,000 rules cost about what 100 do, and a value never seen before is tested on the few rules that are left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from releases.blobs.query import UpdateQuery
from releases.blobs.versions import is_loose, parse_version
from rules.engine.fields import AFTER_VERSION, BEFORE_VERSION, CHANNEL, VERSION, Field
from rules.engine.rule import Rule, decision_order

# Bounds on what hostile values can make a process remember; a full cache is emptied.
VALUES_REMEMBERED = 1_024
FEW_RULES = 32
SEEN_ONCE = -1

IsListed = Callable[[str, str | None], bool]


class RuleIndex:
    """All rules of a snapshot; immutable but for its caches."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(sorted(rules, key=decision_order))
        products = {rule.product for rule in self.rules if rule.product is not None}
        self._groups = {
            product: _Group(
                [rule for rule in self.rules if rule.product in (product, None)], loose=is_loose(product)
            )
            for product in products
        }
        for_any = [rule for rule in self.rules if rule.product is None]
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

    def __init__(self, rules: list[Rule], *, loose: bool) -> None:
        self._rules = rules
        self._all = (1 << len(rules)) - 1
        self._before = _tables(rules, (CHANNEL, *BEFORE_VERSION), loose=loose)
        # The tables that need no test narrow the choice first, so that few rules are left for those that do.
        after = _tables(rules, (VERSION, *AFTER_VERSION), loose=loose)
        self._after = sorted(after, key=lambda table: not table.is_ready)
        self._has_version = 0 if loose else self._all & ~_distinct(rules, VERSION.name).get(None, 0)
        self._whitelists = _distinct(rules, "whitelist")
        self._whitelists.pop(None, None)

    def first(self, query: UpdateQuery, is_listed: IsListed) -> Rule | None:
        mask = self._all
        for table in self._before:
            mask = table.narrow(mask, query)
        if mask & self._has_version:
            # What these rules look at must be readable; else it is the client's error.
            parse_version(query.version)
        for table in self._after:
            if not mask:
                return None
            mask = table.narrow(mask, query)
        for name, bits in self._whitelists.items():
            if mask & bits and not is_listed(name, query.imei):
                mask &= ~bits
        return self._rules[(mask & -mask).bit_length() - 1] if mask else None


class _Table:
    """One field of a group: from a client's value to the set of rules that accept it."""

    __slots__ = ("_accepts", "_cache", "_distinct", "_loose", "_name", "_null", "_of", "_rules", "is_ready")

    def __init__(self, field: Field, rules: list[Rule], distinct: dict[Any, int], *, loose: bool) -> None:
        self._name = field.name
        self._of = field.of
        self._accepts = field.accepts
        self._loose = loose
        self._rules = rules
        self._null = distinct.pop(None, 0)
        self._distinct = distinct
        self._cache: dict[Any, int] = {}
        self.is_ready = field.exact or field.listed
        if field.exact:
            self._cache = {value: bits | self._null for value, bits in distinct.items()}
        elif field.listed:
            for text, bits in distinct.items():
                for item in text.split(","):
                    self._cache[item] = self._cache.get(item, self._null) | bits

    def narrow(self, mask: int, query: UpdateQuery) -> int:
        """Return those rules of `mask` that accept the query's value."""
        value = self._of(query)
        found = self._cache.get(value)
        if found is not None and found != SEEN_ONCE:
            return mask & found
        if self.is_ready:
            return mask & self._null
        asking = mask & ~self._null
        if not asking:
            return mask
        if len(self._cache) >= VALUES_REMEMBERED:
            self._cache = {}
        if found is None and asking.bit_count() <= FEW_RULES:
            # A new value may never come again: test it on the few rules that are left.
            self._cache[value] = SEEN_ONCE
            return mask & (self._null | self._accepting_among(asking, value))
        found = self._null
        for expression, bits in self._distinct.items():
            if self._accepts(expression, value, self._loose):
                found |= bits
        self._cache[value] = found
        return mask & found

    def _accepting_among(self, asking: int, value: Any) -> int:
        found = 0
        while asking:
            bit = asking & -asking
            asking ^= bit
            if self._accepts(getattr(self._rules[bit.bit_length() - 1], self._name), value, self._loose):
                found |= bit
        return found


def _tables(rules: list[Rule], fields: Iterable[Field], *, loose: bool) -> list[_Table]:
    """Make a table for each field that any of the rules uses."""
    tables = []
    for field in fields:
        distinct = _distinct(rules, field.name)
        if distinct.keys() - {None}:
            tables.append(_Table(field, rules, distinct, loose=loose))
    return tables


def _distinct(rules: Iterable[Rule], name: str) -> dict[Any, int]:
    """Return the set of rules for each distinct value of a field."""
    numbers: dict[Any, list[int]] = {}
    for number, rule in enumerate(rules):
        numbers.setdefault(getattr(rule, name), []).append(number)
    return {value: _bits(found) for value, found in numbers.items()}


def _bits(numbers: list[int]) -> int:
    raw = bytearray(numbers[-1] // 8 + 1)
    for number in numbers:
        raw[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(raw, "little")
