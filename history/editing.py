"""The form of a versioned row: it knows which version it was filled in on, and asks why."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.models import model_to_dict

from history.merge import FieldComparison, Outcome, compare_fields
from history.reading import field_values


class VersionedForm(forms.ModelForm):
    """Carries the version that it was filled in on. A stale form is refused, and nothing typed is lost.

    `stale` then compares all fields in three versions: the one the form was based on, the stored one, and what was
    typed. Fields that only others changed show their value, so that saving again does not take that back.
    """

    reason = forms.CharField(
        label="Why", required=False, max_length=1_000, widget=forms.TextInput(attrs={"class": "vTextField"})
    )
    based_on = forms.IntegerField(required=False, widget=forms.HiddenInput)
    stale: FieldComparison | None = None
    changed_by: str | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.fields["based_on"].initial = self.instance.data_version

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.instance.pk is None:
            return cleaned
        based_on = self.cleaned_data.get("based_on")
        if based_on is None:
            raise ValidationError("The form does not say which version it is based on; open the page anew.")
        if based_on != self.instance.data_version:
            self._refuse(based_on)
        return cleaned

    def _refuse(self, based_on: int) -> None:
        refusal = self.instance.outdated(based_on)
        self.changed_by = refusal.changed_by
        key = {self.instance._meta.pk.attname: self.instance.pk}
        rows = type(self.instance).history.filter(data_version=based_on, **key)
        base = rows.exclude(history_type="-").first()
        self.data = data = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict or a dict
        # Saving again after reading the comparison is a decision, not an accident.
        data[self.add_prefix("based_on")] = str(self.instance.data_version)
        if base is not None:
            self._compare(base, data)
        self.add_error(None, f"Nothing was saved. {refusal}")

    def _compare(self, base: Any, data: Any) -> None:
        """Compare base, theirs and mine; show theirs where only they changed something."""
        mine = base.instance
        for field in mine._meta.concrete_fields:
            if field.name in self.cleaned_data:
                field.save_form_data(mine, self.cleaned_data[field.name])
        self.stale = compare_fields(*map(field_values, (base, self.instance, mine)))
        stored = model_to_dict(self.instance)
        for compared in self.stale.having(Outcome.ONLY_THEIRS):
            if compared.name in self.fields and compared.name not in self.errors:
                self._fill_in(data, compared.name, stored[compared.name])

    def _fill_in(self, data: Any, name: str, value: Any) -> None:
        """Put a value into the data that was typed, in the way that the field's widget sends it."""
        field, prefixed = self.fields[name], self.add_prefix(name)
        widget: Any = getattr(
            field.widget, "widget", field.widget
        )  # the admin wraps selects of related objects
        value = field.prepare_value(value)
        if isinstance(widget, forms.MultiWidget):
            for number, (part, inner) in enumerate(
                zip(widget.decompress(value) or (), widget.widgets, strict=True)
            ):
                data[f"{prefixed}_{number}"] = inner.format_value(part) or ""
        elif isinstance(widget, forms.CheckboxInput):
            data[prefixed] = "on" if value else ""
        else:
            shown = widget.format_value(value)
            data[prefixed] = (shown[0] if shown else "") if isinstance(shown, list) else shown or ""
