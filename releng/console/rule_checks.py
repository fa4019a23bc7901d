"""What a rule's form would do, told before it is saved: what is wrong or odd, who must agree, what changes."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from history.diff import FieldDiff, diff_fields
from releases.models import Release
from releng.changes.kinds import TARGETS
from releng.changes.policy import missing_permission, needed_permissions
from releng.changes.requirements import Requirements, Roles
from releng.console.needed import Needed, needed
from releng.console.pages import Page
from releng.console.rule_filters import accepts
from releng.console.rule_form import RuleForm
from releng.console.rule_list import concerns
from releng.console.rule_words import LABELS, unsent_conditions
from releng.permissions.who import people_allowed
from rules.models import EmergencyShutoff, Rule
from rules.ordering import Place

ADD, CHANGE = "rules.add_rule", "rules.change_rule"
FEW = 3  # rules named in one sentence


@dataclass
class Outlook:
    """What storing `after` in place of `before` would mean; `before` is None for a new rule."""

    before: Rule | None
    after: Rule
    asked: Requirements = field(default_factory=Requirements)

    @cached_property
    def required(self) -> Roles:
        """How many signoffs of each role it needs."""
        change: Any = "update" if self.before is not None else "insert"
        return self.asked.signoffs(change, self.before, self.after)

    @cached_property
    def needed(self) -> list[Needed]:
        """The same, with the people who can give them."""
        return needed(self.required)

    @property
    def can_be_saved(self) -> bool:
        """Whether saving directly may work, whatever else is typed: not where the stored rule needs signoffs."""
        if self.before is None:
            return True
        return not self.asked.of_place(self.before.product, self.before.channel)

    @cached_property
    def changes(self) -> list[tuple[str, FieldDiff]]:
        """What differs, with what people call the fields."""
        target = TARGETS["rule"]
        new = target.values_of(self.after)
        old = target.values_of(self.before or Rule())
        found = diff_fields(old, new, list_fields=Rule.history_list_fields)
        return [(LABELS[change.name], change) for change in found]

    @cached_property
    def warnings(self) -> dict[str, list[str]]:
        """What is legal, but worth a second look, by field."""
        found: dict[str, list[str]] = dict(self.after.field_warnings())
        for name, text in (*_of_throttle(self.after), *_of_silence(self.after), *self._of_others()):
            found.setdefault(name, []).append(text)
        return {name: texts for name, texts in found.items() if texts}

    def denied(self, user: Any) -> list[str]:
        """Say which permissions somebody lacks for it, and who has them."""
        change: Any = "update" if self.before is not None else "insert"
        found = {}
        for permission, state in needed_permissions(change, self.before, self.after):
            if not user.has_perm(permission, state):
                people = ", ".join(people_allowed(permission, state)) or "nobody"
                found[missing_permission(user, permission, state)] = people
        return [f"{sentence} Who may: {people}." for sentence, people in found.items()]

    def _of_others(self) -> Iterable[tuple[str, str]]:
        """Tell what other rows have to do with the rule."""
        rule, before = self.after, self.before
        others = Rule.objects.order_by().exclude(pk=before.pk if before is not None else None)
        own = Place(0, rule.priority, rule.product, rule.channel)
        rows = others.filter(priority=rule.priority).values_list("pk", "priority", "product", "channel")
        equal = sorted(place.rule_id for place in (Place(*row) for row in rows) if place.meets(own))
        if equal:
            named = ", ".join(map(str, equal[:FEW])) + (" and others" if len(equal) > FEW else "")
            yield "priority", f"As much as rule {named}: of two that match, the lower number decides."
        for stop in EmergencyShutoff.objects.all():
            if concerns(stop, rule.product, rule.channel):
                yield (
                    "channel",
                    f"Updates of {stop} are stopped; this rule offers nothing there until they are resumed.",
                )
        if not rule.product or (
            before is not None and before.product == rule.product and before.channel == rule.channel
        ):
            return
        channels = set(others.filter(product=rule.product).values_list("channel", flat=True).distinct())
        if not channels and not Release.objects.filter(product=rule.product).exists():
            yield (
                "product",
                "No release and no other rule is for this product. Is it spelled as clients send it?",
            )
        elif rule.channel and not any(_meet(rule.channel, other) for other in channels):
            yield (
                "channel",
                f"No other rule of {rule.product} is for this channel. Is it spelled as clients send it?",
            )


def _meet(one: str, other: str | None) -> bool:
    return other is None or accepts(one, other.removesuffix("*")) or accepts(other, one.removesuffix("*"))


def _of_throttle(rule: Rule) -> Iterable[tuple[str, str]]:
    rate = rule.background_rate
    if rate == 100 and rule.fallback_mapping_id:
        yield "fallback_mapping", "Nobody gets it: the background rate is 100."
    if rate < 100 and not rule.mapping_id:
        yield "background_rate", "There is no mapping that it could throttle."
    elif rate < 100 and not rule.fallback_mapping_id:
        yield "background_rate", f"{100 - rate} of 100 are offered nothing: there is no fallback mapping."


def _of_silence(rule: Rule) -> Iterable[tuple[str, str]]:
    for name in unsent_conditions(rule):
        yield name, f"Clients of {rule.product} do not send it, so the rule may match nobody."


def said(value: Any) -> str:
    """Return a field's value as text."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def outlook_of(form: RuleForm, stored: Rule | None, asked: Requirements | None = None) -> Outlook:
    """Return what saving a form would mean, as far as its values can be used; after `is_valid` where it was sent.

    `stored` is the rule as it is; None for a new one.
    """
    if stored is not None:
        if form.stale is not None:  # what stands in the form now is no more what was sent
            form = RuleForm(form.data, instance=copy(stored))
            form.is_valid()
        return Outlook(stored, form.instance, asked or Requirements())
    if not form.is_bound:  # its values come from the address, and nobody has checked them
        form = RuleForm(form.typed_initial)
        form.is_valid()
    return Outlook(None, form.instance)


def check(request: HttpRequest, key: str) -> HttpResponse:
    """Tell a form that is being filled in what is wrong and what would happen; nothing is stored.

    `key` is the rule's, or "new".
    """
    if request.method != "POST":
        return HttpResponseNotAllowed(("POST",))
    is_number = key.isascii() and key.isdigit() and len(key) < 19
    stored = Rule.objects.filter(pk=int(key)).first() if is_number else None
    form = RuleForm(request.POST, instance=copy(stored))
    form.is_valid()
    outlook = Outlook(stored, form.instance)
    errors = {name: list(texts) for name, texts in form.errors.items() if name != "__all__"}
    problems = [str(text).removeprefix("Nothing was saved. ") for text in form.non_field_errors()]
    return JsonResponse(
        {
            "errors": errors,
            "warnings": {name: texts for name, texts in outlook.warnings.items() if name not in errors},
            "problems": [*problems, *outlook.denied(request.user)],
            "needed": list(map(str, outlook.needed)),
            "changes": [
                {"label": label, "old": said(change.old), "new": said(change.new)}
                for label, change in outlook.changes
            ],
            "silent": sorted(form.silent_fields),
        }
    )


PAGES = (Page("rules/rule/<str:key>/check/", "rule_check", check, needs=(ADD, CHANGE)),)
