"""Bearer tokens of an external issuer: which are good, whom they stand for, and what cannot be made to look good."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.cache import cache

from releng.api import oidc
from tests.api.issuer import AUDIENCE, Issuer, running_issuer
from tests.people import administrator, person

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def issuer(settings: Any) -> Iterator[Issuer]:
    """An issuer that is configured."""
    with running_issuer() as found:
        settings.API_OIDC_ISSUER = found.address
        settings.API_OIDC_AUDIENCE = AUDIENCE
        settings.API_OIDC_MACHINES = {"builder": "build-bot"}
        oidc.KEYS.forget()
        cache.clear()
        yield found
        oidc.KEYS.forget()


@pytest.fixture
def builder(issuer: Issuer) -> Any:
    """The account of a machine."""
    return person("build-bot", "release", "release_locale", system=True)


def asked(client: Any, token: str, address: str = "/api/rules") -> Any:
    return client.get(address, headers={"Authorization": f"Bearer {token}"})


# --- Whom a token stands for --------------------------------------------------------------------------------


def test_machine__with_a_good_token__is_its_account(client: Any, issuer: Issuer, builder: Any) -> None:
    assert asked(client, issuer.machine()).status_code == 200
    assert asked(client, issuer.machine(), "/api/users/build-bot/permissions").status_code == 200
    assert asked(client, issuer.machine(), "/api/users").status_code == 403


def test_machine__that_is_not_named_in_the_settings__is_403(
    client: Any, issuer: Issuer, builder: Any
) -> None:
    answer = asked(client, issuer.machine(azp="other"))
    assert answer.status_code == 403
    assert "other" in answer.json()["exception"]


def test_person__by_mail_address__asked_of_the_issuer_once_for_each_token(
    client: Any, issuer: Issuer
) -> None:
    administrator("ada@example.com")
    token = issuer.token()
    for _ in range(3):
        assert asked(client, token).status_code == 200
    assert issuer.asked["userinfo"] == 1
    assert asked(client, issuer.token(jti="another")).status_code == 200
    assert issuer.asked["userinfo"] == 2


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"email": "nobody@example.com", "email_verified": True}, 403),
        ({"email": "ada@example.com", "email_verified": False}, 401),
        ({"sub": "1"}, 401),
        (["ada@example.com"], 401),
    ],
    ids=["unknown", "unverified", "no-address", "no-object"],
)
def test_person__whom_the_issuer_does_not_vouch_for__is_refused(
    client: Any, issuer: Issuer, told: Any, status: int
) -> None:
    administrator("ada@example.com")
    issuer.person = told
    assert asked(client, issuer.token()).status_code == status


def test_person__without_any_permission_or_not_active__is_403(client: Any, issuer: Issuer) -> None:
    user = person("ada@example.com")
    assert asked(client, issuer.token()).status_code == 403
    user.is_active = False
    user.save()
    assert asked(client, issuer.token(jti="2")).status_code == 403


# --- Which tokens are good ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-service"},
        {"aud": None},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
    ],
    ids=lambda claims: "-".join(f"{name}-{value}" for name, value in claims.items()),
)
def test_token__with_a_wrong_claim__is_401(client: Any, issuer: Issuer, builder: Any, claims: Any) -> None:
    answer = asked(client, issuer.machine(**claims))
    assert answer.status_code == 401
    assert answer.json()["detail"] == "PermissionDeniedError"


@pytest.mark.parametrize(
    "header",
    [{"alg": "HS256"}, {"alg": "none"}, {"alg": "None"}, {"alg": "RS512"}, {"alg": "ES256"}],
    ids=lambda header: header["alg"],
)
def test_token__that_chooses_its_algorithm__is_401(
    client: Any, issuer: Issuer, builder: Any, header: Any
) -> None:
    assert asked(client, issuer.machine()).status_code == 200, "the keys are known"
    answer = asked(client, issuer.confused(header))
    assert answer.status_code == 401
    assert "RS256" in answer.json()["exception"]


def test_token__of_a_stranger_s_key__is_401(client: Any, issuer: Issuer, builder: Any) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert asked(client, issuer.machine(key=stranger)).status_code == 401
    # Nor does it help to bring the key along, or to name one that is meant for encryption.
    assert asked(client, issuer.token(kid="one", key=stranger, gty="x", azp="builder")).status_code == 401
    assert asked(client, issuer.machine(kid="enc", key=issuer.keys["one"])).status_code == 401


@pytest.mark.parametrize(
    "token", ["a.b.c", "..", f"{'a' * 20_000}.b.c", "e30.e30.e30"], ids=["abc", "dots", "long", "empty"]
)
def test_token__that_is_none__is_401(client: Any, issuer: Issuer, token: str) -> None:
    assert asked(client, token).status_code == 401


def test_token__where_no_issuer_is_configured__is_401(
    client: Any, issuer: Issuer, builder: Any, settings: Any
) -> None:
    token = issuer.machine()
    settings.API_OIDC_ISSUER = ""
    assert asked(client, token).status_code == 401
    assert not issuer.asked


# --- The issuer's keys --------------------------------------------------------------------------------------


def test_keys__are_read_once__and_a_new_one_at_most_once_a_minute(
    client: Any, issuer: Issuer, builder: Any, monkeypatch: Any
) -> None:
    for _ in range(5):
        assert asked(client, issuer.machine()).status_code == 200
    assert issuer.asked["jwks.json"] == 1
    issuer.add_key("two")
    for _ in range(5):
        assert asked(client, issuer.machine(kid="two")).status_code == 401
    assert issuer.asked["jwks.json"] == 1, "unknown keys do not make us ask each time"
    _later(monkeypatch, oidc.LEAST_SECONDS_BETWEEN_FETCHES + 1)
    assert asked(client, issuer.machine(kid="two")).status_code == 200
    assert issuer.asked["jwks.json"] == 2


def _later(monkeypatch: Any, seconds: float) -> None:
    monkeypatch.setattr(oidc.KEYS, "_read_at", time.monotonic() - seconds)


def test_key__that_is_withdrawn__is_refused_within_the_hour(
    client: Any, issuer: Issuer, builder: Any, monkeypatch: Any
) -> None:
    issuer.add_key("two")
    token = issuer.machine(kid="two")
    assert asked(client, token).status_code == 200
    del issuer.keys["two"]
    _later(monkeypatch, oidc.KEYS_KEPT_SECONDS + 1)
    assert asked(client, token).status_code == 401


def test_issuer_away__keys_that_are_known_are_kept__without_any_it_is_503(
    client: Any, issuer: Issuer, builder: Any, monkeypatch: Any
) -> None:
    issuer.is_down = True
    answer = asked(client, issuer.machine())
    assert answer.status_code == 503
    assert answer.json()["status"] == 503
    issuer.is_down = False
    oidc.KEYS.forget()
    assert asked(client, issuer.machine()).status_code == 200
    issuer.is_down = True
    _later(monkeypatch, oidc.KEYS_KEPT_SECONDS + 1)
    assert asked(client, issuer.machine()).status_code == 200


def test_issuer_away__when_asked_who_a_person_is__is_503(client: Any, issuer: Issuer) -> None:
    administrator("ada@example.com")
    issuer.userinfo_status = 500
    assert asked(client, issuer.token()).status_code == 503
    issuer.userinfo_status = 401
    assert asked(client, issuer.token()).status_code == 401
