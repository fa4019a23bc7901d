"""What the list of rules can be asked: filters that stand in its address."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django import forms
from django.db.models import F, Q

from releases.models import Release
from releng.changes.models import ScheduledChange, ScheduledWrite
from rules.engine.fields import AFTER_PRODUCT
from rules.models import Rule

POINTS_AT = {
    "read_only": "a read-only release",
    "other": "a release of another product",
    "missing": "a release that is missing",
    "nothing": "nothing",
}
CHANNEL = next(entry for entry in AFTER_PRODUCT if entry.name == "channel")


class RuleFilters(forms.Form):
    """What the list can be asked; everything stands in the address."""

    q = forms.CharField(
        label="Text",
        required=False,
        widget=forms.TextInput(attrs={"data-search": "", "placeholder": "number, alias, release, comment"}),
    )
    product = forms.CharField(required=False, widget=forms.TextInput(attrs={"list": "products"}))
    channel = forms.CharField(required=False, widget=forms.TextInput(attrs={"list": "channels"}))
    mapping = forms.CharField(
        label="Release",
        required=False,
        widget=forms.TextInput(attrs={"list": "releases", "data-releases": "mapping"}),
    )
    points_at = forms.ChoiceField(
        label="Points at", required=False, choices=[("", "anything"), *POINTS_AT.items()]
    )
    pending = forms.BooleanField(label="has a pending change", required=False)
    throttled = forms.BooleanField(label="throttled", required=False)

    @cached_property
    def chosen(self) -> dict[str, Any]:
        """What is set, of a form that was asked."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    def query(self) -> Q:
        """Return the condition for rules, but for what `takes_place` decides."""
        chosen, found = self.chosen, Q()
        if text := chosen.get("q"):
            found &= _containing(text)
        if name := chosen.get("mapping"):
            found &= Q(mapping__name__icontains=name) | Q(fallback_mapping__name__icontains=name)
        if chosen.get("throttled"):
            found &= Q(background_rate__lt=100)
        if chosen.get("pending"):
            found &= Q(pk__in=open_writes().order_by().values("object_id"))
        return found & _pointing_at(chosen.get("points_at"))

    def takes_place(self, product: str | None, channel: str | None) -> bool:
        """Tell whether rules of a product and channel can decide about the clients that were asked for."""
        wanted, on = self.chosen.get("product"), self.chosen.get("channel")
        fits = product is None or wanted in (None, product)
        return fits and (channel is None or on is None or accepts(channel, on))

    def takes_new(self, rule: Rule) -> bool:
        """Tell whether a rule that is only proposed belongs into the list: it is no row that `query` could find."""
        chosen = self.chosen
        releases = [name.lower() for name in (rule.mapping_id, rule.fallback_mapping_id) if name]
        said = (rule.alias, rule.product, rule.channel, rule.comment, rule.version, *releases)
        text = "\n".join(filter(None, said)).lower()
        fits = all(word in text for word in chosen.get("q", "").lower().split())
        if name := chosen.get("mapping", "").lower():
            fits = fits and any(name in release for release in releases)
        if chosen.get("throttled"):
            fits = fits and rule.background_rate < 100
        if what := chosen.get("points_at"):
            fits = fits and what == "nothing" and rule.mapping_id is None
        return fits and self.takes_place(rule.product, rule.channel)


def accepts(pattern: str, channel: str) -> bool:
    """Tell whether a rule for `pattern` is asked about clients on `channel`; a pattern also finds itself."""
    return pattern == channel or CHANNEL.accepts(pattern, channel, "")


def _containing(text: str) -> Q:
    found = Q()
    for word in text.split():
        one = Q(alias__icontains=word) | Q(product__icontains=word) | Q(channel__icontains=word)
        one |= Q(comment__icontains=word) | Q(mapping__name__icontains=word)
        one |= Q(fallback_mapping__name__icontains=word) | Q(version__icontains=word)
        if word.isascii() and word.isdigit() and len(word) < 19:
            one |= Q(pk=int(word))
        found &= one
    return found


def _pointing_at(what: str | None) -> Q:
    if what == "read_only":
        return Q(mapping__read_only=True) | Q(fallback_mapping__read_only=True)
    if what == "nothing":
        return Q(mapping=None)
    if what == "other":
        names = Q(mapping__isnull=False) & ~Q(mapping__product=F("product"))
        others = Q(fallback_mapping__isnull=False) & ~Q(fallback_mapping__product=F("product"))
        return Q(product__isnull=False) & (names | others)
    if what == "missing":
        releases = Release.objects.values("name")
        lost = Q(mapping__isnull=False) & ~Q(mapping__in=releases)
        return lost | (Q(fallback_mapping__isnull=False) & ~Q(fallback_mapping__in=releases))
    return Q()


def open_writes() -> Any:
    """Return what open scheduled changes would write to rules, in the order in which they were proposed."""
    return ScheduledWrite.objects.filter(
        target="rule", scheduled_change__state__in=ScheduledChange.OPEN
    ).order_by("scheduled_change_id", "position")
