"""Writing on what decisions are made from, without storing it: the writes of scheduled changes, and unsaved values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from history.context import Change
from history.values import Json
from releases.blobs import Document, blob_for
from releases.blobs.document import Place
from releases.models import Release as StoredRelease
from releases.models import ReleasePart
from releng.changes.kinds import TARGETS
from releng.updates.material import Domain, Material, Pin
from rules.engine.rule import Rule
from rules.engine.snapshot import Release, Shutoff

Values = Mapping[str, Json]


class NotThereError(LookupError):
    """A write is for a row that is not there any more."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write: a kind of row (releng.changes.kinds), what happens to it, its key if it has one, and the values."""

    kind: str
    change: Change
    object_id: int | None
    values: Values


def apply(material: Material, write: Write) -> None:
    """Change the rows as enacting the write would; kinds that no decision is made from change nothing.

    The values are taken as checked. Raises NotThereError.
    """
    act = _ACTS.get(write.kind)
    if act is None:
        return
    try:
        act(material, write)
    except KeyError as error:
        raise NotThereError(f"{write.kind} {write.object_id} is not there any more") from error


def _rule(material: Material, write: Write) -> None:
    rows = material.rules
    if write.change == "insert":
        key = _new_key(rows)
        plain = TARGETS["rule"].values_of(TARGETS["rule"].model())
        rows[key] = Rule(rule_id=key, data_version=1, **{**plain, **write.values})
        return
    row = rows[write.object_id or 0]
    del rows[row.rule_id]
    if write.change == "update":
        values: Any = write.values
        rows[row.rule_id] = replace(row, data_version=row.data_version + 1, **values)


def _shutoff(material: Material, write: Write) -> None:
    if write.change == "insert":
        values: Any = write.values
        row = Shutoff(*(values.get(name) for name in Shutoff._fields))
        material.shutoffs[_new_key(material.shutoffs)] = row
    else:
        del material.shutoffs[write.object_id or 0]


def _pin(material: Material, write: Write) -> None:
    _plain(material.pins, write, Pin)


def _domain(material: Material, write: Write) -> None:
    def made(host: str, products: Any = (), path_regex: str = "", position: int = 0) -> Domain:
        return Domain(host, path_regex, position, products)

    _plain(material.domains, write, made)


def _plain(rows: dict[int, Any], write: Write, make: Callable[..., Any]) -> None:
    if write.change == "insert":
        rows[_new_key(rows)] = make(**write.values)
        return
    row = rows.pop(write.object_id or 0)
    if write.change == "update":
        rows[write.object_id or 0] = row._replace(**write.values)


def _force_host(material: Material, write: Write) -> None:
    rows = material.force_hosts
    if write.change == "insert":
        rows[_new_key(rows)] = str(write.values["prefix"])
        return
    prefix = rows.pop(write.object_id or 0)
    if write.change == "update":
        rows[write.object_id or 0] = str(write.values.get("prefix", prefix))


def _release(material: Material, write: Write) -> None:
    values: Any = write.values
    if write.change == "insert":
        material.releases.put(values["name"], _made(values["product"], values["document"]))
        return
    rows = StoredRelease.objects.filter(pk=write.object_id or 0)
    name = rows.values_list("name", flat=True).first() or ""
    stored = material.releases[name]
    if write.change == "delete":
        material.releases.put(name, None)
        return
    product = values.get("product", stored.product)
    if "document" in values:
        material.releases.put(name, _made(product, values["document"]))
    else:
        material.releases.put(name, replace(stored, product=product))


def _part(material: Material, write: Write) -> None:
    values: Any = write.values
    if write.change == "insert":
        rows = StoredRelease.objects.filter(pk=values["release"])
        name = rows.values_list("name", flat=True).first() or ""
        _put_part(material, name, (values["platform"], values["locale"]), values["document"])
        return
    found = ReleasePart.objects.filter(pk=write.object_id or 0).values_list(
        "release__name", "platform", "locale"
    )
    name, platform, locale = found.first() or ("", "", "")
    _put_part(material, name, (platform, locale), values["document"] if write.change == "update" else None)


def _put_part(material: Material, name: str, place: Place, data: dict[str, Any] | None) -> None:
    stored = material.releases[name]
    document = stored.blob.document.to_dict()
    platform, locale = place
    entry = {"locales": {}, **document.get("platforms", {}).get(platform, {})}
    others = {key: value for key, value in entry["locales"].items() if key != locale}
    entry["locales"] = others if data is None else {**others, locale: data}
    document["platforms"] = {**document.get("platforms", {}), platform: entry}
    material.releases.put(name, _made(stored.product, document))


def _made(product: str | None, document: dict[str, Any]) -> Release:
    return Release(product, blob_for(Document.from_dict(document)))


def _new_key(rows: Mapping[int, Any]) -> int:
    return max(rows, default=0) + 1


_ACTS: dict[str, Callable[[Material, Write], None]] = {
    "rule": _rule,
    "release": _release,
    "release_part": _part,
    "emergency_shutoff": _shutoff,
    "pinnable_release": _pin,
    "allowed_domain": _domain,
    "special_force_host": _force_host,
}
DECIDING = frozenset(_ACTS)
"""The kinds of rows that decisions are made from."""
