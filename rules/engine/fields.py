"""How each field of a rule is tested against a query: the one table behind index and explanation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from releases.blobs.errors import BadVersion
from releases.blobs.expressions import (
    channel_matches,
    compile_int,
    compile_list,
    compile_os_version,
    compile_string,
    compile_version,
)
from releases.blobs.query import UpdateQuery
from releases.blobs.versions import parse_for

Value = Any


@dataclass(frozen=True, slots=True)
class Field:
    """One matching field.

    `of` reads the client's value from a query; `accepts(rule's value, client's value, loose)` tests a rule's
    value that is not null. `exact` fields accept just one client value, `listed` ones just the items of
    their comma list: for these the index needs no test at all.
    """

    name: str
    of: Callable[[UpdateQuery], Value]
    accepts: Callable[[Value, Value, bool], bool]
    exact: bool = False
    listed: bool = False


def _version(expression: str, text: str, loose: bool) -> bool:  # noqa: FBT001
    try:
        version = parse_for(text, loose=loose)
    except BadVersion:
        return False
    return compile_version(expression, loose=loose).matches(version)


def _channel(pattern: str, channels: tuple[str, str], loose: bool) -> bool:  # noqa: FBT001
    return any(channel_matches(pattern, channel) for channel in channels)


def _equal(mine: Value, theirs: Value, loose: bool) -> bool:  # noqa: FBT001
    return theirs is not None and bool(mine == theirs)


def _listed(mine: str, theirs: Value, loose: bool) -> bool:  # noqa: FBT001
    return theirs is not None and compile_list(mine).matches(theirs)


PRODUCT = Field("product", lambda query: query.product, _equal, exact=True)
CHANNEL = Field("channel", lambda query: (query.channel, query.fallback_channel), _channel)
VERSION = Field("version", lambda query: query.version, _version)

# What stands before VERSION decides whether a version that cannot be read is the client's error (see BadVersion below).
BEFORE_VERSION = (
    Field("build_target", lambda query: query.build_target, _equal, exact=True),
    Field("header_architecture", lambda query: query.header_architecture, _equal, exact=True),
    Field("dist_version", lambda query: query.dist_version, _equal, exact=True),
)
AFTER_VERSION = (
    Field(
        "build_id",
        lambda query: query.build_id or "",
        lambda mine, theirs, loose: compile_string(mine).matches(theirs),
    ),
    Field(
        "memory", lambda query: query.memory, lambda mine, theirs, loose: compile_int(mine).matches(theirs)
    ),
    Field(
        "os_version",
        lambda query: query.os_version or "",
        lambda mine, theirs, loose: compile_os_version(mine).matches(theirs),
    ),
    Field("instruction_set", lambda query: query.instruction_set, _listed, listed=True),
    Field("distribution", lambda query: query.distribution or "", _listed, listed=True),
    Field("locale", lambda query: query.locale or "", _listed, listed=True),
    Field("mig64", lambda query: query.mig64, _equal, exact=True),
    Field("jaws", lambda query: query.jaws, _equal, exact=True),
)
ALL = (PRODUCT, CHANNEL, *BEFORE_VERSION, VERSION, *AFTER_VERSION)
