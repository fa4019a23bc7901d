"""Questions about rules that more than one place asks."""

from __future__ import annotations

from history.models import VersionedQuerySet

RELEASE_FIELDS = ("mapping", "fallback_mapping", "whitelist")


class RuleQuerySet(VersionedQuerySet):
    """Rules, in the order in which they decide."""

    def with_releases(self) -> RuleQuerySet:
        """Fetch the releases that the rules name in the same query, without their documents."""
        return self.select_related(*RELEASE_FIELDS).defer(*(f"{name}__document" for name in RELEASE_FIELDS))
