"""Who gets which answer from the API: every address x every method x everybody, cell by cell.

The addresses come from the URL configuration, what is expected from the table in tests/api/operations.py, which
knows nothing of how the views decide.
"""

from __future__ import annotations

import io
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache as counts
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.api.operation import Operation
from tests.api.operations import OPERATIONS
from tests.api.roles import EVERYBODY, HOLDERS, READ_PEOPLE
from tests.api.world import World, make_world

pytestmark = pytest.mark.once

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE")
HOW_TO_ADD = "say in tests/api/operations.py who may send it, and what they get"

# What is no endpoint of the table: pages of people (tests/console/test_authorization.py), and what is for everybody.
ELSEWHERE = re.compile(r"\A/(admin/|\Z)")
_READ = {"GET", "HEAD", "OPTIONS"}
FOR_EVERYBODY = {
    "/api/schema/": _READ,
    "/api/docs": {*METHODS} - {"TRACE"},  # leads on
    "/api/docs/": _READ,
    "/api/docs/{slug}/": _READ,
    "/oauth/token": {"POST", "OPTIONS"},
    "/__metrics__": _READ,  # for whom the token says (tests/changes/test_monitoring.py)
}
NO_ENDPOINT = ("without_slash", "nothing")


def addresses() -> dict[str, Any]:
    """Return every address of the server but the admin's, with the view behind it."""
    return {
        address: view
        for address, view in _walked(get_resolver().url_patterns)
        if not ELSEWHERE.match(address)
    }


def _walked(patterns: list[Any], prefix: str = "/") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _walked(pattern.url_patterns, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern) and getattr(pattern.callback, "__name__", "") not in NO_ENDPOINT:
            yield re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", prefix + str(pattern.pattern)), pattern.callback


TABLE: dict[tuple[str, str], list[Operation]] = defaultdict(list)
for _operation in OPERATIONS:
    TABLE[_operation.address, _operation.method].append(_operation)
ADDRESSES = sorted(address for address in addresses() if address not in FOR_EVERYBODY)


# --- The table is whole -------------------------------------------------------------------------------------


def test_table__has_every_method_of_every_address() -> None:
    there = {
        (address, method)
        for address, view in addresses().items()
        if address not in FOR_EVERYBODY
        for method in METHODS
        if method != "OPTIONS" and _answers(view, method)
    }
    listed = {(operation.address, operation.method) for operation in OPERATIONS}
    missing, left_over = sorted(there - listed), sorted(listed - there)
    assert not missing, f"Not in the table; {HOW_TO_ADD}."
    assert not left_over, "In the table, but not in the API."


def test_table__agents__list_and_enact_and_nothing_else() -> None:
    theirs = [
        operation for operation in OPERATIONS if "agent" in operation.may and operation.may != EVERYBODY
    ]
    for operation in theirs:
        if operation.is_write:
            assert "/enact" in operation.address or operation.address.startswith("/api/v2/agent/")
        else:
            assert "/scheduled_change" in operation.address or operation.address == "/api/v2/agent/status"


def _answers(view: Any, method: str) -> bool:
    own = getattr(view, "view_class", None) or getattr(view, "cls", None)
    assert own is not None, f"{view} is no view class: {HOW_TO_ADD}"
    return hasattr(own, method.lower()) or (method == "HEAD" and hasattr(own, "get"))


# --- Everybody ----------------------------------------------------------------------------------------------


@pytest.fixture
def world(db: None) -> World:
    """One row of everything."""
    return make_world()


def client_of(name: str) -> Client:
    """Return a client as somebody comes: people with their session, machines with a token."""
    if name == "anonymous":
        return Client(raise_request_exception=False)
    holder = HOLDERS[name]
    user = holder.made(name.replace(" ", "-"))
    client = Client(raise_request_exception=False)
    if not holder.is_system:
        client.force_login(user)
        return client
    counts.clear()  # which counts the requests for tokens
    told = io.StringIO()
    call_command("create_client", user.username, user=user.username, stdout=told)
    lines = dict(line.split("=", 1) for line in told.getvalue().split())
    answer = client.post(
        "/oauth/token",
        {
            "grant_type": "client_credentials",
            "client_id": lines["CLIENT_ID"],
            "client_secret": lines["CLIENT_SECRET"],
        },
    )
    return Client(
        raise_request_exception=False, headers={"Authorization": f"Bearer {answer.json()['access_token']}"}
    )


def answered(client: Client, world: World, operation: Operation) -> Any:
    """Send a request, and take back what it did."""
    if not operation.is_write:
        return client.generic(operation.method, operation.url(world))
    with transaction.atomic():
        operation.made_ready(world)
        response = client.generic(
            operation.method,
            operation.url(world),
            json.dumps(operation.sent(world)),
            content_type="application/json",
        )
        transaction.set_rollback(True)
    return response


def cells(who: str, *, opened: bool = False) -> Iterator[tuple[Operation, int]]:
    """Return every request with the status that somebody expects."""
    for address in ADDRESSES:
        for method in METHODS:
            rows = TABLE.get((address, method), ())
            yield from ((operation, operation.expected(who, opened=opened)) for operation in rows)
            if not rows:
                is_public = address.startswith("/api/v1/")
                expected = (200 if is_public else 204) if method == "OPTIONS" else 405
                yield Operation(method, address, frozenset(), keys=_keys(address)), expected


def _keys(address: str) -> Any:
    """Return parameters that another method of an address has."""
    return next((row.keys for method in METHODS for row in TABLE.get((address, method), ())), {})


@pytest.mark.parametrize("who", HOLDERS)
def test_matrix__every_address_and_method__answers_as_the_table_says(who: str, world: World) -> None:
    client, wrong = client_of(who), []
    for operation, expected in cells(who):
        response = answered(client, world, operation)
        if response.status_code != expected:
            wrong.append(
                f"{operation.id}: {response.status_code}, not {expected}: {response.content[:300]!r}"
            )
        elif expected in (401, 403) and operation.method != "HEAD" and "detail" not in response.json():
            wrong.append(f"{operation.id}: refused without a problem document")
    assert not wrong, "\n".join(wrong)


def test_open_reads__with_the_setting__are_those_of_the_contract_and_nothing_else(
    world: World, settings: Any
) -> None:
    settings.API_ANONYMOUS_READS = True
    client = client_of("anonymous")
    wrong = [
        f"{operation.id}: {status}, not {expected}"
        for operation, expected in cells("anonymous", opened=True)
        if (status := answered(client, world, operation).status_code) != expected
    ]
    assert not wrong


@pytest.mark.parametrize("who", HOLDERS)
def test_own_permissions__may_be_seen_by_everybody_known(who: str, db: None) -> None:
    client = client_of(who)
    name = who.replace(" ", "-")
    expected = 401 if who == "anonymous" else 200
    for address in (f"/api/users/{name}/permissions", f"/api/users/{name}/roles"):
        assert client.get(address).status_code == expected
    if who not in READ_PEOPLE | {"anonymous"}:
        assert client.get("/api/users/ada/permissions").status_code == 403


def test_for_everybody__the_description_tokens_and_numbers__have_no_other_methods(db: None) -> None:
    client = client_of("anonymous")
    for address, methods in FOR_EVERYBODY.items():
        for method in METHODS:
            status = client.generic(method, address.replace("{slug}", "rules")).status_code
            assert (status == 405) == (method not in methods), (method, address, status)
