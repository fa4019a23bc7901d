"""What the public process adds to answers that come from Django."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from releng.updates.service import POLICY, SECURITY_HEADERS


class PublicHeadersMiddleware:
    """Give every answer the headers of the public service (protocol.md section 10)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in (*SECURITY_HEADERS, *POLICY):
            response.headers[name] = value
        response.headers.setdefault("Cache-Control", f"public, max-age={settings.UPDATE_MAX_AGE}")
        return response
