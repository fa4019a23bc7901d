"""Sessions: who is signed in, since when and from where; ending one's own, and for administrators those of others."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from history.feed import as_number
from releng.console.pages import Page, render_page
from releng.permissions import sessions

OTHERS = "auth.change_user"
SHOWN = 200


def listing(request: HttpRequest) -> HttpResponse:
    """Show everybody's sessions; on POST end one."""
    if request.method == "POST":
        return _end(request)
    found = sessions.living()
    return render_page(
        request,
        "console/sessions.html",
        "Sessions",
        sessions=list(found[:SHOWN]),
        total=found.count(),
        here=request.session.session_key,
    )


def end(request: HttpRequest) -> HttpResponse:
    """End a session, or all others of one's own (POST); other methods lead to one's own page."""
    return _end(request) if request.method == "POST" else HttpResponseRedirect(reverse("admin:console_me"))


def _end(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    if "others" in request.POST:
        mine = sessions.living(user).exclude(session_id=request.session.session_key)
        count = sessions.end(mine)
        messages.success(request, f"{count} other session{'' if count == 1 else 's'} of yours ended.")
        return HttpResponseRedirect(reverse("admin:console_me"))
    key = as_number(request.POST.get("session"))
    found = sessions.living().filter(pk=key or 0)
    one = found.first()
    if one is None:
        raise Http404("This session has ended already.")
    if one.user_id != user.pk and not user.has_perm(OTHERS):
        raise PermissionDenied(f"{user} may not end sessions of others: the permission {OTHERS} is missing.")
    is_mine, back = one.user_id == user.pk, request.POST.get("back") == "all"
    sessions.end(found)
    messages.success(request, f"The session of {one.user} has ended.")
    if is_mine:
        return HttpResponseRedirect(reverse("admin:console_me"))
    if back:
        return HttpResponseRedirect(reverse("admin:console_sessions"))
    return HttpResponseRedirect(reverse("admin:console_person", args=[one.user_id]))


PAGES = (
    Page("people/sessions/", "sessions", listing, (OTHERS,)),
    Page("people/sessions/end/", "session_end", end),
)
