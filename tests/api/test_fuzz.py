"""The whole API, asked whatever its description allows and what it does not: it answers as described (schemathesis).

FUZZ_EXAMPLES says how many requests each operation gets (`make fuzz-api` sends many more than the tests do).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import schemathesis
from django.core.cache import cache as counts
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from werkzeug.test import Client

from tests.api.test_contract import schema
from tests.api.world import DOCUMENT_TEXT, FAR_AHEAD_MS, LOCALE_TEXT, World, make_world
from tests.factories import PLATFORM, locale_document, release_document
from tests.people import person

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "8"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Values with which something comes of a request: taken in place of some that were made up.
GOOD: dict[str, list[Any]] = {
    "alias": ["acme-other", '["P2"]'],
    "backgroundRate": [0, 50, 100],
    "blob": [DOCUMENT_TEXT, release_document("Acme-3")],
    "change_type": ["insert", "update", "delete"],
    "channel": ["release", "beta", "signed", "new"],
    "data": [LOCALE_TEXT, '{"appVersion": "12.0"}', DOCUMENT_TEXT, locale_document()],
    "data_version": [1, 2],
    "hashFunction": ["sha512"],
    "locale": ["de", "en-US", "fr"],
    "mapping": ["Acme-1", "Acme-2"],
    "name": ["Acme-1", "Acme-2", "Acme-3", "Acme-locked"],
    "old_data_version": [1, 2],
    "options": ['{"products": ["Acme"]}', None],
    "permission": ["rule", "admin"],
    "platform": [PLATFORM, "Linux_x86_64-alias"],
    "priority": [0, 5],
    "product": ["Acme"],
    "role": ["qa", "relman"],
    "sc_data_version": [1, 2],
    "schema_version": [9],
    "signoffs_required": [0, 1],
    "update_type": ["minor"],
    "username": ["subject", "author"],
    "version": ["10.", "11."],
    "when": [FAR_AHEAD_MS],
}


def paths() -> list[str]:
    """Return the paths of the API."""
    return sorted(schema()["paths"])


@cache
def loaded() -> Any:
    """Return the API as schemathesis reads it: the description, and the application that it describes."""
    found = schemathesis.openapi.from_dict(schema())
    found.app = get_wsgi_application()
    return found


def token_of(app: Any) -> str:
    """Return an access token of a machine that may do everything, got as machines get it."""
    person("machine", "admin", system=True)
    told = io.StringIO()
    call_command("create_client", "fuzz", user="machine", stdout=told)
    id_and_secret = dict(line.split("=", 1) for line in told.getvalue().split())
    answer = Client(app).post(
        "/oauth/token",
        json={
            "grant_type": "client_credentials",
            "client_id": id_and_secret["CLIENT_ID"],
            "client_secret": id_and_secret["CLIENT_SECRET"],
        },
    )
    return str(answer.json["access_token"])


def with_good_values(draw: Any, value: Any) -> Any:
    """Return what was made up, with some values in it that mean something."""
    if not isinstance(value, dict):
        return value
    return {
        name: draw(st.sampled_from(GOOD[name])) if name in GOOD and draw(st.booleans()) else item
        for name, item in value.items()
    }


@pytest.fixture
def connection_is_kept() -> Iterator[None]:
    """The test's own transaction outlives its requests, as with Django's test client."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


@pytest.mark.django_db
@pytest.mark.either
@pytest.mark.parametrize("path", paths())
def test_operation__asked_anything__answers_as_described(path: str, connection_is_kept: None) -> None:
    counts.clear()  # which counts the requests for tokens
    world = make_world()
    api = loaded()
    headers = {"Authorization": f"Bearer {token_of(api.app)}"}
    for operation in api[path].values():
        ask(operation, world, headers)


def ask(operation: Any, world: World, headers: dict[str, str]) -> None:
    """Send made-up requests of one operation, and check the answers."""
    good = good_parameters(operation.path, world)

    @seed(20260101)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def send(data: Any) -> None:
        mode = data.draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        if good and data.draw(st.integers(0, 9)) < 8:
            case.path_parameters = dict(good)
        case.body = with_good_values(data.draw, case.body)
        case.query = with_good_values(data.draw, case.query)
        case.call_and_validate(headers=headers, checks=CHECKS)

    send()


def good_parameters(path: str, world: World) -> dict[str, str]:
    """Return parameters of an address that name rows that exist."""
    parts = zip(path.split("/"), world.address(path).split("/"), strict=True)
    return {part.strip("{}"): value for part, value in parts if part.startswith("{")}
