"""Everybody who may come to the API, by what they hold: one of each kind of person, machine and stranger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.changes.test_matrix import PEOPLE
from tests.people import person

# Holders of one row each, beside those of the matrix of verbs; all rows of the tests are of Acme.
ALSO: dict[str, tuple[str, list[str] | None]] = {
    "release locale of Other": ("release_locale", ["Other"]),
    "read-only of Other": ("release_read_only", ["Other"]),
    "shutoff of Other": ("emergency_shutoff", ["Other"]),
    "permission modify": ("permission:modify", None),
    "permission delete": ("permission:delete", None),
}
BUILDS = ("release", "release_locale")


@dataclass(frozen=True)
class Holder:
    """What somebody holds; nobody is known of `anonymous`, and `agent` is a machine with a token."""

    permissions: tuple[str, ...] = ()
    products: tuple[str, ...] | None = None
    roles: tuple[str, ...] = ()
    is_system: bool = False

    def made(self, name: str) -> Any:
        """Make the account."""
        products = list(self.products) if self.products is not None else None
        return person(name, *self.permissions, products=products, roles=self.roles, system=self.is_system)


def _holders() -> dict[str, Holder]:
    found = {
        name: Holder(tuple(filter(None, [permission])), tuple(products) if products else None)
        for name, (permission, products) in {**PEOPLE, **ALSO}.items()
    }
    return found | {
        "anonymous": Holder(),
        "auditor": Holder(roles=("auditor",)),
        "agent": Holder(("scheduled_change",), is_system=True),
        "builds": Holder(BUILDS, is_system=True),
        "builds of Acme": Holder(BUILDS, ("Acme",), is_system=True),
        "builds of Other": Holder(BUILDS, ("Other",), is_system=True),
        "signer": Holder(("rule",), ("Other",), roles=("qa",)),
    }


HOLDERS = _holders()
EVERYBODY = frozenset(HOLDERS)
MACHINES = frozenset(name for name, holder in HOLDERS.items() if holder.is_system)
KNOWN = EVERYBODY - {"anonymous"}


def _of(text: str) -> frozenset[str]:
    found = frozenset(text.split(", "))
    assert found <= EVERYBODY, f"nobody is called {found - EVERYBODY}"
    return found


# Who may read, and who is asked at all about writes: the verbs then ask for each object.
READERS = KNOWN - {"nobody", "agent"}
AGENT_TOO = READERS | {"agent"}
WRITERS = READERS - {"auditor"}
READ_PEOPLE = _of("admin, admin of Acme, admin of Other, permission, permission view, auditor")

# Who may do what, to things of Acme.
ADMINS = _of("admin, admin of Acme")
ANY_ADMIN = _of("admin, admin of Acme, admin of Other")
CREATE_RULES = ADMINS | _of("rule, rule of Acme, rule create")
MODIFY_RULES = ADMINS | _of("rule, rule of Acme, rule modify")
DELETE_RULES = ADMINS | _of("rule, rule of Acme, rule delete")
_RELEASES = ADMINS | _of("release, release of Acme, builds, builds of Acme")
CREATE_RELEASES = _RELEASES | _of("release create")
MODIFY_RELEASES = _RELEASES | _of("release modify")
DELETE_RELEASES = _RELEASES | _of("release delete")
SUBMIT_LOCALES = ADMINS | _of("builds, builds of Acme")
LOCK = ADMINS | _of("read-only, read-only set")
UNLOCK = ADMINS | _of("read-only, read-only unset of Acme")
STOP = ADMINS | _of("shutoff, shutoff create of Acme")
RESUME = ADMINS | _of("shutoff, shutoff delete")
PIN = ADMINS | _of("pin")
GIVE_PERMISSIONS = _of("admin, permission, permission create")
CHANGE_PERMISSIONS = _of("admin, permission, permission modify")
TAKE_PERMISSIONS = _of("admin, permission, permission delete")
REQUIRE = ADMINS | _of("signoffs, signoffs of Acme")
ENACT = ANY_ADMIN | _of("agent")
SIGN = _of("signer")
