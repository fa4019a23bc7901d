"""The form of a throttled rollout: a plan, a look at every step that it would schedule, and only then the steps."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from history.canonical import canonical_json
from history.exceptions import HistoryError
from releng.changes.examination import told
from releng.changes.models import ScheduledChange
from releng.changes.rollouts import Rollout, throttled_rollout
from releng.changes.scheduling import moment_of
from releng.console.change_page import shown
from releng.console.needed import needed
from releng.console.pages import Page, render_page
from releng.permissions.questions import strictest
from releng.uptake.sources import metric_names
from rules.models import Rule

CHANGE = "rules.change_rule"
RULES_OFFERED = 500  # for completion while typing; any other can be typed


class MomentField(forms.CharField):
    """A moment in UTC."""

    def clean(self, value: Any) -> Any:
        return moment_of(super().clean(value), str(self.label))


class RolloutForm(forms.Form):
    """The plan of a throttled rollout as one types it."""

    rule = forms.CharField(
        help_text="Its number or alias. It must name a product and a channel: uptake is counted for one of each.",
        widget=forms.TextInput(attrs={"list": "rules", "autocomplete": "off"}),
    )
    mapping = forms.CharField(
        label="Release to offer",
        widget=forms.TextInput(attrs={"list": "releases", "data-releases": "", "autocomplete": "off"}),
    )
    rate = forms.IntegerField(
        label="To so many of 100", initial=25, min_value=1, max_value=99, help_text="The background rate."
    )
    fallback_mapping = forms.CharField(
        required=False,
        label="The others get",
        help_text="Empty: what the rule says now.",
        widget=forms.TextInput(attrs={"list": "releases", "data-releases": "", "autocomplete": "off"}),
    )
    start = MomentField(required=False, label="Start (UTC)", help_text="Empty: as soon as it is signed off.")
    target_percent = forms.FloatField(
        label="Pause when so many of 100 run it",
        min_value=0.1,
        max_value=100,
        help_text="Of all clients of that product and channel.",
    )
    time_limit = MomentField(label="Pause at the latest (UTC)", help_text="Then, whatever the uptake is.")
    finish = MomentField(
        required=False, label="Offer it to everybody (UTC)", help_text="Empty: somebody decides later."
    )
    version = forms.CharField(
        required=False, label="Version to count", help_text="Empty: that of the release."
    )
    guard_metric = forms.ChoiceField(
        required=False, label="Suspend it all when this number", help_text="For instance a crash rate."
    )
    guard_above = forms.FloatField(required=False, label="goes above")
    reason = forms.CharField(
        required=False, label="Why", max_length=1000, help_text="Whoever signs it off will read it."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        metrics: Any = self.fields["guard_metric"]
        metrics.choices = [("", "none"), *((name, name) for name in sorted(metric_names()))]
        for name in ("start", "time_limit", "finish"):
            self.fields[name].widget.attrs["placeholder"] = "2030-01-31 14:00"

    def clean_rule(self) -> Rule:
        """Return the rule that a number or alias names."""
        text = self.cleaned_data["rule"].strip().split(" ")[0]
        is_number = text.isascii() and text.isdigit() and len(text) < 19
        found = Rule.objects.filter(Q(pk=int(text)) if is_number else Q(alias=text)).first()
        if found is None:
            raise ValidationError(f"{text}: there is no such rule.")
        return found

    def plan(self) -> Rollout:
        """Return what the form asks for; it must be valid."""
        said = self.cleaned_data
        return Rollout(
            rule_id=said["rule"].pk,
            mapping=said["mapping"],
            rate=said["rate"],
            target_percent=said["target_percent"],
            time_limit=said["time_limit"],
            start=said["start"],
            finish=said["finish"],
            guard_metric=said["guard_metric"] or None,
            guard_above=said["guard_above"],
            version=said["version"] or None,
            fallback_mapping=said["fallback_mapping"] or None,
        )


def plan_rollout(request: HttpRequest) -> HttpResponse:
    """Show the form; with `preview` every step that would be scheduled; with `schedule` schedule them."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(("GET", "HEAD", "POST"))
    if request.method != "POST":
        return _page(request, RolloutForm(initial=_initial(request)))
    form = RolloutForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=400)
    steps: list[ScheduledChange] = []
    try:
        with transaction.atomic():
            steps = throttled_rollout(request.user, form.plan(), reason=form.cleaned_data["reason"])
    except (ValidationError, HistoryError, PermissionDenied) as error:
        return _page(request, form, problems=[told(error)], status=409)
    found = [shown(step) for step in steps]
    seen = _digest(form)
    if "schedule" in request.POST and request.POST.get("previewed") == seen:
        messages.success(
            request,
            f"{len(steps)} changes are scheduled, each following the one before. "
            "Nothing happens until they are signed off.",
        )
        return HttpResponseRedirect(reverse("admin:changes_scheduledchange_change", args=[steps[0].pk]))
    answer = _page(
        request,
        form,
        steps=found,
        needed=needed(strictest(*(step.examination.required for step in found))),
        previewed=seen,
        has_changed="schedule" in request.POST,
    )
    transaction.set_rollback(True)  # it was only looked at
    return answer


def _page(request: HttpRequest, form: RolloutForm, *, status: int = 200, **context: Any) -> HttpResponse:
    rules = Rule.objects.exclude(product=None).exclude(channel=None).exclude(alias=None)
    return render_page(
        request,
        "changes/rollout_form.html",
        "Throttled rollout",
        status=status,
        form=form,
        rules=rules.order_by("product", "channel", "-priority")[:RULES_OFFERED],
        **context,
    )


def _initial(request: HttpRequest) -> dict[str, Any]:
    """Return what the address says of the plan, and times that are usual."""
    given = {name: request.GET[name] for name in RolloutForm.base_fields if request.GET.get(name)}
    tomorrow = (timezone.now() + timedelta(days=1)).replace(minute=0)
    usual = {
        "start": tomorrow,
        "time_limit": tomorrow + timedelta(days=3),
        "finish": tomorrow + timedelta(days=5),
    }
    return (
        {name: f"{moment:%Y-%m-%d %H:%M}" for name, moment in usual.items()} | {"target_percent": 25} | given
    )


def _digest(form: RolloutForm) -> str:
    """Return what the plan is known by, so that nothing is scheduled but what was looked at."""
    said = {name: str(value) for name, value in form.cleaned_data.items() if name != "rule"}
    rule = form.cleaned_data["rule"]
    said |= {"rule": str(rule.pk), "version of the rule": str(rule.data_version)}
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()


PAGES: tuple[Page, ...] = (Page("rollouts/plan/", "rollout_plan", plan_rollout, (CHANGE,)),)
