"""One locale of a release, made ready to be served many times."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from releases.blobs.base import attribute, is_printable
from releases.blobs.cache import RecentlyUsed

PATCH_KINDS = ("complete", "partial")
# Some kilobytes each: the limit holds for the whole process, however many releases it serves.
PREPARED_LOCALES = 6_000
LINES_PER_LOCALE = 32


class PreparedPatch:
    """A patch that has all that a client needs.

    `source` is the release that it applies to, or `*`. `tail` is the end of its line. `made` remembers the URL and
    the line for each URL template: a document has few.
    """

    __slots__ = ("file_url", "made", "source", "tail")

    def __init__(self, patch: dict[str, Any], source: str, hash_function: Any, *, proofs: bool) -> None:
        self.source = source
        url = patch.get("fileUrl")
        self.file_url = url if isinstance(url, str) and url else None
        tail = (
            f' hashFunction="{attribute(hash_function)}" hashValue="{attribute(patch["hashValue"])}"'
            f' size="{attribute(patch["filesize"])}"'
        )
        if proofs and is_printable(patch.get("binTransInclusionProof")):
            tail += f' binTransInclusionProof="{attribute(patch["binTransInclusionProof"])}"'
        self.tail = f"{tail}/>"
        self.made: dict[str, tuple[str, str] | None] = {}


class PreparedLocale:
    """A locale's own values, its build id, its usable patches by kind, and the update lines made so far.

    `broken` tells that a patch was left out because something that clients need is missing from it.
    """

    __slots__ = ("broken", "build_id", "data", "lines", "patches")

    def __init__(
        self,
        data: dict[str, Any],
        build_id: str | None,
        patches: dict[str, list[Any]],
        hash_function: Any,
        *,
        proofs: bool,
    ) -> None:
        self.data = {key: value for key, value in data.items() if is_printable(value)}
        self.build_id = build_id
        self.broken = False
        self.lines: dict[Hashable, str] = {}
        self.patches: dict[str, tuple[PreparedPatch, ...]] = {}
        for kind, listed in patches.items():
            usable = []
            for patch in listed:
                source = patch.get("from") if isinstance(patch, dict) else None
                if (
                    isinstance(source, str)
                    and is_printable(patch.get("hashValue"))
                    and is_printable(patch.get("filesize"))
                ):
                    usable.append(PreparedPatch(patch, source, hash_function, proofs=proofs))
                else:
                    self.broken = True
            self.patches[kind] = tuple(usable)

    def keep_line(self, key: Hashable, line: str) -> str:
        """Remember and return an update line; clients can ask for many, so that all are forgotten now and then."""
        if len(self.lines) >= LINES_PER_LOCALE:
            self.lines = {}
        self.lines[key] = line
        return line


# By (a release's token, platform, locale): a token rather than the release, which must be free to go.
PREPARED: RecentlyUsed[tuple[object, str, str], PreparedLocale] = RecentlyUsed(PREPARED_LOCALES)
