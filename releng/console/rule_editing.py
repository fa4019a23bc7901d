"""The page of one rule: its form, what is proposed for it, and what a verb refuses told beside what was typed."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from history.exceptions import HistoryError
from releases.models import Release
from releng.changes.requirements import Requirements
from releng.console.rule_checks import outlook_of
from releng.console.rule_deleting import RefusedError
from releng.console.rule_form import GROUPS, RuleForm, facts
from releng.console.rule_list import row_of
from rules.actions import EDITABLE_FIELDS, RELEASE_FIELDS
from rules.models import Rule


class RuleEditingMixin:
    """Before the admin class of rules: the form in groups, with what it would do; nothing typed is ever lost."""

    form = RuleForm
    fieldsets = tuple((title, {"fields": names}) for title, names in GROUPS)
    readonly_fields: tuple[str, ...] = ()
    autocomplete_fields: tuple[str, ...] = ()
    change_form_template = "console/rule_form.html"

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill a new rule's form from the address, or from the rule that it is to be like."""
        text = request.GET.get("from", "")
        key = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
        rule = Rule.objects.filter(pk=key).first() if key is not None else None
        if rule is None:
            return {name: value for name, value in request.GET.items() if name in EDITABLE_FIELDS}
        names = (name for name in EDITABLE_FIELDS if name != "alias")  # there is one of each alias
        return {name: getattr(rule, f"{name}_id" if name in RELEASE_FIELDS else name) for name in names}

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Show the form, or save or schedule it; show it again with what was typed when that is refused.

        What was typed into the form of a rule that is gone meanwhile is shown as a new rule.
        """
        own: Any = super()
        me: Any = self
        asked: Any = request
        if request.method == "POST" and object_id is not None and me.has_add_permission(request):
            deleted = _deletion(object_id)
            if deleted:
                asked.refused = ValidationError(deleted)
                object_id, form_url = None, reverse("admin:rules_rule_add")
        try:
            response: HttpResponse = own.changeform_view(request, object_id, form_url, extra_context)
        except RefusedError as refused:
            asked.refused = refused.error
            response = own.changeform_view(request, object_id, form_url, extra_context)
        return response

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Go to where the rule stands in the list."""
        return _to_its_place(obj)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Go to where the new rule stands in the list."""
        return _to_its_place(obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        own: Any = super()
        try:
            own.save_model(request, obj, form, change)
        except (HistoryError, ValidationError, PermissionDenied) as error:
            raise RefusedError(error) from error

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        own: Any = super()
        form = own.get_form(request, *args, **kwargs)
        return type(form.__name__, (form,), {"refused": getattr(request, "refused", None)})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        """Show the form of the rule as it is stored: what was typed decides neither its name nor who may change it."""
        own: Any = super()
        stored = Rule.objects.with_releases().get(pk=obj.pk) if obj is not None else None
        context |= {"title": f"Rule {stored}" if stored is not None else "New rule", "typed": request.POST}
        asked = Requirements()
        if stored is not None:
            context |= {"row": row_of(stored, asked), "origin": request.build_absolute_uri("/").rstrip("/")}
        me: Any = self
        if stored is None or me.has_change_permission(request, stored):
            form = context["adminform"].form
            outlook = outlook_of(form, stored, asked)
            denied = outlook.denied(request.user) if form.is_bound else []
            context |= {"outlook": outlook, "denied": denied, **_names()}
        else:
            context |= {"facts": facts(stored)}
        response: HttpResponse = own.render_change_form(request, context, *args, obj=stored, **kwargs)
        return response


def _deletion(object_id: str) -> str:
    """Return who deleted a rule that is gone, as a sentence; empty while it is there, and when it never was."""
    key = int(object_id) if object_id.isascii() and object_id.isdigit() and len(object_id) < 19 else None
    if key is None or Rule.objects.filter(pk=key).exists():
        return ""
    last = Rule.history.filter(rule_id=key).select_related("change_set").order_by("history_id").last()
    if last is None:
        return ""
    return (
        f"{last.change_set.actor_name} has deleted rule {key} meanwhile. Below is what you typed, as a new rule: "
        "saving makes it, under a new number."
    )


def _to_its_place(rule: Rule) -> HttpResponse:
    place = {"product": rule.product, "channel": rule.channel}
    asked = urlencode({name: value for name, value in place.items() if value})
    return HttpResponseRedirect(f"{reverse('admin:rules_rule_changelist')}?{asked}#rule-{rule.pk}")


def _names() -> dict[str, list[str]]:
    """Return the products and channels that there are, to choose from."""
    places = set(Rule.objects.order_by().values_list("product", "channel").distinct())
    products = {product for product, _ in places}
    products |= set(Release.objects.order_by().values_list("product", flat=True).distinct())
    return {
        "products": sorted(filter(None, products)),
        "channels": sorted({channel for _, channel in places if channel}),
    }
