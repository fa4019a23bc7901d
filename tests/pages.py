"""What people do on pages of the admin, done without a browser."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any


class _Hidden(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "input" and found.get("type") == "hidden" and found.get("name"):
            self.values.append((str(found["name"]), found.get("value") or ""))


def hidden_fields(answer: Any) -> dict[str, list[str]]:
    """Return the hidden fields of a page's forms."""
    parser = _Hidden()
    parser.feed(answer.content.decode())
    fields: dict[str, list[str]] = {}
    for name, value in parser.values:
        fields.setdefault(name, []).append(value)
    return fields


def delete(client: Any, url: str, **more: Any) -> Any:
    """Open the page that asks whether to delete, and confirm."""
    return client.post(url, hidden_fields(client.get(url)) | {"post": "yes"}, **more)


def act(client: Any, url: str, action: str, *rows: Any, page: Any = None) -> Any:
    """Open a list, or take the one that was opened before, choose rows and do an action with them."""
    fields = hidden_fields(page or client.get(url))
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(url, fields | chosen, follow=True)
