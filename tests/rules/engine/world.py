"""Small snapshots for tests: rules with little to write, and the invented releases of protocol.md section 15."""

from __future__ import annotations

from releases.blobs import Document, blob_for
from rules.engine.decide import decide
from rules.engine.rule import Rule
from rules.engine.snapshot import Release, Snapshot
from tests.releases.blobs import acme


def rule(rule_id, mapping=None, **fields):
    """A rule of priority 100 and rate 100, for everybody unless `fields` say otherwise."""
    return Rule(
        **{"rule_id": rule_id, "data_version": rule_id + 10, "priority": 100, "mapping": mapping, **fields}
    )


def release(document, product=None):
    """A release of a snapshot, as a loader makes it."""
    return Release(product or document.get("product") or "Acme", blob_for(Document.from_dict(document)))


def desupport(name, version="4.0"):
    """A release that is offered to everybody."""
    return {
        "name": name,
        "schema_version": 50,
        "detailsUrl": "https://d.example/%LOCALE%/%VERSION%/%OS%",
        "displayVersion": version,
    }


def full(version):
    """An application release with one complete patch."""
    return {
        **acme.acme_10(),
        "name": f"A-{version}",
        "appVersion": version,
        "displayVersion": version,
        "updateLine": [],
    }


def snapshot(rules, *documents, products=(), **more):
    """A snapshot of rules and documents; `products` are (release's name, product) that differ from Acme."""
    differing = dict(products)
    return Snapshot.build(
        rules=rules,
        releases={
            document["name"]: release(document, differing.get(document["name"])) for document in documents
        },
        allowlist=acme.ALLOWLIST,
        special_force_hosts=acme.SPECIAL_FORCE_HOSTS,
        **more,
    )


def no_dice():
    """Dice that must not be asked."""
    raise AssertionError("the dice were asked")


def decided(world, dice=no_dice, **fields):
    """The decision for Acme 9.0 with `fields` that differ; `dice` may be a number."""
    return decide(acme.query(**fields), world, dice if callable(dice) else lambda: dice)
