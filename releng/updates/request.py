"""From a request's raw target to an `UpdateQuery`, or to the answer that needs no decision (protocol.md 1, 2).

Pure Python. Never raises, whatever bytes come; costs a few microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import unquote_to_bytes

from releases.blobs.query import Force, UpdateQuery

METHODS = ("GET", "HEAD", "OPTIONS")
LONGEST_NUMBER = 18


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

_BASE = ("product", "version", "build_id", "build_target", "locale", "channel")
_SYSTEM = (*_BASE, "os_version")
_DISTRIBUTION = ("distribution", "dist_version")
_XML_FIELDS: dict[str, tuple[str, ...]] = {
    "1": _BASE,
    "2": _SYSTEM,
    "3": (*_SYSTEM, *_DISTRIBUTION),
    "4": (*_SYSTEM, *_DISTRIBUTION, "platform_version"),
    "5": (*_SYSTEM, *_DISTRIBUTION, "imei"),
    "6": (*_SYSTEM, "capabilities", *_DISTRIBUTION),
}
_JSON_FIELDS: dict[str, tuple[str, ...]] = {
    "1": ("product", "version", "build_target", "channel"),
    "2": ("product", "version", "build_target", "channel", "os_version"),
}
_XML_ARGUMENTS = frozenset({"avast", "force", "mig64", "pin"})
_ARGUMENTS: dict[tuple[str, str], frozenset[str]] = {
    **{("update", number): _XML_ARGUMENTS for number in _XML_FIELDS},
    ("update", "2"): _XML_ARGUMENTS - {"pin"},
    **{("json", number): frozenset({"force"}) for number in _JSON_FIELDS},
}
_FORCES = {force.value: force for force in Force}


def parse_request(
    path: str, query_string: str, user_agent: str = "", method: str = "GET", *, raw: bool = True
) -> Request:
    """Parse one request.

    `path` is the path as the client sent it (`raw`), or already decoded by the server as WSGI prescribes
    (each byte one character). `query_string` is always as sent.
    """
    segments = path.split("/")
    # ['', 'update', '6', ..., 'update.xml']
    if len(segments) > 3 and segments[0] == "":
        family, number, last = segments[1], segments[2], segments[-1]
        fields: tuple[str, ...] | None = None
        if family == "update" and last == "update.xml":
            fields = _XML_FIELDS.get(number)
        elif family == "json" and last == "update.json":
            fields = _JSON_FIELDS.get(number)
        if fields is not None and len(segments) == len(fields) + 4:
            values = _values(segments[3:-1], raw=raw)
            if values is not None:
                if method not in METHODS:
                    return _BAD_METHOD
                return _route(
                    family, number, dict(zip(fields, values, strict=True)), query_string, user_agent
                )
    return _UNKNOWN_UPDATE if path.startswith("/update") else _NOT_OURS


def _values(segments: list[str], *, raw: bool) -> list[str] | None:
    """Decode path segments; None where one is empty or holds an encoded slash."""
    values = []
    for segment in segments:
        if raw and "%" in segment:
            value = _text(unquote_to_bytes(segment))
            if "/" in value:
                return None
        elif segment.isascii():
            value = segment
        else:
            value = _text(segment.encode("latin-1", "replace"))
        if not value:
            return None
        values.append(value)
    return values


def _text(raw: bytes) -> str:
    """Read UTF-8, each character outside ASCII as one `?`."""
    if raw.isascii():
        return raw.decode("ascii")
    return _ascii(raw.decode("utf-8", "replace"))


def _ascii(text: str) -> str:
    return text if text.isascii() else text.encode("ascii", "replace").decode("ascii")


def _route(family: str, number: str, fields: dict[str, Any], query_string: str, user_agent: str) -> Request:
    arguments = _arguments(query_string) if query_string else {}
    allowed = _ARGUMENTS[family, number]
    if not arguments.keys() <= allowed:
        undeclared = sorted(arguments.keys() - allowed)
        return Request(
            Kind.BAD_ARGUMENT, problem=(None, f"Extra query parameter(s) {', '.join(undeclared)} not in spec")
        )
    if arguments.get("pin") == "":
        return Request(Kind.BAD_ARGUMENT, problem=("Bad Request", "'' is too short"))
    force = _FORCES.get(_repaired_force(arguments["force"])) if "force" in arguments else None
    if family == "json":
        return Request(Kind.JSON, UpdateQuery(force=force, **fields))
    if number == "1":
        fields["os_version"] = ""
    elif number == "3" and fields["version"].endswith("esrpre") and len(fields["version"]) > len("esrpre"):
        fields["version"] = fields["version"][: -len("esrpre")]
    fields.pop("platform_version", None)
    fields["locale"] = fields["locale"].replace("x86 ", "")
    capabilities = _capabilities(fields.pop("capabilities")) if number == "6" else ("", None, None)
    is_ppc = fields["build_target"].startswith("Darwin") and "PPC" in user_agent
    return Request(
        Kind.XML,
        UpdateQuery(
            **fields,
            instruction_set=capabilities[0],
            memory=capabilities[1],
            jaws=capabilities[2],
            header_architecture="PPC" if is_ppc else "Intel",
            mig64=arguments["mig64"] == "1" if "mig64" in arguments else None,
            force=force,
            pin=arguments.get("pin"),
        ),
    )


def _arguments(query_string: str) -> dict[str, str]:
    """Read `name=value` pairs; the last one of a name counts."""
    arguments = {}
    for pair in query_string.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            arguments[_argument_text(name)] = _argument_text(value)
    return arguments


def _argument_text(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    if "%" in text:
        return _text(unquote_to_bytes(text))
    return _ascii(text)


def _repaired_force(text: str) -> str:
    """An antivirus product appends `?avast=1` to whatever argument stands last."""
    if "avast" not in text:
        return text
    return text.split("?", 1)[0] if "?" in text else text.split("%3F", 1)[0]


def _capabilities(text: str) -> tuple[str | None, int | None, bool | None]:
    """Read instruction set, memory in MiB, and whether the JAWS screen reader runs; None is unknown."""
    if text.startswith("ISET:"):
        found = {}
        for piece in text.split(","):
            key, colon, value = piece.partition(":")
            if colon:
                found[key] = value
        jaws = _number(found["JAWS"]) if "JAWS" in found else None
        return (
            found.get("ISET"),
            _number(found["MEM"]) if "MEM" in found else None,
            None if jaws is None else bool(jaws),
        )
    pieces = text.split(",")
    if len(pieces) > 2:
        return None, None, None
    return pieces[0], _number(pieces[1]) if len(pieces) == 2 else None, None


def _number(text: str) -> int | None:
    if len(text) > LONGEST_NUMBER:
        return None
    try:
        return int(text)
    except ValueError:
        return None
