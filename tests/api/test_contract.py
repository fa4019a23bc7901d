"""The description of the API: valid, complete, and nothing of it ever disappears."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.urls import URLPattern
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from releng.api.urls import urlpatterns
from releng.updates.urls import read_api_urls

SNAPSHOT = Path(__file__).parent / "contract.json"
METHODS = ("get", "put", "post", "delete", "patch")
RENEW = "CONTRACT=renew .venv/bin/pytest -q tests/api/test_contract.py"

Contract = dict[str, list[str]]


@cache
def schema() -> dict[str, Any]:
    """Return the schema as the server tells it."""
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Return every operation by its method and path."""
    for path, methods in schema()["paths"].items():
        for method in METHODS:
            if method in methods:
                yield f"{method.upper()} {path}", methods[method]


def resolved(shape: dict[str, Any]) -> dict[str, Any]:
    """Return a shape, followed to where it is written."""
    while "$ref" in shape:
        shape = schema()["components"]["schemas"][shape["$ref"].rsplit("/", 1)[1]]
    return shape


def fields(shape: dict[str, Any], path: str = "", seen: tuple[str, ...] = ()) -> Iterator[tuple[str, bool]]:
    """Return every field of a shape by its path, and whether it must be there."""
    name = shape.get("$ref", "")
    if name and name in seen:
        return
    shape = resolved(shape)
    for part in (part for key in ("allOf", "oneOf", "anyOf") for part in shape.get(key, ())):
        yield from fields(part, path, (*seen, name))
    if isinstance(shape.get("items"), dict):
        yield from fields(shape["items"], f"{path}[]", (*seen, name))
    if isinstance(shape.get("additionalProperties"), dict):
        yield from fields(shape["additionalProperties"], f"{path}{{}}", (*seen, name))
    for key, inner in shape.get("properties", {}).items():
        yield f"{path}.{key}".lstrip("."), key in shape.get("required", ())
        yield from fields(inner, f"{path}.{key}".lstrip("."), (*seen, name))


def contract() -> Contract:
    """Return what clients may rely on: for each operation its parameters, and the fields of body and answers."""
    found: Contract = {}
    for name, operation in operations():
        lines = {f"{given['in']} {given['name']}" for given in operation.get("parameters", ())}
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            lines.add(f"body {kind}")
            lines |= {f"body {kind} {field}" for field, _ in fields(content["schema"])}
        for status, response in operation["responses"].items():
            lines.add(f"{status}")
            for kind, content in response.get("content", {}).items():
                if kind != "application/problem+json":
                    lines |= {f"{status} {field}" for field, _ in fields(content["schema"])}
        found[name] = sorted(lines)
    return found


def needed() -> Contract:
    """Return what each operation cannot do without: a client that does not send it would be refused."""
    return {
        name: sorted(
            {
                f"{given['in']} {given['name']}"
                for given in operation.get("parameters", ())
                if given.get("required")
            }
            | {
                f"body {field}"
                for content in operation.get("requestBody", {}).get("content", {}).values()
                for field, is_needed in fields(content["schema"])
                if is_needed
            }
        )
        for name, operation in operations()
    }


# --- Valid and complete -------------------------------------------------------------------------------------


def test_schema__is_valid__and_made_without_a_warning(tmp_path: Path) -> None:
    written = tmp_path / "schema.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(written), "--skip-checks")
    assert written.stat().st_size


def test_schema__as_served__is_valid(client: Any, db: None) -> None:
    response = client.get("/api/schema/?format=json")
    assert response.status_code == 200
    validate_schema(response.json())


def test_schema__has_every_method_of_every_address() -> None:
    expected = {"POST /oauth/token"}
    for prefix, patterns in (("/api/", urlpatterns), ("/", read_api_urls)):
        for pattern in patterns:
            assert isinstance(pattern, URLPattern)
            view: Any = getattr(pattern.callback, "view_class", None)
            if view is None:
                continue
            path = prefix + str(pattern.pattern)
            for kind in ("int", "str", "path"):
                path = path.replace(f"<{kind}:", "{")
            expected |= {f"{m.upper()} {path.replace('>', '}')}" for m in METHODS if hasattr(view, m)}
    assert {name for name, _ in operations()} == expected


def test_every_operation__is_described_for_people() -> None:
    assert not [f"{name}: {fault}" for name, operation in operations() for fault in faults(name, operation)]


def faults(name: str, operation: dict[str, Any]) -> Iterator[str]:
    """Return what is missing in the description of an operation."""
    answers = operation["responses"]
    if not operation.get("description", "").strip().endswith("."):
        yield "says not what it does"
    if not any(status[0] in "23" for status in answers):
        yield "has no success"
    yield from (
        f"does not say what {status} means" for status in answers if not answers[status]["description"]
    )
    is_public = name.split(" ")[1].startswith(("/api/v1/", "/oauth/"))
    yield from (
        f"does not tell of {status}"
        for status in ("401", "403", "429")
        if status not in answers and not is_public
    )
    for given in operation.get("parameters", ()):
        if not given.get("description"):
            yield f"parameter {given['name']} is not described"
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        if not content.get("examples") and list(fields(content["schema"])):
            yield f"body {kind} has no example"


def test_every_example__fits_its_shape() -> None:
    shapes = schema()["components"]
    wrong = []
    for name, operation in operations():
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (content for body in bodies for content in body.get("content", {}).values()):
            shape = {**json_schema(content["schema"]), "components": json_schema(shapes)}
            for title, example in content.get("examples", {}).items():
                if "$ref" in example:
                    example = shapes["examples"][example["$ref"].rsplit("/", 1)[1]]
                faults = Draft202012Validator(shape).iter_errors(example["value"])
                wrong += [f"{name}: {title}: {fault.json_path}: {fault.message}" for fault in faults]
    assert not wrong


def json_schema(shape: Any) -> Any:
    """Return a shape of OpenAPI 3.0 as JSON schema: `nullable` is said by the type there."""
    if isinstance(shape, list):
        return [json_schema(item) for item in shape]
    if not isinstance(shape, dict):
        return shape
    found = {key: json_schema(value) for key, value in shape.items() if key != "nullable"}
    if shape.get("nullable") is True:
        return {"anyOf": [found, {"type": "null"}]}
    return found


# --- Nothing disappears -------------------------------------------------------------------------------------


def test_contract__what_was_released__is_still_there() -> None:
    """Fails when a path, method, parameter or field is gone, or something became needed that was not."""
    if os.environ.get("CONTRACT") == "renew":
        told = {"offered": contract(), "needed": needed()}
        SNAPSHOT.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    released = json.loads(SNAPSHOT.read_text())
    now, now_needed = contract(), needed()
    gone = [
        f"{name}: {line}"
        for name, lines in released["offered"].items()
        for line in (lines if name in now else ["the operation itself"])
        if line not in now.get(name, ())
    ]
    assert not gone, f"No longer in the API; clients rely on it. If that is meant: {RENEW}"
    newly_needed = [
        f"{name}: {line}"
        for name, lines in now_needed.items()
        if name in released["needed"]
        for line in lines
        if line not in released["needed"][name]
    ]
    assert not newly_needed, f"Clients do not send it yet. If that is meant: {RENEW}"
