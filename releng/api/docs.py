"""`/api/docs/`: the description of the API as pages that need no JavaScript, made of the schema itself."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.views import View
from drf_spectacular.generators import SchemaGenerator

from releng.api.description import GROUPS, Group, group_of

Json = Any

METHODS = ("get", "post", "put", "patch", "delete")
PLACES = {"path": "in the address", "query": "query argument", "header": "header"}
# How deep fields of fields are told; what lies deeper is seen in the examples.
DEEPEST = 4


# --- What the pages show ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a body or an answer, by its path: `builds[].platform`."""

    path: str
    kind: str
    needed: bool
    about: str


@dataclass(frozen=True, slots=True)
class Content:
    """A body or an answer in one content type."""

    kind: str
    shape: str
    fields: list[Field]
    examples: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back with a status."""

    status: str
    about: str
    headers: list[str]
    contents: list[Content]

    @property
    def phrase(self) -> str:
        """The name of the status."""
        return HTTPStatus(int(self.status)).phrase


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    method: str
    path: str
    told: dict[str, Json]

    @property
    def id(self) -> str:
        """Its anchor, and its name in generated clients."""
        return str(self.told["operationId"])

    @property
    def about(self) -> str:
        """What it does."""
        return str(self.told.get("description", ""))

    @property
    def summary(self) -> str:
        """The first sentence of that."""
        return re.split(r"(?<=[.;:])\s", self.about, maxsplit=1)[0].rstrip(".;:")

    @property
    def permission(self) -> str:
        """What one must be allowed, in the words of docs/permissions.md; empty: nothing."""
        return str(self.told.get("x-permission", ""))

    @cached_property
    def parameters(self) -> list[dict[str, Json]]:
        """What it takes besides a body."""
        return [
            {
                "name": given["name"],
                "place": PLACES[given["in"]],
                "kind": kind_of(given["schema"]),
                "needed": bool(given.get("required")),
                "about": given.get("description", ""),
            }
            for given in self.told.get("parameters", ())
        ]

    @cached_property
    def bodies(self) -> list[Content]:
        """What may be sent."""
        return _contents(self.told.get("requestBody", {}))

    @cached_property
    def answers(self) -> list[Answer]:
        """What comes back when it is done."""
        return [answer for answer in self._all_answers if answer.status < "4"]

    @cached_property
    def refusals(self) -> list[Answer]:
        """What comes back when it is not; all of them are problem documents."""
        return [answer for answer in self._all_answers if answer.status >= "4"]

    @cached_property
    def _all_answers(self) -> list[Answer]:
        return [
            Answer(status, told.get("description", ""), sorted(told.get("headers", ())), _contents(told))
            for status, told in sorted(self.told["responses"].items())
        ]

    @property
    def curl(self) -> str:
        """The request as one would type it."""
        parts = ["curl"] + (["-X", self.method] if self.method != "GET" else [])
        parts += ['"$SERVER' + self.path + '"']
        if self.told.get("security") and self.path != "/oauth/token":
            parts.append('-H "Authorization: Bearer $TOKEN"')
        body = next((item for item in self.bodies if item.kind == "application/json"), None)
        if body is not None:
            sent = body.examples[0][1] if body.examples else "{}"
            parts.append("-H 'Content-Type: application/json'")
            parts.append(f"-d {shlex.quote(json.dumps(json.loads(sent)))}")
        return " ".join(parts)

    @cached_property
    def text(self) -> str:
        """What a search looks through."""
        names = [given["name"] for given in self.parameters]
        fields = [field.path for content in self.bodies for field in content.fields]
        return " ".join([self.method, self.path, self.about, self.permission, *names, *fields]).lower()


@cache
def schema() -> dict[str, Json]:
    """Return the description, made once in each process."""
    made = SchemaGenerator().get_schema(request=None, public=True)
    found: dict[str, Json] = json.loads(json.dumps(made, default=str))
    return found


@cache
def operations() -> tuple[Operation, ...]:
    """Return all operations in the order of their paths."""
    return tuple(
        Operation(method.upper(), path, told)
        for path, by_method in schema()["paths"].items()
        for method in METHODS
        if (told := by_method.get(method)) is not None
    )


# --- From the schema ----------------------------------------------------------------------------------------


def resolved(shape: dict[str, Json]) -> dict[str, Json]:
    """Return a shape, followed to where it is written."""
    while "$ref" in shape:
        _, _, section, name = shape["$ref"].split("/")
        shape = schema()["components"][section][name]
    return shape


def kind_of(shape: dict[str, Json]) -> str:
    """Return the type of a value in a few words."""
    shape = resolved(shape)
    for key in ("allOf", "oneOf", "anyOf"):
        if key in shape:
            return " or ".join(dict.fromkeys(kind_of(part) for part in shape[key]))
    if "enum" in shape:
        words = "one of " + ", ".join(json.dumps(value) for value in shape["enum"])
    elif shape.get("type") == "array":
        inner = kind_of(shape["items"])
        words = "list of objects" if inner == "object" else f"list of {inner}"
    else:
        kind = str(shape.get("type", "anything"))
        words = {"integer": "whole number", "string": "text", "boolean": "true or false"}.get(kind, kind)
    limits = [
        f"{word} {shape[key]}"
        for key, word in (
            ("minimum", "from"),
            ("maximum", "to"),
            ("minLength", "at least"),
            ("maxLength", "at most"),
        )
        if key in shape
    ]
    return ", ".join([words, *limits]) + (" or null" if shape.get("nullable") else "")


def fields_of(shape: dict[str, Json], path: str = "", depth: int = 0) -> Iterator[Field]:
    """Return the fields of a shape, those of objects in it after them."""
    shape = resolved(shape)
    for part in (part for key in ("allOf", "oneOf", "anyOf") for part in shape.get(key, ())):
        yield from fields_of(part, path, depth)
    if depth > DEEPEST:
        return
    if isinstance(shape.get("items"), dict):
        yield from fields_of(shape["items"], f"{path}[]", depth)
    if isinstance(shape.get("additionalProperties"), dict):
        yield from fields_of(shape["additionalProperties"], f"{path}.*".lstrip("."), depth)
    for name, inner in shape.get("properties", {}).items():
        here = f"{path}.{name}".lstrip(".")
        about = inner.get("description") or ""
        yield Field(here, kind_of(inner), name in shape.get("required", ()), about)
        yield from fields_of(inner, here, depth + 1)


def _contents(told: dict[str, Json]) -> list[Content]:
    return [
        Content(kind, kind_of(content["schema"]), list(fields_of(content["schema"])), _examples(content))
        for kind, content in told.get("content", {}).items()
    ]


def _examples(content: dict[str, Json]) -> list[tuple[str, str]]:
    found = []
    for name, example in content.get("examples", {}).items():
        told = resolved(example)
        title = told.get("summary") or name
        found.append(
            (
                f"Example: {title}" if title != "Example" else title,
                json.dumps(told["value"], indent=2, ensure_ascii=False),
            )
        )
    return found


def with_code(text: str) -> SafeString:
    """Return a text as HTML: what stands between backticks as code."""
    parts = text.split("`")
    return mark_safe(  # noqa: S308  # each part is escaped by format_html
        "".join(
            format_html("<code>{}</code>" if place % 2 else "{}", part) for place, part in enumerate(parts)
        )
    )


# --- Pages --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Section:
    """A group with those of its operations that are shown."""

    group: Group
    operations: list[Operation]


def sections(shown: Iterable[Operation]) -> list[Section]:
    """Return operations by group, in the order of the groups."""
    by_slug: dict[str, Section] = {}
    for operation in shown:
        group = group_of(operation.path)
        by_slug.setdefault(group.slug, Section(group, [])).operations.append(operation)
    order = [group.slug for group in GROUPS]
    return sorted(
        by_slug.values(), key=lambda one: order.index(one.group.slug) if one.group.slug in order else 99
    )


class Page(View):
    """Base of the pages: for everybody, as the description itself is."""

    http_method_names = ["get", "head", "options"]

    def page(self, request: HttpRequest, template: str, title: str, **more: Any) -> HttpResponse:
        """Render a page in the frame of the admin, which shows its bar to those who are signed in there."""
        shared = {**admin.site.each_context(request), "title": title}
        return render(request, f"api/{template}.html", {**shared, **more})


class Overview(Page):
    """What there is: all operations by group, or those that `q` finds."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show it."""
        asked = request.GET.get("q", "").strip()[:200]
        words = asked.lower().split()
        found = [one for one in operations() if all(word in one.text for word in words)]
        about = [with_code(part) for part in schema()["info"]["description"].split("\n\n")]
        return self.page(
            request, "docs", "API", sections=sections(found), count=len(found), asked=asked, about=about
        )


class GroupPage(Page):
    """The operations of one group, whole."""

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Show them."""
        found = {one.group.slug: one for one in sections(operations())}
        if slug not in found:
            raise Http404("There is no such group of operations.")
        section = found[slug]
        return self.page(request, "docs_group", section.group.title, section=section, groups=found.values())
