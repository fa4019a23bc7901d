"""The invented releases of protocol.md section 15, and how to ask them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from releases.blobs import Blob, Document, RenderContext, blob_for
from releases.blobs.allowlist import Allowlist
from releases.blobs.query import UpdateQuery

ALLOWLIST = Allowlist(
    {
        "cdn.example": ["Acme", "PluginA", "PluginB"],
        "vpn.example": ["Guardian"],
        "d.example": ["Acme"],
    }
)
SPECIAL_FORCE_HOSTS = ("https://cdn.example",)
HASH = "0123456789abcdef" * 8

LINUX = "Linux_x86_64-gcc3"
ALIAS = "Linux_x86_64-alias"
COMPLETE_URL = "https://cdn.example/?product=acme-10.0-complete&os=%OS_BOUNCER%&lang=%LOCALE%"
PARTIAL_URL = "https://cdn.example/?product=acme-10.0-partial-9.0&os=%OS_BOUNCER%&lang=%LOCALE%"
BETA_URL = "https://cdn.example/beta/%OS_FTP%/%LOCALE%/acme.mar"

Json = dict[str, Any]


def patch(size: Any = 5000, value: str = "aa", source: str = "*", **more: Any) -> Json:
    """One patch."""
    return {"filesize": size, "from": source, "hashValue": value, **more}


def acme_10() -> Json:
    """`Acme-10.0-build1`, version 9."""
    return {
        "name": "Acme-10.0-build1",
        "schema_version": 9,
        "hashFunction": "sha512",
        "appVersion": "10.0",
        "displayVersion": "10.0",
        "updateLine": [
            {
                "for": {},
                "fields": {
                    "detailsURL": "https://acme.example/%LOCALE%/10.0/notes?a=1&b=2",
                    "type": "minor",
                },
            },
            {
                "for": {"locales": ["de"], "channels": ["release*"], "versions": ["<9.0"]},
                "fields": {
                    "actions": "showURL",
                    "openURL": "https://acme.example/%locale%/new",
                    "promptWaitTime": 300,
                    "showPrompt": False,
                },
            },
        ],
        "fileUrls": {
            "*": {"partials": {"Acme-9.0-build2": PARTIAL_URL}, "completes": {"*": COMPLETE_URL}},
            "beta": {"completes": {"*": BETA_URL}},
        },
        "platforms": {
            LINUX: {
                "OS_BOUNCER": "linux64",
                "OS_FTP": "linux-x86_64",
                "buildID": "20240101000000",
                "locales": {
                    "en-US": {
                        "completes": [patch()],
                        "partials": [patch(900, "bb", "Acme-9.0-build2")],
                    },
                    "de": {"buildID": "20240101000001", "completes": [patch("5001", "cc")]},
                },
            },
            ALIAS: {"alias": LINUX},
        },
    }


def acme_9() -> Json:
    """`Acme-9.0-build2`: what partials come from."""
    return {
        "name": "Acme-9.0-build2",
        "schema_version": 9,
        "hashFunction": "sha512",
        "appVersion": "9.0",
        "displayVersion": "9.0",
        "platforms": {LINUX: {"buildID": "20230101000000", "locales": {"en-US": {}}}},
    }


def gmp() -> Json:
    """E11: one plug-in with mirrors, one without, one whose host is forbidden."""
    file = {"filesize": 10, "hashValue": "h1", "fileUrl": "https://cdn.example/b"}
    return {
        "name": "Plugins",
        "schema_version": 1000,
        "hashFunction": "sha512",
        "vendors": {
            "gmp-b": {
                "version": "1.2",
                "platforms": {
                    "P1": {**file, "mirrorUrls": ["https://cdn.example/b2", "https://evil.example/b3"]},
                },
            },
            "gmp-a": {
                "version": "1.0",
                "platforms": {
                    "P1": {"filesize": 12, "hashValue": "h3", "fileUrl": "https://cdn.example/a"},
                    "P2": {"alias": "P1"},
                    "default": {"filesize": 13, "hashValue": "h4", "fileUrl": "https://cdn.example/any"},
                },
            },
            "gmp-c": {
                "version": "1.0",
                "platforms": {"P1": {**file, "fileUrl": "https://evil.example/c"}},
            },
        },
    }


def addons() -> Json:
    """A system add-on for every platform."""
    return {
        "name": "Addons",
        "schema_version": 5000,
        "hashFunction": "sha512",
        "addons": {
            "a@example": {
                "version": "1",
                "platforms": {
                    "default": {"filesize": "7", "hashValue": HASH, "fileUrl": "https://cdn.example/x.xpi"},
                    "P1": {"alias": "default"},
                },
            }
        },
    }


def guardian() -> Json:
    """E14."""
    return {
        "name": "Guardian-2.10.1",
        "product": "Guardian",
        "schema_version": 10000,
        "version": "2.10.1",
        "required": True,
        "hashFunction": "sha256",
        "platforms": {"WINNT_x86_64": {"fileUrl": "https://vpn.example/x.msi", "hashValue": "hh"}},
    }


def settings() -> Json:
    """Policies and dictionaries with conditions."""
    return {
        "name": "Settings",
        "schema_version": 6000,
        "settings": {
            "security": {"lastModified": 129386427328},
            "hyphenation-de": {"lastModified": 2, "locales": ["de", "de-AT"]},
            "beta-only": {"lastModified": 3, "channels": ["beta*"]},
        },
    }


def blob(document: Json) -> Blob:
    """The blob of a document, by way of its stored form."""
    return blob_for(Document.from_dict(document))


def query(**fields: Any) -> UpdateQuery:
    """Acme 9.0 on Linux, en-US, release; `fields` say what differs."""
    usual: Json = {
        "product": "Acme",
        "version": "9.0",
        "build_id": "20230101000000",
        "build_target": LINUX,
        "locale": "en-US",
        "channel": "release",
        "os_version": "Linux 5",
        "distribution": "default",
        "dist_version": "default",
        "header_architecture": "Intel",
    }
    return UpdateQuery(**{**usual, **fields})


def context(*others: Json, update_type: str = "minor", **fields: Any) -> RenderContext:
    """A context that knows Acme's releases and `others`."""
    releases = {document["name"]: blob(document) for document in (acme_9(), acme_10(), *others)}
    given: Json = {
        "update_type": update_type,
        "allowlist": ALLOWLIST,
        "release": releases.get,
        "special_force_hosts": SPECIAL_FORCE_HOSTS,
    }
    return RenderContext(**{**given, **fields})


def document_of(lines: Iterable[str]) -> str:
    """The whole XML text around a blob's lines."""
    return "\n".join(['<?xml version="1.0"?>', "<updates>", *lines, "</updates>"])
