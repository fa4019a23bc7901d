"""Scheduled changes in the console: the inbox, the page of each, and batches."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import path

from history.views import READ_METHODS
from releng.changes.kinds import TARGETS
from releng.changes.policy import missing_permission
from releng.console.change_page import act, change_page, read
from releng.console.change_verbs import VERBS
from releng.console.inbox import OVER, SECTIONS, Filters, Inbox, over
from releng.console.pages import render_page

VIEW = "changes.view_scheduledchange"


class ChangeConsoleMixin:
    """Before the admin class of scheduled changes: the inbox as the list, the console's page, and the verbs."""

    def get_urls(self) -> list[Any]:
        own: Any = self
        do = path(
            "<int:object_id>/<str:verb>/do/",
            own.admin_site.admin_view(self.verb_view),
            name="changes_scheduledchange_do",
        )
        urls: list[Any] = super().get_urls()  # type: ignore[misc]
        return [do, *urls]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the inbox."""
        if request.method not in READ_METHODS:
            return HttpResponseNotAllowed(READ_METHODS)
        self._refuse_others(request)
        return inbox(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one change."""
        if request.method not in READ_METHODS:
            return HttpResponseNotAllowed(READ_METHODS)
        self._refuse_others(request)
        is_number = object_id.isascii() and object_id.isdigit() and len(object_id) < 19
        return change_page(request, read(int(object_id) if is_number else 0))

    def verb_view(self, request: HttpRequest, object_id: int, verb: str) -> HttpResponse:
        """Do something with a change."""
        self._refuse_others(request)
        if verb not in VERBS:
            raise Http404("Nothing of that name can be done with a scheduled change.")
        return act(request, read(object_id), verb)

    def _refuse_others(self, request: HttpRequest) -> None:
        own: Any = self
        if not own.has_view_permission(request):
            raise PermissionDenied(missing_permission(request.user, VIEW, None))


def inbox(request: HttpRequest) -> HttpResponse:
    """The open changes by what they wait for; with `show=over` those whose end is decided."""
    filters = Filters(request.GET)
    found = Inbox(request.user, filters)
    text = request.GET.get("page", "")
    page = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1
    return render_page(
        request,
        "changes/inbox.html",
        "Scheduled changes",
        inbox=found,
        filters=filters,
        over=over(filters, page) if filters.show == OVER else None,
        over_address=filters.address(OVER),
        all_address=filters.address(""),
        heading=SECTIONS[filters.show][0] if filters.show in SECTIONS else "",
        kinds=[(kind, target.model._meta.verbose_name) for kind, target in TARGETS.items()],
    )
