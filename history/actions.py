"""Verbs on the past of objects: put an earlier version back, bring a deleted object back."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError

from history.exceptions import HistoryError, OutdatedDataError
from history.models import VersionedModel


class NothingToRevertError(HistoryError):
    """The object already says what the chosen version says."""

    code = "nothing_to_revert"


class MissingReferenceError(HistoryError):
    """The chosen version points to an object that does not exist any more."""

    code = "missing_reference"


def revert(row: Any, *, based_on: int | None) -> VersionedModel:
    """Write an object as history row `row` has it; return the live object. Needs an open change set.

    `based_on` is the version that the person looked at, None for an object that is deleted: it is then created
    again, under its old key, and its versions go on counting. An ordinary change in every respect: version check,
    validation, its own history row, whose reason names the version it restores. A model may write through a
    verb of its own (`revert_save(change_reason)`), so that what guards that verb guards this too.

    Raises OutdatedDataError, ValidationError, NothingToRevertError, MissingReferenceError.
    """
    model = row.instance_type
    if row.history_type == "-":
        raise NothingToRevertError(
            f"This row of history records a deletion; choose version {row.data_version} itself."
        )
    live = model._base_manager.filter(pk=getattr(row, model._meta.pk.attname)).first()
    obj = model() if live is None else live
    if live is None:
        if based_on is not None:
            raise OutdatedDataError(row.instance, based_on, None, _last(row).change_set.actor_name, ())
        last_version = _last(row).data_version
    elif based_on != live.data_version:
        raise live.outdated(based_on if based_on is not None else 1)
    elif _says(live) == _says(row):
        raise NothingToRevertError(f"{live} already is as version {row.data_version} was.")
    _check_references(row)
    for field in row.tracked_fields:
        if field.name != "data_version":
            setattr(obj, field.attname, getattr(row, field.attname))
    if live is None:
        obj.data_version = last_version + 1
    _validate(obj)
    reason = f"restores version {row.data_version}"
    if hasattr(obj, "revert_save"):
        obj.revert_save(change_reason=reason)
    else:
        obj.save(change_reason=reason)
    return obj


def _last(row: Any) -> Any:
    key = row.instance_type._meta.pk.attname
    found = type(row)._base_manager.filter(**{key: getattr(row, key)}).select_related("change_set")
    return found.order_by("-history_id").first()


def _says(row: Any) -> dict[str, Any]:
    fields = getattr(row, "tracked_fields", row._meta.concrete_fields)
    return {field.attname: getattr(row, field.attname) for field in fields if field.name != "data_version"}


def _check_references(row: Any) -> None:
    for field in row.tracked_fields:
        value = getattr(row, field.attname)
        if field.remote_field is None or value is None:
            continue
        target = field.remote_field.model
        try:
            target._base_manager.get(**{field.target_field.attname: value})
        except ObjectDoesNotExist:
            raise MissingReferenceError(
                f"{field.name}: {target._meta.verbose_name} {value} does not exist any more; restore it first."
            ) from None


def _validate(obj: VersionedModel) -> None:
    try:
        obj.full_clean()
    except ValidationError as error:
        # The key of a restored object is free: that it is given is no mistake.
        messages = {name: found for name, found in error.message_dict.items() if name != obj._meta.pk.name}
        if messages:
            raise ValidationError(messages) from error
