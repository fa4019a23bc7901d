"""How history rows are made: django-simple-history's machinery, bound to change sets and digests."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

from django.db import models
from django.utils import timezone
from simple_history.manager import HistoryManager
from simple_history.models import HistoricalRecords

from history import context
from history.canonical import canonical_json
from history.fields import plain


class HistoryRow(models.Model):
    """What every history row has besides the columns of its model.

    The change set's row is written after its history rows, at the end of the transaction: the foreign key is
    checked at commit. `digest` covers all other columns but `history_id` and `history_date` (see `digest_of`).
    """

    change_set = models.ForeignKey("history.ChangeSet", on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64, editable=False)

    class Meta:
        abstract = True

    @property
    def history_user(self) -> Any:
        """The actor of the change set, under the name that django-simple-history's users know."""
        return self.change_set.actor


class VersionsManager(HistoryManager):
    """The library makes the class of this manager anew at each look at `history`; here that is done once."""

    @classmethod
    @cache
    def from_queryset(cls, queryset_class: Any, class_name: str | None = None) -> Any:
        return super().from_queryset(queryset_class, class_name)


class VersionedRecords(HistoricalRecords):
    """`history` of a versioned model: each row belongs to the open change set and carries its own digest."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            bases=(HistoryRow,),
            history_id_field=models.BigAutoField(),
            history_change_reason_field=models.TextField(null=True),
            history_manager=VersionsManager,
            **kwargs,
        )

    def _get_history_user_fields(self) -> dict[str, Any]:
        return {}  # the change set knows the actor; a second copy could contradict it

    def get_meta_options(self, model: Any) -> dict[str, Any]:
        options = super().get_meta_options(model)
        options["ordering"] = ("-history_id",)
        options["get_latest_by"] = "history_id"
        options["indexes"] = [
            models.Index(
                fields=[model._meta.pk.attname, "data_version"],
                name=_index_name(model._meta.db_table),
            )
        ]
        return options

    def create_historical_record(self, instance: Any, history_type: str, using: str | None = None) -> None:
        """Write the history row of one change."""
        build_row(instance, history_type).save(force_insert=True, using=using)


def build_row(instance: Any, history_type: str) -> Any:
    """Return the unsaved history row that records `instance` as it is; `history_type` is `+`, `~` or `-`.

    Raises NoChangeSetError when no change set is open.
    """
    opened = context.require(str(instance._meta.verbose_name))
    opened.touched.add(type(instance))
    opened.rows += 1
    history_model = type(instance).history.model
    row = history_model(
        history_date=timezone.now(),
        history_type=history_type,
        history_change_reason=getattr(instance, "_change_reason", None),
        change_set_id=opened.id,
        **{field.attname: getattr(instance, field.attname) for field in history_model.tracked_fields},
    )
    row.digest = digest_of(row)
    return row


def digest_of(row: Any) -> str:
    """Return the SHA-256 (hexadecimal) over what a history row says: model, change set, kind, reason, all fields.

    A field that the model got later (`history_later_fields`) is left out while it is empty: rows that were written
    before there was such a field keep their digest.
    """
    later = getattr(row.instance_type, "history_later_fields", ())
    values = {field.attname: plain(field, getattr(row, field.attname)) for field in row.tracked_fields}
    values = {name: value for name, value in values.items() if value is not None or name not in later}
    said = [
        row.instance_type._meta.label_lower,
        str(row.change_set_id),
        row.history_type,
        row.history_change_reason,
        values,
    ]
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()


def _index_name(table: str) -> str:
    """Return a name of at most 30 characters, Django's limit, that differs from table to table."""
    short = table if len(table) <= 18 else f"{table[:12]}_{hashlib.sha256(table.encode()).hexdigest()[:5]}"
    return f"{short}_h_version"
