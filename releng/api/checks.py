"""What `manage.py check` tells about the API's settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks

from releng.api.throttling import parsed_rate

RATES = ("API_RATE", "API_ANONYMOUS_RATE", "TOKEN_RATE")


def check_api(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Tell about settings that cannot be used, or that do not belong together."""
    found: list[checks.CheckMessage] = []
    for name in RATES:
        try:
            parsed_rate(getattr(settings, name))
        except ValueError as error:
            found.append(checks.Error(f"{name}: {error}", id="api.E001"))
    if settings.API_OIDC_ISSUER and not settings.API_OIDC_AUDIENCE:
        hint = "Without it, tokens that the issuer made for other services would be taken here."
        found.append(checks.Error("API_OIDC_ISSUER needs API_OIDC_AUDIENCE.", hint=hint, id="api.E002"))
    found += [
        checks.Warning(f"{name}: {getattr(settings, name)} is not https.", id="api.W001")
        for name in ("API_OIDC_ISSUER", "API_OIDC_JWKS_URL", "API_OIDC_USERINFO_URL")
        if getattr(settings, name) and not getattr(settings, name).startswith("https://")
    ]
    if not isinstance(settings.API_OIDC_MACHINES, dict):
        found.append(
            checks.Error("API_OIDC_MACHINES must be an object of names by client id.", id="api.E003")
        )
    if settings.TRUSTED_PROXIES < 0:
        found.append(checks.Error("TRUSTED_PROXIES must be 0 or more.", id="api.E004"))
    return found
