"""The agent's credentials open its own endpoints and the list of scheduled changes, and nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import URLPattern

from releng.api.urls import urlpatterns
from tests.people import administrator, auditor, person

pytestmark = pytest.mark.django_db

METHODS = ("get", "head", "post", "put", "patch", "delete")
AGENTS = {
    ("post", "/api/v2/agent/work"),
    ("post", "/api/v2/agent/mails"),
    ("post", "/api/v2/agent/enact/<int:change_id>"),
    ("get", "/api/v2/agent/status"),
    ("head", "/api/v2/agent/status"),
}
REFUSED = (401, 403, 405)


def endpoints() -> list[tuple[str, str]]:
    """Return every method of every address of the API, from the configuration itself."""
    found = []
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        view: Any = getattr(pattern.callback, "view_class", None)
        if view is None:
            continue  # what answers when there is no endpoint
        found += [
            (method, f"/api/{pattern.pattern}")
            for method in METHODS
            if hasattr(view, method) or (method == "head" and hasattr(view, "get"))
        ]
    return found


def asked(client: Any, method: str, address: str) -> int:
    url = re.sub(
        r"<int:\w+>", "999999", re.sub(r"<(?:str:|path:)?\w+>", "x", address.replace("<int:", "<int:"))
    )
    kwargs = {} if method in ("get", "head") else {"data": "{}", "content_type": "application/json"}
    status: int = getattr(client, method)(url, **kwargs).status_code
    return status


@pytest.mark.parametrize(("method", "address"), endpoints())
def test_agent__every_endpoint__is_refused_but_its_own(client: Any, method: str, address: str) -> None:
    client.force_login(person("agent", "scheduled_change:enact", system=True))
    status = asked(client, method, address)
    of_changes = address.startswith(("/api/scheduled_change", "/api/v2/scheduled_changes"))
    may = method in ("get", "head") if not address.endswith("/enact") else method == "post"
    if (method, address) in AGENTS or (of_changes and may):
        assert status not in REFUSED
    else:
        assert status == 403


@pytest.mark.parametrize(("method", "address"), endpoints())
def test_anonymous__every_endpoint__is_refused(client: Any, method: str, address: str) -> None:
    assert asked(client, method, address) == 401


@pytest.mark.parametrize(("method", "address"), endpoints())
def test_auditor__every_endpoint__reads_and_never_writes(client: Any, method: str, address: str) -> None:
    client.force_login(auditor())
    status = asked(client, method, address)
    if method in ("get", "head"):
        assert status in (200, 400, 404)
    else:
        assert status == 403


@pytest.mark.parametrize(("method", "address"), endpoints())
def test_administrator__no_endpoint__fails_or_is_refused(client: Any, method: str, address: str) -> None:
    client.force_login(administrator())
    assert asked(client, method, address) in (200, 201, 400, 404, 409)
