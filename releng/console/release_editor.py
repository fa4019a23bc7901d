"""Writing a release as a whole document: typed or from a file, checked with lines, saved or scheduled.

Whatever stands against it, the answer has the text that was sent: nothing typed is lost.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from difflib import unified_diff
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from history.changesets import change_set
from history.diff import diff_document
from history.feed import as_number
from history.merge import Conflict
from history.values import Json, Path
from releases import actions
from releases.models import Release
from releases.storage import DataVersions
from releng.changes.actions import Proposal, propose
from releng.changes.effects import Effect, effects_of
from releng.changes.models import ScheduledChange
from releng.changes.policy import missing_permission
from releng.changes.requirements import Requirements
from releng.changes.scheduling import BUTTON, conditions_of
from releng.console.needed import needed
from releng.console.pages import Page, render_page
from releng.console.release_diff import Comparison, side_of
from releng.console.release_drafts import (
    REFUSALS,
    Collision,
    RefusedError,
    Trouble,
    as_text,
    checked_edit,
    checked_new,
    parsed,
    placed,
    read_base,
    troubles_of,
    uploaded_text,
    value_at,
    written_base,
)
from releng.console.release_uses import uses_of

ADD, CHANGE = "releases.add_release", "releases.change_release"
SAVE = "_save"
REASON_LENGTH = 1_000
THEIRS = "theirs"


@dataclass
class Sent:
    """What the form holds, as it was sent or as the page fills it in."""

    name: str = ""
    product: str = ""
    text: str = ""
    based_on: str = ""
    reason: str = ""
    when: str = ""

    @classmethod
    def of(cls, request: HttpRequest, release: Release | None) -> Sent:
        """Read a form; a file that came with it takes the place of the text."""
        post = request.POST
        values = {key: post.get(key, "").strip() for key in ("name", "product", "based_on", "reason")}
        sent = cls(**values, text=post.get("blob", ""), when=post.get("schedule_when", "").strip())
        if release is not None:
            sent.name = release.name
        return sent

    def complete(self, document: dict[str, Any]) -> None:
        """Take name and product from the document where they were left empty."""
        for key in ("name", "product"):
            value = document.get(key)
            if not getattr(self, key) and isinstance(value, str):
                setattr(self, key, value)


@dataclass(frozen=True, slots=True)
class SeenEffect:
    """What clients of one kind get now, and what they would get."""

    effect: Effect

    @property
    def is_same_release(self) -> bool:
        """Whether only the content of the answer differs."""
        return self.effect.before.said == self.effect.after.said

    @property
    def lines(self) -> list[tuple[str, str]]:
        """The lines of the answer that differ, as (sign, text): those for clients that win a throttle, if these do."""
        before, after = self.effect.before, self.effect.after
        pair = (before.wins, after.wins)
        if before.wins.same_as(after.wins) and before.loses is not None and after.loses is not None:
            pair = (before.loses, after.loses)
        old, new = (asked.body.splitlines() for asked in pair)
        found = list(unified_diff(old, new, n=0, lineterm=""))[2:]
        return [(line[0], line[1:].strip()) for line in found if line[0] != "@"]


@dataclass
class Draft:
    """One request of the editor: what was sent, and what came of it."""

    request: HttpRequest
    release: Release | None
    sent: Sent
    troubles: list[Trouble] = field(default_factory=list)
    collision: Collision | None = None
    changes: Comparison | None = None  # what a successful check found
    effects: list[SeenEffect] | None = None  # None: nothing offers the release, or nothing would change

    @property
    def user(self) -> Any:
        """Who asks."""
        return self.request.user

    @cached_property
    def required(self) -> dict[str, int]:
        """Whose agreement an edit needs; a new release needs nobody's, since nothing offers it yet."""
        return {} if self.release is None else Requirements().of_release(self.release.name)

    def handle(self) -> HttpResponse | None:
        """Check what was sent, and save or schedule it when that was asked for; None: the page is shown."""
        upload = self.request.FILES.get("upload")
        try:
            if upload is not None:
                self.sent.text = uploaded_text(upload)
            document = self._resolved(parsed(self.sent.text))
            return self._new(document) if self.release is None else self._edit(self.release, document)
        except RefusedError as error:
            self.troubles = error.troubles
        except REFUSALS as error:
            self.troubles = troubles_of(error, self.sent.text)
        return None

    def _resolved(self, document: dict[str, Any]) -> dict[str, Any]:
        """Put in what others stored, in the places where the comparison was answered with theirs."""
        post, resolved = self.request.POST, document
        for name, choice in post.items():
            if choice == THEIRS and name.startswith("conflict-") and self.release is not None:
                path = _path(post.get(f"path-{name.removeprefix('conflict-')}", ""))
                resolved = placed(resolved, path, value_at(self.release.blob(), path))
        if resolved is not document:
            self.sent.text = as_text(resolved)
        return resolved

    def _new(self, document: dict[str, Any]) -> HttpResponse | None:
        sent = self.sent
        sent.complete(document)
        row = Release(name=sent.name, product=sent.product)
        if not self.user.has_perm(ADD, row):
            raise PermissionDenied(missing_permission(self.user, ADD, row))
        checked_new(sent.name, sent.product, document)
        values = {"name": sent.name, "product": sent.product, "document": document}
        if BUTTON in self.request.POST:
            return self._scheduled(Proposal("release", "insert", values))
        if SAVE in self.request.POST:
            with transaction.atomic(), change_set(reason=sent.reason[:REASON_LENGTH]):
                release = actions.create_release(sent.name, sent.product, document)
            messages.success(self.request, f"{release.name} is stored. Nobody is offered it yet.")
            return HttpResponseRedirect(_url(release))
        self.changes = Comparison(diff_document({}, document))
        return None

    def _edit(self, release: Release, document: dict[str, Any]) -> HttpResponse | None:
        sent, based_on = self.sent, read_base(self.sent.based_on)
        product = sent.product or release.product
        found = checked_edit(release, document, based_on=based_on, product=product)
        if isinstance(found, Collision):
            self._collide(found)
            return None
        merged, now = found
        if BUTTON in self.request.POST:
            values: dict[str, Json] = {"document": merged, "product": product}
            return self._scheduled(Proposal("release", "update", values, release.pk, now.as_tree()))
        if SAVE in self.request.POST:
            with transaction.atomic(), change_set(reason=sent.reason[:REASON_LENGTH]):
                actions.update_release(release.name, merged, based_on=now, product=product)
            messages.success(self.request, f"{release.name} is saved.")
            return HttpResponseRedirect(_url(release))
        self._show(release, merged, now, product)
        return None

    def _show(self, release: Release, merged: dict[str, Any], now: DataVersions, product: str) -> None:
        """Let the page show what would be stored, based on what is stored now, and what clients would get."""
        self.sent.based_on, self.sent.text, self.sent.product = written_base(now), as_text(merged), product
        self.changes = Comparison(diff_document(release.blob(), merged))
        if self.changes.found and uses_of([release.name])[release.name]:
            values: dict[str, Json] = {"document": merged, "product": product}
            found = effects_of([Proposal("release", "update", values, release.pk, now.as_tree())])
            self.effects = [SeenEffect(effect) for effect in found.changed]

    def _collide(self, found: Collision) -> None:
        self.collision = found
        self.sent.text, self.sent.based_on = as_text(found.document), written_base(found.based_on)

    def _scheduled(self, proposal: Proposal) -> HttpResponse:
        conditions = conditions_of(self.request.POST)
        with transaction.atomic():
            scheduled = propose(self.user, [proposal], conditions=conditions, reason=self.sent.reason)
        messages.success(self.request, "It is scheduled. Nothing is changed until it is signed off and due.")
        return HttpResponseRedirect(reverse("admin:changes_scheduledchange_change", args=[scheduled.pk]))

    @property
    def conflicts(self) -> list[tuple[Conflict, str]]:
        """What both sides changed, each with its path as the form carries it."""
        found = self.collision.conflicts if self.collision is not None else ()
        return [(conflict, json.dumps(conflict.path)) for conflict in found]


