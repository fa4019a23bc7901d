"""Asking once more who somebody is, before permissions, roles, requirements, accounts or credentials are changed.

The question is asked where such a row is about to be written, so no page, form or verb goes round it. What was sent is
carried through the question, and done as soon as it is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, authenticate, get_user_model
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models.signals import pre_delete, pre_save
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from oauth2_provider.models import get_application_model

from history.context import Change, OpenChangeSet
from history.models import VersionedModel
from releng.changes import guard as changes
from releng.changes.kinds import KIND_OF
from releng.changes.models import ScheduledWrite
from releng.console.pages import Page, render_page
from releng.permissions import oidc
from releng.permissions.models import (
    Account,
    Permission,
    PermissionRequiredSignoff,
    ProductRequiredSignoff,
    Role,
)
from releng.permissions.sessions import confirm, confirmed_at

PASSWORD = "confirm-password"  # noqa: S105  # the name of a field
KEPT = "confirm_kept"
NEEDED = "confirmation_needed"
# What is kept for somebody who confirms elsewhere; passwords are not.
MOST_KEPT_CHARACTERS = 100_000
GUARDED = (Permission, Role, ProductRequiredSignoff, PermissionRequiredSignoff, Account)
GUARDED_KINDS = frozenset(KIND_OF[model] for model in GUARDED if model in KIND_OF)
# Fields of an account that are written by signing in itself.
WRITTEN_BY_SIGNING_IN = frozenset({"last_login", "password"})


class ConfirmationNeededError(Exception):
    """The last sign-in is too long ago for what was to be written. No refusal: the person is asked."""


_asking: ContextVar[HttpRequest | None] = ContextVar("console_asking", default=None)


def refuse_unconfirmed() -> None:
    """Raise ConfirmationNeededError when a session is asking whose person has not been confirmed lately.

    Commands and bearer tokens pass. The API is not asked questions: there it is PermissionDenied.
    """
    request = _asking.get()
    if request is None or SESSION_KEY not in request.session:
        return
    if request.path.startswith("/api/") and request.headers.get("Authorization", "")[:7].lower() == "bearer ":
        return
    at = confirmed_at(request.session)
    if at is not None and timezone.now() - at <= timedelta(minutes=settings.REAUTH_MINUTES):
        return
    if request.path.startswith("/api/"):
        raise PermissionDenied(
            f"The last sign-in is more than {settings.REAUTH_MINUTES:g} minutes ago: sign in again before you "
            "change who may do what."
        )
    raise ConfirmationNeededError


def guard(opened: OpenChangeSet, change: Change, rows: Sequence[VersionedModel]) -> None:
    """Ask for confirmation before rows about people are written, then whether the actor may (HISTORY_GUARD)."""
    if isinstance(rows[0], GUARDED):
        refuse_unconfirmed()
    changes.guard(opened, change, rows)


def _before_proposal(sender: Any, instance: ScheduledWrite, **kwargs: Any) -> None:
    if instance.target in GUARDED_KINDS:
        refuse_unconfirmed()


def _before_credential(sender: Any, instance: Any, **kwargs: Any) -> None:
    refuse_unconfirmed()


def _before_account(
    sender: Any, instance: Any, update_fields: frozenset[str] | None = None, **kwargs: Any
) -> None:
    request = _asking.get()
    if update_fields and set(update_fields) <= WRITTEN_BY_SIGNING_IN:
        return
    if request is not None and request.path == reverse("admin:password_change"):
        return  # this form asks for the old password itself
    refuse_unconfirmed()


def connect() -> None:
    """Ask also before what has no history: accounts of Django, and OAuth clients; and before proposals."""
    pre_save.connect(_before_proposal, sender=ScheduledWrite, dispatch_uid="confirm.proposal")
    pre_save.connect(_before_account, sender=get_user_model(), dispatch_uid="confirm.account")
    for signal in (pre_save, pre_delete):
        signal.connect(_before_credential, sender=get_application_model(), dispatch_uid="confirm.credential")


class ConfirmationMiddleware:
    """Ask who somebody is where that is needed, and go on with what was sent once it is known.

    Belongs after the middleware of sessions, CSRF, authentication and messages, and before that of change sets.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _asking.set(request)
        try:
            answer = self.get_response(request)
        finally:
            _asking.reset(token)
        return _question(request) if hasattr(answer, NEEDED) else answer

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Check the password of an answered question; then let the view do what it was sent for."""
        if request.method != "POST" or not request.path.startswith("/admin/") or PASSWORD not in request.POST:
            return None
        user: Any = request.user
        if not user.is_authenticated:
            return None
        given = request.POST[PASSWORD]
        sent = request.POST.copy()
        del sent[PASSWORD]
        request.POST = sent  # type: ignore[assignment]  # as if it had never been there
        found = authenticate(request, username=user.get_username(), password=given)
        if found is None or found.pk != user.pk:
            return _question(request, problem="That is not your password. Nothing has been changed yet.")
        confirm(request.session)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Keep nothing of what was begun; the question is asked once the transaction has ended."""
        if not isinstance(exception, ConfirmationNeededError):
            return None
        if transaction.get_connection().in_atomic_block:
            transaction.set_rollback(True)
        answer = HttpResponse()
        setattr(answer, NEEDED, True)
        return answer


def _question(request: HttpRequest, problem: str = "") -> HttpResponse:
    fields = [
        (name, value)
        for name, values in request.POST.lists()
        if name not in ("csrfmiddlewaretoken", PASSWORD)
        for value in values
    ]
    if oidc.is_configured():
        _keep(request, fields)
    user: Any = request.user
    return render_page(
        request,
        "console/confirm.html",
        "Is it still you?",
        path=request.get_full_path(),
        fields=fields,
        problem=problem,
        since=confirmed_at(request.session),
        minutes=settings.REAUTH_MINUTES,
        has_password=user.has_usable_password(),
        provider=settings.OIDC_NAME if oidc.is_configured() else "",
        go_on=reverse("admin:console_confirmed"),
        has_files=bool(request.FILES),
    )


def _keep(request: HttpRequest, fields: list[tuple[str, str]]) -> None:
    """Keep what was sent for somebody who comes back from the provider."""
    kept = [[name, value] for name, value in fields if "password" not in name and name != "again"]
    if sum(len(name) + len(value) for name, value in kept) <= MOST_KEPT_CHARACTERS:
        request.session[KEPT] = {"path": request.get_full_path(), "fields": kept}


def confirmed(request: HttpRequest) -> HttpResponse:
    """Show somebody who has confirmed at the provider what was being done, to go on with it."""
    kept = request.session.get(KEPT)
    at = confirmed_at(request.session)
    if kept is None or at is None or timezone.now() - at > timedelta(minutes=settings.REAUTH_MINUTES):
        return HttpResponseRedirect(reverse("admin:index"))
    del request.session[KEPT]
    return render_page(
        request, "console/confirmed.html", "Thank you: go on", path=kept["path"], fields=kept["fields"]
    )


PAGES = (Page("people/confirmed/", "confirmed", confirmed),)
