"""People for tests: users with permissions and roles, as rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model

from history.changesets import change_set
from releng.permissions.models import (
    Account,
    Permission,
    PermissionRequiredSignoff,
    ProductRequiredSignoff,
    Role,
)


def person(
    name: str,
    *permissions: str,
    products: list[str] | None = None,
    roles: Iterable[str] = (),
    staff: bool = True,
    system: bool = False,
) -> Any:
    """Make a user; a permission is written `rule`, or with actions `rule:create,modify`."""
    user = get_user_model().objects.create_user(name, f"{name}@example.com", "only-for-tests", is_staff=staff)
    with change_set(actor_name="factory", reason=f"make {name}"):
        if system:
            Account(user=user, kind=Account.Kind.SYSTEM).save()
        for text in permissions:
            grant(user, text, products)
        for role in roles:
            Role(user=user, role=role).save()
    return user


def grant(user: Any, text: str, products: list[str] | None = None) -> Permission:
    """Give a user one more permission."""
    name, _, actions = text.partition(":")
    row = Permission(
        user=user, permission=name, products=products, actions=actions.split(",") if actions else None
    )
    with change_set(actor_name="factory"):
        row.full_clean()
        row.save()
    return row


def administrator(name: str = "ada") -> Any:
    """Make somebody who may do everything."""
    return person(name, "admin")


def auditor(name: str = "otto") -> Any:
    """Make somebody who sees everything and changes nothing."""
    return person(name, roles=["auditor"])


def requires(product: str, channel: str, **roles: int) -> None:
    """Let changes of a product's channel need signoffs: `requires("Acme", "release", qa=1)`."""
    with change_set(actor_name="factory"):
        for role, count in roles.items():
            ProductRequiredSignoff(
                product=product, channel=channel, role=role, signoffs_required=count
            ).save()


def permissions_require(product: str, **roles: int) -> None:
    """Let changes of permissions for a product need signoffs."""
    with change_set(actor_name="factory"):
        for role, count in roles.items():
            PermissionRequiredSignoff(product=product, role=role, signoffs_required=count).save()


def again(user: Any) -> Any:
    """Return a user as the next request would read it."""
    return get_user_model().objects.get(pk=user.pk)
