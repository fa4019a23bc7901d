"""Model fields of the history package."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

from history.canonical import canonical_json


class CanonicalJSONField(models.TextField):
    """A JSON value kept as canonical text: one value, one byte form, on every database.

    PostgreSQL's own JSON types reorder keys and rewrite numbers, and parse on every read; here the text that
    was stored is the text that is hashed, compared and served. `Cast(name, TextField())` reads it unparsed.
    """

    description = "JSON value as canonical text"
    _pyi_private_set_type: Any
    _pyi_private_get_type: Any

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return None if value is None else json.loads(value)

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else canonical_json(value)

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> Any:
        return self.value_from_object(obj)

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        super().validate(value, model_instance)
        try:
            canonical_json(value)
        except (TypeError, ValueError) as error:
            raise ValidationError(f"This is not a JSON value: {error}.", code="invalid") from error

    def formfield(self, form_class: Any = None, choices_form_class: Any = None, **kwargs: Any) -> Any:
        # TextField's own form field would show the Python form of the value.
        return models.Field.formfield(self, form_class or forms.JSONField, choices_form_class, **kwargs)


def plain(field: models.Field[Any, Any], value: Any) -> Any:
    """Return `value` of `field` as a JSON value that is the same before saving and after reading back."""
    if isinstance(field, models.ForeignKey):
        field = field.target_field
    value = field.to_python(value)
    if value is None or isinstance(value, (bool, int, float, str, list, dict)):
        return value
    if isinstance(field, models.DateTimeField):
        return value.astimezone(UTC).isoformat()
    return str(value)
