"""One number for the state of a whole release, though each of its rows has a version of its own.

The contract's v1 knows one `data_version` of a release (protocol.md section 12.2). Every change set that writes the
release or one of its locales makes the next number; history tells which rows were live then, so a number that
somebody read can be translated back into the versions of all rows. Numbers of one release are given in the
order of the commits: its counter is locked from the number to the end of the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Max

from history import context
from history.exceptions import OutdatedDataError
from history.models import ChangeSet
from history.timeline import as_of
from releases.blobs.document import Place
from releases.models import Release, ReleasePart
from releases.storage import DataVersions
from releases.whole import WholeRelease, WholeVersion

CHUNK = 500


def version_of(release: Release) -> int:
    """Return the number of a release's state now."""
    found = WholeRelease.objects.filter(pk=release.pk).values_list("version", flat=True).first()
    return release.data_version if found is None else found


def versions_of_all(releases: Iterable[Release]) -> dict[int, int]:
    """Return the numbers of many releases by key: one query."""
    rows = {release.pk: release.data_version for release in releases}
    known = WholeRelease.objects.filter(pk__in=rows) if len(rows) < CHUNK else WholeRelease.objects.all()
    return rows | {key: version for key, version in known.values_list("pk", "version") if key in rows}


def version_at(release_id: int, sequence: int) -> int | None:
    """Return the number that a release had after change set number `sequence`, if it was numbered then."""
    sets = ChangeSet.objects.filter(sequence__lte=sequence)
    rows = WholeVersion.objects.filter(release_id=release_id, change_set_id__in=sets.values("pk"))
    found: int | None = rows.aggregate(last=Max("version"))["last"]
    return found


def count_version(release: Release, *, at_least: int = 1) -> int:
    """Return the number of the state that the open change set makes of a release; call it after all writes.

    All releases that it has written get their next numbers, this one from `at_least` on, and nobody else gets any of
    them until the transaction ends. A release that was not written keeps its number.
    """
    opened = context.require("release")
    return _number_written(opened, {release.pk: at_least}).get(release.pk) or version_of(release)


def begin_at(versions: Mapping[int, int]) -> None:
    """Number releases that the open change set has made, by key, with the versions that they had elsewhere."""
    opened = context.require("release")
    WholeRelease.objects.bulk_create(
        (WholeRelease(release_id=key, version=version) for key, version in versions.items()), batch_size=CHUNK
    )
    WholeVersion.objects.bulk_create(
        (
            WholeVersion(release_id=key, version=version, change_set_id=opened.id)
            for key, version in versions.items()
        ),
        batch_size=CHUNK,
    )


def count_touched(change_set: context.OpenChangeSet, **kwargs: Any) -> None:
    """Number every release that a change set has written and that has no number of it yet (change_set_closing)."""
    _number_written(change_set, {})


def _number_written(opened: context.OpenChangeSet, at_least: Mapping[int, int]) -> dict[int, int]:
    """Return the numbers of all releases that a change set has written, by key; give those that are not there yet."""
    if not opened.touched & {Release, ReleasePart}:
        return {}
    numbers = dict(WholeVersion.objects.filter(change_set_id=opened.id).values_list("release_id", "version"))
    # The counters are locked from the first number on: what was found then is not looked up again, unless something
    # was written since, or a savepoint with the numbers was rolled back.
    if opened.notes.get(__name__) == (opened.rows, numbers):
        return numbers
    rows = Release.history.filter(change_set_id=opened.id).order_by("history_id")
    tops: dict[int, int] = {}
    made: set[int] = set()
    for key, version, kind in rows.values_list("id", "data_version", "history_type"):
        tops[key] = version
        if kind == "+":
            made.add(key)
    parts = ReleasePart.history.filter(change_set_id=opened.id).order_by()
    written = tops.keys() | set(parts.values_list("release_id", flat=True).distinct())
    begun = {key: max(tops[key], at_least.get(key, 1)) for key in sorted((written & made) - numbers.keys())}
    begin_at(begun)
    numbers |= begun
    for key in sorted(written - numbers.keys()):  # always in the same order, so that nobody waits in a circle
        numbers[key] = _next(key, tops.get(key), at_least.get(key, 1), opened.id)
    opened.notes[__name__] = (opened.rows, dict(numbers))
    return numbers


def _next(release_id: int, own_version: int | None, at_least: int, change_set_id: Any) -> int:
    """Give a release its next number; `own_version` is that of its own row, if that was written, too."""

    def first() -> int:  # of a release that was stored before there were numbers: its own version was shown
        found = Release.objects.filter(pk=release_id).values_list("data_version", flat=True).first()
        return max(own_version or (found or 0) + 1, at_least)

    counters = WholeRelease.objects.select_for_update(no_key=True)
    counter, is_new = counters.get_or_create(pk=release_id, defaults={"version": first})
    if not is_new:
        counter.version = max(counter.version + 1, at_least)
        counter.save(update_fields=["version"])
    WholeVersion.objects.create(release_id=release_id, version=counter.version, change_set_id=change_set_id)
    return counter.version


def outdated(release: Release, version: int) -> OutdatedDataError:
    """Return the error that tells who has changed a release since its number `version`."""
    last = WholeVersion.objects.filter(release_id=release.pk).order_by("-version")
    made_by = ChangeSet.objects.filter(pk__in=last.values("change_set_id")[:1])
    name = made_by.values_list("actor_name", flat=True).first()
    return OutdatedDataError(release, version, version_of(release), name, ("document",))


# --- Back from a number -------------------------------------------------------------------------------------


def versions_at(release: Release, version: int) -> DataVersions | None:
    """Return the versions of all rows of a release at one of its numbers; None where history has no such state."""
    now = DataVersions.of(release)
    # Asked for after the rows were read: as long as the number is the one that was told before, they have not changed.
    if version == version_of(release):
        return now
    sequence = _sequence(release, version)
    if sequence is None:
        return None
    top = as_of(Release, sequence, id=release.pk).values_list("data_version", flat=True).first()
    if top is None:
        return None
    rows = as_of(ReleasePart, sequence, release_id=release.pk)
    places = {
        (platform, locale): own
        for platform, locale, own in rows.values_list("platform", "locale", "data_version")
    }
    return DataVersions(top, places)


def part_version_at(release: Release, place: Place, version: int) -> int | None:
    """Return the version that one locale had at a number of its release; 0: there was none; None: nobody knows."""
    here = ReleasePart.objects.filter(release=release, platform=place[0], locale=place[1])
    own: int | None = here.values_list("data_version", flat=True).first()
    if version == version_of(release):
        return own or 0
    sequence = _sequence(release, version)
    if sequence is None:
        return None
    platform, locale = place
    rows = as_of(ReleasePart, sequence, release_id=release.pk, platform=platform, locale=locale)
    found: int | None = rows.values_list("data_version", flat=True).first()
    return found or 0


def _sequence(release: Release, version: int) -> int | None:
    rows = WholeVersion.objects.filter(release_id=release.pk, version__lte=version).order_by("-version")
    made_by = rows.values_list("change_set_id", flat=True).first()
    if made_by is None or version > version_of(release):
        return None
    return ChangeSet.objects.filter(pk=made_by).values_list("sequence", flat=True).first()
