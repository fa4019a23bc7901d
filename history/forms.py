"""What the feed and the "as of" page can be asked, as forms over the URL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils import timezone

from history.feed import Filters, Models, declared_facets
from history.models import ChangeSet


class MomentField(forms.DateTimeField):
    """A moment, in UTC unless it says otherwise.

    Typed as text: a browser's picker shows some readers a.m. and p.m., and that was mistaken for real elsewhere.
    """

    widget = forms.TextInput(attrs={"placeholder": "2026-11-20 18:30", "autocomplete": "off"})

    def to_python(self, value: Any) -> datetime | None:
        """Read a moment; without a zone it is in UTC, whatever the reader's own zone."""
        with timezone.override(UTC):
            return super().to_python(value)


class FeedForm(forms.Form):
    """Filters of the feed, all of which may be left out; one for each facet that the visible models declare."""

    person = forms.CharField(required=False, max_length=150)
    model = forms.ChoiceField(required=False, label="Kind of object")
    object = forms.IntegerField(
        required=False, min_value=0, max_value=2**63 - 1, label="Number of the object"
    )
    origin = forms.ChoiceField(required=False, choices=[("", "any"), *ChangeSet.Origin.choices])
    since = MomentField(required=False, label="From (UTC)")
    until = MomentField(required=False, label="Until (UTC)")
    text = forms.CharField(required=False, max_length=200, label="Reason contains")

    def __init__(self, *args: Any, visible: Models, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(model._meta.label, str(model._meta.verbose_name)) for model in visible]
        self.fields["model"].choices = [("", "any"), *sorted(choices, key=lambda choice: choice[1])]  # type: ignore[attr-defined]
        self.facets = [name for name in declared_facets(visible) if name not in self.fields]
        for name in self.facets:
            self.fields[name] = forms.CharField(required=False, max_length=200)
        self.order_fields(["person", "since", "until", *sorted(self.facets), "model", "object"])

    def filters(self) -> Filters:
        """Return the filters of a valid form."""
        chosen = {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}
        facets = {name: chosen.pop(name) for name in self.facets if name in chosen}
        return Filters(**chosen, facets=facets)


class MomentForm(forms.Form):
    """The "as of" page: a moment, the models to show, and whether unchanged rows are shown, too."""

    at = MomentField(label="Moment (UTC)")
    model = forms.MultipleChoiceField(required=False, label="Only", widget=forms.CheckboxSelectMultiple)
    everything = forms.BooleanField(required=False, label="Show what is unchanged, too")
    after = forms.IntegerField(required=False, min_value=0, max_value=2**63 - 1, widget=forms.HiddenInput)

    def __init__(self, *args: Any, visible: Models, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.visible = visible
        choices = [(model._meta.label, str(model._meta.verbose_name_plural)) for model in visible]
        self.fields["model"].choices = choices  # type: ignore[attr-defined]

    def chosen(self) -> Models:
        """Return the models to show: all of them when none was chosen."""
        labels = self.cleaned_data["model"]
        return [model for model in self.visible if not labels or model._meta.label in labels]
