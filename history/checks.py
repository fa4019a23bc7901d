"""System checks: nothing may walk around history, and its guards must be in place."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import DatabaseError, connection, models

from history.chain import versioned_models
from history.triggers import missing

_KEEPING = (models.PROTECT, models.RESTRICT, models.DO_NOTHING)


def check_relations(**kwargs: Any) -> list[CheckMessage]:
    """history.E001: a foreign key between versioned rows would delete or change rows without a trace."""
    return [
        Error(
            f"{field.model._meta.label}.{field.name} would change or delete rows of {field.model._meta.label} "
            "without version check and history.",
            hint="Use on_delete=PROTECT, and let an action delete the rows one by one.",
            obj=field,
            id="history.E001",
        )
        for model in versioned_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey) and field.remote_field.on_delete not in _KEEPING
    ]


def check_triggers(**kwargs: Any) -> list[CheckMessage]:
    """history.E002: a table of history lacks its guard. Says nothing when the database cannot be asked."""
    try:
        gone = missing(connection)
    except DatabaseError:
        return []
    return [
        Error(
            f"The database trigger {name} is missing: history can be changed unseen.",
            hint="Run `manage.py migrate`, which installs it; then `manage.py verify_history`.",
            id="history.E002",
        )
        for name in gone
    ]
