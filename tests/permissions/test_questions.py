"""Who may do what, against a table written down by hand; and who must agree, by property."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from history.changesets import change_set
from releng.permissions.models import OPTIONS
from releng.permissions.questions import (
    EVERY_PRODUCT,
    allows,
    channels_meet,
    holders,
    permission_requirements,
    product_requirements,
    roles_of,
    strictest,
)
from tests.people import again, grant, permissions_require, person, requires

pytestmark = pytest.mark.django_db

ACTIONS = ("create", "modify", "delete", "view", "set", "unset", "enact")
PRODUCTS = ("Acme", "Other", None, EVERY_PRODUCT)


def expected(held: str, products: list[str] | None, asked: str, action: str, product: Any) -> bool:
    """Features Q03, in other words than the code's."""
    name, _, actions = held.partition(":")
    concerned = name == "admin" or (name == asked and (not actions or action in actions.split(",")))
    if not concerned:
        return False
    if not products or product is EVERY_PRODUCT:
        return True
    return product is not None and product in products


HOLDINGS = [
    *[("admin", products) for products in (None, ["Acme"], ["Acme", "Other"])],
    *[(name, None) for name in OPTIONS if name != "admin"],
    *[(name, ["Acme"]) for name, (limited, _) in OPTIONS.items() if limited and name != "admin"],
    *[(f"{name}:{action}", None) for name, (_, actions) in OPTIONS.items() for action in sorted(actions)],
]


@pytest.mark.parametrize(("held", "products"), HOLDINGS)
def test_allows__every_question__as_the_table_says(held: str, products: list[str] | None) -> None:
    user = again(person("who", held, products=products))
    for asked, action, product in itertools.product(OPTIONS, ACTIONS, PRODUCTS):
        if asked == "admin":
            continue
        assert allows(user, asked, action, product) == expected(held, products, asked, action, product), (
            asked,
            action,
            product,
        )


def test_admin_row__decides_alone__other_rows_are_not_asked() -> None:
    user = person("who", "admin", products=["Acme"])
    grant(user, "rule")
    assert allows(again(user), "rule", "create", "Acme")
    assert not allows(again(user), "rule", "create", "Other")


@pytest.mark.parametrize("how", ["inactive", "nobody"])
def test_nobody_and_the_inactive__may_nothing(how: str) -> None:
    user = person("who", *(["admin"] if how == "inactive" else []))
    if how == "inactive":
        user.is_active = False
        user.save()
    user = again(user)
    assert not any(allows(user, name, "create") for name in OPTIONS)
    assert user.get_all_permissions() == set()
    assert not user.has_perm("rules.view_rule")


def test_change__counts_from_the_next_request_on() -> None:
    user = person("who")
    assert not again(user).has_perm("rules.add_rule")
    row = grant(user, "rule")
    assert again(user).has_perm("rules.add_rule")
    with change_set(actor_name="x"):
        row.delete()
    assert not again(user).has_perm("rules.add_rule")


@pytest.mark.parametrize(
    ("held", "may_see"),
    [
        ("rule", {"rules.view_rule", "history.view_changeset", "changes.view_scheduledchange"}),
        ("scheduled_change", {"changes.view_scheduledchange"}),
        ("permission:view", {"permissions.view_permission", "auth.view_user", "rules.view_rule"}),
        ("", set()),
    ],
)
def test_views__by_what_one_holds(held: str, may_see: set[str]) -> None:
    user = again(person("who", *filter(None, [held])))
    for permission in (
        "rules.view_rule",
        "history.view_changeset",
        "changes.view_scheduledchange",
        "permissions.view_permission",
        "auth.view_user",
    ):
        if permission in may_see:
            assert user.has_perm(permission), permission
        elif held in ("scheduled_change", "") or permission in (
            "permissions.view_permission",
            "auth.view_user",
        ):
            assert not user.has_perm(permission), permission


def test_auditor__sees_everything_but_secrets_and_changes_nothing() -> None:
    user = again(person("who", roles=["auditor"]))
    granted = user.get_all_permissions()
    assert {"rules.view_rule", "permissions.view_historicalpermission", "auth.view_user"} <= granted
    assert all(name.partition(".")[2].startswith("view_") for name in granted)
    assert not any(name.startswith(("sessions.", "admin.", "axes.")) for name in granted)
    assert "oauth2_provider.view_accesstoken" not in granted
    assert roles_of(user) == frozenset()


def test_unknown_permission__is_denied_even_to_administrators() -> None:
    user = again(person("who", "admin"))
    for permission in (
        "rules.fly_rule",
        "sessions.change_session",
        "moon.add_base",
        "nonsense",
        "changes.delete_signoff",
    ):
        assert not user.has_perm(permission)


# --- Roles and requirements ---------------------------------------------------------------------------------


def test_holders__active_people_only() -> None:
    ann = person("ann", "rule", roles=["qa"])
    robot = person("robot", "rule", roles=["qa"], system=True)
    gone = person("gone", "rule", roles=["qa"])
    gone.is_active = False
    gone.save()
    assert holders("qa") == {ann.pk}
    assert [roles_of(user) for user in (ann, robot, gone)] == [{"qa"}, set(), set()]


def test_product_requirements__product_channel_and_none() -> None:
    requires("Acme", "release", qa=1, relman=2)
    requires("Acme", "beta", qa=3)
    requires("Other", "release", qa=5)
    assert product_requirements("Acme", "release") == {"qa": 1, "relman": 2}
    assert product_requirements("Acme", "release*") == {"qa": 1, "relman": 2}
    assert product_requirements("Acme", "nightly") == {}
    assert product_requirements("Acme", None) == {"qa": 3, "relman": 2}
    assert product_requirements(None, "release") == {"qa": 5, "relman": 2}
    assert product_requirements(None, None) == {"qa": 5, "relman": 2}


def test_permission_requirements__products_named_or_all() -> None:
    permissions_require("Acme", relman=1)
    permissions_require("Other", relman=2, qa=1)
    assert permission_requirements(["Acme"]) == {"relman": 1}
    assert permission_requirements(["Acme", "Other"]) == {"relman": 2, "qa": 1}
    assert permission_requirements(None) == {"relman": 2, "qa": 1}
    assert permission_requirements(["Third"]) == {}


channels = st.text("ab-", min_size=1, max_size=4)


@given(channels, st.booleans(), channels, st.booleans(), channels)
def test_channels_meet__whenever_one_channel_is_accepted_by_both(
    one: str, one_starred: bool, other: str, other_starred: bool, client: str
) -> None:
    def accepts(pattern: str, starred: bool) -> bool:
        return client.startswith(pattern) if starred else client == pattern

    first, second = one + "*" * one_starred, other + "*" * other_starred
    if accepts(one, one_starred) and accepts(other, other_starred):
        assert channels_meet(first, second)
    assert channels_meet(first, second) == channels_meet(second, first)
    assert channels_meet(first, first)


requirements = st.dictionaries(st.sampled_from("abc"), st.integers(1, 5))


@given(st.lists(requirements))
def test_strictest__asks_for_the_most_and_for_nothing_else(given_ones: list[dict[str, int]]) -> None:
    found = strictest(*given_ones)
    for one in given_ones:
        assert all(found[role] >= count for role, count in one.items())
    for role, count in found.items():
        assert any(one.get(role) == count for one in given_ones)
