"""Locking a release against every change, and unlocking it: who must agree, and scheduling where somebody must."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from history.changesets import change_set
from history.feed import as_number
from releases import actions
from releases.models import Release
from releng.changes.actions import Proposal, propose
from releng.changes.examination import told
from releng.changes.models import ScheduledChange
from releng.changes.policy import missing_permission
from releng.changes.requirements import Requirements
from releng.changes.scheduling import BUTTON, conditions_of
from releng.console.needed import needed
from releng.console.pages import Page, render_page
from releng.console.release_drafts import REFUSALS
from releng.console.release_uses import uses_of

LOCK, UNLOCK = "releases.set_read_only", "releases.unset_read_only"


def switch(request: HttpRequest, key: int) -> HttpResponse:
    """Show what locking or unlocking means and who must agree; on POST do it, or schedule it."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(("GET", "HEAD", "POST"))
    release = get_object_or_404(Release.objects.without_documents(), pk=key)
    user: Any = request.user
    read_only, permission = not release.read_only, UNLOCK if release.read_only else LOCK
    if not user.has_perm(permission, release):
        raise PermissionDenied(missing_permission(user, permission, release))
    required = {} if read_only else Requirements([release.name]).of_unlocking(release)
    problem = ""
    if request.method == "POST":
        try:
            return _done(request, release, read_only=read_only)
        except REFUSALS as error:
            problem = told(error)
    return render_page(
        request,
        "console/release_lock.html",
        f"Make {release.name} {'read-only' if read_only else 'writable'}",
        status=409 if problem else 200,
        release=release,
        read_only=read_only,
        uses=uses_of([release.name])[release.name],
        signers=needed(required),
        planned=ScheduledChange.objects.open().writing("release", release.pk),
        problem=problem,
        typed=request.POST,
    )


def _done(request: HttpRequest, release: Release, *, read_only: bool) -> HttpResponse:
    post, based_on = request.POST, as_number(request.POST.get("based_on"))
    if based_on is None or post.get("read_only") not in ("yes", "no"):
        raise ValidationError("The page does not say what it is based on; open it anew.")
    if (post["read_only"] == "yes") is not read_only:
        state = "read-only" if release.read_only else "writable"
        raise ValidationError(f"Somebody was faster: {release.name} is {state} already.")
    reason = post.get("reason", "").strip()
    if BUTTON in post:
        if based_on != release.data_version:
            raise release.outdated(based_on)
        proposal = Proposal("release", "update", {"read_only": read_only}, release.pk)
        with transaction.atomic():
            scheduled = propose(request.user, [proposal], conditions=conditions_of(post), reason=reason)
        messages.success(request, "It is scheduled. Nothing is changed until it is signed off and due.")
        return HttpResponseRedirect(reverse("admin:changes_scheduledchange_change", args=[scheduled.pk]))
    with transaction.atomic(), change_set(reason=reason):
        actions.set_read_only(release.name, read_only, based_on=based_on)
    messages.success(request, f"{release.name} is {'read-only' if read_only else 'writable'} now.")
    return HttpResponseRedirect(reverse("admin:releases_release_change", args=[release.pk]))


PAGES = (Page("releases/release/<int:key>/read-only/", "release_lock", switch, (LOCK, UNLOCK)),)
