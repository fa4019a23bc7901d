"""Checks of single values, used by models and forms alike; every message names the value and what it breaks.

The field is the key under which a ValidationError carries the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual

from releases.blobs.errors import Problem

PRODUCT_LENGTH = 15
MAX_SHOWN = 20  # problems of one document
LONGEST_SHOWN = 120  # characters of a value


def shown(value: Any) -> str:
    """Return `value` as messages show it."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


class CheckedModel(models.Model):
    """A model whose validation messages begin with the offending value."""

    class Meta:
        abstract = True

    def clean_fields(self, exclude: Any = None) -> None:
        try:
            super().clean_fields(exclude=exclude)
        except ValidationError as error:
            raise ValidationError(
                {
                    name: [self._explained(name, single) for single in errors]
                    for name, errors in error.error_dict.items()
                }
            ) from error

    def _explained(self, name: str, error: ValidationError) -> ValidationError:
        value = getattr(self, self._meta.get_field(name).attname)  # type: ignore[union-attr]
        message = " ".join(error.messages)
        prefix = shown(value)
        return (
            error if message.startswith(prefix) else ValidationError(f"{prefix}: {message}", code=error.code)
        )

    def unique_error_message(
        self, model_class: type[models.Model], unique_check: Sequence[str]
    ) -> ValidationError:
        values = ", ".join(f"{name} {shown(getattr(self, name))}" for name in unique_check)
        return ValidationError(f"{values}: there is one already.", code="unique")


def text_lengths(lengths: Mapping[str, int]) -> Q:
    """Return the condition that each text is null or has 1 to that many characters: SQLite ignores varchar(n)."""
    condition = Q()
    for name, most in lengths.items():
        condition &= Q(GreaterThanOrEqual(Length(name), 1)) & Q(LessThanOrEqual(Length(name), most))
    return condition


def check_path_regex(text: str) -> None:
    """Raise ValidationError unless `text` is a regular expression."""
    try:
        re.compile(text)
    except (re.error, RecursionError) as error:
        raise ValidationError(
            f"{shown(text)}: is not a regular expression: {error}.", code="bad_regex"
        ) from error


def check_host(text: str) -> None:
    """Raise ValidationError unless `text` can be what stands between `//` and the path of a URL."""
    try:
        netloc = urlsplit(f"//{text}").netloc
    except ValueError:
        netloc = ""
    if netloc != text or not text.isascii() or any(character.isspace() for character in text):
        raise ValidationError(
            f"{shown(text)}: must be a host as it stands in URLs, with the port if there is one, "
            "and without scheme and path.",
            code="bad_host",
        )


def check_prefix(text: str) -> None:
    """Raise ValidationError unless `text` begins like a URL."""
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValidationError(
            f"{shown(text)}: must begin with http:// or https:// and a host, "
            "since it is compared with the start of URLs.",
            code="bad_prefix",
        )


def check_matchable(text: str) -> None:
    """Raise ValidationError for characters that no client can send."""
    if not (text.isascii() and text.isprintable()):
        raise ValidationError(
            f"{shown(text)}: has characters outside printable ASCII; requests are compared in ASCII, "
            "so it would never match.",
            code="not_ascii",
        )


def check_name(text: str) -> None:
    """Raise ValidationError for names that URLs and lists cannot carry."""
    if not text.isprintable() or text != text.strip() or "/" in text:
        raise ValidationError(
            f"{shown(text)}: a name has no slash, no control characters, and no white space at its ends.",
            code="bad_name",
        )


def check_comment(text: str) -> None:
    """Raise ValidationError for comments that cannot be stored or sent."""
    if not text.isascii() or "\0" in text:
        raise ValidationError(
            f"{shown(text)}: has characters outside ASCII, which the wire format of comments does not have.",
            code="not_ascii",
        )


def check_products(value: Any) -> None:
    """Raise ValidationError unless `value`, an entry's products, is a list of product names."""
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        message = f"{shown(value)}: must be a list of product names."
        raise ValidationError({"products": ValidationError(message, code="bad_products")})


class DocumentProblem(ValidationError):
    """What is wrong at one place of a document; `path` is that of `releases.blobs.Problem`, empty for the whole."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message, code="bad_document")
        self.path = path


def invalid_document(problems: Iterable[Problem], field: str = "document") -> ValidationError:
    """Return the error that lists what is wrong with a document."""
    found = [DocumentProblem(str(problem), problem.path) for problem in problems]
    listed = found[:MAX_SHOWN]
    if len(found) > MAX_SHOWN:
        listed.append(DocumentProblem(f"... and {len(found) - MAX_SHOWN} more.", ""))
    return ValidationError({field: listed})
