"""Moving a rule before or after another one: what would be written is shown first, then written as one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from history.changesets import change_set
from history.exceptions import HistoryError
from releng.changes.actions import Proposal, propose
from releng.changes.examination import told
from releng.changes.policy import missing_permission
from releng.changes.requirements import Requirements
from releng.changes.scheduling import BUTTON, conditions_of
from releng.console.needed import needed
from releng.console.pages import Page, render_page
from releng.permissions.questions import strictest
from rules import actions
from rules.models import LARGEST_PRIORITY, Rule
from rules.ordering import NoRoomError, Place, moved

CHANGE = "rules.change_rule"
NEIGHBOURS = 4


class MoveForm(forms.Form):
    """Beside which rule, and on which side."""

    where = forms.ChoiceField(
        label="Put it",
        choices=[("before", "before"), ("after", "after")],
        widget=forms.RadioSelect,
        initial="before",
    )
    beside = forms.CharField(
        label="the rule",
        max_length=60,
        widget=forms.TextInput(attrs={"list": "rules", "autocomplete": "off", "data-search": ""}),
    )

    def clean_beside(self) -> str:
        """Read a number or an alias; what stands behind it in the suggestions is dropped."""
        text: str = self.cleaned_data["beside"].split()[0]
        return text


@dataclass(frozen=True)
class Step:
    """One priority that would be written."""

    rule: Rule
    priority: int

    @property
    def stamp(self) -> str:
        """What a page carries of it, so that only what was shown is written."""
        return f"{self.rule.pk}:{self.rule.data_version}:{self.priority}"

    @property
    def after(self) -> Rule:
        """The rule as it would be."""
        values = {field.attname: getattr(self.rule, field.attname) for field in Rule._meta.concrete_fields}
        return Rule(**values | {"priority": self.priority})


def move(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Ask beside which rule; show which priorities change, and who must agree; on POST write or schedule them."""
    rules = {rule.pk: rule for rule in Rule.objects.order_by()}
    rule = rules.get(rule_id)
    if rule is None:
        raise Http404(f"There is no rule {rule_id}.")
    user: Any = request.user
    if not user.has_perm(CHANGE, rule):
        raise PermissionDenied(missing_permission(user, CHANGE, rule))
    asked = request.POST if request.method == "POST" else request.GET
    form = MoveForm(asked if "beside" in asked else None)
    steps = _steps(form, rules, rule) if form.is_bound and form.is_valid() else []
    required = _required(steps)
    denied = [step.rule for step in steps if not user.has_perm(CHANGE, step.rule)]
    problem = ""
    if request.method == "POST" and steps and not denied:
        if sorted(request.POST.getlist("step")) != sorted(step.stamp for step in steps):
            problem = "Somebody was faster: what would be written has changed. Look again."
        else:
            try:
                return _done(request, steps, rule)
            except (HistoryError, ValidationError, PermissionDenied) as error:
                problem = told(error)
    return render_page(
        request,
        "console/rule_move.html",
        f"Move rule {rule}",
        rule=rule,
        form=form,
        steps=steps,
        order=_excerpt(rules, rule, steps),
        others=_others(rules, rule),
        needed=needed(required),
        denied=[missing_permission(user, CHANGE, other) for other in denied],
        stands=form.is_bound and form.is_valid() and not steps,
        problem=problem,
        typed=request.POST,
    )


def _place(rule: Rule, priority: int | None = None) -> Place:
    return Place(rule.pk, rule.priority if priority is None else priority, rule.product, rule.channel)


def _steps(form: MoveForm, rules: dict[int, Rule], rule: Rule) -> list[Step]:
    text, after = form.cleaned_data["beside"], form.cleaned_data["where"] == "after"
    beside = next((other for other in rules.values() if text in (str(other.pk), other.alias)), None)
    if beside is None or beside is rule:
        form.add_error("beside", "itself" if beside is rule else f"{text}: there is no such rule.")
        return []
    try:
        found = moved(map(_place, rules.values()), rule.pk, beside.pk, after=after, most=LARGEST_PRIORITY)
    except NoRoomError as error:
        form.add_error(None, str(error))
        return []
    return [Step(rules[key], priority) for key, priority in found.items()]


def _required(steps: list[Step]) -> dict[str, int]:
    asked = Requirements()
    return strictest(*(asked.signoffs("update", step.rule, step.after, ["priority"]) for step in steps))


def _done(request: HttpRequest, steps: list[Step], rule: Rule) -> HttpResponse:
    """Write the priorities, or schedule them, as one."""
    reason = request.POST.get("reason", "").strip()
    with transaction.atomic(), change_set(reason=reason or f"Move rule {rule}"):
        if BUTTON in request.POST:
            batch = [
                Proposal("rule", "update", {"priority": step.priority}, step.rule.pk, step.rule.data_version)
                for step in steps
            ]
            conditions = conditions_of(request.POST)
            scheduled = propose(
                request.user, batch, conditions=conditions, reason=reason or f"Move rule {rule}"
            )
            messages.success(request, "It is scheduled. Nothing is changed until it is signed off and due.")
            return HttpResponseRedirect(reverse("admin:changes_scheduledchange_change", args=[scheduled.pk]))
        for step in steps:
            actions.update_rule(step.rule.pk, {"priority": step.priority}, based_on=step.rule.data_version)
    messages.success(request, f"Rule {rule} is moved: {len(steps)} priorities were written.")
    asked = f"?product={rule.product}" if rule.product else ""
    return HttpResponseRedirect(f"{reverse('admin:rules_rule_changelist')}{asked}#rule-{rule.pk}")


def _others(rules: dict[int, Rule], rule: Rule) -> list[Rule]:
    """Return the rules whose order with this one matters, first the one that decides first."""
    own = _place(rule)
    met = [other for other in rules.values() if other is not rule and _place(other).meets(own)]
    return sorted(met, key=lambda other: _place(other).order)


def _excerpt(rules: dict[int, Rule], rule: Rule, steps: list[Step]) -> list[tuple[Rule, int, bool]]:
    """Return the rules around the new place: each with its priority there, and whether that is new."""
    if not steps:
        return []
    new = {step.rule.pk: step.priority for step in steps}
    near = [rule, *_others(rules, rule)]
    near += [step.rule for step in steps if step.rule not in near]
    near.sort(key=lambda other: _place(other, new.get(other.pk)).order)
    position = near.index(rule)
    touched = [near.index(step.rule) for step in steps]
    start, end = max(0, min(position, *touched) - NEIGHBOURS), max(position, *touched) + NEIGHBOURS + 1
    return [(other, new.get(other.pk, other.priority), other.pk in new) for other in near[start:end]]


PAGES = (Page("rules/rule/<int:rule_id>/move/", "rule_move", move, needs=(CHANGE,)),)
