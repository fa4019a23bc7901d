"""What can be wrong with a client's question, and with a document that somebody wants to store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class ClientError(Exception):
    """The client sent something that cannot be answered: status 400 (protocol.md section 10)."""


class BadVersion(ClientError):
    """A version that no version class accepts."""

    def __init__(self, text: str) -> None:
        super().__init__(f"Version number {text} is invalid.")


class BadPin(ClientError):
    """A pin that is not `N.` or `N.N.`."""

    def __init__(self, text: str) -> None:
        super().__init__(f"Version Pin String '{text}' is invalid.")


class UnknownSchemaVersion(ValueError):
    """A document names a `schema_version` that does not exist."""

    def __init__(self, value: object) -> None:
        super().__init__(f"schema_version: {value!r} is not known.")


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason not to store a value: where it stands, what it is, which rule it breaks and the way out.

    `path` is dotted (`platforms.P.locales.L.completes.0.filesize`); empty for the whole document.
    """

    path: str
    value: Any
    message: str

    def __str__(self) -> str:
        shown = repr(self.value)
        if len(shown) > 120:
            shown = f"{shown[:117]}..."
        return f"{self.path or 'document'}: {shown}: {self.message}"
