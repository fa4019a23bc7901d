"""Deleting a rule: first the page says what it serves today and what will match instead, and who must agree."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict

from history.exceptions import HistoryError
from releng.changes.actions import Proposal
from releng.changes.effects import Effects, effects_of
from releng.changes.examination import told
from releng.changes.models import ScheduledChange
from releng.changes.requirements import Requirements
from releng.console.needed import needed
from releng.console.rule_list import row_of
from releng.console.rule_words import client_words
from rules.models import Rule


class RefusedError(Exception):
    """A verb has refused what a page asked for; leaves the transaction, so that nothing of it is kept."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class RuleDeletingMixin:
    """Before the admin class of rules: the page that asks whether to delete one."""

    delete_confirmation_template = "console/rule_delete.html"

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Ask, delete or schedule; ask again with what was typed when a verb refuses."""
        own: Any = super()
        typed = request.POST
        try:
            response: HttpResponse = own.delete_view(request, object_id, {"typed": typed})
        except RefusedError as refused:
            request.POST = QueryDict()  # the admin asks where nothing was sent
            context = {"typed": typed, "problem": told(refused.error)}
            response = own.delete_view(request, object_id, context)
        return response

    def delete_confirmed(self, request: HttpRequest, obj: Any, confirmed: str | None) -> None:
        own: Any = super()
        try:
            own.delete_confirmed(request, obj, confirmed)
        except (HistoryError, ValidationError, PermissionDenied) as error:
            raise RefusedError(error) from error

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        own: Any = super()
        rule = Rule.objects.with_releases().get(pk=context["object"].pk)
        effects, untold = _effects(rule)
        asked = Requirements()
        context |= {
            "title": f"Delete rule {rule}?",
            "rule": rule,
            "row": row_of(rule, asked),
            "effects": [(client_words(effect.client), effect) for effect in effects],
            "more": effects.more,
            "untold": untold,
            "needed": needed(asked.signoffs("delete", rule, None)),
            "open_changes": list(ScheduledChange.objects.open().writing("rule", rule.pk)),
        }
        response: HttpResponse = own.render_delete_form(request, context)
        return response


def _effects(rule: Rule) -> tuple[Effects, str]:
    """Return what clients would get instead, or why that cannot be told."""
    try:
        return effects_of([Proposal("rule", "delete", object_id=rule.pk)]), ""
    except ValidationError as error:
        return Effects(), told(error)
