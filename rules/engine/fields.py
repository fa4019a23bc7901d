"""How each field of a rule is tested against a query: the one list behind index and explanation (protocol.md 4.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from releases.blobs.errors import BadVersion
from releases.blobs.expressions import (
    CHANNEL_SEPARATOR,
    channel_matches,
    compile_int,
    compile_list,
    compile_os_version,
    compile_string,
    compile_version,
)
from releases.blobs.versions import is_loose, parse_for
from rules.engine.tables import (
    AbsentIsEmptyListTable,
    BuildIDTable,
    ChannelTable,
    ExactTable,
    ListTable,
    LooseVersionTable,
    MemoryTable,
    OSVersionTable,
    Table,
    VersionTable,
)

Accepts = Callable[[Any, Any, str], bool]


@dataclass(frozen=True, slots=True)
class Field:
    """One matching field; rule and query call it by the same name.

    `accepts(rule's value, client's value, client's product)` tests one rule whose value is not null, and never
    raises. `table` is the same test for a whole group of rules; `loose_table` stands in for products with loose
    versions.
    """

    name: str
    accepts: Accepts
    table: type[Table]
    loose_table: type[Table] | None = None

    def table_for(self, *, loose: bool) -> type[Table]:
        """Return the kind of table for products with loose versions, or for all others."""
        return self.loose_table if loose and self.loose_table is not None else self.table


def _equal(mine: Any, theirs: Any, product: str) -> bool:
    return theirs is not None and bool(mine == theirs)


def _channel(mine: str, theirs: str, product: str) -> bool:
    return channel_matches(mine, theirs) or channel_matches(mine, theirs.split(CHANNEL_SEPARATOR, 1)[0])


def _version(mine: str, theirs: str, product: str) -> bool:
    loose = is_loose(product)
    try:
        version = parse_for(theirs, loose=loose)
    except BadVersion:
        return False
    return compile_version(mine, loose=loose).matches(version)


def _build_id(mine: str, theirs: str | None, product: str) -> bool:
    return compile_string(mine).matches(theirs or "")


def _memory(mine: str, theirs: int | None, product: str) -> bool:
    return compile_int(mine).matches(theirs)


def _os_version(mine: str, theirs: str | None, product: str) -> bool:
    return compile_os_version(mine).matches(theirs or "")


def _listed(mine: str, theirs: str | None, product: str) -> bool:
    return theirs is not None and compile_list(mine).matches(theirs)


def _listed_or_absent(mine: str, theirs: str | None, product: str) -> bool:
    return compile_list(mine).matches(theirs or "")


PRODUCT = Field("product", _equal, ExactTable)

# In the order of the reference, in which a version that cannot be read is the client's error as soon as a rule that
# has passed all fields before must look at it.
AFTER_PRODUCT = (
    Field("channel", _channel, ChannelTable),
    Field("build_target", _equal, ExactTable),
    Field("header_architecture", _equal, ExactTable),
    Field("dist_version", _equal, ExactTable),
    Field("version", _version, VersionTable, LooseVersionTable),
    Field("build_id", _build_id, BuildIDTable),
    Field("memory", _memory, MemoryTable),
    Field("os_version", _os_version, OSVersionTable),
    Field("instruction_set", _listed, ListTable),
    Field("distribution", _listed_or_absent, AbsentIsEmptyListTable),
    Field("locale", _listed_or_absent, AbsentIsEmptyListTable),
    Field("mig64", _equal, ExactTable),
    Field("jaws", _equal, ExactTable),
)
ALL = (PRODUCT, *AFTER_PRODUCT)
