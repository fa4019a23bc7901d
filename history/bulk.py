"""Writing many rows at once, with their history: the way to load data."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

from django.db import models, transaction

from history import context
from history.models import VersionedModel
from history.records import build_row

V = TypeVar("V", bound=VersionedModel)

BATCH_ROWS = 1_000


def insert(instances: Iterable[V], *, batch_size: int = BATCH_ROWS) -> int:
    """Insert new rows of one model, and their history rows, in batches; return how many.

    The instances must have been validated by the caller; their `data_version` is kept as given. Needs an
    open change set. Takes any iterable and holds one batch at a time. Raises IntegrityError for rows that
    exist already.
    """
    rows = iter(instances)
    written = 0
    with transaction.atomic(savepoint=False):
        while batch := list(islice(rows, batch_size)):
            model = type(batch[0])
            context.require(str(model._meta.verbose_name_plural)).allow("insert", batch)
            rows_of_model: models.QuerySet[V] = models.QuerySet(model)
            rows_of_model.bulk_create(batch)
            history_rows = [build_row(instance, "+") for instance in batch]
            model.history.model._base_manager.bulk_create(history_rows)
            written += len(batch)
    return written


def delete(rows: models.QuerySet[V], *, batch_size: int = BATCH_ROWS) -> int:
    """Delete all rows of a queryset, with their history rows, in batches; return how many.

    For emptying tables before a load: it compares no versions, but locks what it deletes. Needs an open change set.
    Raises ProtectedError or IntegrityError when other rows point to them.
    """
    model = rows.model
    opened = context.require(str(model._meta.verbose_name_plural))
    deleted = 0
    with transaction.atomic(savepoint=False):
        while batch := list(rows.order_by("pk").select_for_update()[:batch_size]):
            opened.allow("delete", batch)
            model.history.model._base_manager.bulk_create(build_row(instance, "-") for instance in batch)
            doomed: models.QuerySet[V] = models.QuerySet(model)
            deleted += doomed.filter(pk__in=[instance.pk for instance in batch])._raw_delete(using=doomed.db)
            opened.record("delete", batch)
    return deleted
