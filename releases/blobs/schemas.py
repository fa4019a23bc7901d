"""JSON schemas of all document types (protocol.md section 5), built from shared pieces.

Unknown keys are refused everywhere, so that a mistyped key never silently does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from releases.blobs.errors import Problem

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
TRUE: Schema = {"const": True}
DIGITS: Schema = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^[0-9]+$"}]}
STRINGS: Schema = {"type": "array", "items": STRING}
CONDITION: Schema = {**STRINGS, "minItems": 1}  # an empty one would never be met


def closed(
    required: Mapping[str, Schema] | None = None, optional: Mapping[str, Schema] | None = None
) -> Schema:
    """Return the schema of an object with these keys and no others."""
    return {
        "type": "object",
        "properties": {**(required or {}), **(optional or {})},
        "required": sorted(required or {}),
        "additionalProperties": False,
    }


def mapping(value: Schema) -> Schema:
    """Return the schema of an object with any keys and values like `value`."""
    return {"type": "object", "additionalProperties": value}


def document(schema_version: int, required: Mapping[str, Schema], optional: Mapping[str, Schema]) -> Schema:
    """Return the schema of a whole document."""
    head: dict[str, Schema] = {
        "name": {"type": "string", "minLength": 1, "maxLength": 100},
        "schema_version": {"const": schema_version},
    }
    return closed({**head, **required}, {"product": STRING, **optional})


def one_of_keys(schema: Schema, *keys: str) -> Schema:
    """Require exactly one of `keys` besides."""
    return {**schema, "oneOf": [{"required": [key]} for key in keys]}


# --- Application releases ---------------------------------------------------------------------------------

_PROMPTS: dict[str, Schema] = {
    "actions": STRING,
    "openURL": STRING,
    "notificationURL": STRING,
    "alertURL": STRING,
    "showPrompt": BOOLEAN,
    "showNeverForVersion": BOOLEAN,
}
_PROOFS: dict[str, Schema] = {
    "binTransMerkleRoot": STRING,
    "binTransCertificate": STRING,
    "binTransSCTList": STRING,
}
_VERSIONS = {"appVersion": STRING, "displayVersion": STRING}
_SINGLE = closed(optional={"partial": STRING, "complete": STRING})
_BY_FROM = closed(optional={"partials": mapping(STRING), "completes": mapping(STRING)})


def _patch(
    extra_required: Mapping[str, Schema] | None = None, extra: Mapping[str, Schema] | None = None
) -> Schema:
    return closed(
        {"filesize": DIGITS, "from": STRING, "hashValue": STRING, **(extra_required or {})},
        {"fileUrl": STRING, **(extra or {})},
    )


def _platforms(locale: Mapping[str, Schema]) -> Schema:
    real = closed(
        optional={
            "buildID": DIGITS,
            "OS_BOUNCER": STRING,
            "OS_FTP": STRING,
            "locales": mapping(closed(optional={"buildID": DIGITS, **locale})),
        }
    )
    alias = closed({"alias": STRING})
    return mapping({"if": {"type": "object", "required": ["alias"]}, "then": alias, "else": real})


def _arrays(patch: Schema) -> dict[str, Schema]:
    return {"partials": {"type": "array", "items": patch}, "completes": {"type": "array", "items": patch}}


def _application(
    version: int, optional: Mapping[str, Schema], locale: Mapping[str, Schema], patches: Mapping[str, Schema]
) -> Schema:
    return document(
        version, {"hashFunction": STRING}, {**optional, "platforms": _platforms({**locale, **patches})}
    )


_COMPLETE: Schema = {**_patch(), "properties": {**_patch()["properties"], "from": {"const": "*"}}}
_PAIR = {"partial": _patch(), "complete": _COMPLETE}
_OLD_URLS = {"fileUrls": mapping(STRING)}
_URLS = {"fileUrls": mapping(_BY_FROM)}
_FTP_V1 = {"ftpFilenames": _SINGLE, "bouncerProducts": _SINGLE}
_FTP_V3 = {"ftpFilenames": _BY_FROM, "bouncerProducts": _BY_FROM}
_V2_TOP = {
    **_VERSIONS,
    "platformVersion": STRING,
    "detailsUrl": STRING,
    "licenseUrl": STRING,
    "billboardURL": STRING,
    **_PROMPTS,
}
_V2_LOCALE = {**_VERSIONS, "platformVersion": STRING, "isOSUpdate": BOOLEAN}
_V6_TOP = {**_VERSIONS, "detailsUrl": STRING, "promptWaitTime": NUMBER, **_PROMPTS, **_URLS}
_V6_LOCALE = {**_VERSIONS, "isOSUpdate": BOOLEAN}

UPDATE_LINE: Schema = {
    "type": "array",
    "items": closed(
        {
            "for": closed(optional=dict.fromkeys(("locales", "channels", "versions", "buildIDs"), CONDITION)),
            "fields": closed(
                optional={
                    "type": {"enum": ["minor", "major"]},
                    "detailsURL": STRING,
                    **_PROMPTS,
                    "promptWaitTime": NUMBER,
                    "disableBITS": TRUE,
                    "disableBackgroundUpdates": TRUE,
                }
            ),
        }
    ),
}

APPLICATION: dict[int, Schema] = {
    1: _application(
        1,
        {
            "appv": STRING,
            "extv": STRING,
            "detailsUrl": STRING,
            "licenseUrl": STRING,
            "fakePartials": BOOLEAN,
            "oldVersionSpecialCases": BOOLEAN,
            **_OLD_URLS,
            **_FTP_V1,
        },
        {"appv": STRING, "extv": STRING},
        _PAIR,
    ),
    2: _application(2, {**_V2_TOP, **_OLD_URLS, **_FTP_V1}, _V2_LOCALE, _PAIR),
    3: _application(3, {**_V2_TOP, **_OLD_URLS, **_FTP_V3}, _V2_LOCALE, _arrays(_patch())),
    4: _application(4, {**_V2_TOP, **_URLS}, _V2_LOCALE, _arrays(_patch())),
    5: _application(5, {**_V2_TOP, "promptWaitTime": NUMBER, **_URLS}, _V2_LOCALE, _arrays(_patch())),
    6: _application(6, _V6_TOP, _V6_LOCALE, _arrays(_patch())),
    8: _application(
        8, {**_V6_TOP, **_PROOFS}, _V6_LOCALE, _arrays(_patch({"binTransInclusionProof": STRING}))
    ),
    9: _application(
        9,
        {**_VERSIONS, **_PROOFS, **_URLS, "updateLine": UPDATE_LINE},
        _VERSIONS,
        _arrays(_patch(extra={"binTransInclusionProof": STRING})),
    ),
}

# --- Other documents --------------------------------------------------------------------------------------


def _aliased(real: Schema) -> Schema:
    return {"if": {"type": "object", "required": ["alias"]}, "then": closed({"alias": STRING}), "else": real}


_FILE: dict[str, Schema] = {
    "filesize": {"type": "integer", "minimum": 0},
    "hashValue": STRING,
    "fileUrl": STRING,
}
_ADDON_FILE: dict[str, Schema] = {**_FILE, "filesize": DIGITS}

DESUPPORT = document(50, {"detailsUrl": STRING, "displayVersion": STRING}, {})
GMP = document(
    1000,
    {
        "hashFunction": STRING,
        "vendors": mapping(
            closed(
                {"version": STRING}, {"platforms": mapping(_aliased(closed(_FILE, {"mirrorUrls": STRINGS})))}
            )
        ),
    },
    {},
)
WHITELIST = document(3000, {"whitelist": {"type": "array", "items": closed({"imei": STRING})}}, {})
SUPERBLOB = one_of_keys(document(4000, {}, {"products": STRINGS, "blobs": STRINGS}), "products", "blobs")
SYSTEM_ADDONS = one_of_keys(
    document(
        5000,
        {},
        {
            "hashFunction": STRING,
            "uninstall": BOOLEAN,
            "addons": mapping(
                closed({"version": STRING}, {"platforms": mapping(_aliased(closed(_ADDON_FILE)))})
            ),
        },
    ),
    "addons",
    "uninstall",
)
SETTINGS = document(
    6000,
    {
        "settings": mapping(
            closed(
                {"lastModified": {"type": "integer", "minimum": 0}},
                {"locales": CONDITION, "channels": CONDITION},
            )
        )
    },
    {},
)
GUARDIAN = document(
    10000,
    {
        "product": STRING,
        "version": STRING,
        "hashFunction": STRING,
        "platforms": mapping(closed({"fileUrl": STRING, "hashValue": STRING})),
    },
    {"required": BOOLEAN},
)


# A validator is costly to make; it holds its schema, so that the schema's identity stays its own.
_VALIDATORS: dict[int, Draft202012Validator] = {}


def schema_problems(schema: Mapping[str, Any], value: Any, path: str = "") -> list[Problem]:
    """Return every way in which `value`, which stands at `path`, breaks one of this module's schemas."""
    validator = _VALIDATORS.get(id(schema))
    if validator is None:
        validator = _VALIDATORS[id(schema)] = Draft202012Validator(schema)
    try:
        found = [problem for error in validator.iter_errors(value) for problem in _problems(error, path)]
    except RecursionError:
        return [Problem(path, "...", "is nested too deeply.")]
    return sorted(found, key=lambda problem: problem.path)


