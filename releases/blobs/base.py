"""What every kind of release document can do."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, ClassVar

from history.canonical import canonical_json
from releases.blobs.allowlist import Allowlist
from releases.blobs.document import Document
from releases.blobs.errors import Problem
from releases.blobs.query import Force, UpdateQuery
from releases.blobs.schemas import schema_problems

_BARE_AMPERSAND = re.compile(r"&(?!amp;)")
_NEEDS_CARE = re.compile(r'[&<>"\x00-\x1f\ud800-\udfff\ufffe\uffff]')
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

# In canonical JSON, where NUL is written as an escape; a backslash before it would make it mere text.
_UNSTORABLE = re.compile(r"(?<!\\)(?:\\\\)*\\u0000|[\ud800-\udfff]")

# Hash functions that clients know, with the length of their values in hexadecimal digits.
HASH_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
RETIRED_HASHES = frozenset({"md5", "sha1"})  # old releases name them; old clients know them


class Serve(Enum):
    """A release's answer to "shall this client be offered you?"; MAYBE means beyond the client's pin."""

    NO = "no"
    YES = "yes"
    MAYBE = "maybe"


class Blob(ABC):
    """A release document of one schema version; immutable.

    Subclasses never raise anything but ClientError while serving, whatever the stored document contains: a part that
    cannot be used is left out.
    """

    schema_version: ClassVar[int]
    schema: ClassVar[Mapping[str, Any]]
    # Lists that are sets: a merge may unite what two people did to one (paths as in Problem, `*` for any step).
    set_lists: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, document: Document) -> None:
        self.document = document
        self.top = document.top

    @cached_property
    def name(self) -> str:
        """The release's name as the document gives it."""
        return str(self.top.get("name", ""))

    @cached_property
    def product(self) -> str | None:
        """The product that the document names, if any."""
        product = self.top.get("product")
        return product if isinstance(product, str) else None

    @abstractmethod
    def serve(self, query: UpdateQuery) -> Serve:
        """Decide whether `query` shall be offered this release; raise ClientError for a bad version or pin."""

    def header(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        """Return the line that opens the answer's element."""
        return []

    @abstractmethod
    def inner(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        """Return the lines inside it: what a superblob splices."""

    def footer(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        """Return the line that closes it."""
        return []

    def render(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        """Return all lines between `<updates>` and `</updates>`; none when nothing can be offered."""
        return [*self.header(query, context), *self.inner(query, context), *self.footer(query, context)]

    def render_json(self, query: UpdateQuery, context: RenderContext) -> dict[str, Any] | None:
        """Return the body of a JSON answer, or None for documents that only speak XML."""
        return None

    def referenced_releases(self) -> frozenset[str]:
        """Return the names of other releases that serving this one may need."""
        return frozenset()

    def payloads(self) -> Iterator[tuple[str, str]]:
        """Yield (path, URL) of everything that clients may be sent to; templates as they stand."""
        return iter(())

    def problems(self, allowlist: Allowlist, product: str | None) -> list[Problem]:
        """Return everything that forbids storing this document as a release of `product`."""
        document = self.document.to_dict()
        found = schema_problems(self.schema, document) or unstorable(document)
        if found:
            return found  # what follows relies on the shape
        return [
            *hash_function_problems(self.top.get("hashFunction")),
            *forbidden_payloads(self.payloads(), allowlist, product),
            *self.own_problems(),
        ]

    def own_problems(self) -> list[Problem]:
        """Return what is wrong besides schema and allow-list."""
        return []


@dataclass(frozen=True, slots=True)
class RenderContext:
    """What rendering needs to know besides document and query.

    `force` is the value that was honoured; `release` finds another release by name, or None.
    """

    update_type: str
    allowlist: Allowlist
    force: Force | None = None
    release: Callable[[str], Blob | None] = lambda name: None
    special_force_hosts: tuple[str, ...] = ()


def forbidden_payloads(
    payloads: Iterator[tuple[str, str]], allowlist: Allowlist, product: str | None
) -> list[Problem]:
    """Return a problem for each payload URL that `product` may not be sent to."""
    return [
        Problem(path, url, f"the allow-list does not permit this host or path for product {product}.")
        for path, url in payloads
        if not allowlist.allows(url, product)
    ]


def unstorable(value: Any, path: str = "") -> list[Problem]:
    """Return a problem when `value` is not JSON, or has a text that a database cannot hold."""
    try:
        text = canonical_json(value)
    except ValueError:
        return [Problem(path, "NaN", "contains NaN or an infinite number, which JSON does not have.")]
    found = _UNSTORABLE.search(text)
    if found is None:
        return []
    near = text[max(0, found.start() - 40) : found.end()]
    return [
        Problem(path, near, "contains a character that cannot be stored: NUL, or half of a surrogate pair.")
    ]


def hash_function_problems(function: Any) -> list[Problem]:
    """Return a problem when a document names a hash function that no client knows."""
    if function is None or str(function).lower() in HASH_LENGTHS.keys() | RETIRED_HASHES:
        return []
    return [Problem("hashFunction", function, f"is not known; use one of {', '.join(HASH_LENGTHS)}.")]


def hash_problem(path: str, function: Any, value: Any) -> list[Problem]:
    """Return a problem when `value` has not the length that hash `function` gives (features I07)."""
    length = HASH_LENGTHS.get(str(function).lower())
    if length is None or not isinstance(value, str) or len(value) == length:
        return []
    return [Problem(path, value, f"a {function} value has {length} hexadecimal digits, not {len(value)}.")]


def alias_problem(path: str, alias: Any, platforms: Mapping[str, Any]) -> list[Problem]:
    """Return a problem when `alias` (None: there is none) names no platform, or one that is an alias itself."""
    if alias is None:
        return []
    target = platforms.get(alias)
    if target is None:
        return [
            Problem(path, alias, "names a platform that is not listed beside it; list it, or drop the alias.")
        ]
    if "alias" in as_dict(target):
        real = target["alias"]
        return [
            Problem(path, alias, f"is an alias itself, and only one hop is followed; name {real!r} instead.")
        ]
    return []


def is_printable(value: Any) -> bool:
    """Tell whether `value` is a text, number or boolean: what an attribute can be made of."""
    return isinstance(value, (str, int, float))


def attribute(value: Any) -> str:
    """Return `value` as the text of an XML attribute.

    Every `&` that does not begin `&amp;` is escaped, as on the wire (protocol.md section 8); so are `<`, `>`
    and `"`, and characters that XML does not have are dropped, so that the document is always well formed.
    """
    if isinstance(value, str):
        text = value
    elif value is True or value is False:
        return "true" if value else "false"
    else:
        # Python's own word for "nothing" is what the wire has for a missing value (protocol.md section 7.2).
        text = str(value) if is_printable(value) else "None"
    if not _NEEDS_CARE.search(text):
        return text
    text = _BARE_AMPERSAND.sub("&amp;", _FORBIDDEN.sub("", text))
    return text.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def with_tokens(text: str, tokens: Mapping[str, str]) -> str:
    """Replace `%TOKEN%` and `%token%` by their values."""
    if "%" not in text:
        return text
    for name, value in tokens.items():
        text = text.replace(f"%{name}%", value).replace(f"%{name.lower()}%", value)
    return text


def as_dict(value: Any) -> dict[str, Any]:
    """Return `value` when it is an object, else an empty one: stored documents may contain anything."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return `value` when it is an array, else an empty one."""
    return value if isinstance(value, list) else []
