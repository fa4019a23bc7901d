"""Small helps for the history pages."""

from __future__ import annotations

from typing import Any

from django import template

register = template.Library()


@register.filter
def verbose_name(model: Any) -> str:
    """Return a model's name as people say it."""
    return str(model._meta.verbose_name)
