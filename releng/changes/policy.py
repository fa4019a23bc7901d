"""What a change of a row needs: which permissions of the person, and whose agreement.

One place for both questions, asked by the guard of direct writes, by forms before they save, and for scheduled changes
when they are proposed, signed and enacted. `before` and `after` are instances, None for a row that is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q

from history.context import Change
from history.values import same_value
from releases.blobs import Superblob
from releases.models import Release, ReleasePart
from releng.permissions.models import Permission, PermissionRequiredSignoff, ProductRequiredSignoff
from releng.permissions.questions import permission_requirements, product_requirements, strictest
from rules.models import EmergencyShutoff, Rule

Roles = dict[str, int]
"""How many signoffs of each role."""

VERBS: dict[Change, str] = {"insert": "add", "update": "change", "delete": "delete"}


def changed_fields(before: Model, after: Model) -> frozenset[str]:
    """Return the names of the fields in which two states of one row differ."""
    return frozenset(
        field.name
        for field in before._meta.concrete_fields
        if field.name != "data_version"
        and not same_value(getattr(before, field.attname), getattr(after, field.attname))
    )


# --- Permissions --------------------------------------------------------------------------------------------


def needed_permissions(
    change: Change, before: Any, after: Any, fields: Iterable[str] | None = None
) -> list[tuple[str, Model]]:
    """Return what the person must be allowed: pairs of Django permission and the object that it is asked for.

    `fields` are the names of those that change, where the instances do not show it.
    """
    row = after if after is not None else before
    states = [state for state in (before, after) if state is not None]
    if isinstance(row, ReleasePart):
        return [("releases.change_release", state.release) for state in states[:1]]
    names = [f"{row._meta.app_label}.{VERBS[change]}_{row._meta.model_name}"]
    if isinstance(row, Release) and change == "update":
        names = _release_permissions(
            after, changed_fields(before, after) if fields is None else frozenset(fields)
        )
    return [(name, state) for name in names for state in states]


def _release_permissions(after: Release, fields: frozenset[str]) -> list[str]:
    names = ["releases.change_release"] if fields - {"read_only"} else []
    if "read_only" in fields or not fields:  # unlocking writes even where nothing is locked (N09)
        names.append("releases.set_read_only" if after.read_only else "releases.unset_read_only")
    return names


def refuse_unpermitted(
    user: Any, change: Change, before: Any, after: Any, fields: Iterable[str] | None = None
) -> None:
    """Raise PermissionDenied, naming what is missing, unless the person may make this change."""
    for permission, obj in needed_permissions(change, before, after, fields):
        if not user.has_perm(permission, obj):
            raise PermissionDenied(missing_permission(user, permission, obj))


def missing_permission(user: Any, permission: str, obj: Any) -> str:
    """Return the sentence that says what somebody may not do."""
    verb, _, what = permission.partition(".")[2].partition("_")
    product = getattr(obj, "product", None)
    name = user.get_username() or "nobody"
    scope = f" of {product}" if isinstance(product, str) else " of all products" if obj is not None else ""
    return f"{name} may not {verb} {what.replace('_', ' ')}{scope}: the permission {permission} is missing."


# --- Signoffs -----------------------------------------------------------------------------------------------


def required_signoffs(change: Change, before: Any, after: Any, fields: Iterable[str] | None = None) -> Roles:
    """Return how many signoffs of each role a change needs, from its old and its new state (features group S)."""
    row = after if after is not None else before
    for model, ask in REQUIREMENTS.items():
        if isinstance(row, model):
            states = [state for state in (before, after) if state is not None]
            if model is Release and change == "update" and fields is None:
                fields = changed_fields(before, after)
            return ask(change, states, frozenset(fields or ()))
    return {}


def release_requirements(name: str) -> Roles:
    """Return what the rules need that offer a release, also as a part of another (S07)."""
    if not ProductRequiredSignoff.objects.exists():
        return {}
    names = [name, *_superblobs_with(name)]
    rules = Rule.objects.filter(Q(mapping__in=names) | Q(fallback_mapping__in=names) | Q(whitelist__in=names))
    pairs = rules.order_by().values_list("product", "channel").distinct()
    return strictest(*(product_requirements(product, channel) for product, channel in pairs))


def unlock_requirements(release: Release) -> Roles:
    """Return what making a read-only release writable needs: as its rules, else as its product (N11)."""
    return release_requirements(release.name) or product_requirements(release.product, None)


def _superblobs_with(name: str) -> list[str]:
    found = Release.objects.filter(schema_version=Superblob.schema_version).values_list("name", "document")
    return [own for own, document in found if name in (document.get("blobs") or ())]


def _rule(change: Change, states: list[Any], fields: frozenset[str]) -> Roles:
    return strictest(*(product_requirements(rule.product, rule.channel) for rule in states))


def _release(change: Change, states: list[Any], fields: frozenset[str]) -> Roles:
    if change == "insert":
        return {}  # nothing points to it yet
    found: Roles = {}
    if fields - {"read_only"} or change == "delete":
        found = release_requirements(states[0].name)
    if "read_only" in fields and not states[-1].read_only:
        found = strictest(found, unlock_requirements(states[0]))
    return found


def _part(change: Change, states: list[Any], fields: frozenset[str]) -> Roles:
    return release_requirements(states[0].release.name)


def _permission(change: Change, states: list[Any], fields: frozenset[str]) -> Roles:
    return strictest(*(permission_requirements(row.products) for row in states))


def _product_signoff(change: Change, states: list[Any], fields: frozenset[str]) -> Roles:
    """As those that stand already for the product and channel; the first one of them needs nobody (S03)."""
    return _of_rows(
        ProductRequiredSignoff.objects.filter(product=row.product, channel=row.channel) for row in states
    )


def _permission_signoff(change: Change, states: list[Any], fields: frozenset[str]) -> Roles:
    return _of_rows(PermissionRequiredSignoff.objects.filter(product=row.product) for row in states)


def _of_rows(rows: Iterable[Any]) -> Roles:
    return strictest(*(dict(found.values_list("role", "signoffs_required")) for found in rows))


def _shutoff(change: Change, states: list[Any], fields: frozenset[str]) -> Roles:
    """Stopping needs nobody; going on does (features L01, L02)."""
    if change == "insert":
        return {}
    return strictest(*(product_requirements(row.product, row.channel) for row in states))


REQUIREMENTS: dict[type[Model], Callable[[Change, list[Any], frozenset[str]], Roles]] = {
    Rule: _rule,
    Release: _release,
    ReleasePart: _part,
    Permission: _permission,
    ProductRequiredSignoff: _product_signoff,
    PermissionRequiredSignoff: _permission_signoff,
    EmergencyShutoff: _shutoff,
}
