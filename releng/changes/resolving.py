"""Putting a proposal right whose rows have changed underneath in the same places: for each place one side is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from copy import deepcopy
from typing import Any

from django.core.exceptions import ValidationError

from history.canonical import canonical_json
from history.merge import Conflict
from history.values import ABSENT, Absent, Json, Path
from releng.changes.examination import ExaminedWrite
from releng.changes.release_targets import PartTarget
from releng.changes.targets import Values

DOCUMENT = "document"


def field_of(conflict: Conflict, values: Values) -> str | None:
    """Return the field that a conflict is about as a whole; None for a place inside the document."""
    name = str(conflict.path[0]) if len(conflict.path) == 1 else ""
    return name if name in values and name != DOCUMENT else None


def resolved(item: ExaminedWrite, keep: Collection[int] = ()) -> Values:
    """Return what a write proposes, brought on top of the row as it is now.

    Of the conflicts whose positions are in `keep` the row's side stands, of the others the proposed one; what only the
    row has changed stays as it is there. Raises ValidationError when the row, or the version that the proposal was
    based on, is not there any more.
    """
    if not item.conflicts:
        return dict(item.values)
    values = dict(item.write.values)
    inner: dict[int, Conflict] = {}
    for position, conflict in enumerate(item.conflicts):
        name = field_of(conflict, item.write.values)
        if name is None:
            inner[position] = conflict
        elif position in keep:
            del values[name]
    if DOCUMENT in values:
        values[DOCUMENT] = _document(item, values[DOCUMENT], inner, keep)
    return values


def conflicts_digest(item: ExaminedWrite) -> str:
    """Return what the conflicts of a write are known by, so that nobody chooses between sides that he has not seen."""
    said = [conflict.as_dict() for conflict in item.conflicts]
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()


def _document(item: ExaminedWrite, proposed: Json, inner: dict[int, Conflict], keep: Collection[int]) -> Json:
    places = {position: _inside(item, conflict.path) for position, conflict in inner.items()}
    if item.before is None or any(path in ((), ("data_version",)) for path in places.values()):
        raise ValidationError(
            "What this was based on is not there any more, so the sides cannot be put together: propose it anew."
        )
    theirs = deepcopy(proposed)
    for position, conflict in inner.items():
        _put(theirs, places[position], conflict.theirs)
    rebased = item.target.rebase(item.before, {DOCUMENT: theirs}, item.write.base)
    if rebased.conflicts:
        raise ValidationError("The sides cannot be put together place by place: edit the whole document.")
    document = deepcopy(rebased.values[DOCUMENT])
    for position, conflict in inner.items():
        if position not in keep:
            _put(document, places[position], conflict.yours)
    return document


def _inside(item: ExaminedWrite, path: Path) -> Path:
    """Return where a place is in the document that is proposed: that of a locale is a part of the release's."""
    if item.write.target != PartTarget.kind or item.before is None:
        return path
    whole = ("platforms", item.before.platform, "locales", item.before.locale)
    return path[len(whole) :] if path[: len(whole)] == whole else path


def _put(document: Any, path: Path, value: Json | Absent) -> None:
    """Put a value at a place of a document, or take it away."""
    for key in path[:-1]:
        document = document.setdefault(key, {}) if isinstance(document, dict) else document[key]
    if value is not ABSENT:
        document[path[-1]] = deepcopy(value)
    elif isinstance(document, dict):
        document.pop(path[-1], None)
