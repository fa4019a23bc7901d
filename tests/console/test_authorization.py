"""Who may open which page of the admin, and send its forms: every address x everybody, cell by cell.

The addresses come from the URL configuration, what is expected from the tables in tests/console/reach.py. Links and
buttons are followed: what is shown can be opened, and what can be opened is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.db import transaction
from django.test import Client
from django.urls import Resolver404, URLResolver, get_resolver, resolve
from oauth2_provider import models as oauth

from history.models import ChangeSet
from releases.models import AllowedDomain, Release, ReleasePart
from releng.permissions.models import Permission, PermissionRequiredSignoff, ProductRequiredSignoff, Role
from rules.models import EmergencyShutoff, PinnableRelease, Rule
from tests.api.roles import HOLDERS, Holder
from tests.api.world import FAR_AHEAD, World, make_world
from tests.console.reach import LEAD_ON, MODELS, NOBODY, PAGES, Reach
from tests.factories import SpecialForceHostFactory
from tests.people import person

pytestmark = pytest.mark.once

HOW_TO_ADD = "say in tests/console/reach.py who may open it and who may send its form"
# Of those who come to the API the ones that differ here, and somebody who holds a row but is no staff.
WHO = (
    *("anonymous", "outsider", "nobody", "agent", "auditor", "admin", "admin of Acme", "admin of Other"),
    *("rule", "rule of Other", "rule delete", "release", "builds of Acme", "shutoff", "shutoff of Other"),
    *("pin", "permission", "permission view", "signoffs", "signer"),
)
# What `key` in the address of a page means, by a word in the name of the page.
KEY_OF = {
    "console_emergency": "rules_emergencyshutoff",
    "console_release": "releases_release",
    "console_person": "auth_user",
    "console_client": "oauth2_provider_application",
    "": "rules_rule",
}
# Links to one kind of page that are followed, from wherever they stand.
MOST_OF_EACH = 3
OUTSIDERS = ("anonymous", "outsider")
# For whom links and buttons are followed: people. An agent is a machine, and no machine signs in here.
FOLLOWERS = (
    *("nobody", "auditor", "admin", "admin of Other", "rule", "rule of Other", "shutoff of Other"),
    *("permission view", "signer"),
)
MODEL_PAGE = re.compile(r"(?P<model>\w+)_(?P<page>changelist|add|change|delete|history|revert)\Z")


# --- Addresses ----------------------------------------------------------------------------------------------


@cache
def addresses() -> dict[str, str]:
    """Return every address below /admin/ by the name of its page; models of the tests' own are left out."""
    found: dict[str, str] = {}
    for name, address in _walked(get_resolver().url_patterns):
        if address.startswith("/admin/") and not name.startswith("admin:sample_"):
            found.setdefault(name, address)
    return found


def _walked(patterns: list[Any], prefix: str = "/", space: str = "") -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        address = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walked(pattern.url_patterns, address, pattern.namespace or space)
        else:
            yield f"{space}:{pattern.name}", address


def reaches() -> dict[str, Reach]:
    """Return who reaches every page, by its name; those of models as Django's admin has them."""
    found = dict(PAGES)
    for name in addresses():
        match = MODEL_PAGE.search(name.removeprefix("admin:"))
        model = MODELS.get(match["model"]) if match is not None else None
        if match is None or model is None or name in found:
            continue
        found[name] = {
            "changelist": Reach(model.see, None if model.only_read else model.see),
            "add": Reach(model.add, model.add),
            "change": Reach(model.see | model.change, None if model.only_read else model.change),
            "delete": Reach(model.delete, model.delete),
            "history": Reach(model.see),
            "revert": Reach(model.change, model.change),
        }[match["page"]]
    return found


def test_table__has_every_page() -> None:
    there = {name for name in addresses() if not name.endswith("_password_change")} - LEAD_ON
    missing = sorted(there - reaches().keys())
    assert not missing, f"Not in the table; {HOW_TO_ADD}."
    left_over = sorted(reaches().keys() - addresses().keys())
    assert not left_over, "In the table, but not in the admin."


# --- The world, and who looks at it -------------------------------------------------------------------------


@pytest.fixture
def world(db: None) -> World:
    """One row of everything."""
    found = make_world()
    SpecialForceHostFactory()
    application = oauth.Application.objects.create(
        name="builds", client_type="confidential", authorization_grant_type="client-credentials"
    )
    make_secrets(application)
    return found


