"""People and machines: who may do what, in words; one page for each; making, switching and unlocking accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from axes.utils import reset
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Prefetch, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from oauth2_provider.models import get_application_model

from history.context import require
from history.models import ChangeSet
from history.views import visible_models
from releng.changes.models import ScheduledChange, Signoff
from releng.changes.policy import missing_permission
from releng.console.attempts import attempt
from releng.console.news import Act, acts_of
from releng.console.pages import Page, render_page
from releng.console.requirements import unmet_without
from releng.console.signin import locked_until
from releng.permissions import actions
from releng.permissions.models import Account, Permission, Role
from releng.permissions.questions import administrators
from releng.permissions.sessions import living
from releng.permissions.who import people_allowed

SEE, SWITCH, ADD, CREDENTIALS = (
    "permissions.view_permission",
    "permissions.change_account",
    "auth.add_user",
    "oauth2_provider.change_application",
)
SHOWN = 200
ACTS_SHOWN = 15
KINDS = {"": "everybody", "people": "people", "machines": "machines", "off": "deactivated"}


@dataclass(frozen=True, slots=True)
class Held:
    """What an account may do and in which roles it signs, each as its row, and whether it is a machine's."""

    user: Any
    is_machine: bool
    permissions: list[Permission]
    roles: list[Role]

    @property
    def decides_alone(self) -> Permission | None:
        """The row `admin`, beside which other rows of the account are not asked."""
        return next((row for row in self.permissions if row.permission == "admin"), None)


def held_by(users: Any) -> list[Held]:
    """Return what some users hold: four queries."""
    found = users.select_related("account").prefetch_related(
        Prefetch("permissions", Permission.objects.select_related("user")),
        Prefetch("roles", Role.objects.select_related("user")),
    )
    return [
        Held(user, _is_machine(user), list(user.permissions.all()), list(user.roles.all())) for user in found
    ]


def _is_machine(user: Any) -> bool:
    account = getattr(user, "account", None)
    return account is not None and account.kind == Account.Kind.SYSTEM


def listing(request: HttpRequest) -> HttpResponse:
    """Show all accounts, or those that the address asks for."""
    text, role = request.GET.get("q", "").strip(), request.GET.get("role", "").strip()
    product, kind = request.GET.get("product", "").strip(), request.GET.get("kind", "")
    rows: Any = get_user_model().objects.order_by("-is_active", "username")
    if text:
        rows = rows.filter(
            Q(username__icontains=text)
            | Q(email__icontains=text)
            | Q(permissions__permission__icontains=text)
        )
    if role:
        rows = rows.filter(roles__role=role)
    machines = Q(account__kind=Account.Kind.SYSTEM)
    kinds = {"people": ~machines & Q(is_active=True), "machines": machines, "off": Q(is_active=False)}
    rows = rows.filter(kinds.get(kind, Q())).distinct()
    found = [one for one in held_by(rows) if not product or _reaches(one, product)]
    user: Any = request.user
    return render_page(
        request,
        "console/people.html",
        "People",
        people=found[:SHOWN],
        total=len(found),
        text=text,
        role=role,
        product=product,
        kind=kind,
        kinds=KINDS,
        roles=sorted(set(Role.objects.order_by().values_list("role", flat=True))),
        may_add=user.has_perm(ADD),
        is_filtered=bool(text or role or product or kind),
    )


def _reaches(one: Held, product: str) -> bool:
    """Tell whether somebody may do anything with a product."""
    rows = [one.decides_alone] if one.decides_alone is not None else one.permissions
    return any(row is not None and (not row.products or product in row.products) for row in rows)


# --- One of them --------------------------------------------------------------------------------------------


def me(request: HttpRequest) -> HttpResponse:
    """The page of whoever asks: everybody may see what one may do oneself."""
    viewer: Any = request.user
    return _page(request, get_user_model().objects.filter(pk=viewer.pk))


def person(request: HttpRequest, key: int) -> HttpResponse:
    """Somebody's page."""
    user: Any = request.user
    if user.pk != key and not user.has_perm(SEE):
        raise PermissionDenied(missing_permission(user, SEE, None))
    return _page(request, get_user_model().objects.filter(pk=key))


def _page(request: HttpRequest, rows: Any) -> HttpResponse:
    get_object_or_404(rows)
    held = held_by(rows)[0]
    viewer: Any = request.user
    is_me = held.user.pk == viewer.pk
    sees_credentials = viewer.has_perm("oauth2_provider.view_application")
    may_end = is_me or viewer.has_perm("auth.change_user")
    can_give = viewer.has_perm("permissions.add_permission")
    return render_page(
        request,
        "console/person.html",
        str(held.user),
        held=held,
        is_me=is_me,
        sessions=list(living(held.user)) if may_end else None,
        here=request.session.session_key,
        clients=list(get_application_model().objects.filter(user=held.user).order_by("name"))
        if sees_credentials
        else None,
        acts=_acts(viewer, held.user),
        may_switch=viewer.has_perm(SWITCH) and not is_me,
        can_give=can_give,
        can_change=viewer.has_perm("permissions.change_permission"),
        can_take_roles=viewer.has_perm("permissions.delete_role"),
        may_set_password=viewer.has_perm("auth.change_user"),
        locked_until=locked_until(held.user.get_username()) if viewer.has_perm("auth.change_user") else None,
        givers=people_allowed("permissions.add_permission") if not can_give else [],
        helpers=administrators(),
    )


