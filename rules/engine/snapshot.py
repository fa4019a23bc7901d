"""Everything that decisions are made from, as of one moment; immutable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Rules, releases, shutoffs and pins that belong together, and which change they include (`generation`)."""

    index: RuleIndex
    releases: Mapping[str, Release]
    shutoffs: frozenset[tuple[str, str]]
    pins: Mapping[tuple[str, str, str], str]
    allowlist: Allowlist
    special_force_hosts: tuple[str, ...]
    generation: int

    @classmethod
    def build(
        cls,
        *,
        rules: Iterable[Rule] | RuleIndex,
        releases: Mapping[str, Release],
        shutoffs: Iterable[tuple[str, str]] = (),
        pins: Mapping[tuple[str, str, str], str] | None = None,
        allowlist: Allowlist | None = None,
        special_force_hosts: Iterable[str] = (),
        generation: int = 0,
    ) -> Snapshot:
        """Make a snapshot; an index whose rules have not changed may be handed on as it is.

        `shutoffs` are (product, channel); `pins` map (product, channel, pin) to a release's name.
        """
        return cls(
            index=rules if isinstance(rules, RuleIndex) else RuleIndex(rules),
            releases=releases,
            shutoffs=frozenset(shutoffs),
            pins=pins or {},
            allowlist=allowlist or Allowlist({}),
            special_force_hosts=tuple(special_force_hosts),
            generation=generation,
        )

    def blob(self, name: str) -> Blob | None:
        """Return the document of release `name`, or None."""
        release = self.releases.get(name)
        return release.blob if release is not None else None

    def is_shut_off(self, query: UpdateQuery) -> bool:
        """Tell whether updates are stopped for the query's product and channel (protocol.md section 3)."""
        return bool(self.shutoffs) and (
            (query.product, query.channel) in self.shutoffs
            or (query.product, query.fallback_channel) in self.shutoffs
        )

    def is_listed(self, name: str, imei: str | None) -> bool:
        """Tell whether whitelist `name` lists `imei`; a missing or broken list lists nobody."""
        blob = self.blob(name) if imei is not None else None
        return isinstance(blob, Whitelist) and blob.lists(imei)
