"""What decisions are made from, row by row, as it is or as it was; it can be changed without being stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from django.db.models import QuerySet

from history.models import Generation, VersionedModel
from history.timeline import as_of
from releases.blobs.allowlist import Allowlist
from releases.models import AllowedDomain, SpecialForceHost, domains_of
from releng.updates.loader import read_releases, read_rules
from rules.engine.rule import Rule as EngineRule
from rules.engine.snapshot import Release, Shutoff, Snapshot
from rules.models import EmergencyShutoff, PinnableRelease, Rule


class Pin(NamedTuple):
    """A pin: who of a product's channel is pinned to `version` gets release `mapping`."""

    product: str
    channel: str
    version: str
    mapping: str


class Domain(NamedTuple):
    """A row of the allow-list."""

    host: str
    path_regex: str
    position: int
    products: Any


class LazyReleases(Mapping[str, Release]):
    """The releases by name, each read when it is first asked for, together with those that it names: four queries.

    Iterates over those that have been read or put in.
    """

    def __init__(self, sequence: int | None) -> None:
        self._sequence = sequence
        self._read: dict[str, Release | None] = {}
        self._put: dict[str, Release | None] = {}

    def copy(self) -> LazyReleases:
        """Return releases that can be changed by themselves; what has been read is shared."""
        found = LazyReleases(self._sequence)
        found._read, found._put = self._read, dict(self._put)
        return found

    def put(self, name: str, release: Release | None) -> None:
        """Let a release be another one; None: let there be none of this name."""
        self._put[name] = release

    def replaced(self) -> set[str]:
        """Return the names of those that are others than what is stored."""
        return set(self._put)

    def put_since(self, before: LazyReleases) -> set[str]:
        """Return the names that have been put since these were copied as `before`."""
        return {name for name, release in self._put.items() if before._put.get(name, before) is not release}

    def fetch(self, names: Iterable[str]) -> None:
        """Read those of several releases that have not been read, and the releases that they name."""
        self._read_unread(names)
        found = [release for release in map(self._known, names) if release is not None]
        self._read_unread({other for release in found for other in release.blob.referenced_releases()})

    def _read_unread(self, names: Iterable[str]) -> None:
        unread = set(names) - self._read.keys() - self._put.keys()
        if unread:
            self._read |= dict.fromkeys(unread) | dict(read_releases(unread, self._sequence))

    def _known(self, name: str) -> Release | None:
        return self._put[name] if name in self._put else self._read.get(name)

    def __getitem__(self, name: str) -> Release:
        if name not in self._read and name not in self._put:
            self.fetch((name,))
        release = self._known(name)
        if release is None:
            raise KeyError(name)
        return release

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._read.keys() | self._put.keys() if self._known(name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(slots=True)
class Material:
    """All rows that decisions are made from, by their keys; `sequence` is the last change set that they include.

    Releases are read when they are asked for, so whoever decides from a snapshot of this does it within the same
    `releases.reading.consistent_read`.
    """

    sequence: int
    rules: dict[int, EngineRule]
    shutoffs: dict[int, Shutoff]
    pins: dict[int, Pin]
    domains: dict[int, Domain]
    force_hosts: dict[int, str]
    releases: LazyReleases

    @classmethod
    def now(cls) -> Material:
        """Read what is stored now: six queries."""
        sequence = Generation.objects.values_list("number", flat=True).get(pk=Generation.HEAD)
        return cls._read(sequence, None)

    @classmethod
    def after(cls, sequence: int) -> Material:
        """Read what was stored after change set `sequence`, from history: five queries."""
        return cls._read(sequence, sequence)

    @classmethod
    def _read(cls, sequence: int, moment: int | None) -> Material:
        def rows(model: type[VersionedModel]) -> QuerySet[Any]:
            return model._base_manager.all() if moment is None else as_of(model, moment)

        def by_key(model: type[VersionedModel], *columns: str) -> dict[int, tuple[Any, ...]]:
            return {key: tuple(rest) for key, *rest in rows(model).order_by().values_list("id", *columns)}

        stopped = by_key(EmergencyShutoff, *Shutoff._fields)
        pins = by_key(PinnableRelease, "product", "channel", "version", "mapping_id")
        return cls(
            sequence=sequence,
            rules=dict(read_rules(rows(Rule))),
            shutoffs={key: Shutoff(*values) for key, values in stopped.items()},
            pins={key: Pin(*values) for key, values in pins.items()},
            domains={key: Domain(*values) for key, values in by_key(AllowedDomain, *Domain._fields).items()},
            force_hosts={key: prefix for key, (prefix,) in by_key(SpecialForceHost, "prefix").items()},
            releases=LazyReleases(moment),
        )

    def copy(self) -> Material:
        """Return the same rows, to be changed by themselves."""
        return replace(
            self,
            rules=dict(self.rules),
            shutoffs=dict(self.shutoffs),
            pins=dict(self.pins),
            domains=dict(self.domains),
            force_hosts=dict(self.force_hosts),
            releases=self.releases.copy(),
        )

    def snapshot(self) -> Snapshot:
        """Return what these rows decide."""
        domains = sorted(self.domains.items(), key=lambda item: (item[1].host, item[1].position, item[0]))
        plain = Snapshot.build(
            rules=self.rules.values(),
            releases={},
            shutoffs=self.shutoffs.values(),
            pins={(pin.product, pin.channel, pin.version): pin.mapping for pin in self.pins.values()},
            allowlist=Allowlist(domains_of((row.host, row.path_regex, row.products) for _, row in domains)),
            special_force_hosts=sorted(self.force_hosts.values()),
            generation=self.sequence,
        )
        return replace(plain, releases=self.releases)
