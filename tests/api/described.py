"""What the description of the API says of the operations that tests ask (tests/api/operations.py)."""

from __future__ import annotations

import json
from typing import Any

from django.apps import apps

from tests.api.operation import Operation
from tests.api.operations import OPERATIONS
from tests.api.test_contract import schema
from tests.api.world import World

# What every request may write: that somebody was here.
ALSO_WRITTEN = frozenset({"sessions.Session", "permissions.SignIn"})


def told_of(operation: Operation) -> dict[str, Any]:
    """Return an operation of the schema; HEAD is described as GET is."""
    method = {"HEAD": "get"}.get(operation.method, operation.method.lower())
    found: dict[str, Any] = schema()["paths"][operation.address][method]
    return found


def parameters_of(operation: Operation) -> dict[str, dict[str, Any]]:
    """Return the parameters of an operation by name."""
    return {given["name"]: given for given in told_of(operation).get("parameters", ())}


def with_parameter(name: str, *methods: str) -> list[Operation]:
    """Return the operations that take a parameter."""
    return [
        operation
        for operation in OPERATIONS
        if operation.method in methods and name in parameters_of(operation)
    ]


def sent(
    client: Any, world: World, operation: Operation, *, query: str = "", body: Any = None, **headers: str
) -> Any:
    """Send the request of an operation, perhaps with another body, more arguments and headers."""
    url = operation.url(world)
    if query:
        url += ("&" if "?" in url else "?") + query
    if operation.method in ("GET", "HEAD"):
        return client.generic(operation.method, url, headers=headers)
    content = json.dumps(operation.sent(world) if body is None else body)
    return client.generic(operation.method, url, content, content_type="application/json", headers=headers)


def everything() -> dict[str, list[Any]]:
    """Return the contents of all tables, but for what every request may write."""
    return {
        model._meta.label: sorted(model._base_manager.values_list(), key=repr)
        for model in apps.get_models()
        if model._meta.managed and model._meta.label not in ALSO_WRITTEN
    }
