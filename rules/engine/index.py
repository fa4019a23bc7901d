"""The bitmap rule index.

Rules stand in decision order; rule *i* is bit *i*. For a product and channel there is a view of the few rules
that accept both. In a view, each field that any rule uses maps a client's value to the set of rules that accept it:
one integer, made from the field's distinct expressions and kept in a bounded cache. A request is a handful of
look-ups and ANDs; the winner is the lowest bit. So 10,000 rules cost about what 100 do, for values seen before
and for new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from releases.blobs.query import UpdateQuery
from releases.blobs.versions import is_loose, parse_version
from rules.engine.fields import AFTER_VERSION, BEFORE_VERSION, CHANNEL, VERSION, Field
from rules.engine.rule import Rule, decision_order

# Bounds on what hostile values can make a process remember; a full cache is emptied.
CHANNELS_REMEMBERED = 8_192
VALUES_REMEMBERED = 1_024

IsListed = Callable[[str, str | None], bool]


class RuleIndex:
    """All rules of a snapshot; immutable but for its caches."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(sorted(rules, key=decision_order))
        products = {rule.product for rule in self.rules if rule.product is not None}
        self._groups = {
            product: _Group([rule for rule in self.rules if rule.product in (product, None)])
            for product in products
        }
        self._no_product = _Group([rule for rule in self.rules if rule.product is None])
        self._views: dict[tuple[str, str], View] = {}

    def view(self, query: UpdateQuery) -> View:
        """Return the view of the rules that accept the query's product and channel."""
        key = (query.product, query.channel)
        view = self._views.get(key)
        if view is None:
            group = self._groups.get(query.product, self._no_product)
            view = group.view(query)
            if len(self._views) >= CHANNELS_REMEMBERED:
                self._views = {}
            self._views[key] = view
        return view

    def first(self, query: UpdateQuery, is_listed: IsListed) -> Rule | None:
        """Return the winner for `query`, or None.

        `is_listed(whitelist's name, imei)` answers for rules with a whitelist. Raises BadVersion for a version that
        cannot be read when some rule would have to look at it.
        """
        return self.view(query).first(query, is_listed)


class _Group:
    """The rules of one product, with those for any product."""

    def __init__(self, rules: list[Rule]) -> None:
        self._rules = rules
        self._masks = _distinct(rules, CHANNEL.name)
        self._by_mask: dict[tuple[int, bool], View] = {}

    def view(self, query: UpdateQuery) -> View:
        channels = CHANNEL.of(query)
        mask = 0
        for pattern, bits in self._masks.items():
            if pattern is None or CHANNEL.accepts(pattern, channels, False):
                mask |= bits
        key = (mask, is_loose(query.product))
        view = self._by_mask.get(key)
        if view is None:
            chosen = [rule for number, rule in enumerate(self._rules) if mask >> number & 1]
            view = self._by_mask.setdefault(key, View(chosen, loose=key[1]))
        return view


class View:
    """The rules that accept one product and channel, in decision order."""

    def __init__(self, rules: list[Rule], *, loose: bool) -> None:
        self.rules = rules
        self._all = (1 << len(rules)) - 1
        self._before = _tables(rules, BEFORE_VERSION, loose)
        version = _tables(rules, (VERSION,), loose)
        self._version = version[0] if version else None
        self._after = _tables(rules, AFTER_VERSION, loose)
        self._has_version = 0 if loose else _mask(rules, lambda rule: rule.version is not None)
        self._whitelists = {
            name: bits for name, bits in _distinct(rules, "whitelist").items() if name is not None
        }

    def first(self, query: UpdateQuery, is_listed: IsListed) -> Rule | None:
        mask = self._all
        for table in self._before:
            mask &= table.accepting(query)
        if self._version is not None and mask:
            if mask & self._has_version:
                parse_version(
                    query.version
                )  # what these rules look at must be readable, else it is a client error
            mask &= self._version.accepting(query)
        for table in self._after:
            if not mask:
                return None
            mask &= table.accepting(query)
        for name, bits in self._whitelists.items():
            if mask & bits and not is_listed(name, query.imei):
                mask &= ~bits
        return self.rules[(mask & -mask).bit_length() - 1] if mask else None


class _Table:
    """One field of a view: from a client's value to the set of rules that accept it."""

    __slots__ = ("_cache", "_distinct", "_field", "_loose", "_null", "_of", "_ready")

    def __init__(self, field: Field, distinct: dict[Any, int], *, loose: bool) -> None:
        self._field = field
        self._of = field.of
        self._loose = loose
        self._null = distinct.pop(None, 0)
        self._distinct = distinct
        self._cache: dict[Any, int] = {}
        self._ready = field.exact or field.listed
        if field.exact:
            self._cache = {value: bits | self._null for value, bits in distinct.items()}
        elif field.listed:
            for text, bits in distinct.items():
                for item in text.split(","):
                    self._cache[item] = self._cache.get(item, self._null) | bits

    def accepting(self, query: UpdateQuery) -> int:
        value = self._of(query)
        found = self._cache.get(value)
        if found is not None:
            return found
        if self._ready:
            return self._null
        found = self._null
        accepts, loose = self._field.accepts, self._loose
        for expression, bits in self._distinct.items():
            if accepts(expression, value, loose):
                found |= bits
        if len(self._cache) >= VALUES_REMEMBERED:
            self._cache = {}
        self._cache[value] = found
        return found


def _tables(rules: list[Rule], fields: Iterable[Field], loose: bool) -> list[_Table]:  # noqa: FBT001
    """Make a table for each field that any of the rules uses."""
    tables = []
    for field in fields:
        distinct = _distinct(rules, field.name)
        if distinct.keys() - {None}:
            tables.append(_Table(field, distinct, loose=loose))
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


def _mask(rules: Iterable[Rule], test: Callable[[Rule], bool]) -> int:
    numbers = [number for number, rule in enumerate(rules) if test(rule)]
    return _bits(numbers) if numbers else 0
