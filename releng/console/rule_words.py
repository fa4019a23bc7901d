"""What rules look like to people: their conditions in words, which fields matter to a product, an example address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from releases.blobs.errors import BadVersion
from releases.blobs.expressions import Comparison, parse_comparison
from releases.blobs.versions import LOOSE_PRODUCTS, MozVersion, is_loose, parse_version
from releng.updates.request import parse_request
from rules.engine import fields
from rules.models import Rule

LONG_CHARACTERS = 60

# Field -> how people call it; the conditions besides product and channel, in the order in which they are read.
CONDITIONS: dict[str, str] = {
    "version": "version",
    "build_id": "build ID",
    "build_target": "platform",
    "header_architecture": "architecture",
    "locale": "locale",
    "distribution": "distribution",
    "dist_version": "distribution version",
    "os_version": "OS version",
    "instruction_set": "instruction set",
    "memory": "memory",
    "jaws": "JAWS",
    "mig64": "mig64",
    "whitelist": "only devices of",
}
LABELS: dict[str, str] = {
    **CONDITIONS,
    "mapping": "mapping",
    "fallback_mapping": "fallback mapping",
    "background_rate": "background rate",
    "update_type": "update type",
    "product": "product",
    "channel": "channel",
    "priority": "priority",
    "alias": "alias",
    "comment": "comment",
}
# What the clients of these products send (protocol.md section 1, /json/).
SENT_AS_JSON = frozenset({"version", "build_target", "os_version"})


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule; `count` is set for lists that are too long to be shown whole."""

    label: str
    text: str
    count: int = 0


def conditions(rule: Rule) -> list[Condition]:
    """Return what a rule asks besides product and channel."""
    found = []
    for name, label in CONDITIONS.items():
        value = getattr(rule, _attname(name))
        if value is None:
            continue
        text = {True: "yes", False: "no"}.get(value, str(value))
        items = text.count(",") + 1
        found.append(Condition(label, text.replace(",", ", "), items if len(text) > LONG_CHARACTERS else 0))
    return found


def client_words(client: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what a client tells, with what people call it; product and channel first, without a name."""
    named = [("", client[name]) for name in ("product", "channel") if name in client]
    return named + [
        (LABELS.get(name, name), text) for name, text in client.items() if name not in ("product", "channel")
    ]


def irrelevant_fields(product: str | None) -> frozenset[str]:
    """Return the conditions that the clients of a product never tell anything about."""
    return frozenset(CONDITIONS) - SENT_AS_JSON if product in LOOSE_PRODUCTS else frozenset()


def unsent_conditions(rule: Rule) -> list[str]:
    """Return the fields by which a rule asks for what the clients of its product never tell."""
    names = irrelevant_fields(rule.product)
    return [name for name in CONDITIONS if name in names and getattr(rule, _attname(name)) not in (None, "")]


def update_path(rule: Rule) -> str:
    """Return the path of an update request that fulfils a rule's conditions, as far as one path can.

    What the path cannot tell (an architecture of the User-Agent, a device of a list) is left to the reader.
    """
    product = rule.product or "Firefox"
    version = _example(rule.version, "version", product, "100.0")
    channel = (rule.channel or "release").removesuffix("*")
    channel += "partner" if channel.endswith("-") else ""
    target = rule.build_target or "WINNT_x86_64-msvc"
    system = _system(rule.os_version)
    if is_loose(product):
        more = [system] if rule.os_version else []
        parts = ["json", "2" if more else "1", product, version, target, channel, *more, "update.json"]
        return "/" + "/".join(map(_segment, parts))
    instructions, memory = _first(rule.instruction_set, "SSE4_2"), _number(rule.memory, 8192)
    instructions, memory = _first(rule.instruction_set, "SSE4_2"), _number(rule.memory, 8192)
    capabilities = f"ISET:{instructions},MEM:{memory},JAWS:{int(bool(rule.jaws))}"
    parts = ["update", "6", product, version, str(_number(rule.build_id, 20200101000000)), target]
    parts += [_first(rule.locale, "en-US"), channel, system, capabilities]
    parts += [_first(rule.distribution, "default"), rule.dist_version or "default", "update.xml"]
    asked = "" if rule.mig64 is None else f"?mig64={int(rule.mig64)}"
    return "/" + "/".join(map(_segment, parts)) + asked


def unmet_conditions(rule: Rule, path: str) -> list[str]:
    """Return the labels of the conditions that the request of a path does not fulfil."""
    plain, _, asked = path.partition("?")
    query = parse_request(plain, asked).query
    if query is None:
        return ["product"]
    found = []
    for field in fields.ALL:
        mine, theirs = getattr(rule, field.name), getattr(query, field.name)
        if mine is not None and not field.accepts(mine, theirs, query.product):
            found.append(LABELS[field.name])
    return found + ([LABELS["whitelist"]] if rule.whitelist_id else [])


def _attname(name: str) -> str:
    return "whitelist_id" if name == "whitelist" else name


def _segment(text: str) -> str:
    return quote(text, safe=":,")


def _first(text: str | None, default: str) -> str:
    return text.split(",")[0].strip() if text else default


def _system(text: str | None) -> str:
    return " ".join(_first(text, "Windows_NT 10.0.0.0.19045.5737").split("&&"))


def _number(text: str | None, default: int) -> int:
    found = parse_comparison(text) if text else None
    if found is None or not found.operand.isdigit():
        return default
    return int(found.operand) + {"<": -1, ">": 1}.get(found.operator, 0)


def _example(text: str | None, name: str, product: str, default: str) -> str:
    """Return a version that a rule accepts, or the nearest that can be said."""
    if not text:
        return default
    field = next(field for field in fields.ALL if field.name == name)
    candidates = [candidate for item in text.split(",") for candidate in _near(parse_comparison(item))]
    accepted = (value for value in candidates if field.accepts(text, value, product))
    return next(accepted, candidates[0] if candidates else default)


def _near(found: Comparison | None) -> list[str]:
    if found is None or not found.operand:
        return []
    plain = found.operand.removesuffix("*").rstrip(".")
    try:
        version = parse_version(found.operand)
    except BadVersion:
        return [found.operand]
    if not isinstance(version, MozVersion):
        return [f"{plain}.0", f"{plain}.0.0"]
    major = version.key[0]
    steps = {"<": major - 1, ">": major + 1}
    return [f"{steps[found.operator]}.0", "1.0"] if found.operator in steps else [found.operand]
