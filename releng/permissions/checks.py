"""Nobody is above the permissions."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core import checks
from django.db import DatabaseError


def check_superusers(app_configs: Any = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """permissions.W001: superusers pass every question of permission. Silent when the database cannot be asked."""
    try:
        names = list(
            get_user_model()
            .objects.filter(is_superuser=True, is_active=True)
            .values_list("username", flat=True)[:5]
        )
    except DatabaseError:
        return []
    if not names:
        return []
    return [
        checks.Warning(
            f"{', '.join(names)}: superusers pass every question of permission.",
            hint="Use `manage.py create_admin`, which gives a permission that can be seen and taken away.",
            id="permissions.W001",
        )
    ]
