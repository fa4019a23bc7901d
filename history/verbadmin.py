"""The admin base of models whose changes go through verbs, and the form field of documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.forms.fields import InvalidJSONInput
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from history.admin import VersionedAdmin
from history.changesets import change_set
from history.exceptions import HistoryError
from history.fields import CanonicalJSONField
from history.models import VersionedModel

Values = Mapping[str, Any]


class DocumentField(forms.JSONField):
    """A JSON document, written with indents; says where text is no JSON."""

    widget = forms.Textarea(attrs={"rows": 40, "class": "vLargeTextField", "spellcheck": "false"})

    def to_python(self, value: Any) -> Any:
        if self.disabled or not value:
            return value or None
        try:
            return json.loads(value, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise ValidationError(f"This is not JSON: {error}.", code="invalid") from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Show what was typed as it was typed."""
        return None if data is None else InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, InvalidJSONInput):
            return value
        return "" if value is None else json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a value that JSON has")


class VerbAdmin(VersionedAdmin):
    """Base of admin classes whose changes go through verbs; tells refusals, and warnings about what was saved."""

    formfield_overrides = {CanonicalJSONField: {"form_class": DocumentField}}

    def create(self, obj: Any, values: Values) -> VersionedModel:
        """Write a new row by its verb."""
        obj.full_clean()
        obj.save()
        return obj

    def update(self, obj: Any, values: Values) -> VersionedModel:
        """Write a changed row by its verb, based on `values["based_on"]`."""
        obj.data_version = values["based_on"]
        obj.full_clean()
        obj.save()
        return obj

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        values = form.cleaned_data
        if change and values.get("based_on") is None:
            raise ValidationError("The form does not say what it is based on; open the page anew.")
        with change_set(reason=values.get("reason", "")):
            row = self.update(obj, values) if change else self.create(obj, values)
        obj.pk, obj.data_version = row.pk, row.data_version
        for warning in row.warnings() if hasattr(row, "warnings") else ():
            self.message_user(request, warning, messages.WARNING)

    def _told(
        self, request: HttpRequest, view: Callable[..., HttpResponse], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Answer a verb's refusal by a message on the same page; nothing of what was begun is kept."""
        try:
            with transaction.atomic():
                return view(request, *args, **kwargs)
        except HistoryError as error:
            self.message_user(request, str(error), messages.ERROR)
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), messages.ERROR)
        except PermissionDenied as error:
            if not error.args:  # the page itself is not allowed; else a verb says what is missing
                raise
            self.message_user(request, str(error), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())
