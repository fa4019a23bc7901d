"""What the schema says beyond shapes: groups, permissions, the meaning of parameters and statuses, examples."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from drf_spectacular.openapi import AutoSchema

from releng.api.examples import PROBLEMS, VALUES
from releng.api.shapes import PROBLEM_TYPE
from releng.permissions.backend import DECIDED_BY, OTHERS, PRIVATE, VERBS
from releng.permissions.models import OPTIONS

Json = Any

# --- Groups -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Operations that belong together: those whose path begins with one of `prefixes`."""

    slug: str
    title: str
    about: str
    prefixes: tuple[str, ...]


GROUPS = (
    Group("public", "Public reads", "What anybody may read, also in the public process.", ("/api/v1/",)),
    Group("tokens", "Tokens", "How machines sign in.", ("/oauth/",)),
    Group("rules", "Rules", "Who is offered which release.", ("/api/rules",)),
    Group(
        "releases",
        "Releases",
        "What is offered: whole documents with one version, and single locales, as builds submit them.",
        ("/api/releases",),
    ),
    Group(
        "releases-v2", "Releases in parts", "The same, with a version for each part.", ("/api/v2/releases",)
    ),
    Group("decisions", "Decisions", "What a client would get, and why.", ("/api/decide", "/api/v2/decide")),
    Group("pins", "Pins", "The release of those who pinned themselves to a version.", ("/api/v2/pins",)),
    Group("shutoffs", "Emergency shutoffs", "Updates that are stopped.", ("/api/emergency_shutoff",)),
    Group(
        "scheduled-changes",
        "Scheduled changes",
        "What has been proposed for later, who agrees, and what became of it.",
        ("/api/v2/scheduled_changes", "/api/v2/rollouts"),
    ),
    *(
        Group(
            f"scheduled-{slug}",
            f"Scheduled changes of {words}",
            f"Scheduled changes as the contract has them: of {words}.",
            (f"/api/scheduled_changes/{address}", *more),
        )
        for slug, words, address, *more in (
            ("rules", "rules", "rules"),
            ("releases", "releases", "releases", "/api/scheduled_change/diff/release"),
            ("permissions", "permissions", "permissions"),
            ("shutoffs", "emergency shutoffs", "emergency_shutoff"),
            ("product-signoffs", "product signoffs", "required_signoffs/product"),
            ("permission-signoffs", "permission signoffs", "required_signoffs/permissions"),
            ("pins", "pins", "pinnable_releases"),
        )
    ),
    Group("users", "Users and permissions", "Who may do what.", ("/api/users", "/api/permissions")),
    Group("signoffs", "Required signoffs", "Who must agree to what.", ("/api/required_signoffs",)),
    Group(
        "agent", "The agent", "What the agent asks; its credentials open nothing else.", ("/api/v2/agent",)
    ),
)
OTHER = Group("other", "Other", "What belongs to none of these.", ("/",))


def group_of(path: str) -> Group:
    """Return the group of a path."""
    return next((group for group in GROUPS if path.startswith(group.prefixes)), OTHER)


# --- Permissions --------------------------------------------------------------------------------------------


def permission_in_words(name: str) -> str:
    """Return a permission of Django as docs/permissions.md names it."""
    if name in OTHERS:
        return ": ".join(OTHERS[name])
    app, _, code = name.partition(".")
    verb, _, model = code.partition("_")
    key = f"{app}.{model}"
    if verb == "view":
        return "permission: view" if key in PRIVATE else "any permission"
    if key == "changes.scheduledchange":
        return "any permission; for what the change would do, too"
    if key == "releases.releasepart":
        return "release: modify and release_locale: modify"
    row = DECIDED_BY.get(key)
    if row is None:
        return "admin"
    return f"{row}: {VERBS[verb]}" if OPTIONS[row][1] else row


# --- Operations ---------------------------------------------------------------------------------------------

