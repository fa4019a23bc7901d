"""Bearer tokens of an external issuer (OpenID Connect): checked here, never made here (features V01 to V03, R08)."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

import jwt
import requests
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from rest_framework.exceptions import APIException, AuthenticationFailed

ALGORITHM = "RS256"  # nothing else: a token must not choose how it is checked
KEYS_KEPT_SECONDS = 3_600
# Tokens with unknown keys must not make us ask the issuer as often as they come.
LEAST_SECONDS_BETWEEN_FETCHES = 60
TIMEOUT_SECONDS = 5
LONGEST_TOKEN = 16_384


class IssuerUnavailable(APIException):
    """The issuer could not be asked for its keys, or for who somebody is."""

    status_code = 503
    default_detail = "The issuer of the token could not be asked; try again."


class KeySet:
    """The issuer's public keys, kept for an hour; an unknown key is looked for at most once a minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, Any] = {}
        self._read_at = float("-inf")

    def key(self, kid: str) -> Any:
        """Return the key with this id; raise AuthenticationFailed and IssuerUnavailable."""
        with self._lock:
            age = time.monotonic() - self._read_at
            if age > KEYS_KEPT_SECONDS or (kid not in self._keys and age > LEAST_SECONDS_BETWEEN_FETCHES):
                self._read_at = time.monotonic()
                self._keys = self._fetched() or self._keys
        if kid not in self._keys:
            raise AuthenticationFailed("The token was signed with a key that its issuer does not publish.")
        return self._keys[kid]

    def forget(self) -> None:
        """Read the keys anew when they are needed next."""
        self._read_at = float("-inf")
        self._keys = {}

    def _fetched(self) -> dict[str, Any]:
        try:
            answer = requests.get(_address("jwks.json", settings.API_OIDC_JWKS_URL), timeout=TIMEOUT_SECONDS)
            answer.raise_for_status()
            found = jwt.PyJWKSet.from_dict(answer.json())
        except (requests.RequestException, ValueError, jwt.PyJWTError) as error:
            if self._keys:
                return {}
            raise IssuerUnavailable from error
        return {
            key.key_id: key.key
            for key in found.keys
            if key.key_id and key.key_type == "RSA" and key.public_key_use in (None, "sig")
        }


KEYS = KeySet()


def is_configured() -> bool:
    """Tell whether tokens of an issuer are taken at all."""
    return bool(settings.API_OIDC_ISSUER)


def looks_like_one(token: str) -> bool:
    """Tell whether a bearer token is a JWT; our own have no dots."""
    return token.count(".") == 2


def account_of(token: str) -> Any:
    """Return the account that a token stands for.

    Raises AuthenticationFailed for a token that is not good, PermissionDenied for one that is, but of somebody who is
    not known here or may do nothing, and IssuerUnavailable.
    """
    claims = checked_claims(token)
    is_machine = "gty" in claims
    name = _machine(claims) if is_machine else _person(token, claims)
    user = get_user_model().objects.filter(username=name).first()
    if user is None or not user.is_active:
        raise PermissionDenied(f"Authorization Required: {name} has no active account here.")
    if not is_machine and not user.permissions.exists() and not user.roles.exists():
        raise PermissionDenied(f"Authorization Required: {name} has no permission here.")
    return user


def checked_claims(token: str) -> dict[str, Any]:
    """Return what a token says, once signature, issuer, audience and time are good; raise AuthenticationFailed."""
    if len(token) > LONGEST_TOKEN:
        raise AuthenticationFailed("The token is too long.")
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != ALGORITHM:
            raise AuthenticationFailed(f"Tokens must be signed with {ALGORITHM}.")
        claims: dict[str, Any] = jwt.decode(
            token,
            KEYS.key(str(header.get("kid", ""))),
            algorithms=[ALGORITHM],
            audience=settings.API_OIDC_AUDIENCE,
            issuer=settings.API_OIDC_ISSUER,
            options={"require": ["exp", "iss", "aud"]},
        )
    except jwt.PyJWTError as error:
        raise AuthenticationFailed(f"The token is not good: {error}.") from error
    return claims


def _machine(claims: dict[str, Any]) -> str:
    client = str(claims.get("azp", ""))
    name = settings.API_OIDC_MACHINES.get(client)
    if not isinstance(name, str):
        raise PermissionDenied(f"Authorization Required: client {client} is not known here.")
    return name


def _person(token: str, claims: dict[str, Any]) -> str:
    """Return the mail address that the issuer tells of a person; asked once for each token."""
    key = f"oidc:{hashlib.sha256(token.encode()).hexdigest()}"
    known = cache.get(key)
    if isinstance(known, str):
        return known
    try:
        answer = requests.get(
            _address("userinfo", settings.API_OIDC_USERINFO_URL),
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
        )
        if answer.status_code in (401, 403):
            raise AuthenticationFailed("The issuer does not tell whose token this is.")
        answer.raise_for_status()
        told = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise IssuerUnavailable from error
    email = told.get("email") if isinstance(told, dict) else None
    if not isinstance(email, str) or told.get("email_verified") is False:
        raise AuthenticationFailed("The issuer tells no verified mail address of whose token this is.")
    cache.set(key, email, max(1, min(KEYS_KEPT_SECONDS, int(claims["exp"] - time.time()))))
    return email


def _address(tail: str, configured: str) -> str:
    if configured:
        return configured
    base = settings.API_OIDC_ISSUER.rstrip("/")
    return f"{base}/.well-known/{tail}" if tail == "jwks.json" else f"{base}/{tail}"
