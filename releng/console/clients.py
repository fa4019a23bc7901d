"""OAuth clients, the credentials of automation: made, given a new secret, and revoked by administrators."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from oauth2_provider.models import get_application_model

from releng.changes.policy import missing_permission
from releng.console.attempts import attempt
from releng.console.pages import Page, render_page
from releng.permissions import credentials
from releng.permissions.models import Account
from releng.permissions.who import people_allowed

SEE, MAKE, CHANGE, REVOKE = (
    f"oauth2_provider.{verb}_application" for verb in ("view", "add", "change", "delete")
)


def listing(request: HttpRequest) -> HttpResponse:
    """Show all clients; on POST make one, and show its secret, once."""
    user: Any = request.user
    sent, problems = request.POST, []
    may_make = user.has_perm(MAKE)
    if request.method == "POST":
        if not may_make:
            raise PermissionDenied(missing_permission(user, MAKE, None))
        made: list[tuple[Any, str]] = []
        problems = attempt(lambda: made.append(_make(sent, by=user.get_username())))
        if made:
            return _shown_once(request, *made[0], new=True)
    clients = get_application_model().objects.select_related("user").order_by("name")
    now = timezone.now()
    counted = clients.annotate(
        living=Count("accesstoken", filter=Q(accesstoken__expires__gt=now)), last=Max("accesstoken__created")
    )
    machines = get_user_model().objects.filter(account__kind=Account.Kind.SYSTEM, is_active=True)
    return render_page(
        request,
        "console/clients.html",
        "OAuth clients",
        clients=counted,
        may_make=may_make,
        machines=machines.order_by("username") if may_make else [],
        helpers=[] if may_make else people_allowed(MAKE),
        sent=sent,
        problems=problems,
        status=400 if problems else 200,
    )


def _make(sent: Any, *, by: str) -> tuple[Any, str]:
    machines = get_user_model().objects.filter(account__kind=Account.Kind.SYSTEM, is_active=True)
    account = machines.filter(username=sent.get("account", "")).first()
    if account is None:
        raise ValidationError({"account": "Choose the machine's account that the client acts as."})
    return credentials.make_client(sent.get("name", ""), account, by=by)


def rotate(request: HttpRequest, key: int) -> HttpResponse:
    """Ask, and give a client a new secret, which is shown once."""
    client = get_object_or_404(get_application_model().objects.select_related("user"), pk=key)
    if request.method == "POST":
        secret = credentials.rotate_secret(client, by=request.user.get_username())
        return _shown_once(request, client, secret, new=False)
    return render_page(
        request, "console/client_change.html", f"A new secret for {client.name}", client=client, revoke=False
    )


def revoke(request: HttpRequest, key: int) -> HttpResponse:
    """Ask, and end a client."""
    client = get_object_or_404(get_application_model().objects.select_related("user"), pk=key)
    if request.method == "POST":
        credentials.revoke_client(client, by=request.user.get_username())
        messages.success(request, f"The client {client.name} is revoked; its tokens are refused from now on.")
        return HttpResponseRedirect(reverse("admin:console_clients"))
    return render_page(
        request, "console/client_change.html", f"Revoke {client.name}", client=client, revoke=True
    )


def _shown_once(request: HttpRequest, client: Any, secret: str, *, new: bool) -> HttpResponse:
    """Show a secret in the answer itself: it stands in no address, message or session, and is not cached."""
    return render_page(
        request,
        "console/client_secret.html",
        f"Secret of {client.name}",
        client=client,
        secret=secret,
        new=new,
    )


PAGES = (
    Page("people/clients/", "clients", listing, (SEE,)),
    Page("people/clients/<int:key>/rotate/", "client_rotate", rotate, (CHANGE,)),
    Page("people/clients/<int:key>/revoke/", "client_revoke", revoke, (REVOKE,)),
)
