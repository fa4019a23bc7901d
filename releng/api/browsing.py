"""Answers as pages: for people who walk through the API in a browser, signed in as they are in the console."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.contrib import admin
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import resolve, reverse
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request

from releng.api.description import group_of
from releng.api.docs import Operation, operations
from releng.updates.problems import BadArgument

Json = Any

ASKED_FOR = "Sec-Fetch-Dest"  # browsers say in it what an answer is for
FORMAT = "format"  # the one argument that every read takes
PAGE_LENGTH = 50  # of lists that nobody asked a page of
SHOWN_CHARACTERS = 100_000
MOST_LINKS = 200
# Where a row has another name for what an address is made of.
IN_ROWS = {
    "id_or_alias": ("rule_id",),
    "change_id": ("id",),
    "version": ("data_version", "version"),
    "place": ("path",),
}


def wants_page(request: HttpRequest | Request) -> bool:
    """Tell whether a browser asks for something that its window is to show, with a session or with nothing.

    `Accept` does not tell: machines have always sent strange things in it. `?format=json` has JSON in a browser, too.
    """
    return (
        request.method == "GET"
        and request.headers.get(ASKED_FOR) == "document"
        and FORMAT not in request.GET
        and "Authorization" not in request.headers
    )


def forget_empty(request: HttpRequest) -> None:
    """Take out the arguments that have no value: a form sends its empty fields, too."""
    given = request.GET.copy()
    for name in [name for name, value in given.items() if not value]:
        del given[name]
    request.GET = given  # type: ignore[assignment]  # Django takes either


def refuse_format(request: Request) -> None:
    """Raise BadArgument where `format` asks for anything but JSON."""
    if (given := request.query_params.get(FORMAT, "json")) != "json":
        raise BadArgument(f"{FORMAT}: {given!r} is not json, the only one.", title="Bad Request")


@dataclass(frozen=True, slots=True)
class Paged:
    """Which page of a list is shown, how long pages are, and how many rows there are in all."""

    number: int
    limit: int
    count: int


@dataclass(frozen=True, slots=True)
class Link:
    """An address that follows from the one that is shown."""

    url: str
    words: str


@dataclass(frozen=True, slots=True)
class Write:
    """What can be sent to the address that is shown, and whether this person may."""

    operation: Operation
    is_allowed: bool

    @property
    def arguments(self) -> list[dict[str, Json]]:
        """What goes into the address; trying out has a button of its own."""
        return [
            given
            for given in self.operation.parameters
            if given["place"] == "query argument" and given["name"] != "dry_run"
        ]

    @property
    def can_be_tried(self) -> bool:
        """Whether there is a trial run of it."""
        return any(given["name"] == "dry_run" for given in self.operation.parameters)

    @property
    def body(self) -> str | None:
        """A body to begin with; None where none is sent."""
        found = next((one for one in self.operation.bodies if one.kind == "application/json"), None)
        if found is None:
            return None
        return found.examples[0][1] if found.examples else "{}"


class PageRenderer(BrowsableAPIRenderer):
    """An answer as a page of the console: what was asked, what came back, where it leads, and what can be sent.

    It says less than the framework's own: forms come from the schema, as the pages below `/api/docs/` do.
    """

    def render(
        self,
        data: Json,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> str:
        context = dict(renderer_context or {})
        request: Request = context["request"]
        return render_to_string(
            "api/browse.html", self.get_context(data, accepted_media_type, context), request=request
        )

    def get_context(
        self, data: Json, accepted_media_type: str | None, renderer_context: Mapping[str, Any]
    ) -> dict[str, Any]:
        request: Request = renderer_context["request"]
        view, response = renderer_context["view"], renderer_context["response"]
        path = template_of(request)
        here = {one.method: one for one in operations() if one.path == path}
        text = json.dumps(data, sort_keys=True, indent=2, ensure_ascii=False, cls=DjangoJSONEncoder)
        is_refused = response.status_code >= 400
        asked = request.query_params.copy()
        asked[FORMAT] = "json"
        return {
            **admin.site.each_context(request),
            "title": request.path,
            "group": group_of(path),
            "operation": here.get("GET"),
            "arguments": self._arguments(here.get("GET"), request),
            "response": response,
            "headers": sorted(response.headers.items()),
            "text": text[:SHOWN_CHARACTERS],
            "left_out": max(0, len(text) - SHOWN_CHARACTERS),
            "json_url": f"{request.path}?{asked.urlencode()}",
            "is_signed_in": request.user.is_authenticated,
            "sign_in_url": f"{reverse('admin:login')}?next={quote(request.get_full_path())}",
            "pages": [] if is_refused else _pages(view, request),
            "parents": list(_parents(path, request)),
            "links": [] if is_refused else list(_links(path, data, request))[:MOST_LINKS],
            "writes": [
                Write(one, _may(view, request, method)) for method, one in here.items() if method != "GET"
            ],
        }

    def _arguments(self, operation: Operation | None, request: Request) -> list[dict[str, Json]]:
        given = operation.parameters if operation is not None else []
        return [
            {**one, "value": request.query_params.get(one["name"], "")}
            for one in given
            if one["place"] == "query argument"
        ]


def template_of(request: Request) -> str:
    """Return the path of an address as the schema writes it: `/api/rules/{id_or_alias}`."""
    match = resolve(request.path_info.rstrip("/"))  # the contract writes some addresses with a slash
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", match.route)


def _may(view: Any, request: Request, method: str) -> bool:
    """Tell whether one is let in; which of several permissions a write takes, the verbs ask."""
    needed = view.needed.get(method, ())
    names = (needed,) if isinstance(needed, str) else needed
    return any(request.user.has_perm(name) for name in names)


def _pages(view: Any, request: Request) -> list[Link]:
    """Return the pages before and after that of a list."""
    paged: Paged | None = getattr(view, "paged", None)
    if paged is None:
        return []
    found = []
    for words, number in (("Page before", paged.number - 1), ("Next page", paged.number + 1)):
        if number >= 1 and (number - 1) * paged.limit < paged.count:
            asked = request.query_params.copy()
            asked["page"] = str(number)
            found.append(Link(f"{request.path}?{asked.urlencode()}", words))
    return found


def _parents(path: str, request: Request) -> Iterator[Link]:
    """Yield the addresses above this one that can be read."""
    readable = {one.path for one in operations() if one.method == "GET"}
    segments, real = path.split("/"), request.path.split("/")
    for length in range(2, len(segments)):
        if "/".join(segments[:length]) in readable:
            yield Link("/".join(real[:length]), "/".join(real[:length]))


def _links(path: str, data: Json, request: Request) -> Iterator[Link]:
    """Yield the addresses below this one that can be read: what is there in any case, and what each row has of its own.

    What is below a row, the row's own page leads to.
    """
    seen = set()
    for one in operations():
        if one.method != "GET" or not one.path.startswith(f"{path}/"):
            continue
        rest = one.path.removeprefix(f"{path}/").split("/")
        names = [segment.strip("{}") for segment in rest if segment.startswith("{")]
        if names and len(names) < len(rest):
            continue
        for values in _values(names, data) if names else [rest]:
            url = "/".join([request.path.rstrip("/"), *(quote(value, safe="") for value in values)])
            if url not in seen:
                seen.add(url)
                yield Link(url, " ".join(values))


def _values(names: list[str], data: Json) -> Iterator[list[str]]:
    """Yield what the rows of an answer have under names; a row that is a text has one only."""
    for row in _rows(data):
        if isinstance(row, str):
            found = [row] if len(names) == 1 else []
        else:
            keys = [
                next((key for key in (name, *IN_ROWS.get(name, ())) if row.get(key)), None) for name in names
            ]
            found = [str(row[key]) for key in keys if key is not None]
        if len(found) == len(names):
            yield found


def _rows(data: Json) -> Iterator[Json]:
    """Yield the rows of an answer: of the list that it is, or of those that it has."""
    lists = [data] if isinstance(data, list) else data.values() if isinstance(data, dict) else []
    for rows in lists:
        if isinstance(rows, list):
            yield from (row for row in rows if isinstance(row, dict | str))
