"""Example clients: what a client could tell that fulfils the conditions of a rule, or of several at once.

Pure. An example may be missing where there is one: it is looked for among the values that the conditions name, and
those next to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from releases.blobs.errors import BadVersion
from releases.blobs.expressions import parse_comparison
from releases.blobs.versions import MozVersion, is_loose, parse_version
from rules.engine import fields
from rules.engine.rule import Rule

# What a client tells, by the name of the field in rules; all as texts.
Client = dict[str, str]
# A device that a whitelist lists, by the whitelist's name; None for an empty list.
ListedDevice = Callable[[str], str | None]

PLAIN: Client = {
    "product": "Firefox",
    "channel": "release",
    "version": "100.0",
    "build_target": "WINNT_x86_64-msvc",
}
_FIELDS = {field.name: field for field in fields.ALL}
_ARCHITECTURE = "Intel"
VALUES_OF_A_FIELD = 12
PAIRS = 150


def example(*rules: Rule, listed: ListedDevice, plain: Client | None = None) -> Client | None:
    """Return a client that fulfils all conditions of each rule, None when none is found.

    Fields that no rule asks about are as in `plain`, and PLAIN.
    """
    named = {rule.product for rule in rules} - {None}
    if len(named) > 1:
        return None
    found: Client = {**PLAIN, **(plain or {})}
    found["product"] = next(iter(named), None) or found["product"]
    for name, field in _FIELDS.items():
        asked = [value for value in (getattr(rule, name) for rule in rules) if value is not None]
        if name == "product" or not asked:
            continue
        if name == "header_architecture":
            if any(value != _ARCHITECTURE for value in asked):
                return None  # only the User-Agent tells another one
            continue
        loose = is_loose(found["product"])
        choice = next(
            (
                text
                for text in _near(name, asked, loose=loose)
                if all(field.accepts(value, _typed(name, text), found["product"]) for value in asked)
            ),
            None,
        )
        if choice is None:
            return None
        found[name] = choice
    return _with_device(found, {rule.whitelist for rule in rules if rule.whitelist is not None}, listed)


def examples(
    rule: Rule, others: Sequence[Rule], *, listed: ListedDevice, plain: Client | None = None
) -> Iterator[Client]:
    """Yield clients that fulfil a rule's conditions and differ in what the other rules ask about; the plainest first.

    For each of `others` that can match the same client, one such client is among them, as far as PAIRS goes.
    """
    products = [rule.product] if rule.product else list(dict.fromkeys(other.product for other in others))[:5]
    for product in products or [None]:
        usual = {**(plain or {}), **({"product": product} if product else {})}
        first = example(rule, listed=listed, plain=usual)
        if first is None:
            continue
        yield first
        of_product = [other for other in others if other.product in (None, product)]
        for name in _FIELDS:
            yield from _varied(rule, name, first, of_product)
        for other in of_product[:PAIRS]:
            pair = example(rule, other, listed=listed, plain=usual)
            if pair is not None:
                yield pair


def _varied(rule: Rule, name: str, first: Client, others: Iterable[Rule]) -> Iterator[Client]:
    if name in ("product", "header_architecture"):
        return
    mine, product = getattr(rule, name), first["product"]
    asked = dict.fromkeys(value for value in (getattr(other, name) for other in others) if value is not None)
    texts = dict.fromkeys(
        text
        for value in islice(asked, VALUES_OF_A_FIELD)
        for text in _near(name, [value], loose=is_loose(product))
    )
    for text in islice(texts, 2 * VALUES_OF_A_FIELD):
        if mine is None or _FIELDS[name].accepts(mine, _typed(name, text), product):
            yield {**first, name: text}


def _with_device(found: Client, lists: set[str], listed: ListedDevice) -> Client | None:
    for name in lists:
        imei = listed(name)
        if imei is None:
            return None
        found["imei"] = imei
    return found


def _typed(name: str, text: str) -> Any:
    """Return a text as queries have it."""
    if name in ("jaws", "mig64"):
        return text == "1"
    return int(text) if name == "memory" else text


# --- Values near to what conditions name --------------------------------------------------------------------


def _near(name: str, asked: Sequence[Any], *, loose: bool) -> list[str]:
    """Return texts that are worth a try for a field of which rules ask this."""
    found: list[str] = []
    if name == "os_version":
        found.append(" ".join(_parts(value)[0] for value in asked))
    for value in asked:
        found += _NEAR.get(name, _itself)(value, loose)
    return list(dict.fromkeys(text for text in found if text))


def _itself(value: Any, loose: bool) -> list[str]:  # noqa: FBT001
    return [str(int(value)) if isinstance(value, bool) else str(value)]


def _items(value: str, loose: bool) -> list[str]:  # noqa: FBT001
    return [item.strip() for item in value.split(",")]


def _channels(value: str, loose: bool) -> list[str]:  # noqa: FBT001
    if not value.endswith("*"):
        return [value]
    start = value.removesuffix("*")
    return [f"{start}x", start] if start.endswith("-") or not start else [start, f"{start}-x"]


def _parts(value: str) -> list[str]:
    return [" ".join(part.strip() for part in item.split("&&")) for item in value.split(",")]


def _systems(value: str, loose: bool) -> list[str]:  # noqa: FBT001
    return _parts(value)


def _numbers(value: str, loose: bool) -> list[str]:  # noqa: FBT001
    found = parse_comparison(value)
    if found is None or not found.operand.isdigit():
        return [value]
    number = int(found.operand)
    return [str(near) for near in (number, number + 1, number - 1) if near >= 0]


def _sizes(value: str, loose: bool) -> list[str]:  # noqa: FBT001
    return [text for text in _numbers(value, loose) if text.isascii() and text.isdecimal()]


def _versions(value: str, loose: bool) -> list[str]:  # noqa: FBT001
    near: list[str] = []
    for item in value.split(","):
        found = parse_comparison(item.strip())
        if found is None or not found.operand:
            continue
        operand = found.operand
        near.append(operand)
        plain = operand.removesuffix("*").rstrip(".")
        if plain != operand:
            near += [f"{plain}.0", f"{plain}.0.0"]
        elif not loose:
            near += _beside(operand)
        else:
            near += [f"{operand}.1", "0.1"]
    return near


def _beside(operand: str) -> list[str]:
    try:
        version = parse_version(operand)
    except BadVersion:
        return []
    if not isinstance(version, MozVersion):
        return []
    major = version.key[0]
    beside = [f"{major + 1}.0", f"{operand}.1" if operand.count(".") == 1 else f"{major}.99"]
    return [*beside, f"{major - 1}.0", "1.0"] if major > 1 else [*beside, "0.1"]


_NEAR: dict[str, Callable[[Any, bool], list[str]]] = {
    "channel": _channels,
    "version": _versions,
    "build_id": _numbers,
    "memory": _sizes,
    "os_version": _systems,
    "instruction_set": _items,
    "distribution": _items,
    "locale": _items,
}