# What parameters mean, where the operation itself says nothing of it.
PARAMETERS = {
    "alias": "Exactly this alias.",
    "all": "Also those that have been enacted.",
    "change_id": "The number of the change.",
    "changed_by": "By whom: the name of the account.",
    "channel": "Exactly this channel.",
    "column": "The name of a field.",
    "comment_contains": "A part of the comment, in upper or lower case.",
    "data_version": "Exactly this version.",
    "id_or_alias": "The number of the rule, or its alias.",
    "is_active": "Whether the account may sign in.",
    "limit": "Rows of a page.",
    "locale": "Exactly this locale.",
    "mapping_prefix": "How the name of the release begins.",
    "name": "The name of the release.",
    "name_contains": "A part of the name, in upper or lower case.",
    "name_prefix": "How the name begins.",
    "names_only": "Answer with the names alone.",
    "page": "From 1 on.",
    "place": "The path of a part, such as `.platforms.Linux_x86_64-gcc3.locales.de`.",
    "permission": "The name of a permission.",
    "platform": "The platform, or one that is an alias.",
    "priority_from": "At least this priority.",
    "priority_to": "At most this priority.",
    "product": "Exactly this product.",
    "role": "The name of a role.",
    "rule_id": "The number of the rule.",
    "sc_id": "The number of the scheduled change.",
    "username": "The name of the account.",
    "version": "Exactly this version.",
}
HEADERS = {
    "X-Data-Version": "The version of the object.",
    "ETag": "For If-Match and If-None-Match.",
}
STATUSES = {
    "200": "Done, or found.",
    "201": "Made.",
    "204": "Done; there is nothing to say.",
    "304": "Nothing has changed since the ETag in If-None-Match.",
    "400": "The request has mistakes.",
    "404": "There is no such object.",
}


class Description(AutoSchema):
    """Adds to each operation its group, and who may ask for it."""

    def get_tags(self) -> list[str]:
        """Return the title of the group."""
        return [group_of(self.path).title]

    def get_extensions(self) -> dict[str, Any]:
        """Return `x-permission` in words, and `x-open` for what may be opened to everybody."""
        needed = getattr(self.view, "needed", None)
        if needed is None:
            return {"x-permission": "none"}
        names = needed.get(self.method) or ()
        words = map(permission_in_words, (names,) if isinstance(names, str) else names)
        found: dict[str, Any] = {"x-permission": " or ".join(dict.fromkeys(words)) or "nobody has it"}
        if self.method == "GET" and getattr(self.view, "open_reads", False):
            found["x-open"] = "API_ANONYMOUS_READS"
        return found


# --- The whole ----------------------------------------------------------------------------------------------


def complete(result: dict[str, Json], generator: Any, request: Any, public: bool) -> dict[str, Json]:  # noqa: FBT001
    """Finish the schema: fill in what is the same everywhere (a hook of drf-spectacular)."""
    result["paths"] = {"/oauth/token": TOKEN_PATH, **result["paths"]}
    examples = result.setdefault("components", {}).setdefault("examples", {})
    for status, problems in PROBLEMS.items():
        for name, problem in problems.items():
            examples[f"{status}-{name}"] = {"summary": problem["detail"], "value": problem}
    for operations in result["paths"].values():
        for operation in operations.values():
            _complete(operation, result["components"]["schemas"])
    used = {
        tag for operations in result["paths"].values() for one in operations.values() for tag in one["tags"]
    }
    result["tags"] = [
        {"name": group.title, "description": group.about} for group in (*GROUPS, OTHER) if group.title in used
    ]
    return result


def _complete(operation: dict[str, Json], shapes: dict[str, Json]) -> None:
    for given in operation.get("parameters", ()):
        if not given.get("description"):
            name = given["name"]
            given["description"] = PARAMETERS.get(
                name, f"The {name}." if given["in"] == "path" else f"Exactly this {name}."
            )
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if "examples" not in content and (value := example_of(content["schema"], shapes)) not in (None, {}):
            content["examples"] = {"Example": {"value": value}}
    for status, response in operation["responses"].items():
        response["description"] = response.get("description") or STATUSES.get(status, "")
        for name, header in response.get("headers", {}).items():
            header.setdefault("description", HEADERS.get(name, ""))
        for kind, content in response.get("content", {}).items():
            if kind == PROBLEM_TYPE:
                names = PROBLEMS.get(status, {})
                content["examples"] = {
                    name: {"$ref": f"#/components/examples/{status}-{name}"} for name in names
                }
            elif "examples" not in content and (value := example_of(content["schema"], shapes)) not in (
                None,
                {},
            ):
                content["examples"] = {"Example": {"value": value}}


def resolved(shape: dict[str, Json], shapes: dict[str, Json]) -> dict[str, Json]:
    """Return a shape, followed to where it is written; parts of an `allOf` become one."""
    while "$ref" in shape:
        shape = shapes[shape["$ref"].rsplit("/", 1)[1]]
    for part in shape.get("allOf", ()):
        shape = {**resolved(part, shapes), **{key: value for key, value in shape.items() if key != "allOf"}}
    return shape


