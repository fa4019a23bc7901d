"""Signoff requirements, and how many people can fulfil each; and the roles with those who hold them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse

from releng.console.pages import Page, render_page
from releng.permissions.models import PermissionRequiredSignoff, ProductRequiredSignoff, RequiredSignoff
from releng.permissions.who import people_allowed, people_by_role

SEE = "permissions.view_productrequiredsignoff"
ADD = "permissions.add_productrequiredsignoff"


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """A requirement and the people who can sign for it."""

    row: Any
    people: list[str]

    @property
    def can_be_met(self) -> bool:
        """Whether enough people hold the role."""
        return len(self.people) >= self.row.signoffs_required

    @property
    def hangs_on_all(self) -> bool:
        """Whether nobody of them may be away."""
        return len(self.people) == self.row.signoffs_required


@dataclass(slots=True)
class OfProduct:
    """The requirements of a product: of its channels, and of permissions that reach it."""

    product: str
    channels: list[Fulfilment] = field(default_factory=list)
    permissions: list[Fulfilment] = field(default_factory=list)


def by_product(people: Mapping[str, list[str]]) -> list[OfProduct]:
    """Return all requirements by product: two queries."""
    found: dict[str, OfProduct] = {}

    def add(row: RequiredSignoff, name: str) -> None:
        place = found.setdefault(row.product, OfProduct(row.product))
        getattr(place, name).append(Fulfilment(row, people.get(row.role, [])))

    for channel in ProductRequiredSignoff.objects.all():
        add(channel, "channels")
    for permission in PermissionRequiredSignoff.objects.all():
        add(permission, "permissions")
    return [found[product] for product in sorted(found)]


def unmet_without(name: str) -> list[Fulfilment]:
    """Return the requirements that can be met now, and could not if this person were not there: three queries."""
    everybody = people_by_role()
    others = {role: [one for one in people if one != name] for role, people in everybody.items()}
    return [
        item
        for one in by_product(others)
        for item in (*one.channels, *one.permissions)
        if not item.can_be_met and len(everybody.get(item.row.role, [])) >= item.row.signoffs_required
    ]


def listing(request: HttpRequest) -> HttpResponse:
    """Show who must agree to what, and who can."""
    user: Any = request.user
    people = people_by_role()
    products = by_product(people)
    asked: dict[str, int] = defaultdict(int)
    for one in products:
        for item in (*one.channels, *one.permissions):
            asked[item.row.role] = max(asked[item.row.role], item.row.signoffs_required)
    roles = [(role, people.get(role, []), asked.get(role, 0)) for role in sorted({*people, *asked})]
    may_add = user.has_perm(ADD)
    return render_page(
        request,
        "console/requirements.html",
        "Who must agree",
        products=products,
        roles=roles,
        unmet=sum(not item.can_be_met for one in products for item in (*one.channels, *one.permissions)),
        may_add=may_add,
        helpers=[] if may_add else people_allowed(ADD),
    )


PAGES = (Page("people/requirements/", "requirements", listing, (SEE,)),)
