"""The ground floor: change sets, the chain's head, and the base of every versioned row."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models, transaction
from django.db.models.base import ModelBase
from django.db.models.deletion import Collector
from django.db.models.signals import post_delete, pre_delete

from history import context
from history.exceptions import OutdatedDataError, UnversionedWriteError
from history.records import VersionedRecords


class ChangeSet(models.Model):
    """One act: who, when, why, from where. Written once, when its transaction ends; never changed.

    `sequence` counts all change sets without a gap, in the order in which they were committed; `time` never
    goes backwards along it. `digest` covers this row, its history rows and the digest before it (history.chain).
    """

    class Origin(models.TextChoices):
        ADMIN = "admin", "Admin"
        API = "api", "API"
        AGENT = "agent", "Agent"
        COMMAND = "command", "Command"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sequence = models.BigIntegerField(unique=True, editable=False)
    time = models.DateTimeField(db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    actor_name = models.CharField(max_length=150, db_index=True, help_text="The actor's name at that time.")
    reason = models.TextField(blank=True)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    request_id = models.CharField(max_length=100, blank=True)
    client_address = models.GenericIPAddressField(null=True, blank=True)
    digest = models.CharField(max_length=64, editable=False)

    class Meta:
        ordering = ["-sequence"]

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.reason or 'no reason given'}"


class Generation(models.Model):
    """The chain's head, one row: every committed change set moves it on. Snapshots follow `number`."""

    HEAD = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=HEAD, editable=False)
    number = models.BigIntegerField(default=0, editable=False)
    digest = models.CharField(max_length=64, default="0" * 64, editable=False)
    time = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="history_generation_single")]

    def __str__(self) -> str:
        return f"generation {self.number}"


class PrunedRow(models.Model):
    """The digest of a history row that retention removed: what lets its change set still be verified.

    The triggers allow a history row to be deleted only when its record here exists.
    """

    change_set = models.ForeignKey(ChangeSet, on_delete=models.PROTECT, related_name="+")
    pruned_by = models.ForeignKey(ChangeSet, on_delete=models.PROTECT, related_name="pruned_rows")
    table_name = models.CharField(max_length=63)
    history_id = models.BigIntegerField()
    object_id = models.BigIntegerField()
    data_version = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["table_name", "history_id"], name="history_prunedrow_once")
        ]
        indexes = [models.Index(fields=["table_name", "object_id"])]

    def __str__(self) -> str:
        return f"{self.table_name} {self.history_id}"


class VersionedQuerySet(models.QuerySet[Any]):
    """A queryset that reads freely and refuses every write that would skip version check or history."""

    def _refuse(self, verb: str, instead: str) -> NoReturn:
        raise UnversionedWriteError(
            f"{self.model._meta.label}.objects.{verb}() would leave no history and check no version: {instead}"
        )

    def update(self, **kwargs: Any) -> int:
        self._refuse("update", "change and save() each row, or use an action.")

    def bulk_update(self, *args: Any, **kwargs: Any) -> int:
        self._refuse("bulk_update", "change and save() each row, or use an action.")

    def bulk_create(self, *args: Any, **kwargs: Any) -> list[Any]:
        self._refuse("bulk_create", "use history.bulk.insert(), which writes history.")

    def delete(self) -> tuple[int, dict[str, int]]:
        self._refuse("delete", "delete() each row.")

    def _raw_delete(self, using: str | None) -> int:
        self._refuse("_raw_delete", "delete() each row.")


VersionedManager = models.Manager.from_queryset(VersionedQuerySet)