def _problems(error: ValidationError, start: str) -> Iterator[Problem]:
    """Translate an error into problems that name the very key, and the way out."""
    path = ".".join([*([start] if start else []), *(str(step) for step in error.absolute_path)])
    inside = f"{path}." if path else ""
    rule: Any = error.validator_value
    value: Any = error.instance
    schema: Any = error.schema
    if error.validator == "required":
        # The validator reports each missing key by itself, and names it in its message alone.
        key = str(error.message).split("'")[1]
        yield Problem(f"{inside}{key}", None, "is missing, but required.")
    elif error.validator == "additionalProperties":
        known = sorted(schema["properties"])
        for key in sorted(value.keys() - set(known)):
            yield Problem(f"{inside}{key}", value[key], f"is not known here; known are {', '.join(known)}.")
    elif error.validator == "oneOf":
        keys = " and ".join(item["required"][0] for item in rule)
        yield Problem(path, value, f"exactly one of {keys} must be given.")
    elif error.validator in ("pattern", "anyOf"):
        yield Problem(path, value, "must be a whole number, or digits in quotes.")
    elif error.validator in ("const", "enum"):
        choices = rule if error.validator == "enum" else [rule]
        yield Problem(path, value, f"must be {' or '.join(repr(choice) for choice in choices)}.")
    else:
        yield Problem(path, value, _MESSAGES[str(error.validator)].format(rule))


_MESSAGES = {
    "type": "must be of type {}.",
    "minimum": "must be at least {}.",
    "minItems": "must have at least {} item.",
    "minLength": "must have at least {} character.",
    "maxLength": "must have at most {} characters.",
}


def locale_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of an application release's schema that one locale must meet."""
    found: Mapping[str, Any] = schema["properties"]["platforms"]["additionalProperties"]["else"][
        "properties"
    ]["locales"]["additionalProperties"]
    return found
