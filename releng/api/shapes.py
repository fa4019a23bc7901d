"""How the schema describes operations: what is common to all of them. It describes; the verbs validate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from rest_framework import serializers

PROBLEM_TYPE = "application/problem+json"
REFUSALS = {
    400: "The request has mistakes, is based on old data, or needs signoffs.",
    401: "Nobody is signed in, or the token is no good.",
    403: "A permission is missing.",
    404: "There is no such object.",
    409: "The state of the object does not allow it.",
    411: "The length of the body is not announced.",
    412: "If-Match names another version than the current one.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    422: "The Idempotency-Key was used for another request.",
    429: "Too many requests; Retry-After says how long to wait.",
}

LISTED = (400, 401, 403)
READ = (400, 401, 403, 404)
ONE = (400, 401, 403, 404, 409)


class Shape(serializers.Serializer[Any]):
    """Base of the shapes."""


class MapOf(Shape):
    """Base of objects whose keys are names: a subclass names what stands below them."""

    child: ClassVar[type[Shape]]


class MapOfExtension(OpenApiSerializerExtension):
    """How the schema tells it."""

    target_class = MapOf
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return the schema of an object with any keys."""
        component = auto_schema.resolve_serializer(self.target.child, direction)
        return {"type": "object", "additionalProperties": component.ref}


class Refused(Shape):
    """A refusal (RFC 9457)."""

    detail = serializers.CharField()
    status = serializers.IntegerField()
    title = serializers.CharField(allow_null=True)
    type = serializers.CharField()
    exception = serializers.JSONField(required=False, help_text="The message, or a list of messages.")
    code = serializers.CharField(required=False, help_text="Stable name of the refusal.")
    errors = serializers.DictField(required=False, help_text="Messages by field.")
    required_signoffs = serializers.DictField(child=serializers.IntegerField(), required=False)
    missing_signoffs = serializers.DictField(child=serializers.IntegerField(), required=False)
    conflicts = serializers.ListField(
        child=serializers.DictField(), required=False, help_text="What both sides changed, with three values."
    )
    comparison = serializers.DictField(
        required=False, help_text="The changed fields of a stale edit, with three values each."
    )


class Nothing(Shape):
    """An empty object."""


class NewVersion(Shape):
    """The version that the write has made."""

    new_data_version = serializers.IntegerField(min_value=1)


class Column(Shape):
    """The values of a column, each once; they stand under the column's own name."""

    count = serializers.IntegerField()


class History(Shape):
    """Versions, newest first."""

    count = serializers.IntegerField()
    revisions = serializers.ListField(child=serializers.DictField())


def histories(*names: str) -> Any:
    """Return the shape of the histories of several things, by what they are called."""
    return inline_serializer(f"{names[0].replace(' ', '')}Histories", {name: History() for name in names})


DRY_RUN = OpenApiParameter(
    "dry_run", bool, description="Do everything, tell what came of it, then take it back."
)
DATA_VERSION = OpenApiParameter(
    "data_version", int, description="The version that this is based on; If-Match may name it instead."
)
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="ETag of what this is based on; 412 if that is old."
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="A name for this request; sent again with it, the request is answered as before.",
)
REASON = OpenApiParameter(
    "X-Change-Reason", str, OpenApiParameter.HEADER, description="Why, for the history."
)
VERSION_HEADERS = [
    OpenApiParameter("X-Data-Version", int, OpenApiParameter.HEADER, response=[200, 201]),
    OpenApiParameter("ETag", str, OpenApiParameter.HEADER, response=[200, 201]),
]
PRETTY = OpenApiParameter("pretty", str, description="Indent the answer.")


def documented(
    operation_id: str,
    answer: Any,
    *parameters: OpenApiParameter,
    body: Any = None,
    status: int = 200,
    refusals: Sequence[int] = LISTED,
    description: str | None = None,
    examples: Sequence[OpenApiExample] = (),
) -> Any:
    """Describe an operation for the schema: its bodies, its arguments, and how it refuses.

    `answer` is the shape of the answer, or a mapping from status to shape. What follows from what is said is added:
    429 everywhere, 413 and 415 with a body, 412 with If-Match, 422 with an Idempotency-Key.
    """
    names = {parameter.name for parameter in parameters}
    codes = {*refusals, 429}
    codes |= {411, 413, 415} if body is not None else set()
    codes |= {412} if IF_MATCH.name in names else set()
    codes |= {422} if IDEMPOTENCY_KEY.name in names else set()
    responses: dict[Any, Any] = dict(answer) if isinstance(answer, Mapping) else {status: answer}
    responses |= {
        (code, PROBLEM_TYPE): OpenApiResponse(Refused, description=REFUSALS[code]) for code in sorted(codes)
    }
    return extend_schema(
        operation_id=operation_id,
        request=body,
        parameters=list(parameters),
        responses=responses,
        description=description,
        examples=list(examples),
    )
