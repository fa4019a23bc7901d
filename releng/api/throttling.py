"""How often one client may ask: by account, or by address as long as nobody is known."""

from __future__ import annotations

import math
import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

SECONDS = {"second": 1, "minute": 60, "hour": 3600}


def parsed_rate(text: str) -> tuple[int, int]:
    """Return `6000/minute` as (6000, 60); an empty text is (0, 1): no limit. Raises ValueError naming it."""
    if not text:
        return 0, 1
    count, _, period = text.partition("/")
    if not count.isdigit() or period not in SECONDS:
        raise ValueError(f"{text!r} is no rate; write for instance 6000/minute (or /second, /hour).")
    return int(count), SECONDS[period]


def wait_for(what: str, rate: str) -> float | None:
    """Count one more of `what`; return None within the rate, else the seconds until the next window begins."""
    most, seconds = parsed_rate(rate)
    if not most:
        return None
    now = time.time()
    key = f"rate:{what}:{int(now // seconds)}"
    cache.add(key, 0, timeout=2 * seconds)
    try:
        count = cache.incr(key)
    except ValueError:  # dropped by the cache just now
        count = 1
    return None if count <= most else math.ceil(seconds - now % seconds)


def address_of(request: HttpRequest | Request) -> str:
    """Return who is at the other end, as ClientAddressMiddleware knows it."""
    return request.META.get("REMOTE_ADDR") or "unknown"


class ClientThrottle(BaseThrottle):
    """Limits each account, whatever token it uses, and each address from which nobody is known."""

    def __init__(self) -> None:
        self._wait: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count this request; tell whether it is within the limit."""
        user = request.user
        self._wait = (
            wait_for(f"account:{user.pk}", settings.API_RATE)
            if user.is_authenticated
            else wait_for(f"address:{address_of(request)}", settings.API_ANONYMOUS_RATE)
        )
        return self._wait is None

    def wait(self) -> float | None:
        """Return after how many seconds it may be tried again."""
        return self._wait
