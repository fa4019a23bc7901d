"""Putting scheduled changes together: choose in the inbox, look, then one change replaces them."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse

from history.exceptions import HistoryError
from releng.changes.batches import put_together
from releng.changes.examination import told
from releng.changes.models import ScheduledChange
from releng.changes.scheduling import moment_of
from releng.changes.standing import standings
from releng.console.change_words import waits_for, write_words
from releng.console.needed import needed
from releng.console.pages import Page, render_page
from releng.permissions.questions import strictest

CHANGE = "changes.change_scheduledchange"


def together(request: HttpRequest) -> HttpResponse:
    """Show what would become one change; on POST make it."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(("GET", "HEAD", "POST"))
    sent = request.POST if request.method == "POST" else request.GET
    chosen = _chosen(sent.getlist("change"))
    problems: list[str] = []
    if request.method == "POST":
        made: list[ScheduledChange] = []
        try:
            with transaction.atomic():
                when = moment_of(sent.get("when", ""), "When")
                made.append(
                    put_together(
                        request.user, chosen, conditions={"when": when}, reason=sent.get("reason", "")
                    )
                )
        except (ValidationError, HistoryError, PermissionDenied) as error:
            problems, made = [told(error)], []
        if made:
            messages.success(
                request, "They are one change now. What others had signed must be signed anew, as one."
            )
            url = reverse("admin:changes_scheduledchange_change", args=[made[0].pk])
            return HttpResponseRedirect(url)
    rows = ScheduledChange.objects.filter(pk__in=chosen).select_related("author", "follows").order_by("pk")
    found = standings(list(rows))
    return render_page(
        request,
        "changes/together.html",
        "Put changes together",
        parts=[
            {
                "scheduled": one.scheduled,
                "version": chosen[one.scheduled.pk],
                "words": [
                    write_words(write, before)
                    for write, (before, _) in zip(one.writes, one.rows, strict=True)
                ],
                "waits_for": waits_for(one.scheduled),
            }
            for one in found
        ],
        needed=needed(strictest(*(one.required for one in found))),
        problems=problems,
        typed=sent,
        status=409 if problems else 200,
    )


def _chosen(texts: list[str]) -> dict[int, int]:
    """Return the versions of the chosen changes by their ids; what is no such pair is left out."""
    found: dict[int, int] = {}
    for text in texts:
        key, _, version = text.partition(":")
        if all(part.isascii() and part.isdigit() and len(part) < 19 for part in (key, version)):
            found[int(key)] = int(version)
    return found


PAGES: tuple[Page, ...] = (
    Page("changes/scheduledchange/together/", "changes_together", together, (CHANGE,)),
)
