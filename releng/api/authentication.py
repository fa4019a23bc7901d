"""Who asks: machines by OAuth tokens, people by their session."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from oauth2_provider.contrib.rest_framework import OAuth2Authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from releng.api import oidc


class ClientAuthentication(OAuth2Authentication):
    """A bearer token of a registered client stands for the system account that the client is tied to.

    Where an external issuer is configured, its tokens are taken, too (releng.api.oidc).
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """Return the account and the token, None when no bearer token is sent; refuse a bad one."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        if oidc.is_configured() and oidc.looks_like_one(token):
            return oidc.account_of(token.strip()), token
        # Django's own request: asking DRF's for its form would read and parse the body before anybody is known.
        found = super().authenticate(request._request)  # noqa: SLF001
        user = found[1].application.user if found is not None and found[1].application is not None else None
        if user is None or not user.is_active:
            raise AuthenticationFailed(
                "The token is unknown, expired or revoked, or its account is not active."
            )
        return user, found[1] if found is not None else None


class ClientAuthenticationScheme(OpenApiAuthenticationExtension):
    """How the schema tells it."""

    target_class = ClientAuthentication
    name = "oauth2"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Return the security scheme object of OpenAPI."""
        return {
            "type": "oauth2",
            "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {}}},
        }
