"""A document that somebody has typed or uploaded: reading it, checking it, merging it with what others did."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError

from history.canonical import canonical_json
from history.exceptions import HistoryError
from history.merge import Conflict, MergeConflictError, merge
from history.values import ABSENT, Json, Path, copy_value
from releases import actions
from releases.blobs import BLOB_TYPES
from releases.blobs.base import as_dict
from releases.exceptions import StaleDocumentError
from releases.models import Release, checked_blob
from releases.storage import DataVersions, Parts, document_at, parts_of, set_paths, versions_of, whole_of
from releases.validation import DocumentProblem
from releng.changes.examination import told
from releng.console.release_lines import Lines, excerpt
from releng.console.release_list import shown_size


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something was not done; `line` is the line of the text that it is about, 0 for none."""

    message: str
    line: int = 0
    excerpt: tuple[tuple[int, str], ...] = ()


class RefusedError(Exception):
    """What somebody sent cannot be taken as it is; `troubles` has everything that is wrong with it."""

    def __init__(self, troubles: list[Trouble]) -> None:
        super().__init__("; ".join(trouble.message for trouble in troubles))
        self.troubles = troubles


@dataclass
class Collision:
    """What others stored meanwhile in the places that somebody edited, too.

    `document` is that somebody's, with everything else that others did; in the places of `conflicts` it has his own
    values. Without conflicts, history no longer has what the edit was based on, and nothing could be merged.
    """

    changed_by: str
    document: dict[str, Any]
    based_on: DataVersions
    conflicts: tuple[Conflict, ...] = field(default=())


def as_text(document: Json) -> str:
    """Return a document as people edit it."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)


def uploaded_text(upload: Any) -> str:
    """Return the text of a file; raise RefusedError for one that is too large or is no text."""
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if most is not None and upload.size > most:
        size = f"{shown_size(upload.size)}; a document has at most {shown_size(most)}"
        raise RefusedError([Trouble(f"{upload.name}: the file has {size}.")])
    try:
        return str(upload.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise RefusedError([Trouble(f"{upload.name}: this is no text in UTF-8: {error}.")]) from error


def parsed(text: str) -> dict[str, Any]:
    """Return the document that a text is; raise RefusedError naming the line where it is none."""
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"{error.msg}, at column {error.colno}"
        raise RefusedError([_trouble(f"This is not JSON: {where}.", text, error.lineno)]) from error
    except (ValueError, RecursionError) as error:
        raise RefusedError([Trouble(f"This is not JSON: {error}.")]) from error
    if not isinstance(document, dict):
        raise RefusedError([_trouble("A document is a JSON object.", text, 1)])
    return document


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a value that JSON has")


def troubles_of(error: Exception, text: str) -> list[Trouble]:
    """Return a refusal as troubles, those about a place of the document at its line of the text."""
    if not isinstance(error, ValidationError):
        return [Trouble(told(error))]
    found, lines = [], None
    for name, single in _singles(error):
        message = " ".join(single.messages)
        if isinstance(single, DocumentProblem):
            lines = lines or Lines(text)
            found.append(_trouble(message, text, lines.of(single.path)))
        else:
            found.append(Trouble(message if name in ("", "__all__", "document") else f"{name}: {message}"))
    return found


def _singles(error: ValidationError) -> Iterator[tuple[str, ValidationError]]:
    if hasattr(error, "error_dict"):
        for name, errors in error.error_dict.items():
            for single in errors:
                yield name, single
    else:
        for single in error.error_list:
            yield "", single


def _trouble(message: str, text: str, line: int) -> Trouble:
    return Trouble(message, line, tuple(excerpt(text, line)))


REFUSALS = (HistoryError, ValidationError, PermissionDenied)


def checked_new(name: str, product: str, document: dict[str, Any]) -> None:
    """Raise what forbids to store a new release."""
    blob = checked_blob(document, name=name, product=product)
    release = Release(name=name, product=product, schema_version=blob.schema_version)
    release.clean_fields(exclude={"document"})
    if Release.objects.filter(name=name).exists():
        raise ValidationError({"name": f"{name}: there is a release of this name already; edit that one."})


def checked_edit(
    release: Release, document: dict[str, Any], *, based_on: DataVersions, product: str
) -> tuple[dict[str, Any], DataVersions] | Collision:
    """Return what an edit would store, merged with what others did meanwhile, and the versions that this is based on.

    Returns a Collision where others changed the same. Raises whatever else forbids to store it.
    """
    parts = parts_of(release)
    try:
        merged = actions.checked_update(release, parts, document, based_on=based_on, product=product)
    except StaleDocumentError as error:
        return _collision(release, parts, document, based_on, error)
    return merged, versions_of(release, parts)


def _collision(
    release: Release,
    parts: Parts,
    document: dict[str, Any],
    based_on: DataVersions,
    error: StaleDocumentError,
) -> Collision:
    now, theirs = versions_of(release, parts), whole_of(release, parts)
    name, base = error.changed_by or "somebody else", document_at(release, parts, based_on)
    if base is None or not error.conflicts:
        return Collision(name, document, now)
    for conflict in error.conflicts:  # as if one had seen theirs before writing one's own
        base = placed(base, conflict.path, conflict.theirs)
    try:
        merged = merge(base, theirs, document, is_set=set_paths(BLOB_TYPES[release.schema_version])).value
    except MergeConflictError:  # pragma: no cover  # every overlap is taken from theirs above
        return Collision(name, document, now, error.conflicts)
    return Collision(name, as_dict(merged), now, error.conflicts)


def placed(document: Json, path: Path, value: Any) -> Any:
    """Return a copy of a document with a value at a path of keys, ABSENT to have none there."""
    if not path:
        return copy_value(value) if value is not ABSENT else {}
    step, rest = path[0], path[1:]
    found = dict(document) if isinstance(document, Mapping) else {}
    if not rest and value is ABSENT:
        found.pop(step, None)
    elif not rest:
        found[step] = copy_value(value)
    elif value is not ABSENT or step in found:
        found[step] = placed(found.get(step), rest, value)
    return found


def value_at(document: Json, path: Path) -> Any:
    """Return the value at a path of keys, or ABSENT."""
    for step in path:
        if not isinstance(document, Mapping) or step not in document:
            return ABSENT
        document = document[step]
    return document


def written_base(versions: DataVersions) -> str:
    """Return versions as a form carries them."""
    return canonical_json(versions.as_tree())


def read_base(text: str) -> DataVersions:
    """Return the versions that a form carries; raise ValidationError."""
    try:
        return DataVersions.from_tree(json.loads(text))
    except ValueError as error:
        raise ValidationError("The form does not say what it is based on; open the page anew.") from error
