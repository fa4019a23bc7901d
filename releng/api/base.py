"""The base of all endpoints: who asks, what they may, versions, refusals, and trial runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import APIException, MethodNotAllowed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from history import context
from history.exceptions import OutdatedDataError
from history.models import ChangeSet
from releases.exceptions import WrongStateError
from releng.api import conditional
from releng.api.authentication import ClientAuthentication
from releng.api.browsing import ASKED_FOR, FORMAT, PageRenderer, forget_empty, refuse_format, wants_page
from releng.api.dryrun import SignoffCollector
from releng.api.parsing import LARGEST_NUMBER, StrictJSONParser, is_true, number, refuse_large
from releng.api.problems import Refusal, Refusals, handle
from releng.api.throttling import ClientThrottle
from releng.updates.problems import BadArgument, SortedJSONRenderer

REASON_LENGTH = 1_000
READING = ("GET", "HEAD", "OPTIONS")


class ApiView(APIView):
    """An endpoint for those who are known; `needed` names the Django permission of each method, or several.

    One of several is enough to be let in; which of them it takes, the verbs ask. A method without an entry in
    `needed` is for nobody. With `open_reads`, and the setting API_ANONYMOUS_READS, anybody may read. Query arguments
    that are not declared in `arguments` are refused. Bodies are JSON objects. `?dry_run=1` on a write does everything
    and then takes it back. `refusals` are answers of this endpoint's own, `field_names` the names on the wire of
    fields that have another one.
    """

    authentication_classes: ClassVar[list[Any]] = [ClientAuthentication, SessionAuthentication]
    permission_classes: ClassVar[list[Any]] = []
    throttle_classes: ClassVar[list[Any]] = [ClientThrottle]
    renderer_classes = [SortedJSONRenderer]
    parser_classes = [StrictJSONParser]
    needed: ClassVar[Mapping[str, str | tuple[str, ...]]] = {}
    open_reads: ClassVar[bool] = False
    arguments: ClassVar[frozenset[str]] = frozenset()
    refusals: ClassVar[Refusals] = {}
    field_names: ClassVar[Mapping[str, str]] = {}

    # --- What happens before the method -------------------------------------------------------------------

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self._when_rendered: list[Callable[[Response], None]] = []
        self._collector: SignoffCollector | None = None
        self.is_dry_run = request.method not in READING and is_true(request.GET.get("dry_run"))
        self.is_browsed = wants_page(request)
        if self.is_browsed:
            forget_empty(request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        method = str(request.method)
        if method not in self.allowed_methods:
            raise MethodNotAllowed(method)
        refuse_large(request)
        super().initial(request, *args, **kwargs)
        self._refuse_arguments(request, kwargs)
        opened = context.current()
        if opened is not None:
            opened.actor = request.user
            opened.origin = ChangeSet.Origin.API
            self.give_reason(request.headers.get("X-Change-Reason"))
            if self.is_dry_run:
                opened.guard = self._collector = SignoffCollector(opened.guard)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Answer JSON whatever a client says that it accepts: old ones say strange things. People get a page."""
        renderer = PageRenderer() if self.is_browsed else self.get_renderers()[0]
        return renderer, renderer.media_type

    def perform_authentication(self, request: Request) -> None:
        """Find out who asks; bad credentials count against the address, too."""
        try:
            super().perform_authentication(request)
        except (APIException, PermissionDenied):
            request.user = AnonymousUser()
            self.check_throttles(request)
            raise

    def check_permissions(self, request: Request) -> None:
        """Refuse those who are not known, or lack the permission that the method needs."""
        method = str(request.method)
        if method == "OPTIONS":
            return
        if not request.user.is_authenticated:
            self.check_throttles(request)
            if method in READING and self.open_reads and settings.API_ANONYMOUS_READS:
                return
            self.permission_denied(request)
        self.require(self.needed.get("GET" if method == "HEAD" else method))

    def require(self, permission: str | tuple[str, ...] | None, obj: Any = None) -> None:
        """Raise PermissionDenied unless the asker has a Django permission, or one of several."""
        user: Any = self.request.user
        names = (permission,) if isinstance(permission, str) else permission or ()
        if not any(user.has_perm(name, obj) for name in names):
            raise PermissionDenied(
                f"{user.get_username()} lacks the permission {' or '.join(names) or 'to do this'}."
            )

    def declared_arguments(self) -> frozenset[str]:
        """Return the names of the query arguments that a read takes."""
        return self.arguments

    def _refuse_arguments(self, request: Request, kwargs: dict[str, Any]) -> None:
        allowed = self.declared_arguments() | {FORMAT if request.method in READING else "dry_run"}
        if undeclared := sorted(request.query_params.keys() - allowed):
            raise BadArgument(
                f"Extra query parameter(s) {', '.join(undeclared)} not in spec", title="Bad Request"
            )
        refuse_format(request)
        if any(isinstance(value, int) and value > LARGEST_NUMBER for value in kwargs.values()):
            raise Http404("There is no object with such a number.")
        for name, value in (*request.query_params.items(), *kwargs.items()):
            if "\0" in str(value):
                raise BadArgument(f"{name}: has a NUL character.", title="Bad Request")

    # --- For methods --------------------------------------------------------------------------------------

    def body(self) -> dict[str, Any]:
        """Return the JSON object that was sent; nothing sent counts as an empty one."""
        data = self.request.data
        if not isinstance(data, dict):
            raise BadArgument("The body must be a JSON object.", title="Bad Request")
        return dict(data)

    def argument(self, name: str) -> str | None:
        """Return a query argument; the last one counts."""
        return self.request.query_params.get(name)

    def give_reason(self, reason: Any) -> None:
        """Keep why this is done with its change set, unless a reason is known already."""
        opened = context.current()
        if opened is not None and isinstance(reason, str) and not opened.reason:
            opened.reason = reason.strip()[:REASON_LENGTH]

    def version_named(self, given: Any, name: str = "data_version") -> int | None:
        """Return the version that this write is based on, from `given` or If-Match; None when neither is there."""
        return conditional.version_named(self.request, given, name)

    def based_on(self, given: Any, name: str = "data_version") -> int:
        """Return the version that this write is based on; raise BadArgument when it is not told."""
        return number(self.version_named(given, name), name)

    def when_rendered(self, act: Callable[[Response], None]) -> None:
        """Have `act` called with the finished answer, within the transaction; not for refusals."""
        self._when_rendered.append(act)

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Say which methods there are."""
        return Response(status=204)

    # --- What happens after it ----------------------------------------------------------------------------

    def get_exception_handler(self) -> Any:
        return handle

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, OutdatedDataError) and "If-Match" in self.request.headers:
            exc = conditional.PreconditionFailed(str(exc))
        return super().handle_exception(exc)

    def finalize_response(
        self, request: Request, response: HttpResponse, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        refusal = self._collector.refusal() if self._collector is not None else None
        if response.status_code < 400 and refusal is not None:
            response = self.handle_exception(refusal)
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers.setdefault("Cache-Control", "private, no-cache")
        if request.method in READING:
            patch_vary_headers(final, (ASKED_FOR, "Authorization"))
        if isinstance(final, Response):
            self._finish(request, final)
        return final

    def _finish(self, request: Request, final: Response) -> None:
        """Render the answer while the transaction is open, and end that as the answer says."""
        is_refused = final.status_code >= 400
        if self.is_dry_run:
            final["X-Dry-Run"] = "1"
            if isinstance(final.data, dict) and not is_refused:
                final.data.setdefault("required_signoffs", {})
        final.render()
        has_tag = "X-Data-Version" in final and final.data is not None and not self.is_browsed
        if has_tag and not is_refused:
            final["ETag"] = conditional.tag(final)
            if request.method in READING and conditional.matches(request, final["ETag"]):
                final.status_code, final.content = 304, b""
        if not is_refused:
            for act in self._when_rendered:
                act(final)
        # Without a change set the transaction, if there is one, is somebody else's.
        if (is_refused or self.is_dry_run) and context.current() is not None:
            transaction.set_rollback(True)


class ContractView(ApiView):
    """An endpoint of the contract (protocol.md section 12), which answers 400 where ours say 409."""

    refusals: ClassVar[Refusals] = {WrongStateError: Refusal(400, "Bad Request")}
