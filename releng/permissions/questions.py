"""What others ask about people: may this one, who holds that role, who must agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from releng.permissions.models import (
    Account,
    Permission,
    PermissionRequiredSignoff,
    ProductRequiredSignoff,
    Role,
)

EVERY_PRODUCT = object()
"""Asks whether something is allowed for any product at all."""


def allows(user: Any, permission: str, action: str, product: Any = EVERY_PRODUCT) -> bool:
    """Tell whether a user may do something with objects of a product, None being an object without one.

    An `admin` row decides alone (features Q03); else the row of that name does. Limits to products refuse objects
    without product. EVERY_PRODUCT asks whether there is any product for which it is allowed.
    """
    rows = rows_of(user)
    row = rows.get("admin")
    if row is None:
        row = rows.get(permission)
        if row is None or (row.actions and action not in row.actions):
            return False
    return not row.products or product is EVERY_PRODUCT or product in row.products


def rows_of(user: Any) -> dict[str, Permission]:
    """Return a user's permission rows by name; none for somebody inactive. Read once for each user object."""
    if user is None or not user.is_active or user.pk is None:
        return {}
    found: dict[str, Permission] | None = getattr(user, "permission_rows_read", None)
    if found is None:
        found = {row.permission: row for row in Permission.objects.filter(user_id=user.pk)}
        user.permission_rows_read = found
    return found


def is_admin(user: Any, product: Any = None) -> bool:
    """Tell whether a user administrates a product; None asks for all products."""
    row = rows_of(user).get("admin")
    return row is not None and (not row.products or product in row.products)


def administrators() -> list[str]:
    """Return the names of those who can give permissions: the active people who administrate everything."""
    rows = Permission.objects.filter(permission="admin", user__is_active=True).exclude(_MACHINE)
    return sorted(row.user.username for row in rows.select_related("user") if not row.products)


def is_system(user: Any) -> bool:
    """Tell whether this is a machine's account: these never sign off."""
    return Account.objects.filter(user_id=user.pk, kind=Account.Kind.SYSTEM).exists()


def is_auditor(user: Any) -> bool:
    """Tell whether a user may see everything."""
    if user is None or not user.is_active or user.pk is None:
        return False
    found: bool | None = getattr(user, "is_auditor_read", None)
    if found is None:
        found = Role.objects.filter(user_id=user.pk, role="auditor").exists()
        user.is_auditor_read = found
    return found


def roles_of(user: Any) -> frozenset[str]:
    """Return the roles in which somebody may sign off now: none for the inactive and for machines."""
    rows = Role.objects.filter(user_id=user.pk, user__is_active=True).exclude(_MACHINE)
    return frozenset(rows.values_list("role", flat=True)) - {"auditor"}


def holders(role: str) -> set[int]:
    """Return the ids of the active people who hold a role."""
    rows = Role.objects.filter(role=role, user__is_active=True).exclude(_MACHINE)
    return set(rows.values_list("user_id", flat=True))


_MACHINE = Q(user__account__kind=Account.Kind.SYSTEM)


def product_requirements(product: str | None, channel: str | None) -> dict[str, int]:
    """Return who must agree to changes that touch a product and channel: how many of each role (features S06).

    None stands for all products or channels. A star at the end of either side's channel accepts what follows.
    """
    rows = ProductRequiredSignoff.objects.all()
    if product is not None:
        rows = rows.filter(product=product)
    found = rows.values_list("channel", "role", "signoffs_required")
    return strictest(*({role: count} for own, role, count in found if channels_meet(own, channel)))


def permission_requirements(products: Sequence[str] | None) -> dict[str, int]:
    """Return who must agree to changes of a permission that reaches these products, None being all (S09)."""
    rows = PermissionRequiredSignoff.objects.all()
    if products:
        rows = rows.filter(product__in=products)
    return strictest(*({role: count} for role, count in rows.values_list("role", "signoffs_required")))


def channels_meet(one: str, other: str | None) -> bool:
    """Tell whether two channels, each perhaps with a star at its end, can stand for the same one."""
    if other is None:
        return True
    return one == other or _accepts(one, other) or _accepts(other, one)


def _accepts(pattern: str, channel: str) -> bool:
    return pattern.endswith("*") and channel.removesuffix("*").startswith(pattern[:-1])


def strictest(*requirements: dict[str, int]) -> dict[str, int]:
    """Return for each role the largest number that any of the requirements asks for."""
    found: dict[str, int] = {}
    for requirement in requirements:
        for role, count in requirement.items():
            found[role] = max(count, found.get(role, 0))
    return found
