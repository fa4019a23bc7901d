"""Small helps for the history pages."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse

register = template.Library()


@register.filter
def verbose_name(model: Any) -> str:
    """Return a model's name as people say it."""
    return str(model._meta.verbose_name)


@register.filter
def readable(value: Any) -> str:
    """Return a field's value as people read it; documents indented."""
    if isinstance(value, (dict, list)):
        return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    return "nothing" if value is None else str(value)


@register.filter
def history_url(row: Any) -> str:
    """Return the address of the history of a history row's object; empty where the admin does not show it."""
    options = row.instance_type._meta
    try:
        key = getattr(row, options.pk.attname)
        return reverse(f"admin:{options.app_label}_{options.model_name}_history", args=[key])
    except NoReverseMatch:
        return ""


@register.filter
def groups(change: Any, model: Any) -> list[Any]:
    """Return a document's changes under the headings that its model gives them (`history_group(path)`)."""
    heading = getattr(model, "history_group", lambda path: "")
    found: list[Any] = change.document.grouped(heading)
    return found


@register.filter
def model_of(row: Any) -> Any:
    """Return the model whose history a row belongs to."""
    return row.instance_type
