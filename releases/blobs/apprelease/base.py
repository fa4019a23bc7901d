"""What all application releases share: the serve gate, build ids, patches (protocol.md sections 6 and 7)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterator
from functools import cached_property
from sys import intern
from typing import Any, ClassVar

from releases.blobs.allowlist import Allowlist
from releases.blobs.apprelease.prepared import PATCH_KINDS, PREPARED, PreparedLocale, PreparedPatch
from releases.blobs.base import (
    Blob,
    RenderContext,
    Serve,
    alias_problem,
    as_dict,
    attribute,
    forbidden_payloads,
    is_printable,
    unstorable,
    with_tokens,
)
from releases.blobs.document import Document
from releases.blobs.errors import BadVersion, Problem
from releases.blobs.query import UpdateQuery
from releases.blobs.schemas import APPLICATION, locale_schema, schema_problems
from releases.blobs.versions import MozVersion, parse_pin, parse_version

LOCALIZED_URLS = frozenset(
    {"detailsURL", "licenseURL", "billboardURL", "openURL", "notificationURL", "alertURL"}
)
ANY_BUILD = "*"
OS_TOKENS = ("OS_FTP", "OS_BOUNCER")
MOST_SOURCES = 256

Attributes = list[tuple[str, Any]]


class AppRelease(Blob):
    """A release with platforms, locales and patches.

    What can be made of a locale before a client asks is made once and remembered (see `prepared.py`).
    """

    version_key: ClassVar[str] = "appVersion"
    proofs: ClassVar[bool] = False

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._token = object()
        self._build_ids: dict[tuple[str, str], str | None] = {}
        self._real_names: dict[tuple[str, ...], tuple[str, ...]] = {}

    # --- Looking things up (section 6) --------------------------------------------------------------------

    @cached_property
    def _resolved(self) -> dict[str, str]:
        """For each listed platform the one that it stands for: itself, or one hop of aliases away."""
        found = {}
        for name, entry in self.document.platforms.items():
            if isinstance(entry, dict):
                alias = entry.get("alias")
                found[name] = alias if isinstance(alias, str) else name
        return found

    @cached_property
    def _siblings(self) -> dict[str, tuple[str, ...]]:
        """For each real platform, all names that stand for it."""
        found: dict[str, list[str]] = {}
        for name, real in self._resolved.items():
            found.setdefault(real, []).append(name)
        return {real: tuple(names) for real, names in found.items()}

    def resolve(self, platform: str) -> str | None:
        """Return the platform that `platform` stands for (one hop of aliases), or None when it is not listed."""
        return self._resolved.get(platform)

    def locale_data(self, platform: str, locale: str) -> dict[str, Any] | None:
        """Return the locale's object under the resolved platform, or None."""
        real = self._resolved.get(platform)
        return None if real is None else self.document.locale(real, locale)

    def value(self, data: dict[str, Any] | None, key: str) -> Any:
        """Return `key` of the locale's object `data`, else of the document's top, else None."""
        if data is not None and data.get(key) is not None:
            return data[key]
        return self.top.get(key)

    def build_id(self, platform: str, locale: str) -> str | None:
        """Return the build id for a listed platform and locale, else None."""
        real = self._resolved.get(platform)
        return None if real is None else self._build_id(real, locale)

    def _build_id(self, real: str, locale: str) -> str | None:
        place = (real, locale)
        if place in self._build_ids:
            return self._build_ids[place]
        data = self.document.locale(real, locale)
        if data is None:
            return None
        found = self._build_ids[place] = self._build_id_of(real, data)
        return found

    def _build_id_of(self, real: str, data: dict[str, Any]) -> str | None:
        """Return a build id as text, however it was written: clients' build ids compare as text (features H30)."""
        for found in (data.get("buildID"), as_dict(self.document.platforms.get(real)).get("buildID")):
            if isinstance(found, str) or type(found) is int:
                return intern(str(found))
        return None

    def has_build(self, build_id: str | None, names: tuple[str, ...], locale: str) -> bool:
        """Tell whether this release has this build id for `locale` under any of these platform names."""
        reals = self._real_names.get(names)
        if reals is None:
            if len(self._real_names) >= MOST_SOURCES:
                self._real_names = {}
            resolved = (self._resolved.get(name) for name in names)
            reals = self._real_names[names] = tuple({real for real in resolved if real is not None})
        return any(self._build_id(real, locale) == build_id for real in reals)

    def _prepared(self, platform: str, locale: str) -> PreparedLocale | None:
        """Return the locale ready to be served, or None when the release has no such platform or locale."""
        real = self._resolved.get(platform)
        if real is None:
            return None
        key = (self._token, real, locale)
        found = PREPARED.get(key)
        if found is None:
            data = self.document.locale(real, locale)
            if data is None:
                return None
            patches = {kind: self.patches(data, kind) for kind in PATCH_KINDS}
            build_id = self._build_id_of(real, data)
            found = PreparedLocale(data, build_id, patches, self.top.get("hashFunction"), proofs=self.proofs)
            PREPARED.put(key, found)
        return found

    # --- The serve gate (section 7.1) ---------------------------------------------------------------------

    def serve(self, query: UpdateQuery) -> Serve:
        if query.locale is None or query.build_id is None:
            return Serve.NO
        prepared = self._prepared(query.build_target, query.locale)
        own = self._own_version(prepared)
        if own is None:
            return Serve.NO
        client = parse_version(query.version)
        if not isinstance(client, MozVersion) or client.key > own.key:
            return Serve.NO
        if client.key == own.key and (
            prepared is None or prepared.build_id is None or query.build_id >= prepared.build_id
        ):
            return Serve.NO
        if query.build_target not in self.document.platforms:
            return Serve.NO
        if query.pin is not None and parse_pin(query.pin).is_exceeded_by(own):
            return Serve.MAYBE
        return Serve.YES

    def _own_version(self, prepared: PreparedLocale | None) -> MozVersion | None:
        text = self.value(prepared.data if prepared is not None else None, self.version_key)
        try:
            found = parse_version(text) if isinstance(text, str) else None
        except BadVersion:
            return None
        return found if isinstance(found, MozVersion) else None

    # --- The update element (section 7.2) -----------------------------------------------------------------

    def inner(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        """Return the update element; nothing when the client's platform or locale is not part of this release.

        Nothing, too, when no patch is left because what clients need is missing from all (a URL, a hash, a
        token's value): an update without a patch would only be an error to them. Patches that the allow-list
        forbids do leave an empty element, as on the wire (features H10).
        """
        prepared = self._prepared(query.build_target, query.locale or "")
        if prepared is None or prepared.build_id is None:
            return []
        variant = (context.update_type, self.variant(query))
        line = prepared.lines.get(variant)
        if line is None:
            values = self.update_line(query, prepared.data, prepared.build_id, context)
            text = "".join(f' {name}="{attribute(value)}"' for name, value in values)
            line = prepared.keep_line(variant, f"    <update{text}>")
        patches, broken = self._patch_lines(query, prepared, context)
        if broken and not patches:
            return []
        return [line, *patches, "    </update>"]

    def variant(self, query: UpdateQuery) -> Hashable:
        """Return what the update line depends on besides platform, locale and the rule's update type."""
        return None

    @abstractmethod
    def update_line(
        self, query: UpdateQuery, data: dict[str, Any], build_id: str, context: RenderContext
    ) -> Attributes:
        """Return the attributes of the update element, in the order of the wire."""

    def localized(self, key: str, locale: str) -> str | None:
        """Return the top's URL `key` for one locale, or None when it is absent or unusable."""
        found = self.top.get(key)
        return with_tokens(str(found), {"LOCALE": locale}) if is_printable(found) else None

    # --- Patches (sections 7.3 and 7.4) -------------------------------------------------------------------

    @abstractmethod
    def patches(self, data: dict[str, Any], kind: str) -> list[Any]:
        """Return the patches of one kind (`complete` or `partial`), in their order of preference."""

    @abstractmethod
    def template(self, query: UpdateQuery, kind: str, source: str) -> str | None:
        """Return the URL template for a patch from release `source`, or None."""

    def template_tokens(self, kind: str, source: str) -> dict[str, str]:
        """Return tokens besides LOCALE, OS_FTP and OS_BOUNCER."""
        return {}

    def _patch_lines(
        self, query: UpdateQuery, prepared: PreparedLocale, context: RenderContext
    ) -> tuple[list[str], bool]:
        """Return the line of the first usable patch of each kind, and whether some patch is broken."""
        lines = []
        broken = prepared.broken
        for kind in PATCH_KINDS:
            for patch in prepared.patches[kind]:
                source = patch.source
                if source != ANY_BUILD and not self._came_from(source, query, context):
                    continue
                template = patch.file_url or self.template(query, kind, source)
                made = self._made(patch, template, kind, query) if template is not None else None
                if made is None:
                    # A partial that has no template is no error: many releases have none for old ones.
                    broken = broken or template is not None or kind == "complete"
                elif context.allowlist.allows(made[0], query.product):
                    lines.append(_forced(made, kind, patch, context))
                    break
        return lines, broken

    def _came_from(self, source: str, query: UpdateQuery, context: RenderContext) -> bool:
        """Tell whether the client runs release `source`: its build id there, under any name of its platform."""
        release = context.release(source)
        real = self._resolved.get(query.build_target)
        if not isinstance(release, AppRelease) or query.locale is None or real is None:
            return False
        return release.has_build(query.build_id, self._siblings[real], query.locale)

    def _made(
        self, patch: PreparedPatch, template: str, kind: str, query: UpdateQuery
    ) -> tuple[str, str] | None:
        """Return URL and line of a patch for one template, or None when a token of it has no value."""
        if template in patch.made:
            return patch.made[template]
        url = template if patch.file_url is not None else self._filled(template, patch.source, kind, query)
        patch.made[template] = made = (url, _patch_line(url, kind, patch)) if url is not None else None
        return made

    def _filled(self, template: str, source: str, kind: str, query: UpdateQuery) -> str | None:
        platform = as_dict(self.document.platforms.get(self._resolved.get(query.build_target, "")))
        tokens = {"LOCALE": query.locale or ""}
        for name in OS_TOKENS:
            if f"%{name}%" in template or f"%{name.lower()}%" in template:
                value = platform.get(name)
                if not isinstance(value, str):
                    return None
                tokens[name] = value
        return with_tokens(template, {**tokens, **self.template_tokens(kind, source)})

    # --- What it needs and what may be stored -------------------------------------------------------------

    def referenced_releases(self) -> frozenset[str]:
        return self.document.from_releases()

    def payloads(self) -> Iterator[tuple[str, str]]:
        yield from _texts("fileUrls", self.top.get("fileUrls"))
        for platform, locale in self.document.places():
            yield from self.locale_payloads(platform, locale, self.document.locale(platform, locale) or {})

    def locale_payloads(self, platform: str, locale: str, data: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield (path, URL) of every patch of one locale that names its file itself."""
        for kind in PATCH_KINDS:
            for number, patch in enumerate(self.patches(data, kind)):
                url = as_dict(patch).get("fileUrl")
                if isinstance(url, str):
                    yield (
                        f"platforms.{platform}.locales.{locale}.{self.patch_path(kind, number)}.fileUrl",
                        url,
                    )

    @abstractmethod
    def patch_path(self, kind: str, number: int) -> str:
        """Return where the document keeps patch `number` of one kind, below its locale."""

    def own_problems(self) -> list[Problem]:
        platforms = self.document.platforms
        return [
            problem
            for name, entry in platforms.items()
            for problem in alias_problem(f"platforms.{name}.alias", as_dict(entry).get("alias"), platforms)
        ]

    def locale_problems(
        self, platform: str, locale: str, data: Any, allowlist: Allowlist, product: str | None
    ) -> list[Problem]:
        """Return everything that forbids storing `data` as one locale, for a submission of just that."""
        path = f"platforms.{platform}.locales.{locale}"
        return (
            schema_problems(locale_schema(APPLICATION[self.schema_version]), data, path)
            or unstorable(data, path)
            or forbidden_payloads(self.locale_payloads(platform, locale, data), allowlist, product)
        )


def _patch_line(url: str, kind: str, patch: PreparedPatch) -> str:
    return f'        <patch type="{kind}" URL="{attribute(url)}"{patch.tail}'


def _forced(made: tuple[str, str], kind: str, patch: PreparedPatch, context: RenderContext) -> str:
    """Return the patch's line; special hosts are told the force that was honoured (features E11)."""
    url, line = made
    if context.force is None or not url.startswith(context.special_force_hosts):
        return line
    return _patch_line(f"{url}{'&' if '?' in url else '?'}force={context.force.value}", kind, patch)


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    for key, inner in as_dict(value).items():
        yield from _texts(f"{path}.{key}", inner)
