"""`Idempotency-Key`: a request that makes something can be sent again, and is then answered as before."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from releng.api.models import KEY_LENGTH, IdempotencyKey
from releng.updates.problems import BadArgument

HEADER = "Idempotency-Key"
KEPT_HEADERS = ("Content-Type", "X-Data-Version", "ETag", "Location")


class KeyReused(APIException):
    """The key belongs to a request that asked for something else."""

    status_code = 422
    default_detail = "This Idempotency-Key was used for another request; choose a new one for each."


def idempotent(handler: Callable[..., Response]) -> Callable[..., Any]:
    """Make a `post` of an ApiView remember its answer under the key that the client sends.

    The key is claimed in the request's own transaction: of two requests with one key the second waits for the first,
    and a request that was refused leaves none. Trial runs neither use nor leave one.
    """

    @functools.wraps(handler)
    def handle(view: Any, request: Request, *args: Any, **kwargs: Any) -> Any:
        key = request.headers.get(HEADER)
        if key is None or view.is_dry_run:
            return handler(view, request, *args, **kwargs)
        if not 0 < len(key) <= KEY_LENGTH or not key.isprintable():
            raise BadArgument(f"{HEADER}: must have 1 to {KEY_LENGTH} characters.", title="Bad Request")
        claim, is_new = _claim(request, key)
        if not is_new:
            return _again(claim, request)
        response = handler(view, request, *args, **kwargs)
        view.when_rendered(functools.partial(_remember, claim))
        return response

    return handle


def _claim(request: Request, key: str) -> tuple[IdempotencyKey, bool]:
    now = timezone.now()
    old = now - timedelta(hours=settings.IDEMPOTENCY_HOURS)
    IdempotencyKey.objects.filter(user=request.user, time__lt=old).delete()
    fresh = IdempotencyKey(user=request.user, key=key, time=now, request_digest=_digest(request))
    try:
        with transaction.atomic():
            fresh.save(force_insert=True)
    except IntegrityError:
        return IdempotencyKey.objects.get(user=request.user, key=key), False
    return fresh, True


def _digest(request: Request) -> str:
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    digest.update(request._request.body)  # noqa: SLF001  # before DRF reads the stream, which would end it
    return digest.hexdigest()


def _again(claim: IdempotencyKey, request: Request) -> HttpResponse:
    if claim.request_digest != _digest(request):
        raise KeyReused
    response = HttpResponse(bytes(claim.body), status=claim.status, headers=claim.headers)
    response["Idempotent-Replayed"] = "true"
    return response


def _remember(claim: IdempotencyKey, response: Response) -> None:
    claim.status, claim.body = response.status_code, response.content
    claim.headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    claim.save()