class VersionedModel(models.Model):
    """Base of every table whose rows must never be overwritten unseen and never change without a trace.

    `data_version` is 1 on creation and one more after each write. A write is based on the version that the instance
    carries: the comparison stands in the UPDATE or DELETE itself, and a write based on another version
    than the current one raises OutdatedDataError and changes nothing. Every write needs an open change set
    (`history.changesets.change_set`) and leaves one row in `<model>.history` in the same transaction.
    """

    data_version = models.PositiveIntegerField(default=1, editable=False, validators=[MinValueValidator(1)])

    objects: ClassVar[Any] = VersionedManager()
    history: Any = VersionedRecords(inherit=True)

    class Meta:
        abstract = True

    def save(
        self,
        *,
        force_insert: bool | tuple[ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
        change_reason: str | None = None,
    ) -> None:
        """Write the whole row, based on `data_version`; `change_reason` is kept with this one history row.

        Raises OutdatedDataError, NoChangeSetError, and UnversionedWriteError for `update_fields`, since history
        would then record values that were not written.
        """
        if update_fields is not None:
            raise UnversionedWriteError(
                f"{self._meta.label}.save(update_fields=...) is refused: a versioned row is written whole."
            )
        opened = context.require(str(self._meta.verbose_name))
        change: context.Change = "insert" if force_insert or self._state.adding else "update"
        opened.allow(change, [self])
        deferred = self.get_deferred_fields()
        if deferred:
            # Values read now may be newer than `data_version`; the comparison in the UPDATE then refuses the write.
            version = self.data_version
            self.refresh_from_db(fields=deferred)
            self.data_version = version
        self._change_reason = change_reason
        with transaction.atomic(using=using, savepoint=False):
            super().save(
                force_insert=force_insert or self._state.adding, force_update=force_update, using=using
            )
        opened.record(change, [self])

    def _save_table(self, raw: bool = False, *args: Any, **kwargs: Any) -> bool:  # noqa: FBT001, FBT002
        # Django's deserialiser calls Model.save_base() past every override; this is where it still comes by.
        if raw:
            raise UnversionedWriteError(
                f"Fixtures of {self._meta.label} would leave no history: load the data with history.bulk.insert()."
            )
        return bool(super()._save_table(raw, *args, **kwargs))  # type: ignore[misc]  # not in the stubs

    def _do_update(
        self, base_qs: Any, using: Any, pk_val: Any, values: Any, update_fields: Any, forced_update: Any
    ) -> bool:
        expected = self.data_version
        values = [
            (field, model, expected + 1 if field.name == "data_version" else value)
            for field, model, value in values
        ]
        if not base_qs.filter(pk=pk_val, data_version=expected)._update(values):
            raise self.outdated(expected)
        self.data_version = expected + 1
        return True

    def delete(
        self,
        using: Any = None,
        keep_parents: bool = False,  # noqa: FBT001, FBT002
        *,
        change_reason: str | None = None,
    ) -> tuple[int, dict[str, int]]:
        """Delete the row, based on `data_version`.

        Raises OutdatedDataError, NoChangeSetError, and ProtectedError when other rows point here.
        """
        opened = context.require(str(self._meta.verbose_name))
        opened.allow("delete", [self])
        collector = Collector(using=using or "default", origin=self)
        collector.collect([self])  # raises ProtectedError; history.checks forbids every other on_delete
        self._change_reason = change_reason
        with transaction.atomic(using=using, savepoint=False):
            pre_delete.send(sender=type(self), instance=self, using=using, origin=self)
            rows: models.QuerySet[Any] = models.QuerySet(type(self), using=using)
            rows = rows.filter(pk=self.pk, data_version=self.data_version)
            if not rows._raw_delete(using=rows.db):
                raise self.outdated(self.data_version)
            post_delete.send(sender=type(self), instance=self, using=using, origin=self)
        opened.record("delete", [self])
        return 1, {self._meta.label: 1}

    def outdated(self, expected: int) -> OutdatedDataError:
        """Return the error that tells who changed which fields of this row since version `expected`."""
        rows = list(
            type(self)
            .history.filter(**{self._meta.pk.attname: self.pk}, data_version__gte=expected)
            .select_related("change_set")
            .order_by("history_id")
        )
        base = next((row for row in rows if row.data_version == expected and row.history_type != "-"), None)
        last = rows[-1] if rows else None
        fields = [field for field in self._meta.concrete_fields if field.name != "data_version"]
        changed = (
            tuple(f.name for f in fields if getattr(base, f.attname) != getattr(last, f.attname))
            if base is not None and last is not None
            else ()
        )
        now = type(self)._base_manager.filter(pk=self.pk).values_list("data_version", flat=True).first()
        return OutdatedDataError(
            object=self,
            expected=expected,
            current=now,
            changed_by=last.change_set.actor_name if last is not None else None,
            changed_fields=changed,
        )
