"""A crowded system: what a large organisation has after some years."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from history.changesets import change_set
from history.models import ChangeSet, Generation
from releng.changes.actions import Proposal, propose
from releng.changes.models import AgentHeartbeat
from rules.actions import set_pin, shut_off
from rules.datafile import load
from rules.models import Rule
from tests.factories import locale_document
from tests.people import administrator, person, requires

RELEASES, RULES, HISTORY_ROWS, CHANGES = 1_000, 5_000, 100_000, 60
PRODUCTS = [f"Acme{number}" for number in range(20)]
CHANNELS = ["nightly", "beta*", "release*", "esr*", "release-cdntest"]
PLATFORMS = ["Linux_x86_64-gcc3", "WINNT_x86_64-msvc"]
START = datetime(2025, 1, 1, tzinfo=UTC)


def crowd() -> Any:
    """Fill the tables; return an administrator who may sign off."""
    administrator("ada")
    with change_set(actor_name="factory", reason="a crowd"):
        load(_data())
    busy = person("busy", "admin", roles=["releng", "qa"])
    for product in PRODUCTS[:3]:
        requires(product, "release*", releng=1, qa=1)
    _long_history()
    _changes(busy)
    with change_set(actor=busy, reason="stopped"):
        for product in PRODUCTS[:8]:
            shut_off(product=product, channel="release", comment="crashes")
        for number in range(50):
            set_pin(f"{PRODUCTS[0]}-{number * 20}", PRODUCTS[0], "release", f"{number + 1}.")
    AgentHeartbeat.objects.create(name="agent", last_pass=timezone.now())
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # as autovacuum does by itself
    return busy


def _data() -> dict[str, Any]:
    releases = []
    for number in range(RELEASES):
        product = PRODUCTS[number % len(PRODUCTS)]
        name = f"{product}-{number}"
        locales = {locale: locale_document() for locale in ("de", "en-US", "fr")}
        document = {"name": name, "schema_version": 9, "hashFunction": "sha512", "appVersion": f"{number}.0"}
        document["platforms"] = {platform: {"locales": locales} for platform in PLATFORMS}
        releases.append({"name": name, "product": product, "blob": document, "read_only": number % 7 == 0})
    rules = []
    for number in range(RULES):
        which = number % len(PRODUCTS)
        mapping = f"{PRODUCTS[which]}-{which + 20 * (number % 50)}"
        rule = {"priority": number % 500, "product": PRODUCTS[which], "mapping": mapping}
        rule["channel"] = CHANNELS[number // 20 % len(CHANNELS)]
        rule |= {"backgroundRate": 25 if number % 9 == 0 else 100, "update_type": "minor"}
        rule |= {"version": f"<{number}.0", "alias": f"rule-{number}"} if number % 3 == 0 else {}
        rules.append(rule)
    return {"releases": releases, "rules": rules}


def _long_history() -> None:
    """Every rule was written many times before; the versions count on from there."""
    versions = HISTORY_ROWS // RULES - 1
    row_of = Rule.history.model
    head = Generation.objects.get(pk=Generation.HEAD)
    sets = [
        ChangeSet(
            id=uuid.UUID(int=(number * 2_654_435_761 + 1) % 2**64),
            sequence=head.number + 1 + number,
            time=timezone.now(),
            actor_name=f"person{number % 50}",
            reason=f"reason {number}",
            origin="api" if number % 10 else "admin",
            digest="0" * 64,
        )
        for number in range(2_000)
    ]
    ChangeSet.objects.bulk_create(sets, batch_size=1_000)
    head.number += len(sets)
    head.save()
    copied = [field.attname for field in Rule._meta.concrete_fields if field.attname != "data_version"]
    rules = list(Rule.objects.values(*copied))
    row_of._base_manager.bulk_create(
        (
            row_of(
                **rule | {"priority": version},
                data_version=version,
                history_type="~" if version > 1 else "+",
                history_date=START,
                change_set=sets[(version * RULES + number) % len(sets)],
                digest="0" * 64,
            )
            for version in range(2, versions + 2)
            for number, rule in enumerate(rules)
        ),
        batch_size=5_000,
    )


def _changes(author: Any) -> None:
    rules = list(Rule.objects.order_by("pk")[:CHANGES])
    with change_set(actor=author, reason="plans"):
        for number, rule in enumerate(rules):
            conditions = {"when": timezone.now() + timedelta(hours=number + 1)} if number % 2 else {}
            propose(
                author,
                [Proposal("rule", "update", {"background_rate": 50}, rule.pk, rule.data_version)],
                conditions=conditions,
                reason=f"plan {number}",
            )
