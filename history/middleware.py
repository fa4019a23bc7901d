"""One request, one change set."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from history.changesets import change_set
from history.models import ChangeSet

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class ChangeSetMiddleware:
    """Open a change set round every request that may write; roll it back when the answer is an error.

    The setting HISTORY_GUARD names the guard (`history.context.Guard`) that is asked before every write of a request.

    Belongs after AuthenticationMiddleware, and after whatever sets `request.request_id` and corrects REMOTE_ADDR.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        name = getattr(settings, "HISTORY_GUARD", None)
        self.guard = import_string(name) if name else None

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in SAFE_METHODS:
            return self.get_response(request)
        with change_set(
            actor=lambda: getattr(request, "user", None),
            origin=ChangeSet.Origin.API if request.path.startswith("/api/") else ChangeSet.Origin.ADMIN,
            request_id=str(getattr(request, "rid", "") or request.headers.get("X-Request-Id", "")),
            client_address=request.META.get("REMOTE_ADDR") or None,
            guard=self.guard,
        ) as opened:
            response = self.get_response(request)
            if opened.has_writes and response.status_code >= 400:
                transaction.set_rollback(True)
        return response
