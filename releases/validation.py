"""Checks of single values, used by models and forms alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from releases.blobs.errors import Problem

PRODUCT_LENGTH = 15
MAX_SHOWN = 20


def check_path_regex(text: str) -> None:
    """Raise ValidationError unless `text` is a regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        raise ValidationError(f"{text!r} is not a regular expression: {error}.", code="bad_regex") from error


def check_prefix(text: str) -> None:
    """Raise ValidationError unless `text` begins like a URL."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValidationError(
            f"{text!r} must begin with http:// or https:// and a host, since it is compared with the start of URLs.",
            code="bad_prefix",
        )


def check_ascii(text: str) -> None:
    """Raise ValidationError for characters that no client can send."""
    if not text.isascii():
        raise ValidationError(
            f"{text!r} has characters outside ASCII; requests are compared in ASCII, so it would never match.",
            code="not_ascii",
        )


def invalid_document(problems: Iterable[Problem], field: str = "document") -> ValidationError:
    """Return the error that lists what is wrong with a document."""
    found = [str(problem) for problem in problems]
    shown = found[:MAX_SHOWN]
    if len(found) > MAX_SHOWN:
        shown.append(f"... and {len(found) - MAX_SHOWN} more.")
    return ValidationError({field: [ValidationError(text, code="bad_document") for text in shown]})
