"""An admin site on which no history address of any model can be written to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.admin import AdminSite
from django.urls import URLPattern, URLResolver

from history.views import read_only


class HistoryAdminSite(AdminSite):
    """The admin, with every `..._history` address of every model answering 405 to anything but GET and HEAD.

    That holds also for models of other packages, whose admin classes may do what they like.
    """

    def get_urls(self) -> list[Any]:
        found = super().get_urls()
        for pattern in _patterns(found):
            if pattern.name is not None and pattern.name.endswith("_history"):
                pattern.callback = read_only(pattern.callback)
        return found


def _patterns(found: Iterable[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for entry in found:
        if isinstance(entry, URLResolver):
            yield from _patterns(entry.url_patterns)
        else:
            yield entry