def make_secrets(application: Any) -> None:
    """Make the rows that nobody sees: tokens, and who signed in from where."""
    user, ahead = person("secret"), FAR_AHEAD
    token = oauth.AccessToken.objects.create(application=application, token="t", expires=ahead)
    oauth.RefreshToken.objects.create(application=application, token="r", access_token=token, user=user)
    oauth.Grant.objects.create(application=application, user=user, code="c", expires=ahead)
    oauth.IDToken.objects.create(application=application, expires=ahead)
    AccessAttempt.objects.create(username="secret", failures_since_start=1)
    for model in (AccessFailureLog, AccessLog):
        model.objects.create(username="secret", ip_address="192.0.2.1")


def client_of(who: str) -> Client:
    """Return a client in which somebody is signed in."""
    client = Client(raise_request_exception=False)
    if who == "anonymous":
        return client
    holder = Holder(("admin",)) if who == "outsider" else HOLDERS[who]
    user = holder.made(who.replace(" ", "-"))
    if who == "outsider":
        user.is_staff = False
        user.save()
    client.force_login(user)
    return client


def rows(world: World) -> dict[str, Any]:
    """Return the row of each model that the tests ask about."""
    held = Permission.objects.get(user__username="subject", permission="release")
    secrets = (
        *(oauth.AccessToken, oauth.RefreshToken, oauth.Grant, oauth.IDToken),
        *(AccessAttempt, AccessFailureLog, AccessLog),
    )
    return {
        **{model._meta.label_lower.replace(".", "_"): model.objects.earliest("pk") for model in secrets},
        "rules_rule": Rule.objects.get(alias="acme-release"),
        "rules_emergencyshutoff": EmergencyShutoff.objects.get(locale="de"),
        "rules_pinnablerelease": PinnableRelease.objects.get(version="11."),
        "releases_release": Release.objects.get(name="Acme-spare"),
        "releases_releasepart": ReleasePart.objects.filter(release__name="Acme-spare").first(),
        "releases_alloweddomain": AllowedDomain.objects.get(),
        "permissions_permission": held,
        "permissions_role": Role.objects.get(user__username="author", role="relman"),
        "permissions_productrequiredsignoff": ProductRequiredSignoff.objects.get(),
        "permissions_permissionrequiredsignoff": PermissionRequiredSignoff.objects.get(),
        "auth_user": held.user,
        "oauth2_provider_application": oauth.Application.objects.get(),
    }


def url_of(name: str, world: World, found: dict[str, Any]) -> str:
    """Return the address of a page about the row that the tests ask about."""
    model = re.sub(r"_[a-z]+\Z", "", name.removeprefix("admin:"))
    row = found.get(model)
    keys = {
        "object_id": getattr(row, "pk", 1),
        "key": found[next(model for word, model in KEY_OF.items() if word in name)].pk,
        "rule_id": found["rules_rule"].pk,
        "id_or_alias": "acme-release",
        "label": "rules.rule",
        "pk": ChangeSet.objects.earliest("sequence").pk,
        "history_id": 1,
        "verb": "cancel",
        "id": found["auth_user"].pk,
    }
    if model in ("changes_scheduledchange",):
        keys["object_id"] = world.changes["rule"]
    if hasattr(type(row), "history"):
        keys["history_id"] = type(row).history.filter(**{type(row)._meta.pk.name: row.pk}).first().pk
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(keys[match[1]]), addresses()[name])


# --- Cell by cell -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", WHO)
def test_matrix__every_page__opens_for_those_of_the_table_and_for_nobody_else(who: str, world: World) -> None:
    found = rows(world)
    client, wrong = client_of(who), []
    for name, reach in sorted(reaches().items()):
        url = url_of(name, world, found)
        status = client.get(f"{url}?{reach.query}" if reach.query else url).status_code
        expected = reach.get_status if who in reach.get else 403
        if who in OUTSIDERS:
            expected = 302
        if status != expected:
            wrong.append(f"GET {name} {url}: {status}, not {expected}")
    assert not wrong, "\n".join(wrong)


def expected_of_form(who: str, name: str, reach: Reach) -> frozenset[int]:
    """Return what somebody may get who sends the form of a page."""
    only_reads = name.startswith("history:") or name.endswith("_history")
    if only_reads or (reach.post is None and who in reach.get):
        return frozenset({405})
    if reach.post is None and who not in OUTSIDERS:
        return frozenset({403, 405})
    if who in OUTSIDERS:
        return frozenset({302})
    # Who may not open a page learns no more of it, whatever is sent.
    return reach.done if who in (reach.post or NOBODY) else frozenset({403})


