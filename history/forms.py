"""What the feed and the "as of" page can be asked, as forms over the URL."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django import forms

from history.feed import Filters
from history.models import ChangeSet, VersionedModel


class MomentField(forms.DateTimeField):
    """A moment in UTC; the browser's own picker fills it in."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S")

    def to_python(self, value: Any) -> Any:
        found = super().to_python(value)
        return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


class FeedForm(forms.Form):
    """Filters of the feed; all may be left out."""

    person = forms.CharField(required=False, max_length=150)
    model = forms.ChoiceField(required=False)
    object_id = forms.IntegerField(required=False, min_value=1, label="Object id")
    product = forms.CharField(required=False, max_length=50)
    channel = forms.CharField(required=False, max_length=100)
    name = forms.CharField(required=False, max_length=100, label="Object name")
    origin = forms.ChoiceField(required=False, choices=[("", "any"), *ChangeSet.Origin.choices])
    since = MomentField(required=False, label="From (UTC)")
    until = MomentField(required=False, label="To (UTC)")
    text = forms.CharField(required=False, max_length=200, label="Reason contains")

    def __init__(self, *args: Any, visible: list[type[VersionedModel]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(model._meta.label, str(model._meta.verbose_name)) for model in visible]
        self.fields["model"].choices = [("", "any"), *choices]  # type: ignore[attr-defined]

    def filters(self) -> Filters:
        """Return the filters of a valid form."""
        return Filters(**{name: value if value != "" else None for name, value in self.cleaned_data.items()})


class MomentForm(forms.Form):
    """The moment of the "as of" page."""

    at = MomentField(label="Moment (UTC)")
