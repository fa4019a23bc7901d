"""The way to the OpenID Connect provider and back: to sign in, and to confirm a sign-in."""

from __future__ import annotations

import logging
import time
from typing import Any

import jwt
import requests
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView

from releng.permissions import oidc
from releng.permissions.sessions import confirm

logger = logging.getLogger(__name__)
AGAIN = "oidc_again"
# Clocks of others may be so far from ours.
CLOCK_SECONDS = 60


def is_return(request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
    """Tell whether somebody comes back from the provider: no password is given there, so none is counted as wrong."""
    return request.path == reverse("oidc_callback")


class Begin(OIDCAuthenticationRequestView):
    """Send somebody to the provider; with `?again=1` the provider has to ask who it is, signed in or not."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Exist only where a provider is configured."""
        _require_configured()
        request.session[AGAIN] = request.GET.get("again") == "1" and request.user.is_authenticated
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)
        return answer

    def get_extra_params(self, request: HttpRequest) -> dict[str, str]:
        """Return what else the provider is asked."""
        return {"prompt": "login", "max_age": "0"} if request.session[AGAIN] else {}


class Callback(OIDCAuthenticationCallbackView):
    """Take somebody back from the provider; whatever goes wrong is told, and signs nobody in or out."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Sign in whom the provider tells of, or confirm who is signed in."""
        _require_configured()
        if request.GET.get("error"):
            told = str(request.GET.get("error_description") or request.GET["error"])[:200]
            return _failed(request, f"The provider says: {told}")
        try:
            answer: HttpResponse = super().get(request)
        except (
            SuspiciousOperation,
            jwt.PyJWTError,
            requests.RequestException,
            KeyError,
            ValueError,
        ) as error:
            logger.warning("console.single_sign_on_failed", extra={"reason": str(error)[:300]})
            return _failed(
                request, "What the provider sent could not be trusted, or it did not answer. Try again."
            )
        return answer

    def login_success(self) -> HttpResponse:
        """Sign in, or note that it is still the same person."""
        if not self.request.session.pop(AGAIN, False):
            if not self.user.is_staff:
                return _failed(self.request, f"The account {self.user} may not open these pages.")
            answer: HttpResponse = super().login_success()
            return answer
        if self.user != self.request.user:
            return _failed(
                self.request, f"You are signed in as {self.request.user}, and confirmed as {self.user}."
            )
        signed_in = self.request.oidc_claims.get("auth_time")
        if (
            not isinstance(signed_in, int)
            or signed_in < time.time() - CLOCK_SECONDS - 60 * settings.REAUTH_MINUTES
        ):
            return _failed(self.request, "The provider did not ask you again who you are.")
        confirm(self.request.session)
        confirmed: HttpResponse = super().login_success()
        return confirmed

    def login_failure(self) -> HttpResponse:
        """Tell that there is no account, or that the way back was not begun here."""
        return _failed(
            self.request,
            "No active account here has the mail address that the provider tells, or the sign-in was begun "
            "in another window.",
        )


def _require_configured() -> None:
    if not oidc.is_configured():
        raise Http404("Single sign-on is not configured.")


def _failed(request: HttpRequest, reason: str) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": "Single sign-on did not work",
        "reason": reason,
        "help": settings.SIGN_IN_HELP,
    }
    return render(request, "console/sso_failed.html", context, status=403)
