"""What every endpoint does: who asks, versions in headers, trial runs, pages, bodies that are refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.people import administrator

pytestmark = pytest.mark.django_db


def test_address__with_a_slash_at_its_end__is_the_one_without(client: Any) -> None:
    client.force_login(administrator())
    assert client.get("/api/v2/scheduled_changes/").json() == {"count": 0, "scheduled_changes": []}


def test_address__that_is_none__is_told_as_a_problem(client: Any) -> None:
    for path in ("/api/nothing", "/api/nothing/", "/api/", "/api/v2/", "/api/nothing//"):
        response = client.get(path)
        assert response.status_code == 404
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["status"] == 404


def test_method__that_an_endpoint_does_not_have__is_405_before_anything_else(client: Any) -> None:
    response = client.put("/api/v2/scheduled_changes", data="{", content_type="application/json")
    assert response.status_code == 405
    assert response.json()["title"] == "Method Not Allowed"
