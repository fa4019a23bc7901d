"""Roles, requirements and accounts: nothing that could never be met, nobody locked out, races included."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection, connections

from history.changesets import change_set
from history.exceptions import OutdatedDataError
from releng.permissions import actions
from releng.permissions.exceptions import (
    ExistsError,
    LastAdministratorError,
    NoPermissionsError,
    RoleNeededError,
    TooFewHoldersError,
)
from releng.permissions.models import Account, Permission, ProductRequiredSignoff, Role
from tests.people import administrator, person

pytestmark = pytest.mark.django_db


def acting() -> Any:
    return change_set(actor_name="tester")


def test_grant__options__are_checked_and_kept_in_order() -> None:
    bob = person("bob")
    with acting():
        row = actions.grant(bob, "rule", ["Zeta", "Acme"], ["modify", "create"])
    assert (row.products, row.actions) == (["Acme", "Zeta"], ["create", "modify"])
    with acting(), pytest.raises(ExistsError, match="already"):
        actions.grant(bob, "rule")
    for name, products, listed in (
        ("permission", ["Acme"], None),
        ("pinnable_release", None, ["create"]),
        ("release_locale", None, ["delete"]),
        ("rule", [""], None),
        ("rule", ["Ä"], None),
        ("moon", None, None),
    ):
        with acting(), pytest.raises(ValidationError):
            actions.grant(person(f"p{name}{products}{listed}"), name, products, listed)


def test_update_and_revoke__stale__are_refused() -> None:
    bob = person("bob", "rule", "release")
    row = Permission.objects.get(permission="rule")
    with acting():
        actions.update_permission(row.pk, based_on=1, products=["Acme"])
    for verb in (actions.update_permission, actions.revoke):
        with acting(), pytest.raises(OutdatedDataError):
            verb(row.pk, based_on=1)
    assert Permission.objects.filter(user=bob).count() == 2


def test_revoke__last_permission__takes_the_roles_along() -> None:
    bob = person("bob", "rule", roles=["qa", "relman"])
    with acting():
        actions.revoke(Permission.objects.get(user=bob).pk, based_on=1)
    assert not Role.objects.filter(user=bob).exists()


def test_revoke__last_permission_of_somebody_needed__is_refused() -> None:
    bob = person("bob", "rule", roles=["qa"])
    with acting():
        actions.require_for_product("Acme", "release", "qa", 1)
    with acting(), pytest.raises(RoleNeededError):
        actions.revoke(Permission.objects.get(user=bob).pk, based_on=1)
    assert Permission.objects.filter(user=bob).exists()


def test_grant_role__twice_and_to_somebody_without_permissions() -> None:
    bob = person("bob", "rule")
    with acting():
        assert actions.grant_role(bob, "qa")[1]
        assert not actions.grant_role(bob, "qa")[1]
    with acting(), pytest.raises(NoPermissionsError):
        actions.grant_role(person("new"), "qa")
    with acting():
        assert actions.grant_role(person("otto"), "auditor")[1]


def test_requirement__more_than_there_are_people__is_refused() -> None:
    person("bob", "rule", roles=["qa"])
    person("robot", "rule", roles=["qa"], system=True)
    with acting(), pytest.raises(TooFewHoldersError, match="only 1 active people"):
        actions.require_for_product("Acme", "release", "qa", 2)
    with acting():
        row = actions.require_for_product("Acme", "release", "qa", 1)
    with acting(), pytest.raises(TooFewHoldersError):
        actions.update_requirement(row, 2, based_on=1)
    with acting(), pytest.raises(ValidationError):
        actions.require_for_product("Acme", "release", "auditor", 1)


def test_last_administrator__stays() -> None:
    ada = administrator()
    row = Permission.objects.get(user=ada)
    for verb in (
        lambda: actions.revoke(row.pk, based_on=1),
        lambda: actions.update_permission(row.pk, based_on=1, products=["Acme"]),
        lambda: actions.deactivate(ada),
    ):
        with acting(), pytest.raises(LastAdministratorError):
            verb()
    administrator("eve")
    with acting():
        actions.revoke(row.pk, based_on=1)


def test_deactivate__ends_sessions_and_is_remembered(client: Any) -> None:
    bob = person("bob", "rule")
    client.force_login(bob)
    assert client.get("/admin/").status_code == 200
    with acting():
        actions.deactivate(bob)
    assert client.get("/admin/").status_code == 302
    with acting():
        actions.activate(bob)
    assert client.get("/admin/").status_code == 302, "the old session is gone"
    assert [row.is_active for row in Account.history.filter(user=bob).order_by("history_id")] == [False, True]


def race(verbs: list[Callable[[], Any]]) -> list[Exception | None]:
    """Do all at once, each in a thread and change set of its own."""
    barrier, results = threading.Barrier(len(verbs)), [None] * len(verbs)

    def run(number: int) -> None:
        try:
            barrier.wait(10)
            with acting():
                verbs[number]()
        except Exception as error:
            results[number] = error  # type: ignore[call-overload]
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(verbs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(results)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_revoke_role__of_two_holders_at_once__one_stays() -> None:
    for number in range(10):
        role = f"role{number}"
        rows = [Role.objects.get(user=person(f"{name}{number}", "rule", roles=[role])) for name in "ab"]
        with acting():
            actions.require_for_product("Acme", "release", role, 1)
        results = race([lambda row=row: actions.revoke_role(row.pk, based_on=1) for row in rows])  # type: ignore[misc]
        assert sum(result is None for result in results) == 1, results
        assert Role.objects.filter(role=role).count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_requirement_raised_while_a_role_is_revoked__it_can_still_be_met() -> None:
    for number in range(10):
        role = f"role{number}"
        rows = [Role.objects.get(user=person(f"{name}{number}", "rule", roles=[role])) for name in "ab"]
        with acting():
            requirement = actions.require_for_product("Acme", "release", role, 1)
        race(
            [
                lambda row=rows[0]: actions.revoke_role(row.pk, based_on=1),  # type: ignore[misc]
                lambda wanted=requirement: actions.update_requirement(wanted, 2, based_on=1),  # type: ignore[misc]
            ]
        )
        required = ProductRequiredSignoff.objects.get(role=role).signoffs_required
        assert Role.objects.filter(role=role).count() >= required


# --- Commands -----------------------------------------------------------------------------------------------


def test_create_admin__first_again_and_from_an_existing_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCOUNT_PASSWORD", "correct-horse-battery")
    for _ in range(2):
        call_command("create_admin", "ada")
    ada = get_user_model().objects.get(username="ada")
    assert (ada.is_staff, ada.is_superuser, ada.check_password("correct-horse-battery")) == (
        True,
        False,
        True,
    )
    assert ada.has_perm("rules.delete_rule")
    bob = person("bob", "admin", products=["Acme"], staff=False)
    call_command("create_admin", "bob")
    bob.refresh_from_db()
    assert (bob.is_staff, bob.check_password("only-for-tests")) == (True, True)
    assert Permission.objects.get(user=bob).products is None


def test_create_admin__weak_password__is_refused_and_nothing_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCOUNT_PASSWORD", "1234")
    with pytest.raises(CommandError, match="too short"):
        call_command("create_admin", "ada")
    assert not get_user_model().objects.exists()


def test_create_account__all_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCOUNT_PASSWORD", "correct-horse-battery")
    options = ["--permission", "rule:create,modify", "--permission", "permission:view", "--product", "Acme"]
    call_command("create_account", "bob", *options, "--role", "relman")
    bob = get_user_model().objects.get(username="bob")
    rows = {row.permission: (row.products, row.actions) for row in Permission.objects.filter(user=bob)}
    assert rows == {"rule": (["Acme"], ["create", "modify"]), "permission": (None, ["view"])}
    with pytest.raises(CommandError, match="not a valid choice"):
        call_command("create_account", "eve", "--permission", "moon")
    with pytest.raises(CommandError, match="never signs off"):
        call_command("create_account", "robot", "--system", "--role", "qa")
    assert not get_user_model().objects.filter(username__in=["eve", "robot"]).exists()
