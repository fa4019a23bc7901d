"""The feed as files: CSV and JSON, written as they are read."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from history.canonical import canonical_json
from history.diff import FieldDiff
from history.reading import Entry, LongText, key_of, model_of
from history.values import ABSENT

COLUMNS = (
    "sequence",
    "time",
    "who",
    "why",
    "origin",
    "request",
    "address",
    "change_set",
    "model",
    "object",
    "name",
    "change",
    "version",
    "note",
)
# A spreadsheet takes a cell that begins so for a formula, whoever wrote it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def record(entry: Entry) -> dict[str, Any]:
    """Return what an entry says besides its changes, by the names of COLUMNS."""
    row, change_set, model = entry.row, entry.row.change_set, model_of(entry.row)
    return {
        "sequence": change_set.sequence,
        "time": change_set.time.isoformat(),
        "who": change_set.actor_name,
        "why": change_set.reason,
        "origin": change_set.origin,
        "request": change_set.request_id,
        "address": change_set.client_address or "",
        "change_set": str(change_set.id),
        "model": model._meta.label,
        "object": key_of(row),
        "name": entry.name,
        "change": row.get_history_type_display().lower(),
        "version": row.data_version,
        "note": row.history_change_reason or "",
    }


def as_csv(found: Iterable[Entry]) -> Iterator[str]:
    """Yield CSV lines, the head first, then one line for each changed field, at least one for each entry.

    Texts that a spreadsheet would run are defused by an apostrophe.
    """
    writer = csv.writer(_Echo())
    yield writer.writerow((*COLUMNS, "field", "before", "after"))
    for entry in found:
        shared = [_cell(value) for value in record(entry).values()]
        lines = [(change.name, _text(change.old), _text(change.new)) for change in entry.changes]
        for line in lines or [("", "", "")]:
            yield writer.writerow([*shared, *map(_cell, line)])


def as_json(found: Iterable[Entry]) -> Iterator[str]:
    """Yield one JSON list, an object a line; a side on which there was nothing is left out."""
    yield "["
    for number, entry in enumerate(found):
        said = {**record(entry), "changes": [_change(change) for change in entry.changes]}
        yield f"{',' if number else ''}\n{canonical_json(said)}"
    yield "\n]\n"


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def _text(value: Any) -> str:
    if value is ABSENT:
        return ""
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, sort_keys=True)


def _change(change: FieldDiff) -> dict[str, Any]:
    sides = {"before": change.old, "after": change.new}
    present = {side: _plain(value) for side, value in sides.items() if value is not ABSENT}
    return {"field": change.name, **present}


def _plain(value: Any) -> Any:
    if isinstance(value, LongText):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, (bool, int, float, str, list, dict, type(None))) else str(value)
