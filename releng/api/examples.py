"""Values that the examples of the schema are made of."""

from __future__ import annotations

from typing import Any

# By the name of the field; `NAME key` is the key of an object whose keys are names.
VALUES: dict[str, Any] = {
    "access_token": "u3PzE1...",
    "actions": ["create", "modify"],
    "alias": "firefox-release",
    "author": "bob@example.com",
    "backgroundRate": 25,
    "background_rate": 25,
    "blob": '{"name": "Firefox-145.0-build1", "schema_version": 9, "hashFunction": "sha512"}',
    "build_target": "WINNT_x86_64-msvc-x64",
    "change": "update",
    "change_id": 42,
    "change_type": "update",
    "changed_by": "bob@example.com",
    "channel": "release",
    "comment": "Crashes at start on Windows",
    "copyTo": '["Firefox-145.0-build1-mirror"]',
    "data": '{"displayVersion": "145.0"}',
    "data_version": 3,
    "description": "Offer Firefox-145.0-build1 to 25 %",
    "detail": "The change is not due yet.",
    "digest": "9f86d081884c7d65",
    "hashFunction": "sha512",
    "locale": "de",
    "mapping": "Firefox-145.0-build1",
    "name": "Firefox-145.0-build1",
    "new_data_version": 4,
    "notice_ids": [7, 8],
    "object_id": 12,
    "options": '{"products": ["Firefox"], "actions": ["create", "modify"]}',
    "permission": "rule",
    "permissions key": "rule",
    "platform": "WINNT_x86_64-msvc-x64",
    "priority": 100,
    "product": "Firefox",
    "products": ["Firefox"],
    "reason": "Bug 1234567: offer 145.0 to everybody",
    "required_signoffs": {"relman": 1},
    "role": "relman",
    "roles key": "relman",
    "rule_id": 12,
    "sc_data_version": 2,
    "sc_id": 17,
    "scheduled_by": "bob@example.com",
    "schema_version": 9,
    "signoffs": {"rita@example.com": "relman"},
    "signoffs_required": 1,
    "timestamp": 1_763_000_000_000,
    "update_type": "minor",
    "username": "bob@example.com",
    "version": "128.",
    "url": "/update/3/Firefox/144.0/20251001000000/WINNT_x86_64-msvc/de/release/default/default/default/update.xml",
    "when": 4_102_444_800_000,
}


def _problem(status: int, title: str, detail: str, exception: Any = None, **more: Any) -> dict[str, Any]:
    told = {"exception": exception} if exception is not None else {}
    return {"type": "about:blank", "status": status, "title": title, "detail": detail, **told, **more}


# Refusals by status and name.
PROBLEMS: dict[str, dict[str, dict[str, Any]]] = {
    "400": {
        "fields": _problem(
            400,
            "Bad Request",
            "backgroundRate: Ensure this value is less than or equal to 100.",
            ["backgroundRate: Ensure this value is less than or equal to 100."],
            errors={"backgroundRate": ["Ensure this value is less than or equal to 100."]},
        ),
        "outdated": _problem(
            400, "Bad Request", "OutdatedDataError", "rule 12: based on version 3, but it is at version 4 now"
        ),
        "signoffs": _problem(
            400, "Bad Request", "Signoff Required", "rule 12 needs signoffs", required_signoffs={"relman": 1}
        ),
    },
    "401": {
        "unknown": _problem(401, "Forbidden", "PermissionDeniedError", "The token is unknown or expired.")
    },
    "403": {
        "permission": _problem(
            403, "Forbidden", "Permission Denied", "bob@example.com lacks the permission rules.change_rule."
        )
    },
    "404": {"missing": _problem(404, "Not Found", "rule 12 not found")},
    "409": {"state": _problem(409, "Conflict", "Change 17 has been enacted; it cannot be cancelled.")},
    "411": {
        "length": _problem(
            411,
            "Length Required",
            "Send the length of the body as Content-Length; bodies in chunks are not read.",
        )
    },
    "412": {
        "outdated": _problem(412, "Precondition Failed", "If-Match names version 3; it is at version 4 now.")
    },
    "413": {
        "large": _problem(
            413, "Request Entity Too Large", "The body has 40000000 bytes; at most 33554432 are read."
        )
    },
    "415": {
        "type": _problem(415, "Unsupported Media Type", 'Unsupported media type "text/plain" in request.')
    },
    "422": {
        "key": _problem(
            422,
            "Unprocessable Entity",
            "This Idempotency-Key was used for another request; choose a new one for each.",
        )
    },
    "429": {
        "rate": _problem(429, "Too Many Requests", "Request was throttled. Expected available in 12 seconds.")
    },
}
