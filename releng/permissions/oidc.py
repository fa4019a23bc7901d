"""Single sign-on by OpenID Connect: which account somebody has of whom the provider tells. Off unless configured."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import SuspiciousOperation
from django.db.models import Q
from mozilla_django_oidc.auth import OIDCAuthenticationBackend

from releng.permissions.models import Account


def is_configured() -> bool:
    """Tell whether people can sign in at a provider."""
    return bool(settings.OIDC_RP_CLIENT_ID)


class SingleSignOnBackend(OIDCAuthenticationBackend):
    """Finds the active person whose name, or else mail address, the provider tells; makes no accounts.

    Beside signature, algorithm and nonce it checks issuer, audience, and that both documents are about one person.
    Gives no permissions: these come from releng.permissions.backend alone.
    """

    def verify_token(self, token: str, **kwargs: Any) -> dict[str, Any]:
        """Return what an identity token says; raise SuspiciousOperation when it is not for us."""
        claims: dict[str, Any] = super().verify_token(token, **kwargs)
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims.get("iss") != settings.OIDC_ISSUER:
            raise SuspiciousOperation("The identity token is of another issuer.")
        if self.OIDC_RP_CLIENT_ID not in audiences:
            raise SuspiciousOperation("The identity token is for somebody else.")
        if len(audiences) > 1 and claims.get("azp") != self.OIDC_RP_CLIENT_ID:
            raise SuspiciousOperation("The identity token was given to somebody else.")
        if "exp" not in claims:
            raise SuspiciousOperation("The identity token never ends.")
        self.request.oidc_claims = claims
        return claims

    def get_userinfo(self, access_token: str, id_token: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Return what the provider tells of the person; raise SuspiciousOperation when it is of another one."""
        told: dict[str, Any] = super().get_userinfo(access_token, id_token, payload)
        if not told.get("sub") or told["sub"] != payload.get("sub"):
            raise SuspiciousOperation("The provider tells of somebody else than the identity token.")
        return told

    def verify_claims(self, claims: dict[str, Any]) -> bool:
        """Tell whether there is a mail address that is not known to be unverified."""
        return bool(claims.get("email")) and claims.get("email_verified") is not False

    def filter_users_by_claims(self, claims: dict[str, Any]) -> Any:
        """Return the active people with this mail address as name, or else as mail address."""
        email = claims["email"]
        people = get_user_model().objects.filter(is_active=True).exclude(account__kind=Account.Kind.SYSTEM)
        named = people.filter(username__iexact=email)
        return named if named.exists() else people.filter(Q(email__iexact=email))

    def get_user(self, user_id: Any) -> Any:
        """Return the account of a session, while it is active."""
        user = super().get_user(user_id)
        return user if user is not None and user.is_active else None

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Grant nothing."""
        return False

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """Grant nothing."""
        return False

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Grant nothing."""
        return set()

    get_user_permissions = get_group_permissions = get_all_permissions
