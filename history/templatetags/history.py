"""How the history pages show versions, values and times."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil

from history.diff import DocumentDiff
from history.difftree import Branch, Group
from history.reading import Entry, key_of, model_of
from history.values import ABSENT, Path, path_text

register = template.Library()

LONG_CHARACTERS = 200
FEW_CHANGES = 6
KINDS = {"+": ("+", "created"), "~": ("~", "changed"), "-": ("\u2212", "deleted")}


@register.filter
def verbose_name(row: Any) -> str:
    """Return what people call the kind of object that a row is about."""
    return str(model_of(row)._meta.verbose_name)


@register.filter
def plural(model: Any) -> str:
    """Return what people call many objects of a model."""
    return str(model._meta.verbose_name_plural)


@register.filter
def model_label(model: Any) -> str:
    """Return the label by which addresses name a model."""
    return str(model._meta.label)


@register.filter
def kind(row: Any) -> SafeString:
    """Return what happened, by sign and by word."""
    sign, word = KINDS[row.history_type]
    return format_html(
        '<span class="history-kind history-{}"><span aria-hidden="true">{}</span> {}</span>', word, sign, word
    )


@register.filter
def moment(time: datetime) -> SafeString:
    """Return a time as people and machines read it: UTC, and how long ago, or how far ahead."""
    utc, now = time.astimezone(UTC), timezone.now()
    if abs(now - time) < timedelta(minutes=1):
        relative = "just now"
    elif time > now:
        relative = f"in {timeuntil(time, now, depth=1)}"
    else:
        relative = f"{timesince(time, now, depth=1)} ago"
    return format_html(
        '<time datetime="{}">{} UTC</time> <span class="history-quiet">({})</span>',
        utc.isoformat(timespec="seconds"),
        utc.strftime("%Y-%m-%d %H:%M:%S"),
        relative,
    )


@register.filter
def shown(value: Any) -> SafeString:
    """Return a value for reading; nothing, empty text and the absence of a value look different."""
    if value is ABSENT:
        return _quiet("not there")
    if value is None:
        return _quiet("none")
    if value == "" and isinstance(value, str):
        return _quiet("empty text")
    if isinstance(value, bool):
        return format_html("{}", "yes" if value else "no")
    if isinstance(value, datetime):
        return format_html("{} UTC", value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"))
    is_json = isinstance(value, (dict, list))
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) if is_json else str(value)
    if len(text) > LONG_CHARACTERS:
        return format_html(
            "<details><summary>{}\u2026 {}</summary><pre>{}</pre></details>",
            " ".join(text[:60].split()),
            _quiet(f"({len(text)} characters)"),
            text,
        )
    return format_html("<pre>{}</pre>", text) if "\n" in text else format_html("{}", text)


@register.filter
def path(steps: Path) -> str:
    """Return a place in a document for people."""
    return path_text(steps)


def _quiet(word: str) -> SafeString:
    return format_html('<em class="history-quiet">{}</em>', word)


@register.filter
def groups(document: DocumentDiff, model: Any) -> list[Group[str]]:
    """Return a document's changes under the headings that its model gives them (`history_group(path)`).

    Without such headings each key of the document is one.
    """
    return document.grouped(getattr(model, "history_group", _first_key))


def _first_key(path: Path) -> str:
    return path_text(path[:1])


@register.filter
def model(row: Any) -> Any:
    """Return the model of the object that a row is about."""
    return model_of(row)


@register.filter
def tally(group: Group[str]) -> str:
    """Return how many values of a group were added, removed and changed, in words."""
    return ", ".join(f"{number} {change}" for change, number in group.counts.items() if number)


@register.filter
def is_one_value(group: Group[str]) -> bool:
    """Tell whether a group is one value whose place says all that its heading would say."""
    return [leaf.where for leaf in group.changes()] == [group.key]


@register.filter
def is_small(document: DocumentDiff) -> bool:
    """Tell whether so little changed in a document that all of it is shown at once."""
    return sum(document.counts.values()) <= FEW_CHANGES


@register.filter
def unchanged(document: DocumentDiff) -> int:
    """Return how many keys of the whole document are the same in both versions."""
    return document.root.unchanged if isinstance(document.root, Branch) else 0


@register.filter
def history_url(row: Any) -> str:
    """Return the address of the history of the object that a row is about."""
    return reverse("history:object", args=[model_of(row)._meta.label_lower, key_of(row)])


@register.filter
def since_base(entry: Entry) -> str:
    """Return the address of the comparison of a version with the one that it was made from."""
    base = entry.base.history_id if entry.base is not None else ""
    return f"{history_url(entry.row)}?from={base}&to={entry.row.history_id}"


@register.simple_tag
def confirmed_version(obj: Any) -> str:
    """Return what the confirmation to delete an object carries: the versions that it shows."""
    shown: str = admin.site.get_model_admin(type(obj)).confirmed_version(obj)  # type: ignore[attr-defined]
    return shown
