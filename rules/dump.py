"""Writing everything that `rules.datafile` loads, as one JSON document (docs/data-format.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from releases.blobs.document import join
from releases.models import Release, allowlisted_domains, stored_special_force_hosts
from releases.storage import parts_of, versions_of
from releases.whole import WholeRelease
from rules.datafile import Progress, no_progress
from rules.models import EmergencyShutoff, PinnableRelease, Rule
from rules.wire import rule_to_wire, shutoff_to_wire

ROWS_AT_ONCE = 2_000


def dump(write: Callable[[str], object], progress: Progress = no_progress) -> None:
    """Hand everything to `write`, one release at a time; loading it gives the same tables.

    The caller sees to it that all is read as of one moment (`releases.reading.consistent_read`).
    """
    rules = Rule.objects.order_by("pk").iterator(ROWS_AT_ONCE)
    names = list(Release.objects.order_by("name").values_list("name", flat=True))
    versions = dict(WholeRelease.objects.values_list("pk", "version"))
    write("{")
    _write_list(write, "rules", (rule_to_wire(rule) for rule in rules))
    write(",\n")
    _write_list(
        write, "releases", (_release(name, versions) for name in progress(names, "releases", len(names)))
    )
    small: dict[str, Any] = {
        "emergency_shutoffs": [
            shutoff_to_wire(shutoff)
            for shutoff in EmergencyShutoff.objects.order_by(*EmergencyShutoff.unique_by)
        ],
        "pinnable_releases": list(
            PinnableRelease.objects.order_by("product", "channel", "version").values(
                "product", "channel", "version", "mapping", "data_version"
            )
        ),
        "allowlisted_domains": allowlisted_domains(),
        "special_force_hosts": stored_special_force_hosts(),
    }
    for key, value in small.items():
        write(f",\n{json.dumps(key)}: {json.dumps(value)}")
    write("}\n")


def _write_list(write: Callable[[str], object], key: str, rows: Iterator[dict[str, Any]]) -> None:
    write(f"{json.dumps(key)}: [")
    for number, row in enumerate(rows):
        write(",\n" if number else "\n")
        write(json.dumps(row))
    write("]")


def _release(name: str, versions: Mapping[int, int]) -> dict[str, Any]:
    release = Release.objects.get(name=name)
    parts = parts_of(release)
    row = {
        "name": release.name,
        "product": release.product,
        "read_only": release.read_only,
        "data_version": release.data_version,
        "data_versions": versions_of(release, parts).as_tree(),
        "blob": join(release.document, {place: part.document for place, part in parts.items()}),
    }
    version = versions.get(release.pk, release.data_version)
    return row if version == release.data_version else row | {"whole_version": version}
