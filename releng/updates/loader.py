"""Builds decision snapshots from the database: what changed since the last one, and only what can be reached."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from django.db import models
from django.db.models.functions import Cast

from history.models import ChangeSet, Generation
from history.timeline import as_of
from releases import models as stored
from releases.blobs import Document, UnknownSchemaVersion, blob_for
from releases.reading import consistent_read
from rules.engine.index import RuleIndex
from rules.engine.rule import Rule as EngineRule
from rules.engine.snapshot import Release, Shutoff, Snapshot
from rules.models import EmergencyShutoff, PinnableRelease, Rule

ROWS_AT_ONCE = 2_000

_RULE_FIELDS = tuple(field.name for field in fields(EngineRule))
_RULE_COLUMNS = tuple(
    f"{name}_id" if name in ("mapping", "fallback_mapping", "whitelist") else name for name in _RULE_FIELDS
)

# A release that cannot be used (unknown schema version) or does not exist is remembered as None.
Known = dict[str, Release | None]


class SnapshotLoader:
    """Loads snapshots for one process; keeps what the last one was made of, so that only changes are read again."""

    def __init__(self) -> None:
        self._generation: int | None = None
        self._rules: dict[int, EngineRule] = {}
        self._index = RuleIndex(())
        self._known: Known = {}

    def load(self, running: Snapshot | None) -> Snapshot:
        """Return a snapshot of the database as it is now; `running` itself when nothing has changed since.

        One query when nothing has changed. Raises what the database raises when it cannot be asked.
        """
        if running is not None and _generation() == self._generation:
            return running
        with consistent_read():
            generation = _generation()
            self._take_changes(generation)
            pins = {
                (pin.product, pin.channel, pin.version): str(pin.mapping_id)
                for pin in PinnableRelease.objects.all()
            }
            self._known = _reach(self._roots() | set(pins.values()), self._known)
            snapshot = Snapshot.build(
                rules=self._index,
                releases={name: release for name, release in self._known.items() if release is not None},
                shutoffs=EmergencyShutoff.objects.values_list(*Shutoff._fields),
                pins=pins,
                allowlist=stored.stored_allowlist(),
                special_force_hosts=stored.stored_special_force_hosts(),
                generation=generation,
            )
        self._generation = generation
        return snapshot

    def _roots(self) -> set[str]:
        return {
            name
            for rule in self._rules.values()
            for name in (rule.mapping, rule.fallback_mapping, rule.whitelist)
            if name
        }

    def _take_changes(self, generation: int) -> None:
        """Read the rules that changed since the last load; forget the releases that did."""
        if self._generation is None or generation < self._generation:
            self._known = {}
            self._take_rules(Rule.objects.all(), gone=set(self._rules))
            return
        since = ChangeSet.objects.filter(sequence__gt=self._generation, sequence__lte=generation).values("id")
        touched = set(Rule.history.filter(change_set__in=since).values_list("rule_id", flat=True))
        if touched:
            self._take_rules(Rule.objects.filter(pk__in=touched), gone=touched)
        changed = stored.Release.history.filter(change_set__in=since).values_list("name", flat=True)
        parents = stored.ReleasePart.history.filter(change_set__in=since).values_list("release_id", flat=True)
        of_parts = stored.Release.objects.filter(pk__in=set(parents)).values_list("name", flat=True)
        stale = {*changed, *of_parts}
        self._known = {name: release for name, release in self._known.items() if name not in stale}

    def _take_rules(self, rows: models.QuerySet[Rule], gone: set[int]) -> None:
        kept = {rule_id: rule for rule_id, rule in self._rules.items() if rule_id not in gone}
        kept.update(read_rules(rows))
        self._rules = kept
        self._index = RuleIndex(kept.values())


def _generation() -> int:
    return Generation.objects.values_list("number", flat=True).get(pk=Generation.HEAD)


def _reach(roots: set[str], known: Known) -> Known:
    """Return every release that can be reached from `roots`; read those that are not `known`."""
    reached: Known = {}
    wanted = roots
    while wanted:
        fresh = dict(read_releases(wanted - known.keys()))
        found = {name: known.get(name) or fresh.get(name) for name in wanted}
        reached.update(found)
        named = {
            other
            for release in found.values()
            if release is not None
            for other in release.blob.referenced_releases()
        }
        wanted = named - reached.keys()
    return reached


def read_rules(rows: models.QuerySet[Any]) -> Iterator[tuple[int, EngineRule]]:
    """Read rules, or history rows of rules, as the engine sees them, each with its id."""
    for values in rows.order_by().values_list(*_RULE_COLUMNS).iterator(ROWS_AT_ONCE):
        rule = EngineRule(**dict(zip(_RULE_FIELDS, values, strict=True)))
        yield rule.rule_id, rule


def read_releases(names: Iterable[str], sequence: int | None = None) -> Iterator[tuple[str, Release]]:
    """Read the named releases with all their parts, as they are or as they were after change set `sequence`.

    One with an unknown schema version is left out. Two queries.
    """
    columns = ("id", "name", "product", "document")
    found: models.QuerySet[Any] = (
        stored.Release.objects.filter(name__in=names)
        if sequence is None
        else as_of(stored.Release, sequence, name__in=names)
    )
    tops = {pk: rest for pk, *rest in found.values_list(*columns)}
    parts: dict[int, dict[tuple[str, str], bytes]] = defaultdict(dict)
    of_releases: models.QuerySet[Any] = (
        stored.ReleasePart.objects.filter(release__in=tops)
        if sequence is None
        else as_of(stored.ReleasePart, sequence, release_id__in=list(tops))
    )
    rows = (
        of_releases.order_by()
        .annotate(text=Cast("document", models.TextField()))
        .values_list("release_id", "platform", "locale", "text")
    )
    seen: dict[str, str] = {}
    for release_id, platform, locale, text in rows.iterator(ROWS_AT_ONCE):
        # Platforms and locales are few; each is kept once.
        place = seen.setdefault(platform, platform), seen.setdefault(locale, locale)
        parts[release_id][place] = text.encode()
    for pk, (name, product, top) in tops.items():
        if not isinstance(top, dict):
            continue
        try:
            yield name, Release(product, blob_for(Document(top, parts.get(pk, {}))))
        except UnknownSchemaVersion:
            continue


def current_snapshot() -> Snapshot:
    """Return a fresh snapshot of the database: for commands and pages that decide once."""
    return SnapshotLoader().load(None)
