"""Calling a WSGI application as a server would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import setup_testing_defaults


@dataclass(frozen=True)
class Got:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


def call(
    application: Any,
    target: str,
    *,
    method: str = "GET",
    user_agent: str = "Mozilla/5.0 (golden)",
    raw: bool = True,
    headers: dict[str, str] | None = None,
) -> Got:
    """Send one request; `raw` tells whether the server names the target as it was sent (REQUEST_URI)."""
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "HTTP_USER_AGENT": user_agent,
        "HTTP_HOST": "127.0.0.1",
        **(headers or {}),
    }
    if raw:
        environ["REQUEST_URI"] = target
    setup_testing_defaults(environ)
    seen: list[Any] = []
    chunks = application(environ, lambda status, headers, exc_info=None: seen.append((status, headers)))
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    status, given = seen[-1]
    return Got(int(status.split()[0]), dict(given), body)