def _acts(viewer: Any, user: Any) -> list[Act] | None:
    """Return what somebody did lately, as far as the viewer may see it."""
    try:
        visible = visible_models(viewer)
    except PermissionDenied:
        return None
    rows = ChangeSet.objects.filter(actor=user).order_by("-sequence")[:ACTS_SHOWN]
    return acts_of(visible, list(rows))


# --- Making, switching off and on, unlocking ----------------------------------------------------------------


def add(request: HttpRequest) -> HttpResponse:
    """Make an account of a person or a machine."""
    sent, problems = request.POST, []
    if request.method == "POST":
        made: list[Any] = []
        problems = attempt(lambda: made.append(_add(sent)))
        if made:
            messages.success(request, f"The account {made[0]} is made. Say now what it may do.")
            return HttpResponseRedirect(reverse("admin:console_person", args=[made[0].pk]))
    return render_page(
        request,
        "console/person_add.html",
        "New account",
        sent=sent,
        kind=sent.get("kind", "person"),
        problems=problems,
        status=400 if problems else 200,
    )


def _add(sent: Any) -> Any:
    name, email, password = (
        sent.get("name", "").strip(),
        sent.get("email", "").strip(),
        sent.get("password", ""),
    )
    if not name:
        raise ValidationError({"name": "Give a name to sign in with, best a mail address."})
    opened = require("a new account")
    opened.reason = opened.reason or sent.get("reason", "").strip() or f"new account {name}"
    if sent.get("kind") == "machine":
        if password:
            raise ValidationError({"password": "Machines have no password: they use an OAuth client."})
        return actions.create_system_account(name)
    if password:
        validate_password(password, get_user_model()(username=name, email=email))
        if password != sent.get("again", ""):
            raise ValidationError({"password": "The two passwords differ."})
    return actions.create_person(name, email, password=password or None)


def switch(request: HttpRequest, key: int) -> HttpResponse:
    """Ask for a reason, and deactivate an account or activate it again."""
    user: Any = get_object_or_404(get_user_model(), pk=key)
    if user.pk == request.user.pk:
        raise PermissionDenied("Nobody deactivates the own account; ask another administrator.")
    verb = actions.deactivate if user.is_active else actions.activate
    reason, problems = request.POST.get("reason", "").strip(), []
    if request.method == "POST":
        problems = attempt(lambda: _switch(user, verb, reason, request.POST.get("is_active")))
        if not problems:
            done = (
                "active again"
                if user.is_active
                else "deactivated; sessions have ended and tokens are refused"
            )
            messages.success(request, f"The account {user} is {done}.")
            return HttpResponseRedirect(reverse("admin:console_person", args=[key]))
    return render_page(
        request,
        "console/person_switch.html",
        f"{'Deactivate' if user.is_active else 'Activate'} {user}",
        held=held_by(get_user_model().objects.filter(pk=key))[0],
        sessions=living(user).count(),
        signoffs=_open_signoffs(user),
        unmet=unmet_without(user.get_username()) if user.is_active else [],
        problems=problems,
        reason=reason,
        status=409 if problems else 200,
    )


def _switch(user: Any, verb: Any, reason: str, was_active: str | None) -> None:
    if was_active != ("1" if user.is_active else "0"):
        raise ValidationError("Somebody else has switched this account meanwhile. Look again.")
    if not reason:
        raise ValidationError({"reason": "Say why; it is kept in history."})
    opened = require("switching an account")
    opened.reason = opened.reason or reason
    verb(user)


def _open_signoffs(user: Any) -> int:
    """Return how many signoffs of a person on open changes would no longer count."""
    rows = Signoff.objects.filter(user=user, scheduled_change__state__in=ScheduledChange.OPEN)
    return rows.count()


def unlock(request: HttpRequest, key: int) -> HttpResponse:
    """Let somebody who typed wrong passwords too often try again at once."""
    user: Any = get_object_or_404(get_user_model(), pk=key)
    if request.method == "POST":
        reset(username=user.get_username())
        messages.success(request, f"The account {user} is unlocked; signing in can be tried again at once.")
    return HttpResponseRedirect(reverse("admin:console_person", args=[key]))


PAGES = (
    Page("people/", "people", listing, (SEE,), "People"),
    Page("people/me/", "me", me),
    Page("people/add/", "person_add", add, (ADD,)),
    Page("people/<int:key>/", "person", person),
    Page("people/<int:key>/switch/", "person_switch", switch, (SWITCH,)),
    Page("people/<int:key>/unlock/", "person_unlock", unlock, ("auth.change_user",)),
)
