"""The base of all endpoints: who asks, what they may, refusals, and trial runs."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.db import transaction
from rest_framework.authentication import SessionAuthentication
from rest_framework.parsers import JSONParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from history import context
from history.models import ChangeSet
from releng.api.authentication import ClientAuthentication
from releng.api.problems import handle
from releng.updates.problems import BadArgument, SortedJSONRenderer

REASON_LENGTH = 1_000


class ApiView(APIView):
    """An endpoint for those who are known; `needed` names the Django permission of each method.

    Query arguments that are not declared in `arguments` are refused. Bodies are JSON objects. `?dry_run=1` on a write
    does everything and then takes it back. A method without an entry in `needed` is for nobody.
    """

    authentication_classes: ClassVar[list[Any]] = [ClientAuthentication, SessionAuthentication]
    permission_classes: ClassVar[list[Any]] = [IsAuthenticated]
    renderer_classes = [SortedJSONRenderer]
    parser_classes = [JSONParser]
    needed: ClassVar[dict[str, str]] = {}
    arguments: ClassVar[frozenset[str]] = frozenset()

    def get_exception_handler(self) -> Any:
        return handle

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Answer JSON whatever the client says that it accepts: old ones say strange things."""
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        method = str(request.method)
        if method != "OPTIONS":
            self.require(self.needed.get("GET" if method == "HEAD" else method))
        allowed = self.arguments | ({"dry_run"} if method not in ("GET", "HEAD", "OPTIONS") else set())
        if undeclared := sorted(request.query_params.keys() - allowed):
            raise BadArgument(
                f"Extra query parameter(s) {', '.join(undeclared)} not in spec", title="Bad Request"
            )
        opened = context.current()
        if opened is not None:
            opened.actor = request.user
            reason = request.headers.get("X-Change-Reason", "")
            opened.reason = opened.reason or reason.strip()[:REASON_LENGTH]
            opened.origin = ChangeSet.Origin.API

    def require(self, permission: str | None, obj: Any = None) -> None:
        """Raise PermissionDenied unless the asker has a Django permission."""
        user: Any = self.request.user
        if permission is None or not user.has_perm(permission, obj):
            raise PermissionDenied(
                f"{user.get_username()} lacks the permission {permission or 'to do this'}."
            )

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        if self.is_dry_run and final.status_code < 400 and transaction.get_connection().in_atomic_block:
            transaction.set_rollback(True)
            final["X-Dry-Run"] = "1"
        return final

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing is to be kept."""
        request: Any = getattr(self, "request", None)
        return request is not None and getattr(request, "GET", {}).get("dry_run", "") in ("1", "true")

    def body(self) -> dict[str, Any]:
        """Return the JSON object that was sent; nothing sent counts as an empty one."""
        data = self.request.data
        if data is None or data == "":
            return {}
        if not isinstance(data, dict):
            raise BadArgument("The body must be a JSON object.", title="Bad Request")
        return dict(data)


def number(value: Any, name: str, *, least: int = 1) -> int:
    """Return a whole number that was sent as a number or as text; raise BadArgument naming it otherwise."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise BadArgument(f"{name}: {value!r} is not a whole number from {least} on.", title="Bad Request")
    return value
