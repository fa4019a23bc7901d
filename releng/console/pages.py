"""What every page of the console has in common: its address, who may open it, and its frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse

from releng.permissions.questions import administrators

View = Callable[..., HttpResponse]


@dataclass(frozen=True)
class Link:
    """A link in the bar of every page: its text, the name of its address, and who sees it.

    One of the permissions `needs` is enough; none means every member of staff.
    """

    label: str
    url: str
    needs: tuple[str, ...] = ()

    def shown_to(self, user: Any) -> bool:
        """Whether a person may open what the link points to."""
        return not self.needs or any(user.has_perm(name) for name in self.needs)


@dataclass(frozen=True)
class Page:
    """A page below /admin/ that is no model's; its address is named `admin:console_NAME`.

    `view(request, **kwargs)` is asked only for members of staff with one of the permissions `needs`
    (none: all staff). Without a `label` there is no link to it in the bar.
    """

    path: str
    name: str
    view: View
    needs: tuple[str, ...] = ()
    label: str = ""

    @property
    def link(self) -> Link:
        """The page's link in the bar."""
        return Link(self.label, f"admin:console_{self.name}", self.needs)

    def pattern(self, site: admin.AdminSite) -> URLPattern:
        """Return the page's entry in the addresses of an admin site."""
        return path(self.path, site.admin_view(self._guarded()), name=f"console_{self.name}")

    def _guarded(self) -> View:
        @wraps(self.view)
        def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            if not self.link.shown_to(request.user):
                raise PermissionDenied(
                    f"{self.label or 'This page'} needs the permission {' or '.join(self.needs)}."
                )
            return self.view(request, **kwargs)

        return guarded


def render_page(
    request: HttpRequest, template: str, title: str, *, status: int = 200, **context: Any
) -> HttpResponse:
    """Render a template that extends `console/base.html`."""
    shared = {**admin.site.each_context(request), "title": title}
    return render(request, template, {**shared, **context}, status=status)


def bar(links: Iterable[Link], request: HttpRequest) -> list[dict[str, Any]]:
    """Return the links that the person may follow, and which of them is the page that is open."""
    shown = [(link, reverse(link.url)) for link in links if link.shown_to(request.user)]
    here = max((url for _, url in shown if request.path.startswith(url)), key=len, default=None)
    return [{"label": link.label, "url": url, "here": url == here} for link, url in shown]


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403 with the reason, and with who can help."""
    context = {"title": "You may not do this", "reason": str(exception), "helpers": administrators()}
    return render(
        request, "console/forbidden.html", {**admin.site.each_context(request), **context}, status=403
    )


def missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404: in the look of the admin for those who are signed in there, shortly for others."""
    context = {**admin.site.each_context(request), "title": "Not found", "request_path": request.path}
    return render(request, "404.html", context, status=404)