def example_of(shape: dict[str, Json], shapes: dict[str, Json], name: str = "", depth: int = 0) -> Json:
    """Return a value of a shape; fields have the values that they have everywhere in the examples."""
    shape = resolved(shape, shapes)
    for key in ("example", "default"):
        if key in shape:
            return shape[key]
    if alternatives := shape.get("oneOf") or shape.get("anyOf"):
        return example_of(alternatives[0], shapes, name, depth)
    if shape.get("type") == "object" and depth < 6:
        return _object(shape, shapes, name, depth)
    if shape.get("type") == "array":
        known = VALUES.get(name)
        if isinstance(known, list):
            return known
        inner = example_of(shape.get("items", {}), shapes, name.removesuffix("s"), depth + 1)
        return [] if inner is None else [inner]
    return _scalar(shape, name)


def _object(shape: dict[str, Json], shapes: dict[str, Json], name: str, depth: int) -> Json:
    properties = shape.get("properties")
    if properties:
        return {key: example_of(inner, shapes, key, depth + 1) for key, inner in properties.items()}
    known = VALUES.get(name)
    if isinstance(known, dict):
        return copy.deepcopy(known)
    inner = shape.get("additionalProperties")
    if isinstance(inner, dict) and inner:
        return {
            VALUES.get(f"{name} key", "name"): example_of(inner, shapes, name.removesuffix("s"), depth + 1)
        }
    return {}


def _scalar(shape: dict[str, Json], name: str) -> Json:
    kind, known = shape.get("type"), VALUES.get(name)
    if shape.get("enum"):
        return known if known in shape["enum"] else shape["enum"][0]
    types: dict[str, Any] = {"integer": int, "number": (int, float), "boolean": bool, "string": str}
    fits = types.get(str(kind), object)
    if known is not None and isinstance(known, fits) and (kind == "boolean") == isinstance(known, bool):
        return known
    if kind is None:
        return known
    return {"integer": 1, "number": 1.0, "boolean": False}.get(kind, "text")


# --- What is not of this framework ---------------------------------------------------------------------------

_TOKEN_REQUEST = {
    "type": "object",
    "properties": {
        "grant_type": {"type": "string", "enum": ["client_credentials"]},
        "client_id": {"type": "string"},
        "client_secret": {"type": "string"},
        "audience": {"type": "string", "description": "Not looked at: tokens are for this server alone."},
    },
    "required": ["grant_type"],
}
_TOKEN_REFUSAL = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
    "required": ["error"],
}


def _token_refusal(description: str, error: str) -> dict[str, Json]:
    content = {"schema": _TOKEN_REFUSAL, "examples": {"Example": {"value": {"error": error}}}}
    return {"description": description, "content": {"application/json": content}}


TOKEN_PATH: dict[str, Json] = {
    "post": {
        "operationId": "token",
        "description": "Get an access token for a client's id and secret (OAuth 2.0, client credentials).",
        "tags": ["Tokens"],
        "security": [],
        "x-permission": "none",
        "requestBody": {
            "required": True,
            "content": {
                kind: {
                    "schema": _TOKEN_REQUEST,
                    "examples": {
                        "Example": {
                            "value": {
                                "grant_type": "client_credentials",
                                "client_id": "Jm4f0vQxTq",
                                "client_secret": "as create_client printed it",
                            }
                        }
                    },
                }
                for kind in ("application/json", "application/x-www-form-urlencoded")
            },
        },
        "responses": {
            "200": {
                "description": "The token.",
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "properties": {
                                "access_token": {"type": "string"},
                                "expires_in": {"type": "integer", "description": "Seconds."},
                                "token_type": {"type": "string"},
                                "scope": {"type": "string"},
                            },
                            "required": ["access_token", "expires_in", "token_type"],
                        },
                        "examples": {
                            "Example": {
                                "value": {
                                    "access_token": "u3PzE1...",
                                    "expires_in": 3600,
                                    "token_type": "Bearer",
                                    "scope": "api",
                                }
                            }
                        },
                    }
                },
            },
            "400": _token_refusal("The request has mistakes.", "unsupported_grant_type"),
            "401": _token_refusal("The id or the secret is wrong.", "invalid_client"),
            "429": _token_refusal("Too many requests; Retry-After says how long to wait.", "slow_down"),
        },
    }
}
