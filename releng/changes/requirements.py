"""Who must agree to a change (features group S): asked for one change, or by a page for many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from django.db.models import Model, Q

from history.context import Change
from history.values import same_value
from releases.blobs import Superblob
from releases.models import Release, ReleasePart
from releng.permissions.models import Permission, PermissionRequiredSignoff, ProductRequiredSignoff
from releng.permissions.questions import channels_meet, strictest
from rules.models import EmergencyShutoff, Rule

Roles = dict[str, int]
"""How many signoffs of each role."""

MANY = 200  # names in one query; for more than these, all rules are read


def changed_fields(before: Model, after: Model) -> frozenset[str]:
    """Return the names of the fields in which two states of one row differ."""
    return frozenset(
        field.name
        for field in before._meta.concrete_fields
        if field.name != "data_version"
        and not same_value(getattr(before, field.attname), getattr(after, field.attname))
    )


class Requirements:
    """The requirements as they are now: each table is read when it is first needed, and then no more.

    Make one for each question, or one for a page that asks about many changes. `releases` are the names of those
    that will be asked about: which rules offer them is read together.
    """

    def __init__(self, releases: Iterable[str] = ()) -> None:
        self._announced = set(releases)
        self._releases: dict[str, Roles] = {}
        self._places: dict[tuple[str | None, str | None], Roles] = {}

    def signoffs(self, change: Change, before: Any, after: Any, fields: Iterable[str] | None = None) -> Roles:
        """Return how many signoffs of each role a change needs, from its old and its new state.

        `before` and `after` are instances, None for a row that is not there; `fields` names what changes, where
        the instances do not show it.
        """
        row = after if after is not None else before
        for model, ask in QUESTIONS.items():
            if isinstance(row, model):
                states = [state for state in (before, after) if state is not None]
                if model is Release and change == "update" and fields is None:
                    fields = changed_fields(before, after)
                return ask(self, change, states, frozenset(fields or ()))
        return {}

    def of_place(self, product: str | None, channel: str | None) -> Roles:
        """Return what a product's channel needs (S06); None stands for all products or channels."""
        place = (product, channel)
        if place not in self._places:
            self._places[place] = strictest(
                *(
                    {role: count}
                    for own, own_channel, role, count in self.product_rows
                    if product in (None, own) and channels_meet(own_channel, channel)
                )
            )
        return self._places[place]

    def of_permissions(self, products: Sequence[str] | None) -> Roles:
        """Return what permissions for these products need, None being all (S09)."""
        rows = self.permission_rows
        return strictest(*({role: count} for own, role, count in rows if not products or own in products))

    def of_release(self, name: str) -> Roles:
        """Return what the rules need that offer a release, also as a part of another (S07)."""
        if name not in self._releases:
            self._read_releases({name, *self._announced})
            self._announced = set()
        return self._releases[name]

    def of_unlocking(self, release: Release) -> Roles:
        """Return what making a read-only release writable needs: as its rules, else as its product (N11)."""
        return self.of_release(release.name) or self.of_place(release.product, None)

    @cached_property
    def product_rows(self) -> list[tuple[str, str, str, int]]:
        """The requirements of products: product, channel, role, and how many."""
        return list(
            ProductRequiredSignoff.objects.values_list("product", "channel", "role", "signoffs_required")
        )

    @cached_property
    def permission_rows(self) -> list[tuple[str, str, int]]:
        """The requirements of permissions: product, role, and how many."""
        return list(PermissionRequiredSignoff.objects.values_list("product", "role", "signoffs_required"))

    def _read_releases(self, names: Collection[str]) -> None:
        if not self.product_rows:
            self._releases |= {name: {} for name in names}
            return
        wholes = _superblobs_with(names)
        offered = defaultdict(set)
        for product, channel, *targets in _rules_offering({*names, *chain.from_iterable(wholes.values())}):
            for target in filter(None, targets):
                offered[target].add((product, channel))
        for name in names:
            parts = (name, *wholes.get(name, ()))
            places = {place for whole in parts for place in offered.get(whole, ())}
            self._releases[name] = strictest(*(self.of_place(*place) for place in places))