def _path(text: str) -> Path:
    """Read the place of a conflict as the form carries it; raise ValidationError."""
    try:
        steps = json.loads(text)
    except ValueError:
        steps = None
    if not isinstance(steps, list) or not steps or not all(isinstance(step, str) for step in steps):
        raise ValidationError("The page does not say which place a choice is for; open it anew.")
    return tuple(steps)


def edit(request: HttpRequest, key: int | None = None) -> HttpResponse:
    """Show the editor of a release, or of a new one; on POST check, save or schedule what was sent."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(("GET", "HEAD", "POST"))
    release = get_object_or_404(Release, pk=key) if key is not None else None
    user: Any = request.user
    permission = ADD if release is None else CHANGE
    if not user.has_perm(permission, release):
        raise PermissionDenied(missing_permission(user, permission, release))
    draft = Draft(request, release, _filled(request, release))
    answer = draft.handle() if request.method == "POST" else None
    return answer or _page(draft)


def _filled(request: HttpRequest, release: Release | None) -> Sent:
    """Return what the form begins with: the document as it is, or as it was at the version that the address names."""
    if request.method == "POST":
        return Sent.of(request, release)
    if release is None:
        return Sent(product=request.GET.get("product", ""), name=request.GET.get("name", ""))
    base, version = written_base(DataVersions.of(release)), as_number(request.GET.get("version"))
    document = release.blob()
    if version is not None:
        try:
            document = side_of(release.name, version).document
        except ValidationError as error:
            messages.warning(request, " ".join(error.messages))
    return Sent(release.name, release.product, as_text(document), base)


def _page(draft: Draft) -> HttpResponse:
    release, refused = draft.release, bool(draft.troubles)
    status = 400 if refused else 409 if draft.collision is not None else 200
    planned = ScheduledChange.objects.none()
    if release is not None:
        planned = ScheduledChange.objects.open().writing("release", release.pk)
    return render_page(
        draft.request,
        "console/release_edit.html",
        "New release" if release is None else f"Edit {release.name}",
        status=status,
        release=release,
        draft=draft,
        sent=draft.sent,
        signers=needed(draft.required),
        planned=planned,
        most=settings.DATA_UPLOAD_MAX_MEMORY_SIZE or "",
        products=Release.objects.order_by("product").values_list("product", flat=True).distinct(),
    )


def _url(release: Release) -> str:
    return reverse("admin:releases_release_change", args=[release.pk])


PAGES = (Page("releases/release/<int:key>/edit/", "release_edit", edit, (CHANGE,)),)
