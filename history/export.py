"""The feed as files: CSV and JSON, written as they are read."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

COLUMNS = ("sequence", "time", "who", "why", "origin", "model", "object", "name", "version", "change", "note")
# A spreadsheet takes a cell that begins so for a formula, whoever wrote it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def as_csv(records: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield CSV lines, the head first; texts that a spreadsheet would run are defused by an apostrophe."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for record in records:
        yield writer.writerow([_defused(record[name]) for name in COLUMNS])


def _defused(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def as_json(records: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield one JSON list, an object a line."""
    yield "["
    for number, record in enumerate(records):
        yield f"{',' if number else ''}\n{json.dumps(record)}"
    yield "\n]\n"
