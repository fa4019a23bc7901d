"""Doing something that can be refused, and telling why it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import transaction

from history.exceptions import HistoryError
from releng.changes.examination import told


def attempt(work: Callable[[], Any]) -> list[str]:
    """Do something that can be refused, all or nothing; return why not, nothing when it is done."""
    try:
        with transaction.atomic():
            work()
    except ValidationError as error:
        return [told(error)]
    except (HistoryError, PermissionDenied, ObjectDoesNotExist) as error:
        return [str(error)]
    return []
