"""`POST /oauth/token`: access tokens for registered clients, and for nobody else (protocol.md section 13)."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.views import TokenView

from releases.validation import shown
from releng.api.throttling import address_of, wait_for

LARGEST_BODY_BYTES = 10_000


@method_decorator(csrf_exempt, name="dispatch")
class TokenEndpoint(TokenView):
    """The library's endpoint; takes JSON too, which the published client library sends."""

    http_method_names = ["post", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Count the request, and turn a JSON body into a form before anything looks at it."""
        wait = wait_for(f"token:{address_of(request)}", settings.TOKEN_RATE)
        if wait is not None:
            return _too_many(wait)
        if request.content_type == "application/json" and request.method == "POST":
            refused = _as_form(request)
            if refused is not None:
                return refused
        response: HttpResponse = super().dispatch(request, *args, **kwargs)
        return response


def _as_form(request: HttpRequest) -> HttpResponse | None:
    try:
        body = json.loads(request.body) if len(request.body) <= LARGEST_BODY_BYTES else None
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return _invalid("The body must be a JSON object.")
    form = QueryDict(mutable=True)
    for name, value in body.items():
        if not isinstance(value, str):
            return _invalid(f"{name}: {shown(value)} must be a text.")
        if name != "audience":  # the published client names one; tokens are for this server alone
            form[name] = value
    form._mutable = False  # noqa: SLF001
    request.POST = form  # type: ignore[assignment]
    request._files = {}  # type: ignore[attr-defined]  # noqa: SLF001
    return None


def _too_many(seconds: float) -> HttpResponse:
    body = {"error": "slow_down", "error_description": f"Too many requests; wait {seconds:.0f} seconds."}
    return JsonResponse(body, status=429, headers={"Retry-After": f"{seconds:.0f}"})


def _invalid(description: str) -> HttpResponse:
    return JsonResponse({"error": "invalid_request", "error_description": description}, status=400)
