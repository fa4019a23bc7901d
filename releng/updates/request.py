"""From a request's raw target to an `UpdateQuery`, or to the answer that needs no decision (protocol.md 1, 2).

Pure Python. Never raises, whatever bytes come; costs a few microseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from releases.blobs.query import Force, UpdateQuery

METHODS = ("GET", "HEAD", "OPTIONS")

# A number has at most so many digits; more make reading it slow.
LONGEST_NUMBER = 1_000
# What clients have many of in common (operating systems, capabilities) is read once; longer texts are not kept.
TEXTS_REMEMBERED = 2_048
LONGEST_REMEMBERED = 200  # characters

ESR_PRE = "esrpre"
Arguments = dict[str, str]
# Instruction set, memory in MiB, whether the JAWS screen reader runs; None is unknown.
Capabilities = tuple[str | None, int | None, bool | None]


class Kind(Enum):
    """What a request turned out to be."""

    XML = "xml"
    JSON = "json"
    UNKNOWN_UPDATE = "unknown_update"  # begins with /update, but is no route: the empty document
    NOT_OURS = "not_ours"
    BAD_ARGUMENT = "bad_argument"
    BAD_METHOD = "bad_method"


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed request; `query` is set for XML and JSON, `problem` (title, detail) for a bad argument."""

    kind: Kind
    query: UpdateQuery | None = None
    problem: tuple[str | None, str] = (None, "")


_UNKNOWN_UPDATE = Request(Kind.UNKNOWN_UPDATE)
_NOT_OURS = Request(Kind.NOT_OURS)
_BAD_METHOD = Request(Kind.BAD_METHOD)
_FORCES = {force.value: force for force in Force}


@dataclass(frozen=True, slots=True)
class _Route:
    """One row of protocol.md section 1: `length` path fields, then `last`; `arguments` may follow.

    `read` makes the query from the fields' values, the arguments and the User-Agent header.
    """

    kind: Kind
    length: int
    last: str
    arguments: frozenset[str]
    read: Callable[[list[str], Arguments, str], UpdateQuery]


def parse_request(
    path: str, query_string: str, user_agent: str = "", method: str = "GET", *, raw: bool = True
) -> Request:
    """Parse one request.

    `path` is the path as the client sent it (`raw`: WSGI servers tell it as RAW_URI or REQUEST_URI), or already
    decoded (PATH_INFO; then an encoded slash cannot be told from a real one). `query_string` is always as sent. All
    are "native strings" of WSGI: each byte one character.
    """
    segments = path.split("/")
    has_encoded_slash = False
    if raw and "%" in path:
        for number, text in enumerate(segments):
            if "%" in text:
                segments[number] = text = _decoded(text)
                has_encoded_slash = has_encoded_slash or "/" in text
    if not path.isascii():
        segments = [_folded(text) for text in segments]
    # ['', 'update', '6', ..., 'update.xml']
    route = _ROUTES.get((segments[1], segments[2])) if len(segments) > 3 else None
    if (
        route is None
        or len(segments) != route.length + 4
        or segments[-1] != route.last
        or "" in segments[1:]
        or segments[0]
        or has_encoded_slash
    ):
        return _UNKNOWN_UPDATE if "/".join(segments[:2]).startswith("/update") else _NOT_OURS
    if method not in METHODS:
        return _BAD_METHOD
    arguments = _arguments(query_string) if query_string else {}
    if not arguments.keys() <= route.arguments:
        undeclared = ", ".join(sorted(arguments.keys() - route.arguments))
        return Request(
            Kind.BAD_ARGUMENT, problem=(None, f"Extra query parameter(s) {undeclared} not in spec")
        )
    if arguments.get("pin") == "":
        return Request(Kind.BAD_ARGUMENT, problem=("Bad Request", "'' is too short"))
    return Request(route.kind, route.read(segments[3:-1], arguments, user_agent))


# --- Routes -----------------------------------------------------------------------------------------------


def _read_xml(
    values: list[str],
    arguments: Arguments,
    user_agent: str,
    *,
    os_version: str | None = None,
    distribution: str | None = None,
    dist_version: str | None = None,
    capabilities: Capabilities = ("", None, None),
    imei: str | None = None,
) -> UpdateQuery:
    """Make the query from the six fields that all XML routes begin with, and what the route has besides."""
    product, version, build_id, build_target, locale, channel = values[:6]
    instruction_set, memory, jaws = capabilities
    is_ppc = "PPC" in user_agent and build_target.startswith("Darwin")
    return UpdateQuery(
        product,
        version,
        channel,
        build_target,
        build_id,
        locale.replace("x86 ", ""),
        os_version if os_version is not None else values[6],
        "PPC" if is_ppc else "Intel",
        distribution,
        dist_version,
        instruction_set,
        memory,
        jaws,
        arguments["mig64"] == "1" if "mig64" in arguments else None,
        imei,
        _force(arguments),
        arguments.get("pin"),
    )


def _read_1(values: list[str], arguments: Arguments, user_agent: str) -> UpdateQuery:
    return _read_xml(values, arguments, user_agent, os_version="")


