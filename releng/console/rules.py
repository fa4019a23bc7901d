"""Rules in the console: the list as decisions, permalinks, and what the admin class of rules has besides its room's."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from history.views import READ_METHODS
from releng.changes.policy import missing_permission
from releng.console import rule_checks
from releng.console.pages import Page, render_page
from releng.console.rule_deleting import RuleDeletingMixin
from releng.console.rule_editing import RuleEditingMixin
from releng.console.rule_filters import RuleFilters
from releng.console.rule_list import RuleList
from rules.models import Rule

VIEW = "rules.view_rule"


class RuleConsoleMixin(RuleEditingMixin, RuleDeletingMixin):
    """Before the admin class of rules: list and form as decisions, and permissions asked for each rule."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the rules as decisions; what is posted goes to the actions of the admin."""
        own: Any = self
        if request.method not in READ_METHODS:
            stock: Any = super()
            response: HttpResponse = stock.changelist_view(request, extra_context)
            return response
        if not own.has_view_or_change_permission(request):
            raise PermissionDenied(missing_permission(request.user, VIEW, None))
        return rule_list(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether this rule may be changed; without one, whether any may."""
        user: Any = request.user
        return bool(user.has_perm("rules.change_rule", obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether this rule may be deleted; without one, whether any may."""
        user: Any = request.user
        return bool(user.has_perm("rules.delete_rule", obj))


def rule_list(request: HttpRequest) -> HttpResponse:
    """The rules, filtered by what the address asks."""
    form = RuleFilters(request.GET)
    text = request.GET.get("page", "")
    rules = RuleList(form, int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1)
    user: Any = request.user
    return render_page(
        request,
        "console/rules.html",
        _title(form),
        form=form,
        rules=rules,
        may_add=user.has_perm("rules.add_rule"),
        allowed=Allowed(user),
        origin=request.build_absolute_uri("/").rstrip("/"),
    )


def _title(form: RuleFilters) -> str:
    chosen = form.chosen
    named = [chosen[name] for name in ("product", "channel") if name in chosen]
    return f"Rules of {' '.join(named)}" if named else "Rules"


class Allowed:
    """Which products' rules somebody may change and delete, for templates: `{% if product in allowed.change %}`."""

    def __init__(self, user: Any) -> None:
        self.change = _Products(user, "rules.change_rule")
        self.delete = _Products(user, "rules.delete_rule")
        self.add = _Products(user, "rules.add_rule")


class _Products:
    """The products for whose rules somebody has a permission; asked once for each product."""

    def __init__(self, user: Any, permission: str) -> None:
        self._user, self._permission, self._known = user, permission, {}  # type: ignore[var-annotated]

    def __contains__(self, product: str | None) -> bool:
        if product not in self._known:
            self._known[product] = self._user.has_perm(self._permission, Rule(product=product))
        return bool(self._known[product])


def permalink(request: HttpRequest, id_or_alias: str) -> HttpResponse:
    """Lead to a rule by its number or its alias, wherever its page may be."""
    rules = Rule.objects.filter(alias=id_or_alias)
    if id_or_alias.isascii() and id_or_alias.isdigit() and len(id_or_alias) < 19:
        rules = Rule.objects.filter(pk=int(id_or_alias))
    key = rules.values_list("pk", flat=True).first()
    if key is None:
        messages.warning(request, f"There is no rule {id_or_alias} (any more). This is what its name finds.")
        return HttpResponseRedirect(f"{reverse('admin:rules_rule_changelist')}?q={id_or_alias}")
    return HttpResponseRedirect(reverse("admin:rules_rule_change", args=[key]))


PAGES = (Page("rule/<str:id_or_alias>/", "rule", permalink, needs=(VIEW,)), *rule_checks.PAGES)
