"""Schema version 3000: the list of devices that a rule may be limited to."""

from __future__ import annotations

from functools import cached_property

from releases.blobs.base import Blob, RenderContext, Serve, as_list
from releases.blobs.query import UpdateQuery
from releases.blobs.schemas import WHITELIST


class Whitelist(Blob):
    """Never offered to anybody; rules ask it whether it lists a client's IMEI (query version 5)."""

    schema_version = 3000
    schema = WHITELIST

    @cached_property
    def _listed(self) -> frozenset[str]:
        entries = as_list(self.top.get("whitelist"))
        found = (entry.get("imei") for entry in entries if isinstance(entry, dict))
        return frozenset(imei for imei in found if isinstance(imei, str) and imei)

    def lists(self, imei: str | None) -> bool:
        """Tell whether `imei` is listed; takes the same time however long the list is."""
        return imei is not None and imei in self._listed

    def first(self) -> str | None:
        """Return the device that is listed first in order, None for an empty list."""
        return min(self._listed, default=None)

    def serve(self, query: UpdateQuery) -> Serve:
        return Serve.NO

    def inner(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        return []