def _read_2(values: list[str], arguments: Arguments, user_agent: str) -> UpdateQuery:
    return _read_xml(values, arguments, user_agent)


def _read_3(values: list[str], arguments: Arguments, user_agent: str) -> UpdateQuery:
    # Some old clients of the extended support channel stick a suffix to their version.
    version = values[1].removesuffix(ESR_PRE)
    if version:
        values[1] = version
    return _read_4(values, arguments, user_agent)


def _read_4(values: list[str], arguments: Arguments, user_agent: str) -> UpdateQuery:
    """Read a route with a distribution; the platform version of query 4 plays no part."""
    return _read_xml(values, arguments, user_agent, distribution=values[7], dist_version=values[8])


def _read_5(values: list[str], arguments: Arguments, user_agent: str) -> UpdateQuery:
    return _read_xml(
        values, arguments, user_agent, distribution=values[7], dist_version=values[8], imei=values[9]
    )


def _read_6(values: list[str], arguments: Arguments, user_agent: str) -> UpdateQuery:
    text = values[7]
    capabilities = _known_capabilities(text) if len(text) <= LONGEST_REMEMBERED else _capabilities(text)
    return _read_xml(
        values,
        arguments,
        user_agent,
        distribution=values[8],
        dist_version=values[9],
        capabilities=capabilities,
    )


def _read_json(values: list[str], arguments: Arguments, user_agent: str) -> UpdateQuery:
    product, version, build_target, channel, *rest = values
    return UpdateQuery(
        product,
        version,
        channel,
        build_target,
        os_version=rest[0] if rest else None,
        force=_force(arguments),
    )


_PINNED = frozenset({"avast", "force", "mig64", "pin"})
_UNPINNED = _PINNED - {"pin"}
_FORCED = frozenset({"force"})
_ROUTES: dict[tuple[str, str], _Route] = {
    ("update", "1"): _Route(Kind.XML, 6, "update.xml", _PINNED, _read_1),
    ("update", "2"): _Route(Kind.XML, 7, "update.xml", _UNPINNED, _read_2),
    ("update", "3"): _Route(Kind.XML, 9, "update.xml", _PINNED, _read_3),
    ("update", "4"): _Route(Kind.XML, 10, "update.xml", _PINNED, _read_4),
    ("update", "5"): _Route(Kind.XML, 10, "update.xml", _PINNED, _read_5),
    ("update", "6"): _Route(Kind.XML, 10, "update.xml", _PINNED, _read_6),
    ("json", "1"): _Route(Kind.JSON, 4, "update.json", _FORCED, _read_json),
    ("json", "2"): _Route(Kind.JSON, 5, "update.json", _FORCED, _read_json),
}


# --- Texts ------------------------------------------------------------------------------------------------


def _decoded(text: str) -> str:
    """Undo percent-encoding; each character outside ASCII becomes `?`."""
    return _known_decoded(text) if len(text) <= LONGEST_REMEMBERED else _decode(text)


def _decode(text: str) -> str:
    return _utf8_as_ascii(unquote_to_bytes(text.encode("latin-1", "replace")))


def _folded(text: str) -> str:
    """Return a native string of WSGI with each character outside ASCII as one `?`."""
    return text if text.isascii() else _utf8_as_ascii(text.encode("latin-1", "replace"))


def _utf8_as_ascii(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").encode("ascii", "replace").decode("ascii")


_known_decoded = lru_cache(maxsize=TEXTS_REMEMBERED)(_decode)


# --- Arguments --------------------------------------------------------------------------------------------


def _arguments(query_string: str) -> Arguments:
    """Read `name=value` pairs; the last one of a name counts."""
    arguments = {}
    for pair in query_string.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            arguments[_argument_text(name)] = _argument_text(value)
    return arguments


def _argument_text(text: str) -> str:
    text = text.replace("+", " ")
    return _decode(text) if "%" in text else _folded(text)


def _force(arguments: Arguments) -> Force | None:
    """Read `force`, from which what an antivirus product appended (`?avast=1`) is cut off first."""
    text = arguments.get("force")
    if text is None:
        return None
    if "avast" in text:
        text = text.split("?" if "?" in text else "%3F", 1)[0]
    return _FORCES.get(text)


# --- Capabilities -----------------------------------------------------------------------------------------


def _capabilities(text: str) -> Capabilities:
    if text.startswith("ISET:"):
        found = {}
        for piece in text.split(","):
            key, colon, value = piece.partition(":")
            if colon:
                found[key] = value
        jaws = _number(found.get("JAWS"))
        return found["ISET"], _number(found.get("MEM")), None if jaws is None else bool(jaws)
    instruction_set, *rest = text.split(",")
    if len(rest) > 1:
        return None, None, None
    return instruction_set, _number(rest[0]) if rest else None, None


_known_capabilities = lru_cache(maxsize=TEXTS_REMEMBERED)(_capabilities)


def _number(text: str | None) -> int | None:
    if text is None or len(text) > LONGEST_NUMBER:
        return None
    try:
        return int(text)
    except ValueError:
        return None
