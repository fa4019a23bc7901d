"""Releases and their locales as targets: documents are merged path by path, and written in parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import ValidationError

from history.context import Change
from history.merge import Conflict, Outcome, compare_fields
from history.models import VersionedModel
from history.values import Json, same_value
from releases import actions
from releases.blobs import BLOB_TYPES
from releases.blobs.document import split
from releases.exceptions import StaleDocumentError
from releases.models import Release, ReleasePart, checked_blob
from releases.storage import DataVersions, document_at, locked, merged, merged_part, parts_of
from releases.validation import shown
from releng.changes.targets import Rebased, Target, Values, as_conflicts


class ReleaseTarget(Target):
    """A release with all its locales; `document` is the whole one, and its base has the version of every part."""

    kind = "release"
    model: ClassVar[type[VersionedModel]] = Release
    key_fields = ("name",)
    fields = ("product", "read_only", "document")

    def find(self, object_id: int, *, lock: bool = False) -> Any:
        name = Release.objects.filter(pk=object_id).values_list("name", flat=True).first()
        if name is None:
            return None
        return locked(name) if lock else Release.objects.filter(pk=object_id).first()

    def values_of(self, row: Any) -> Values:
        return {"name": row.name, "product": row.product, "read_only": row.read_only, "document": _whole(row)}

    def base_of(self, row: Any) -> Json:
        return DataVersions.of(row).as_tree()

    def values_at(self, row: Any, base: Json) -> Values | None:
        versions = DataVersions.from_tree(base)
        rows = Release.history.filter(id=row.pk, data_version=versions.top).exclude(history_type="-")
        top = rows.first()
        document = document_at(row, parts_of(row), versions)
        if top is None or document is None:
            return None
        return {"name": row.name, "product": top.product, "read_only": top.read_only, "document": document}

    def after(self, change: Change, row: Any, values: Mapping[str, Json]) -> Any:
        """Return the release as it would be; its whole document is kept with it for `values_of`."""
        if change == "delete":
            return None
        self._refuse_unknown(change, values)
        obj = self._copy(row)
        for name in ("name", "product", "read_only"):
            if name in values:
                setattr(obj, name, values[name])
        whole: Any = values["document"] if "document" in values else _whole(row) if row is not None else None
        blob = checked_blob(whole, name=obj.name, product=obj.product)
        obj.document, _ = split(whole)
        obj.schema_version = blob.schema_version
        obj.whole_document = whole
        obj.clean_fields(exclude={"document"})
        if change == "insert" and Release.objects.filter(name=obj.name).exists():
            raise ValidationError({"name": f"{shown(obj.name)}: there is a release of this name already."})
        if row is not None:
            row.refuse_other_kind(obj.schema_version)
            if row.read_only and obj.read_only and values.keys() - {"read_only"}:
                row.refuse_read_only()
        return obj

    def rebase(self, row: Any, values: Values, base: Json) -> Rebased:
        now = self.base_of(row)
        if same_value(now, base):
            return Rebased(values, now)
        before = self.values_at(row, base)
        if before is None:
            return Rebased(values, now, (Conflict(("data_version",), base, now, base),))
        conflicts: tuple[Conflict, ...] = ()
        flat = {name: value for name, value in values.items() if name != "document"}
        current = {"product": row.product, "read_only": row.read_only}
        comparison = compare_fields(
            {name: before[name] for name in current},
            current,
            {name: before[name] for name in current} | flat,
        )
        conflicts += tuple(
            Conflict((field.name,), field.base, field.theirs, field.yours)
            for field in comparison.having(Outcome.CONFLICT)
        )
        if "document" in values:
            try:
                document = merged(
                    row,
                    parts_of(row),
                    DataVersions.from_tree(base),
                    values["document"],
                    BLOB_TYPES[row.schema_version],
                )
                values = {**values, "document": document}
            except StaleDocumentError as error:
                conflicts += error.conflicts
        return Rebased(values, now, conflicts)

    def name_of(self, row: Any) -> str:
        return str(row.name)

    def insert(self, values: Values) -> Any:
        read_only = bool(values.get("read_only", False))
        return actions.create_release(
            values["name"], values["product"], values["document"], read_only=read_only
        )

    def update(self, row: Any, values: Values) -> Any:
        """Unlock first where that is proposed, and lock last."""
        release = row
        read_only = values.get("read_only")
        if read_only is False:
            release = actions.set_read_only(release.name, False, based_on=release.data_version)
        if "document" in values or "product" in values:
            document = values["document"] if "document" in values else release.blob()
            release = actions.update_release(
                release.name, document, based_on=DataVersions.of(release), product=values.get("product")
            )
        if read_only is True:
            release = actions.set_read_only(release.name, True, based_on=release.data_version)
        return release

    def delete(self, row: Any) -> None:
        actions.delete_release(row.name, based_on=DataVersions.of(row))


class PartTarget(Target):
    """One locale of a release."""

    kind = "release_part"
    model: ClassVar[type[VersionedModel]] = ReleasePart
    key_fields = ("release", "platform", "locale")
    fields = ("document",)

    def after(self, change: Change, row: Any, values: Mapping[str, Json]) -> Any:
        if change == "delete":
            return None
        self._refuse_unknown(change, values)
        obj = self._copy(row)
        for name, value in values.items():
            setattr(obj, self._field(name).attname, value)
        obj.clean_fields(exclude={"document"})
        release = Release.objects.get(pk=obj.release_id)
        release.refuse_read_only()
        document = release.blob()
        locales = document.setdefault("platforms", {}).setdefault(obj.platform, {}).setdefault("locales", {})
        locales[obj.locale] = obj.document
        checked_blob(document, name=release.name, product=release.product)
        return obj

    def rebase(self, row: Any, values: Values, base: Json) -> Rebased:
        now = self.base_of(row)
        if same_value(now, base):
            return Rebased(values, now)
        place = (row.platform, row.locale)
        try:
            document = merged_part(row.release, row, place, base["data_version"], values["document"])
        except StaleDocumentError as error:
            return Rebased(values, now, error.conflicts or as_conflicts(row, base))
        return Rebased({**values, "document": document}, now)

    def facets(self, row: Any) -> tuple[str | None, str | None]:
        return row.release.product, None

    def insert(self, values: Values) -> Any:
        release = Release.objects.get(pk=values["release"])
        return self._submit(release, values["platform"], values["locale"], values["document"], None)

    def update(self, row: Any, values: Values) -> Any:
        return self._submit(row.release, row.platform, row.locale, values["document"], row.data_version)

    def delete(self, row: Any) -> None:
        actions.remove_locale(row.release.name, row.platform, row.locale, based_on=row.data_version)

    def _submit(
        self, release: Release, platform: str, locale: str, document: dict[str, Any], base_version: int | None
    ) -> Any:
        submission = actions.submit_locale(
            release.name, release.product, platform, locale, document, base_version=base_version
        )
        return submission.part


def _whole(row: Any) -> Json:
    whole = getattr(row, "whole_document", None)
    return row.blob() if whole is None else whole
