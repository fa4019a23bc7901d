"""Problem documents (RFC 9457) and the JSON form of the read API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from rest_framework.exceptions import APIException
from rest_framework.renderers import BaseRenderer


class BadArgument(APIException):
    """A query argument that is not declared, or has a value that it cannot have."""

    status_code = 400

    def __init__(self, detail: str, title: str | None = None) -> None:
        super().__init__(detail)
        self.title = title


def problem(status: int, title: str | None, detail: Any) -> dict[str, Any]:
    """Return the body of a problem document."""
    return {"detail": detail, "status": status, "title": title, "type": "about:blank"}


class SortedJSONRenderer(BaseRenderer):
    """JSON with sorted keys; with `?pretty` indented by four."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        request = (renderer_context or {}).get("request")
        pretty = request is not None and "pretty" in request.query_params
        text = json.dumps(data, sort_keys=True, indent=4 if pretty else None, cls=DjangoJSONEncoder)
        return text.encode()


class ProblemJSONRenderer(SortedJSONRenderer):
    """The same for problem documents."""

    media_type = "application/problem+json"
    format = "problem"
