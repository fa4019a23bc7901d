"""Scheduling from the forms of the admin: the same form, with a second button that proposes instead of saving."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from history.context import Change
from releases.validation import shown
from releng.changes.actions import Proposal, propose
from releng.changes.exceptions import spelled
from releng.changes.kinds import KIND_OF, TARGETS
from releng.changes.models import ScheduledChange
from releng.changes.requirements import required_signoffs

BUTTON = "_schedule"
TEMPLATE = "changes/schedule.html"


def moment_of(text: str, label: str) -> datetime | None:
    """Return the moment that somebody typed, None for nothing; without a zone it is meant in UTC.

    Raises ValidationError, which begins with `label`.
    """
    text = text.strip()
    if not text:
        return None
    try:
        found = parse_datetime(text if text.endswith("Z") or "+" in text else f"{text}Z")
    except ValueError:
        found = None
    if found is None:
        raise ValidationError(f"{label}: {shown(text)}: write it as 2030-01-31 14:00, in UTC.")
    return found


def conditions_of(post: Any) -> dict[str, Any]:
    """Return the conditions that a form asks for: a time in UTC, or none for as soon as it is signed off."""
    moment = moment_of(post.get("schedule_when", ""), "When")
    return {} if moment is None else {"when": moment}


def followed(post: Any) -> ScheduledChange | None:
    """Return the open change whose result a form wants to be based on; most want none."""
    text = post.get("schedule_after", "")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        return None
    found: ScheduledChange | None = ScheduledChange.objects.filter(pk=int(text)).first()
    return found


class SchedulingMixin:
    """Before an admin class of a kind that can be scheduled: "Schedule" beside "Save" and "Delete"."""

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        own: Any = self
        may = own.has_change_permission(request, obj) if obj is not None else own.has_add_permission(request)
        if may:
            context["below_submit"] = TEMPLATE
            if obj is not None:
                context["signoffs_needed"] = spelled(required_signoffs("update", obj, obj, ["any"]))
                context["open_changes"] = ScheduledChange.objects.open().writing(KIND_OF[own.model], obj.pk)
        response: HttpResponse = super().render_change_form(request, context, *args, obj=obj, **kwargs)  # type: ignore[misc]
        return response

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        context = {**(extra_context or {}), "below_submit": TEMPLATE}
        response: HttpResponse = super().delete_view(request, object_id, context)  # type: ignore[misc]
        return _to_the_change(request) or response

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        if BUTTON not in request.POST:
            super().save_model(request, obj, form, change)  # type: ignore[misc]
            return
        target, values = TARGETS[KIND_OF[type(obj)]], form.cleaned_data
        names = set(form.changed_data if change else values)
        allowed = names & {*target.fields, *(() if change else target.key_fields)}
        said = {name: value for name, value in target.values_of(obj).items() if name in allowed}
        if not change:
            said = {name: value for name, value in said.items() if value not in (None, "")}
        self._propose(
            request,
            "update" if change else "insert",
            obj.pk if change else None,
            said,
            values.get("based_on"),
            values.get("reason", ""),
        )

    def delete_confirmed(self, request: HttpRequest, obj: Any, confirmed: str | None) -> None:
        if BUTTON not in request.POST:
            super().delete_confirmed(request, obj, confirmed)  # type: ignore[misc]
            return
        own: Any = self
        own.refuse_unconfirmed(obj, confirmed)
        base = TARGETS[KIND_OF[type(obj)]].base_of(obj)
        self._propose(request, "delete", obj.pk, {}, base, request.POST.get("reason", ""))

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None if BUTTON in request.POST else super().log_change(request, obj, message)  # type: ignore[misc]

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None if BUTTON in request.POST else super().log_addition(request, obj, message)  # type: ignore[misc]

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return None if BUTTON in request.POST else super().log_deletions(request, queryset)  # type: ignore[misc]

    def response_add(self, request: HttpRequest, obj: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse | None = _to_the_change(request)
        return response or super().response_add(request, obj, *args, **kwargs)  # type: ignore[misc]

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return _to_the_change(request) or super().response_change(request, obj)  # type: ignore[misc]

    def response_delete(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _to_the_change(request) or super().response_delete(request, *args, **kwargs)  # type: ignore[misc]

    def _propose(
        self,
        request: HttpRequest,
        change: Change,
        object_id: int | None,
        values: dict[str, Any],
        base: Any,
        reason: str,
    ) -> None:
        own: Any = self
        proposal = Proposal(KIND_OF[own.model], change, values, object_id, base)
        scheduled = propose(
            request.user,
            [proposal],
            conditions=conditions_of(request.POST),
            reason=reason,
            follows=followed(request.POST),
        )
        request.scheduled_change = scheduled  # type: ignore[attr-defined]
        messages.success(request, "It is scheduled. Nothing is changed until it is signed off and due.")


def _to_the_change(request: HttpRequest) -> HttpResponse | None:
    scheduled = getattr(request, "scheduled_change", None)
    if scheduled is None:
        return None
    return HttpResponseRedirect(reverse("admin:changes_scheduledchange_change", args=[scheduled.pk]))
