"""Which releases may be pruned: old ones that no rule, pin or other release refers to."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Max

from history.retention import Candidate, Criteria, name_matches, register
from releases.models import Release, ReleasePart


@register
def prunable_releases(criteria: Criteria) -> Iterator[Candidate]:
    """Yield releases whose name matches, not changed since `criteria.before`, neither read-only nor referred to."""
    rows = Release.objects.order_by("name")
    if criteria.product is not None:
        rows = rows.filter(product=criteria.product)
    chosen = [release for release in rows if name_matches(criteria, release.name) and not release.read_only]
    if not chosen:
        return
    needed = _needed_names()
    for release in chosen:
        if release.name not in needed and _last_change(release) < criteria.before.timestamp():
            yield _candidate(release)


def _needed_names() -> set[str]:
    """Return the names that rules, pins and scheduled changes refer to, and those that these releases need."""
    names = set(Release.objects.pointed_at().values_list("name", flat=True))
    waiting = set(names)
    while waiting:
        blobs = [release.typed_blob() for release in Release.objects.filter(name__in=waiting)]
        waiting = {other for blob in blobs for other in blob.referenced_releases()} - names
        names |= waiting
    return names


def _last_change(release: Release) -> float:
    times = (
        Release.history.filter(id=release.pk).aggregate(last=Max("change_set__time"))["last"],
        ReleasePart.history.filter(release_id=release.pk).aggregate(last=Max("change_set__time"))["last"],
    )
    return max(float(time.timestamp()) for time in times if time is not None)


def _candidate(release: Release) -> Candidate:
    parts = tuple(release.parts.all())
    all_parts = set(ReleasePart.history.filter(release_id=release.pk).values_list("id", flat=True))
    return Candidate(
        name=f"release {release.name}",
        live=(*parts, release),
        history=((ReleasePart, tuple(sorted(all_parts))), (Release, (release.pk,))),
    )
