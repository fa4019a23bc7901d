"""On which line of a JSON text each of its values stands. Pure."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],]|[^\s{}\[\],:"]+')
_NEWLINES = re.compile(r"\r\n|\r|\n")
AROUND = 2
"""Lines that an excerpt shows before and after the one that it is about."""

LONGEST_LINE = 160
"""Characters of a line that an excerpt shows."""


@dataclass
class _Open:
    """An object or array that is being read: `step` is the key or index that comes next, None before a key."""

    prefix: str
    step: str | int | None

    def place(self) -> str:
        return f"{self.prefix}{self.step}"


class Lines:
    """The lines of one JSON text, counted from 1 as editors do; the text must be JSON."""

    def __init__(self, text: str) -> None:
        self._ends = [found.end() for found in _NEWLINES.finditer(text)]
        self._text = text
        self._places = self._read()

    def of(self, path: str) -> int:
        """Return the line of the value at a dotted path, of a member its key's; else that of what encloses it."""
        while path not in self._places:
            path = path.rpartition(".")[0]
        return self._places[path]

    def _line(self, offset: int) -> int:
        return bisect_right(self._ends, offset) + 1

    def _read(self) -> dict[str, int]:
        places, outer = {"": 1}, [_Open("", None)]
        for token in _TOKENS.finditer(self._text):
            text, inner = token[0], outer[-1]
            if text in "}]":
                outer.pop()
            elif text == ",":
                inner.step = inner.step + 1 if isinstance(inner.step, int) else None
            elif len(outer) > 1 and inner.step is None:
                inner.step = json.loads(text)
                places[inner.place()] = self._line(token.start())
            else:
                if len(outer) == 1:
                    places[""] = self._line(token.start())
                elif isinstance(inner.step, int):
                    places[inner.place()] = self._line(token.start())
                if text in "{[":
                    prefix = f"{inner.place()}." if len(outer) > 1 else ""
                    outer.append(_Open(prefix, None if text == "{" else 0))
        return places


def excerpt(text: str, line: int) -> list[tuple[int, str]]:
    """Return the lines around one, each with its number."""
    lines = _NEWLINES.split(text)
    first = max(1, line - AROUND)
    shown = lines[first - 1 : line + AROUND]
    return [(number, _cut(content)) for number, content in enumerate(shown, first)]


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}\u2026"
