"""Who can help: the people who hold a role, and those who are allowed something."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Prefetch

from releng.permissions.models import Account, Permission, Role


def people_by_role(roles: Iterable[str] | None = None) -> dict[str, list[str]]:
    """Return the names of the active people who hold each role, in one query; None asks for all roles."""
    rows = Role.objects.filter(user__is_active=True).exclude(user__account__kind=Account.Kind.SYSTEM)
    if roles is not None:
        rows = rows.filter(role__in=set(roles))
    found: dict[str, list[str]] = defaultdict(list)
    for role, name in rows.order_by("user__username").values_list("role", "user__username"):
        found[role].append(name)
    return found


def people_allowed(permission: str, obj: Any = None) -> list[str]:
    """Return the names of the active people of whom `has_perm(permission, obj)` is true, in two queries."""
    people: Any = get_user_model().objects.filter(is_active=True).exclude(account__kind=Account.Kind.SYSTEM)
    rows = Prefetch("permissions", queryset=Permission.objects.all())
    found = []
    for person in people.filter(permissions__isnull=False).distinct().prefetch_related(rows):
        # What the backend would read for each of them.
        person.permission_rows_read = {row.permission: row for row in person.permissions.all()}
        if person.has_perm(permission, obj):
            found.append(person.username)
    return sorted(found)
