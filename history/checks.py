"""System checks: nothing may walk around history, and its guards must be in place."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import DatabaseError, connection, models

from history.chain import versioned_models
from history.records import HistoryRow
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


def check_names(**kwargs: Any) -> list[CheckMessage]:
    """history.E004: a field has a name that history rows need for themselves."""
    own = {field.name for field in HistoryRow._meta.get_fields()} | {
        "history_id",
        "history_date",
        "history_type",
        "history_change_reason",
        "history_user",
    }
    return [
        Error(
            f"{model._meta.label}.{field.name} has a name that its history rows need for themselves.",
            hint="Choose another name.",
            obj=field,
            id="history.E004",
        )
        for model in versioned_models()
        for field in model._meta.concrete_fields
        if field.name in own
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
