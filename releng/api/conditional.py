"""Versions in headers: `X-Data-Version` and `ETag` of an answer, `If-Match` of a request (RFC 9110)."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from releng.api.parsing import number
from releng.updates.problems import BadArgument

# The version, and what tells apart what was made anew under the same name, or is written in another way.
_TAG = re.compile(r'\A(?:W/)?"([0-9]{1,18})(?:-[0-9a-f]+)?"\Z')


class PreconditionFailed(APIException):
    """If-Match names another version than the current one."""

    status_code = 412


def versioned(body: Any, data_version: int, *, status: int = 200) -> Response:
    """Return an answer about one object at one version."""
    return Response(body, status=status, headers={"X-Data-Version": str(data_version)})


def tag(response: Response) -> str:
    """Return the entity tag of a rendered answer about one object."""
    digest = hashlib.sha256(response.content).hexdigest()[:12]
    return f'"{response["X-Data-Version"]}-{digest}"'


def matches(request: Request, entity_tag: str) -> bool:
    """Tell whether the client has this very answer already (If-None-Match)."""
    told = request.headers.get("If-None-Match", "")
    return told.strip() == "*" or entity_tag in [item.strip().removeprefix("W/") for item in told.split(",")]


def if_match(request: Request) -> int | None:
    """Return the version that If-Match names; None without it, and for `*`. Raises BadArgument."""
    told = request.headers.get("If-Match", "").strip()
    if told in ("", "*"):
        return None
    found = _TAG.match(told)
    if found is None:
        raise BadArgument(
            'If-Match: must be the ETag of an answer, or the version in quotes: "5".', title="Bad Request"
        )
    return int(found[1])


def version_named(request: Request, given: Any, name: str = "data_version") -> int | None:
    """Return the version that a write is based on: the one that was sent as `name`, else that of If-Match.

    None when neither names one. Raises BadArgument for what is no version, and where both differ.
    """
    header = if_match(request)
    version = header if given is None else number(given, name)
    if header is not None and header != version:
        raise BadArgument(f"{name} {version} and If-Match {header} differ.", title="Bad Request")
    return version
