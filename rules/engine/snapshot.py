"""Everything that decisions are made from, as of one moment; immutable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from releases.blobs import Blob, Whitelist
from releases.blobs.allowlist import Allowlist
from releases.blobs.query import UpdateQuery
from rules.engine.index import RuleIndex
from rules.engine.rule import Rule


@dataclass(frozen=True, slots=True)
class Release:
    """A release in a snapshot: its product as stored beside the document, and the document."""

    product: str | None
    blob: Blob


class Shutoff(NamedTuple):
    """Updates that are stopped: for a product and channel; there for one build target or locale only, if named."""

    product: str
    channel: str
    build_target: str | None = None
    locale: str | None = None

    def concerns(self, query: UpdateQuery) -> bool:
        """Tell whether a query of this product and channel is stopped."""
        return self.build_target in (None, query.build_target) and self.locale in (None, query.locale)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Rules, releases, shutoffs and pins that belong together, and which change they include (`generation`)."""

    index: RuleIndex
    releases: Mapping[str, Release]
    shutoffs: Mapping[tuple[str, str], tuple[Shutoff, ...]]
    pins: Mapping[tuple[str, str, str], str]
    allowlist: Allowlist
    special_force_hosts: tuple[str, ...]
    generation: int
    products: frozenset[str]  # those that rules or releases name

    @classmethod
    def build(
        cls,
        *,
        rules: Iterable[Rule] | RuleIndex,
        releases: Mapping[str, Release],
        shutoffs: Iterable[tuple[str | None, ...]] = (),
        pins: Mapping[tuple[str, str, str], str] | None = None,
        allowlist: Allowlist | None = None,
        special_force_hosts: Iterable[str] = (),
        generation: int = 0,
    ) -> Snapshot:
        """Make a snapshot; an index whose rules have not changed may be handed on as it is.

        `shutoffs` are Shutoffs, or their plain values; `pins` map (product, channel, pin) to a release's name. What
        is handed in is copied (but for the releases themselves, which never change).
        """
        stopped: dict[tuple[str, str], tuple[Shutoff, ...]] = {}
        for row in shutoffs:
            shutoff = Shutoff._make((*row, None, None)[: len(Shutoff._fields)])
            place = (shutoff.product, shutoff.channel)
            stopped[place] = (*stopped.get(place, ()), shutoff)
        index = rules if isinstance(rules, RuleIndex) else RuleIndex(rules)
        return cls(
            index=index,
            releases=MappingProxyType(dict(releases)),
            shutoffs=MappingProxyType(stopped),
            pins=MappingProxyType(dict(pins or {})),
            allowlist=allowlist or Allowlist({}),
            special_force_hosts=tuple(special_force_hosts),
            generation=generation,
            products=_products(index, releases),
        )

    def blob(self, name: str) -> Blob | None:
        """Return the document of release `name`, or None."""
        release = self.releases.get(name)
        return release.blob if release is not None else None

    def shutoff_for(self, query: UpdateQuery) -> Shutoff | None:
        """Return what stops updates for the query, if anything does (protocol.md section 3)."""
        if not self.shutoffs:
            return None
        for channel in (query.channel, query.fallback_channel):
            for shutoff in self.shutoffs.get((query.product, channel), ()):
                if shutoff.concerns(query):
                    return shutoff
        return None

    def is_listed(self, name: str, imei: str | None) -> bool:
        """Tell whether whitelist `name` lists `imei`; a missing or broken list lists nobody."""
        blob = self.blob(name) if imei is not None else None
        return isinstance(blob, Whitelist) and blob.lists(imei)


def _products(index: RuleIndex, releases: Mapping[str, Release]) -> frozenset[str]:
    named = {rule.product for rule in index.rules} | {release.product for release in releases.values()}
    return frozenset(product for product in named if product is not None)
