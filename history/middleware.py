"""One request, one change set; and history pages only read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from history.changesets import change_set
from history.models import ChangeSet

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class ChangeSetMiddleware:
    """Open a change set round every request that may write; roll it back when the answer is an error.

    Belongs after AuthenticationMiddleware, and after whatever sets `request.request_id` and corrects REMOTE_ADDR.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in SAFE_METHODS:
            return self.get_response(request)
        with change_set(
            actor=lambda: getattr(request, "user", None),
            origin=ChangeSet.Origin.API if request.path.startswith("/api/") else ChangeSet.Origin.ADMIN,
            request_id=str(getattr(request, "rid", "") or request.headers.get("X-Request-Id", "")),
            client_address=request.META.get("REMOTE_ADDR") or None,
        ) as opened:
            response = self.get_response(request)
            if opened.has_writes and response.status_code >= 400:
                transaction.set_rollback(True)
        return response


class ReadOnlyHistoryMiddleware:
    """Answer 405 to anything but GET and HEAD on the history page of every model in the admin, ours or not."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        match = request.resolver_match
        is_history = (
            match is not None and "admin" in match.app_names and (match.url_name or "").endswith("_history")
        )
        if is_history and request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return None
