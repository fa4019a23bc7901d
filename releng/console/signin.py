"""Signing in: when a name is locked, until when, and who can help."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.db.models import Max, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone


def locked_until(username: str, address: str | None = None) -> datetime | None:
    """Return until when a name is locked after wrong passwords, None while it is not.

    It is locked for each address by itself; without one the latest end of all addresses is returned.
    """
    cool_off = timedelta(hours=settings.AXES_COOLOFF_TIME)
    rows = AccessAttempt.objects.filter(username=username, attempt_time__gte=timezone.now() - cool_off)
    if address is not None:
        rows = rows.filter(ip_address=address)
    counted = (
        rows.order_by()
        .values("ip_address")
        .annotate(failures=Sum("failures_since_start"), last=Max("attempt_time"))
    )
    ends = [row["last"] + cool_off for row in counted if row["failures"] >= settings.AXES_FAILURE_LIMIT]
    return max(ends, default=None)


def locked_out(
    request: HttpRequest, original: HttpResponse | None, credentials: dict[str, Any] | None
) -> HttpResponse:
    """Answer somebody whose name is locked: until when, and who can help. Says nothing about whether it is known."""
    name = str((credentials or {}).get("username", ""))
    until = locked_until(name, request.META.get("REMOTE_ADDR"))
    context = {
        **admin.site.each_context(request),
        "title": "Locked for a while",
        "until": until or timezone.now() + timedelta(hours=settings.AXES_COOLOFF_TIME),
        "limit": settings.AXES_FAILURE_LIMIT,
        "help": settings.SIGN_IN_HELP,
    }
    return render(request, "console/locked_out.html", context, status=HTTPStatus.TOO_MANY_REQUESTS)
