"""Sessions of people: which there are, when each was last confirmed by a sign-in, and ending them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from releng.permissions.models import BROWSER_LENGTH, SignIn

CONFIRMED = "signed_in_at"
"""Where a session keeps when its person last proved to be it: seconds since 1970."""


def note_sign_in(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    """Keep when, from where and with what somebody signed in, beside the session."""
    session = request.session
    confirm(session)
    session.save()
    if not Session.objects.filter(pk=session.session_key).exists():
        return  # sessions are not kept in the database
    SignIn.objects.update_or_create(
        session_id=session.session_key,
        defaults={
            "user": user,
            "time": timezone.now(),
            "how": SignIn.How.SINGLE_SIGN_ON
            if "oidc" in session.get(BACKEND_SESSION_KEY, "")
            else SignIn.How.PASSWORD,
            "address": request.META.get("REMOTE_ADDR") or None,
            "browser": request.META.get("HTTP_USER_AGENT", "")[:BROWSER_LENGTH],
        },
    )


def confirm(session: Any) -> None:
    """Note that the person at the other end has just proved who it is."""
    session[CONFIRMED] = timezone.now().timestamp()


def confirmed_at(session: Any) -> datetime | None:
    """Return when the person last proved who it is, None when the session does not know."""
    seconds = session.get(CONFIRMED)
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, (int, float)) else None


def living(user: Any = None) -> QuerySet[SignIn]:
    """Return the sign-ins whose sessions live, the newest first: of one user, or of all."""
    found = SignIn.objects.filter(session__expire_date__gt=timezone.now(), user__is_active=True)
    found = found.select_related("user", "session")
    return found if user is None else found.filter(user=user)


def end(sign_ins: QuerySet[SignIn]) -> int:
    """End sessions at once; return how many."""
    keys = list(sign_ins.values_list("session_id", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    return len(keys)
