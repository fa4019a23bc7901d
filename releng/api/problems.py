"""Refusals as problem documents (RFC 9457): one table from exception to answer (protocol.md section 12.3)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import OperationalError
from django.db.models import ProtectedError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler

from history.exceptions import HistoryError, OutdatedDataError
from releases.exceptions import ReleaseReadOnlyError, WrongStateError
from releng.changes.exceptions import ChangeScheduledError, SignoffRequiredError, SignoffsMissingError
from releng.permissions.exceptions import PermissionStateError
from releng.updates.problems import BadArgument, ProblemJSONRenderer, problem
from rules.exceptions import StaleRuleError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Status and the two short texts of the contract; without `detail` the exception's own message is told."""

    status: int
    title: str
    detail: str | None = None


Refusals = Mapping[type[Exception], Refusal]

# The nearest class of an exception decides.
REFUSALS: Refusals = {
    OutdatedDataError: Refusal(400, "Bad Request", "OutdatedDataError"),
    ChangeScheduledError: Refusal(400, "Bad Request", "ChangeScheduledError"),
    SignoffRequiredError: Refusal(400, "Bad Request", "Signoff Required"),
    SignoffsMissingError: Refusal(400, "Bad Request", "Signoff Required"),
    ReleaseReadOnlyError: Refusal(403, "Read only"),
    PermissionStateError: Refusal(400, "Bad Request"),
    WrongStateError: Refusal(409, "Conflict"),
    HistoryError: Refusal(400, "Bad Request"),
    ValidationError: Refusal(400, "Bad Request"),
    ProtectedError: Refusal(400, "Bad Request", "Something still refers to it."),
    PermissionDenied: Refusal(403, "Forbidden", "Permission Denied"),
    Http404: Refusal(404, "Not Found"),
    ObjectDoesNotExist: Refusal(404, "Not Found", "Not Found"),
    # A deadlock or a lock that was not to be had in time: asking again helps.
    OperationalError: Refusal(503, "Service Unavailable", "The database could not do this now; try again."),
}


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """Answer every refusal as a problem document, and what nobody foresaw as one that tells nothing.

    The view's own `refusals` replace those of the table.
    """
    request: Request = context["request"]
    if isinstance(error, exceptions.APIException):
        response = _framework(error, context)
    else:
        view = context["view"]
        known = {**REFUSALS, **getattr(view, "refusals", {})}
        response = _own(error, known, getattr(view, "field_names", {}))
    if not getattr(context["view"], "is_browsed", False):
        request.accepted_renderer = ProblemJSONRenderer()
        request.accepted_media_type = ProblemJSONRenderer.media_type
    return response


def _framework(error: exceptions.APIException, context: dict[str, Any]) -> Response:
    response = exception_handler(error, context)
    if response is None:
        raise error
    title = error.title if isinstance(error, BadArgument) else response.status_text
    detail: Any = error.detail
    if isinstance(detail, (dict, list)):
        body = problem(response.status_code, title, "The request has mistakes.")
        body["exception"] = _lines(detail)
        body["errors"] = detail
    else:
        body = problem(response.status_code, title, str(detail))
        if response.status_code == 401:
            body |= {"title": "Forbidden", "detail": "PermissionDeniedError", "exception": str(detail)}
    response.data = body
    return response


def _own(error: Exception, known: Refusals, names: Mapping[str, str]) -> Response:
    refusal = next((known[kind] for kind in type(error).__mro__ if kind in known), None)
    if refusal is None:
        logger.error("api.failed", exc_info=error)
        return Response(problem(500, "Internal Server Error", "Unknown error"), status=500)
    if isinstance(error, OperationalError):
        logger.warning("api.database_busy", exc_info=error)
        error = OperationalError(refusal.detail)  # what the database says is for the log
    messages = _messages(error, names)
    text = messages[0] if len(messages) == 1 else "; ".join(messages)
    body = problem(refusal.status, refusal.title, refusal.detail or text or refusal.title)
    body["exception"] = text if not isinstance(error, ValidationError) else messages
    code = getattr(error, "code", None)
    if isinstance(code, str):
        body["code"] = code
    if isinstance(error, ValidationError) and hasattr(error, "error_dict"):
        body["errors"] = {names.get(name, name): found for name, found in error.message_dict.items()}
    body |= _in_detail(error, names)
    headers = {"Retry-After": "1"} if refusal.status == 503 else None
    return Response(body, status=refusal.status, headers=headers)


def _in_detail(error: Exception, names: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        f"{name}_signoffs": getattr(error, name) for name in ("required", "missing") if hasattr(error, name)
    }
    if conflicts := getattr(error, "conflicts", ()):
        found["conflicts"] = [conflict.as_dict() for conflict in conflicts]
    if isinstance(error, StaleRuleError):
        fields = [compared.as_dict() for compared in error.comparison.changed]
        found["comparison"] = {
            "fields": [{**one, "name": names.get(one["name"], one["name"])} for one in fields]
        }
    return found


def _messages(error: Exception, names: Mapping[str, str]) -> list[str]:
    if not isinstance(error, ValidationError):
        return [str(error)]
    if hasattr(error, "error_dict"):
        return [
            message if name == "__all__" else f"{names.get(name, name)}: {message}"
            for name, found in error.message_dict.items()
            for message in found
        ]
    return [str(message) for message in error.messages]


def _lines(detail: Any, path: str = "") -> list[str]:
    if isinstance(detail, dict):
        return [line for name, inner in detail.items() for line in _lines(inner, f"{path}{name}: ")]
    if isinstance(detail, list):
        return [line for inner in detail for line in _lines(inner, path)]
    return [f"{path}{detail}"]
