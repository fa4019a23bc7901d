"""Releases in the console: the list, and what the admin class of releases has besides its room's."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404

from history.feed import as_number
from history.views import READ_METHODS
from releases.models import Release
from releng.changes.policy import missing_permission
from releng.console import release_diff, release_editor, release_lock
from releng.console.pages import Page, render_page
from releng.console.release_drafts import as_text
from releng.console.release_list import ReleaseFilters, ReleaseList
from releng.console.release_page import release_page

VIEW = "releases.view_release"


class ReleaseConsoleMixin:
    """Before the admin class of releases: the list, and permissions asked for each release."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the releases; what is posted goes to the actions of the admin."""
        own: Any = self
        if request.method not in READ_METHODS:
            response: HttpResponse = super().changelist_view(request, extra_context)  # type: ignore[misc]
            return response
        if not own.has_view_or_change_permission(request):
            raise PermissionDenied(missing_permission(request.user, VIEW, None))
        return release_list(request)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show the editor of a new release."""
        return release_editor.edit(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a release; it is changed on pages of their own."""
        own: Any = self
        if request.method not in READ_METHODS:
            return HttpResponseNotAllowed(READ_METHODS)
        release = Release.objects.filter(pk=as_number(object_id) or 0).first()
        if not own.has_view_or_change_permission(request, release):
            raise PermissionDenied(missing_permission(request.user, VIEW, release))
        if release is None:
            raise Http404("There is no such release.")
        return release_page(request, release)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether this release may be changed; without one, whether any may."""
        user: Any = request.user
        return bool(user.has_perm("releases.change_release", obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether this release may be deleted; without one, whether any may."""
        user: Any = request.user
        return bool(user.has_perm("releases.delete_release", obj))


def release_list(request: HttpRequest) -> HttpResponse:
    """The releases, filtered by what the address asks."""
    form = ReleaseFilters(request.GET)
    releases = ReleaseList(form, as_number(request.GET.get("page")) or 1)
    user: Any = request.user
    return render_page(
        request,
        "console/releases.html",
        "Releases",
        form=form,
        releases=releases,
        may_add=user.has_perm("releases.add_release"),
        actions=[
            (name, label)
            for name, label, permission in (
                ("lock", "Make read-only", "releases.set_read_only"),
                ("unlock", "Make writable", "releases.unset_read_only"),
                ("delete_selected", "Delete", "releases.delete_release"),
            )
            if user.has_perm(permission)
        ],
    )


def document(request: HttpRequest, key: int) -> HttpResponse:
    """Show the whole document as it is stored."""
    text = as_text(get_object_or_404(Release, pk=key).blob())
    return HttpResponse(text + "\n", content_type="application/json; charset=utf-8")


PAGES = (
    Page("releases/release/<int:key>/document/", "release_document", document, (VIEW,)),
    *release_diff.PAGES,
    *release_editor.PAGES,
    *release_lock.PAGES,
)