def _rule(asked: Requirements, change: Change, states: list[Any], fields: frozenset[str]) -> Roles:
    return strictest(*(asked.of_place(rule.product, rule.channel) for rule in states))


def _release(asked: Requirements, change: Change, states: list[Any], fields: frozenset[str]) -> Roles:
    if change == "insert":
        return {}  # nothing points to it yet
    found: Roles = {}
    if fields - {"read_only"} or change == "delete":
        found = asked.of_release(states[0].name)
    if "read_only" in fields and not states[-1].read_only:
        found = strictest(found, asked.of_unlocking(states[0]))
    return found


def _part(asked: Requirements, change: Change, states: list[Any], fields: frozenset[str]) -> Roles:
    return asked.of_release(states[0].release.name)


def _permission(asked: Requirements, change: Change, states: list[Any], fields: frozenset[str]) -> Roles:
    return strictest(*(asked.of_permissions(row.products) for row in states))


def _product_signoff(asked: Requirements, change: Change, states: list[Any], fields: frozenset[str]) -> Roles:
    """As those that stand already for the product and channel; the first one of them needs nobody (S03)."""
    places = {(row.product, row.channel) for row in states}
    rows = asked.product_rows
    return strictest(*({role: count} for *place, role, count in rows if tuple(place) in places))


def _permission_signoff(
    asked: Requirements, change: Change, states: list[Any], fields: frozenset[str]
) -> Roles:
    products = {row.product for row in states}
    rows = asked.permission_rows
    return strictest(*({role: count} for product, role, count in rows if product in products))


def _shutoff(asked: Requirements, change: Change, states: list[Any], fields: frozenset[str]) -> Roles:
    """Stopping needs nobody; going on does (features L01, L02)."""
    if change == "insert":
        return {}
    return strictest(*(asked.of_place(row.product, row.channel) for row in states))


QUESTIONS: dict[type[Model], Callable[[Requirements, Change, list[Any], frozenset[str]], Roles]] = {
    Rule: _rule,
    Release: _release,
    ReleasePart: _part,
    Permission: _permission,
    ProductRequiredSignoff: _product_signoff,
    PermissionRequiredSignoff: _permission_signoff,
    EmergencyShutoff: _shutoff,
}


def required_signoffs(change: Change, before: Any, after: Any, fields: Iterable[str] | None = None) -> Roles:
    """Return how many signoffs of each role one change needs (`Requirements.signoffs`)."""
    return Requirements().signoffs(change, before, after, fields)


def release_requirements(name: str) -> Roles:
    """Return what the rules need that offer a release, also as a part of another (S07)."""
    return Requirements().of_release(name)


def releases_requirements(names: Collection[str]) -> dict[str, Roles]:
    """Return the same of many releases, in three queries."""
    asked = Requirements(names)
    return {name: asked.of_release(name) for name in names}


def unlock_requirements(release: Release) -> Roles:
    """Return what making a read-only release writable needs: as its rules, else as its product (N11)."""
    return Requirements().of_unlocking(release)


def _rules_offering(names: Collection[str]) -> Iterable[tuple[Any, ...]]:
    rules = Rule.objects.order_by()
    if len(names) <= MANY:
        rules = rules.filter(Q(mapping__in=names) | Q(fallback_mapping__in=names) | Q(whitelist__in=names))
    found: Iterable[tuple[Any, ...]] = rules.values_list(
        "product", "channel", "mapping_id", "fallback_mapping_id", "whitelist_id"
    ).distinct()
    return found


def _superblobs_with(names: Collection[str]) -> dict[str, list[str]]:
    """Return for each release the superblobs that it is a part of."""
    found = defaultdict(list)
    superblobs = Release.objects.filter(schema_version=Superblob.schema_version)
    for own, document in superblobs.values_list("name", "document"):
        for name in set(document.get("blobs") or ()).intersection(names):
            found[name].append(own)
    return found
