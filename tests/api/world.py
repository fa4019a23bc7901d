"""One row of everything that the API knows, for tests that ask all of its endpoints."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from history.changesets import change_set
from releases.models import Release
from releng.changes.actions import Proposal, propose
from releng.permissions.models import Permission, PermissionRequiredSignoff, ProductRequiredSignoff
from tests.factories import (
    PLATFORM,
    AllowedDomainFactory,
    PinFactory,
    ReleaseFactory,
    RuleFactory,
    ShutoffFactory,
    locale_document,
    release_document,
)
from tests.people import permissions_require, person, requires

FAR_AHEAD = datetime(2100, 1, 1, tzinfo=UTC)
FAR_AHEAD_MS = 4_102_444_800_000


@dataclass
class World:
    """What stands in the database: `keys` are values for parameters of addresses, `changes` the changes by kind."""

    keys: dict[str, Any]
    changes: dict[str, int] = field(default_factory=dict)

    def address(self, path: str) -> str:
        """Return an address whose parameters, written `{name}`, name rows that exist."""
        sc_id = self.changes["rule"]
        for kind, place in KIND_OF_PLACE.items():
            if f"scheduled_changes/{place}/" in path:
                sc_id = self.changes[kind]
        if "scheduled_change/diff/release/" in path:
            sc_id = self.changes["release"]
        return path.format_map({**self.keys, "sc_id": sc_id, "change_id": self.changes["rule"]})


KIND_OF_PLACE = {
    "rule": "rules",
    "release": "releases",
    "permission": "permissions",
    "emergency_shutoff": "emergency_shutoff",
    "product_signoff": "required_signoffs/product",
    "permission_signoff": "required_signoffs/permissions",
    "pinnable_release": "pinnable_releases",
}


def make_world() -> World:
    """Make one row of each kind, all of the product Acme, and a scheduled change for each kind."""
    AllowedDomainFactory()
    rule = RuleFactory(mapping=ReleaseFactory(name="Acme-1"), alias="acme-release")
    ReleaseFactory(name="Acme-2")
    ReleaseFactory(name="Acme-spare")
    ReleaseFactory(name="Acme-locked", read_only=True)
    signed = RuleFactory(channel="signed", mapping=None)
    shutoff = ShutoffFactory(channel="beta")
    ShutoffFactory(channel="release", locale="de")
    pinned = ReleaseFactory(name="Acme-0")
    pin = PinFactory(version="10.", mapping=pinned)
    PinFactory(version="11.", mapping=pinned)
    author = person("author", "admin", roles=["qa", "relman"])
    subject = person("subject", "rule", "release", products=["Acme"], roles=["qa"])
    requires("Acme", "signed", qa=1)
    permissions_require("Zeta", qa=1)
    world = World(
        {
            "id_or_alias": "acme-release",
            "rule_id": rule.pk,
            "column": "product",
            "name": "Acme-2",
            "platform": PLATFORM,
            "locale": "de",
            "version": "10.",
            "product": "Acme",
            "channel": "release",
            "username": subject.username,
            "permission": "rule",
            "role": "qa",
            "place": f".platforms.{PLATFORM}.locales.de",
        }
    )
    held = Permission.objects.get(user=subject, permission="rule")
    proposals = {
        "rule": Proposal("rule", "update", {"priority": 7}, signed.pk),
        "release": Proposal(
            "release",
            "update",
            {"document": release_document("Acme-2", "11.0")},
            Release.objects.get(name="Acme-2").pk,
        ),
        "permission": Proposal("permission", "update", {"products": ["Acme", "Zeta"]}, held.pk),
        "emergency_shutoff": Proposal("emergency_shutoff", "delete", object_id=shutoff.pk),
        "product_signoff": Proposal(
            "product_signoff", "delete", object_id=ProductRequiredSignoff.objects.get().pk
        ),
        "permission_signoff": Proposal(
            "permission_signoff", "delete", object_id=PermissionRequiredSignoff.objects.get().pk
        ),
        "pinnable_release": Proposal("pinnable_release", "update", {"mapping": "Acme-2"}, pin.pk),
    }
    for kind, proposal in proposals.items():
        with change_set(actor=author, reason=f"schedule: {kind}"):
            made = propose(author, [proposal], conditions={"when": FAR_AHEAD}, reason=kind)
        world.changes[kind] = made.pk
    return world


LOCALE_TEXT = json.dumps(locale_document())
DOCUMENT_TEXT = json.dumps(release_document("Acme-3", "12.0"))
LIMITED = '{"products": ["Acme"], "actions": ["modify"]}'


def text_of(name: str) -> str:
    """Return the document of another release as it is sent."""
    return DOCUMENT_TEXT.replace("Acme-3", name)
