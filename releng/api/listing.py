"""Lists: filters that are declared, an order, and pages where they are asked for."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter

from releng.api.base import ApiView
from releng.api.browsing import PAGE_LENGTH, Paged
from releng.api.parsing import number
from releng.updates.problems import BadArgument

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
PAGE = OpenApiParameter("page", {"type": "integer", "minimum": 1}, description="From 1 on.")
LIMIT = OpenApiParameter(
    "limit", {"type": "integer", "minimum": 1}, description=f"Rows of a page; at most {MAX_LIMIT}."
)

Filters = type[django_filters.FilterSet]


class _YesOrNo(forms.NullBooleanField):
    """Takes what says yes or no; Django's own takes anything else for no answer."""

    widget = forms.TextInput  # the select that goes with it would take what it does not know for nothing

    def to_python(self, value: Any) -> Any:
        found = super().to_python(value)
        if found is None and value not in self.empty_values:
            raise ValidationError("must be true or false.")
        return found


class FlagFilter(django_filters.BooleanFilter):
    """A filter by yes or no; any other value is refused."""

    field_class = _YesOrNo


class ListView(ApiView):
    """A list: everything, unless `page` or `limit` ask for a page.

    `filters` declares what may be asked for, `orderings` the names by which it can be sorted and their fields.
    """

    filters: ClassVar[Filters | None] = None
    orderings: ClassVar[dict[str, str]] = {}

    def declared_arguments(self) -> frozenset[str]:
        names = {"page", "limit", *(("ordering",) if self.orderings else ())}
        if self.filters is not None:
            names |= self.filters.get_filters().keys()
        return self.arguments | names

    def chosen(self, rows: QuerySet[Any], *default: Any) -> QuerySet[Any]:
        """Return the rows that the filters let through, in the order that was asked for.

        Raises ValidationError and BadArgument, naming the argument.
        """
        if self.filters is not None:
            found = self.filters(data=self.request.query_params, queryset=rows)
            if not found.is_valid():
                raise ValidationError({name: list(map(str, texts)) for name, texts in found.errors.items()})
            rows = found.qs
        return rows.order_by(*self._order(), *default)

    def page(self, rows: QuerySet[Any], *, default: int | None = None) -> tuple[QuerySet[Any], int]:
        """Return a page of rows, and how many there are; all of them when no page was asked for.

        `default` is the length of a page for lists that are always paged; as a page for people, all are.
        """
        asked = self.request.query_params
        default = default or (PAGE_LENGTH if self.is_browsed else None)
        count = rows.count()
        if "page" not in asked and "limit" not in asked and default is None:
            return rows, count
        limit = min(number(asked.get("limit", default or DEFAULT_LIMIT), "limit"), MAX_LIMIT)
        page = number(asked.get("page", 1), "page")
        self.paged = Paged(page, limit, count)
        start = (page - 1) * limit
        # A page beyond what any database counts to is as empty as the one after the last.
        return (rows[start : start + limit] if start < 2**31 else rows.none()), count

    def _order(self) -> list[str]:
        found = []
        for name in filter(None, (self.request.query_params.get("ordering") or "").split(",")):
            field = self.orderings.get(name.removeprefix("-"))
            if field is None:
                known = ", ".join(self.orderings)
                raise BadArgument(f"ordering: {name!r} is none of {known}.", title="Bad Request")
            found.append(f"-{field}" if name.startswith("-") else field)
        return found


def list_parameters(
    filters: Filters | None = None, *orderings: str, paged: bool = True
) -> list[OpenApiParameter]:
    """Return how the schema describes the arguments of a list."""
    found = [
        OpenApiParameter(name, _schema(declared), description=str(declared.extra.get("help_text", "")))
        for name, declared in (filters.get_filters() if filters is not None else {}).items()
    ]
    if orderings:
        text = f"Names out of {', '.join(orderings)}, separated by commas; with - before it downwards."
        found.append(OpenApiParameter("ordering", str, description=text))
    return [*found, PAGE, LIMIT] if paged else found


def _schema(declared: django_filters.Filter) -> dict[str, Any]:
    if isinstance(declared, django_filters.ChoiceFilter):
        return {"type": "string", "enum": [value for value, _ in declared.extra["choices"]]}
    kinds = {django_filters.BooleanFilter: "boolean", django_filters.NumberFilter: "integer"}
    return {"type": next((name for kind, name in kinds.items() if isinstance(declared, kind)), "string")}
