"""How often one client may ask: by account, or by the address that a client really has."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache

from releng.api.checks import check_api
from releng.api.throttling import parsed_rate
from tests.people import administrator, person

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture(autouse=True)
def fresh_counts() -> None:
    """Nobody has asked yet."""
    cache.clear()


def asked(client: Any, times: int, **headers: str) -> list[int]:
    return [client.get("/api/rules", headers=headers).status_code for _ in range(times)]


def test_account__beyond_its_rate__is_429__others_are_not(client: Any, settings: Any) -> None:
    settings.API_RATE = "3/hour"
    client.force_login(administrator())
    assert asked(client, 4) == [200, 200, 200, 429]
    answer = client.get("/api/rules")
    assert answer.status_code == 429
    assert answer["Content-Type"] == "application/problem+json"
    assert 0 < int(answer["Retry-After"]) <= 3600
    assert answer.json()["status"] == 429
    client.force_login(person("other", "rule"))
    assert asked(client, 1) == [200]


def test_account__a_write_beyond_the_rate__writes_nothing(client: Any, settings: Any) -> None:
    settings.API_RATE = "1/hour"
    client.force_login(administrator())
    assert asked(client, 1) == [200]
    body = {"product": "Acme", "channel": "x", "comment": "y"}
    answer = client.post("/api/emergency_shutoff", body, content_type="application/json")
    assert answer.status_code == 429
    settings.API_RATE = ""
    assert client.get("/api/emergency_shutoff").json()["count"] == 0


def test_addresses__from_which_nobody_is_known__are_limited__wrong_tokens_too(
    client: Any, settings: Any
) -> None:
    settings.API_ANONYMOUS_RATE = "3/hour"
    assert asked(client, 2) == [401, 401]
    assert asked(client, 2, Authorization="Bearer nonsense") == [401, 429]
    assert client.get("/api/rules", REMOTE_ADDR="192.0.2.7").status_code == 401
    client.force_login(administrator())
    assert asked(client, 5) == [200] * 5


def test_no_rate__is_no_limit(client: Any, settings: Any) -> None:
    settings.API_RATE = settings.API_ANONYMOUS_RATE = ""
    assert set(asked(client, 30)) == {401}


# --- Behind proxies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proxies", "forwarded", "counted"),
    [
        (0, "203.0.113.1", "127.0.0.1"),
        (1, "203.0.113.1", "203.0.113.1"),
        (1, "198.51.100.9, 203.0.113.1", "203.0.113.1"),
        (2, "198.51.100.9, 203.0.113.1", "198.51.100.9"),
        (2, "1.1.1.1, 198.51.100.9, 203.0.113.1", "198.51.100.9"),
        (2, "203.0.113.1", "127.0.0.1"),
        (1, "nonsense", "127.0.0.1"),
        (1, "", "127.0.0.1"),
        (1, "2001:db8::1", "2001:db8::1"),
    ],
    ids=[
        "none-trusted",
        "one",
        "one-and-a-claim",
        "two",
        "two-and-a-claim",
        "too-few",
        "no-address",
        "empty",
        "v6",
    ],
)
def test_address__behind_proxies__is_the_one_that_ours_have_seen(
    client: Any, settings: Any, proxies: int, forwarded: str, counted: str
) -> None:
    settings.TRUSTED_PROXIES, settings.API_ANONYMOUS_RATE = proxies, "1/hour"
    assert asked(client, 1, **{"X-Forwarded-For": forwarded}) == [401]
    settings.TRUSTED_PROXIES = 0
    assert client.get("/api/rules", REMOTE_ADDR=counted).status_code == 429
    assert client.get("/api/rules", REMOTE_ADDR="192.0.2.200").status_code == 401


def test_claimed_addresses__do_not_help_against_the_limit(client: Any, settings: Any) -> None:
    settings.TRUSTED_PROXIES, settings.API_ANONYMOUS_RATE = 1, "2/hour"
    answers = [
        client.get("/api/rules", headers={"X-Forwarded-For": f"10.0.0.{number}, 203.0.113.1"}).status_code
        for number in range(4)
    ]
    assert answers == [401, 401, 429, 429]


# --- Settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["60", "x/minute", "60/day", "-1/minute", "1.5/hour", "/minute"])
def test_rate__that_is_none__is_an_error_of_the_checks(settings: Any, text: str) -> None:
    settings.API_RATE = text
    assert [found.id for found in check_api(None)] == ["api.E001"]


def test_rate__in_words() -> None:
    assert parsed_rate("60/minute") == (60, 60)
    assert parsed_rate("5/second") == (5, 1)
    assert parsed_rate("7/hour") == (7, 3600)
    assert parsed_rate("") == (0, 1)
