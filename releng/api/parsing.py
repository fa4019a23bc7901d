"""From the bytes of a request to values: strict JSON, and single values as old clients send them."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from releases.validation import shown
from releng.updates.problems import BadArgument

LARGEST_NUMBER = 2**63 - 1  # what a database keeps

# Texts that no database keeps as they are: NUL, and halves of surrogate pairs. Only escapes bring them into JSON.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_MAY_BE_UNSTORABLE = re.compile(r"\\u(0000|[dD][89a-fA-F])")


class BodyTooLarge(APIException):
    """The body is larger than this server reads."""

    status_code = 413


class LengthRequired(APIException):
    """The length of the body is not announced, so that none of it would be read."""

    status_code = 411
    default_detail = "Send the length of the body as Content-Length; bodies in chunks are not read."


def refuse_large(request: Request) -> None:
    """Refuse a body that is announced as too large, or not announced; more than is announced is never read.

    Raises BodyTooLarge and LengthRequired.
    """
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if not request.META.get("CONTENT_LENGTH") and request.META.get("HTTP_TRANSFER_ENCODING"):
        raise LengthRequired
    length = request.META.get("CONTENT_LENGTH") or "0"
    if most is not None and length.isdigit() and int(length) > most:
        raise BodyTooLarge(f"The body has {length} bytes; at most {most} are read.")


def decoded(text: str) -> Any:
    """Return the value of a JSON text; raise ValueError for what is none, or could not be stored."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        if _MAY_BE_UNSTORABLE.search(text) and _UNSTORABLE.search(json.dumps(value, ensure_ascii=False)):
            raise ValueError("a text has a character that cannot be stored (U+0000, or half of a pair)")
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


class StrictJSONParser(JSONParser):
    """JSON in UTF-8, whatever charset is claimed."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Return the value of the body; raise ParseError."""
        try:
            return decoded(stream.read().decode())
        except ValueError as error:
            raise ParseError(f"The body is no JSON: {error}.") from error


def json_text(value: Any, name: str) -> Any:
    """Return what was sent as JSON text inside JSON; an object sent as such is taken, too.

    Raises BadArgument naming the field.
    """
    if not isinstance(value, str):
        return value
    try:
        return decoded(value)
    except ValueError as error:
        raise BadArgument(f"{name}: is no JSON: {error}.", title="Bad Request") from error


def number(value: Any, name: str, *, least: int = 1) -> int:
    """Return a whole number that was sent as a number or as text; raise BadArgument naming it otherwise."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST_NUMBER:
        said = "is missing" if value is None else f"{shown(value)} is not a whole number from {least} on"
        raise BadArgument(f"{name}: {said}.", title="Bad Request")
    return value


def text(value: Any, name: str) -> str:
    """Return a text that was sent; raise BadArgument naming it for anything else."""
    if not isinstance(value, str):
        said = "is missing" if value is None else f"{shown(value)} must be a text"
        raise BadArgument(f"{name}: {said}.", title="Bad Request")
    return value


def is_true(value: str | None) -> bool:
    """Tell whether a query argument says yes."""
    return value is not None and value.lower() in ("1", "true", "yes")
