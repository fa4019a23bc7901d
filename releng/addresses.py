"""Who is at the other end, behind proxies of our own."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


class ClientAddressMiddleware:
    """Let REMOTE_ADDR be the client's address where TRUSTED_PROXIES proxies of our own stand in front.

    Each proxy appends to X-Forwarded-For the address that asked it. Only so many entries from the right were written
    by ours, and the leftmost of these is the client; whatever stands further left, anybody could have sent.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        proxies = settings.TRUSTED_PROXIES
        if proxies:
            told = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
            address = _address(told[-proxies]) if len(told) >= proxies else None
            if address is not None:
                request.META["REMOTE_ADDR"] = address
        return self.get_response(request)


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return None