@pytest.mark.parametrize("who", WHO)
def test_matrix__every_form__is_taken_from_those_of_the_table_and_from_nobody_else(
    who: str, world: World
) -> None:
    found = rows(world)
    client, wrong = client_of(who), []
    for name, reach in sorted(reaches().items()):
        url = url_of(name, world, found)
        with transaction.atomic():
            before = ChangeSet.objects.count()
            status = client.post(f"{url}?{reach.query}" if reach.query else url, reach.data).status_code
            written = ChangeSet.objects.count() - before
            transaction.set_rollback(True)
        if status not in expected_of_form(who, name, reach):
            wrong.append(f"POST {name} {url}: {status}, not {expected_of_form(who, name, reach)}")
        if written and who not in (reach.post or NOBODY):
            wrong.append(f"POST {name} {url}: has written")
    assert not wrong, "\n".join(wrong)


# --- What is shown ------------------------------------------------------------------------------------------


class _Links(HTMLParser):
    """The addresses that a page leads to, and those that its forms are sent to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))
        if tag == "form" and (found.get("method") or "").lower() == "post":
            self.forms.append(found.get("action") or "")


def shown_on(answer: Any, url: str) -> _Links:
    """Return where a page leads, as addresses of this server below /admin/."""
    parser = _Links()
    if "html" in answer["Content-Type"]:
        parser.feed(answer.content.decode())
    for kind in ("links", "forms"):
        whole = [urljoin(url, link) for link in getattr(parser, kind)]
        setattr(parser, kind, [link for link in whole if link.startswith("/admin/") and "#" not in link])
    return parser


def page_at(url: str) -> str:
    """Return the name of the page at an address."""
    try:
        match = resolve(urlsplit(url).path)
    except Resolver404:
        return "nothing"
    return f"{match.namespace}:{match.url_name}" if match.namespace else str(match.url_name)


@pytest.mark.parametrize("who", FOLLOWERS)
def test_links_and_buttons__all_that_are_shown__can_be_used(who: str, world: World) -> None:
    """Follow a few links to each page from each page, beginning at the front page."""
    client, table = client_of(who), reaches()
    waiting, seen, reached, wrong = ["/admin/"], {"/admin/"}, set(), []
    asked: dict[str, int] = {}
    while waiting:
        url = waiting.pop(0)
        name = page_at(url)
        answer = client.get(url)
        if answer.status_code in (403, 404, 405, 500):
            wrong.append(f"a link leads to {url}: {answer.status_code}")
            continue
        reached.add(name)
        shown = shown_on(answer, url)
        for form in shown.forms:
            sent_to = page_at(form)
            reach = table.get(sent_to)
            if (
                reach is not None
                and reach.post is not None
                and who not in reach.post
                and who not in reach.get
            ):
                wrong.append(f"{url} has a form for {form}")
        for link in shown.links:
            target = page_at(link)
            if link in seen or target in ("admin:logout", "admin:view_on_site"):
                continue
            seen.add(link)
            asked[target] = asked.get(target, 0) + 1
            if asked[target] <= MOST_OF_EACH:
                waiting.append(link)
    assert not wrong, "\n".join(wrong)
    open_to = {name for name, reach in table.items() if who in reach.get and reach.is_linked}
    missing = {
        name for name in open_to - reached if not MODEL_PAGE.search(name) or name.endswith("_changelist")
    }
    assert not missing, f"{who} may open these, but nothing leads there"


# --- History ------------------------------------------------------------------------------------------------


def test_history__no_page_of_any_model__writes_to_it(world: World) -> None:
    """Whatever method an administrator asks with: history pages only read, and history has no forms."""
    client, found = client_of("admin"), rows(world)
    before = ChangeSet.objects.count()
    pages = [name for name in addresses() if name.endswith("_history") or name.startswith("history:")]
    assert len(pages) > 15
    for name in pages:
        for method in ("post", "put", "patch", "delete"):
            assert getattr(client, method)(url_of(name, world, found)).status_code == 405, (method, name)
    assert ChangeSet.objects.count() == before
    kept = [model._meta.label for model in admin.site._registry if model.__name__.startswith("Historical")]
    assert not kept, "history rows have pages of their own, which could write"
    assert not [model for model in admin.site._registry if model is ChangeSet]
