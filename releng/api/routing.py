"""What belongs to no endpoint: an address with a slash at its end, and addresses that there are not."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt

from releng.updates.problems import problem


@csrf_exempt  # the endpoints ask for the token of those who come with a session
def without_slash(request: HttpRequest, path: str) -> HttpResponse:
    """Answer as the endpoint without the slash does: the contract writes some lists with one."""
    try:
        found = resolve(f"/api/{path}")
    except Resolver404:
        return nothing(request)
    if found.func in (without_slash, nothing):
        return nothing(request)
    response: HttpResponse = found.func(request, *found.args, **found.kwargs)
    return response


@csrf_exempt
def nothing(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """Say that there is no such address."""
    body = problem(404, "Not Found", f"There is nothing at {request.path}; /api/docs/ tells what there is.")
    return JsonResponse(body, status=404, content_type="application/problem+json")
