"""What all application releases share: the serve gate, build ids, patches (protocol.md sections 6 and 7)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar

from releases.blobs.base import Blob, RenderContext, Serve, as_dict, as_list, attribute, with_tokens
from releases.blobs.errors import BadVersion, Problem
from releases.blobs.query import UpdateQuery
from releases.blobs.schemas import APPLICATION, locale_schema, schema_problems
from releases.blobs.versions import MozVersion, parse_pin, parse_version

PATCH_KINDS = ("complete", "partial")
LOCALIZED_URLS = frozenset(
    {"detailsURL", "licenseURL", "billboardURL", "openURL", "notificationURL", "alertURL"}
)
ANY_BUILD = "*"


class AppRelease(Blob):
    """A release with platforms, locales and patches."""

    version_key: ClassVar[str] = "appVersion"
    proofs: ClassVar[bool] = False

    # --- Looking things up --------------------------------------------------------------------------------

    def resolve(self, platform: str) -> str | None:
        """Return the platform that `platform` stands for (one hop of aliases), or None when it is not listed."""
        entry = self.document.platforms.get(platform)
        if not isinstance(entry, dict):
            return None
        alias = entry.get("alias")
        return alias if isinstance(alias, str) else platform

    @cached_property
    def _siblings(self) -> dict[str, tuple[str, ...]]:
        """For each real platform, all names that stand for it."""
        found: dict[str, list[str]] = {}
        for name in self.document.platforms:
            target = self.resolve(name)
            if target is not None:
                found.setdefault(target, []).append(name)
        return {target: tuple(names) for target, names in found.items()}

    def locale_data(self, platform: str, locale: str) -> dict[str, Any] | None:
        """Return the locale's object under the resolved platform, or None."""
        real = self.resolve(platform)
        return None if real is None else self.document.locale(real, locale)

    def value(self, data: dict[str, Any] | None, key: str) -> Any:
        """Return `key` of the locale's object `data`, else of the document's top, else None."""
        if data is not None and data.get(key) is not None:
            return data[key]
        return self.top.get(key)

    def build_id(self, platform: str, locale: str) -> str | None:
        """Return the build id for a listed platform and locale, else None."""
        real = self.resolve(platform)
        if real is None:
            return None
        data = self.document.locale(real, locale)
        if data is None:
            return None
        found = data.get("buildID") or as_dict(self.document.platforms.get(real)).get("buildID")
        return str(found) if found is not None else None

    # --- The serve gate (section 7.1) ---------------------------------------------------------------------

    def serve(self, query: UpdateQuery) -> Serve:
        if query.locale is None or query.build_id is None:
            return Serve.NO
        data = self.locale_data(query.build_target, query.locale)
        own = self._own_version(data)
        client = parse_version(query.version)
        if own is None or not isinstance(client, MozVersion) or client.key > own.key:
            return Serve.NO
        if client.key == own.key:
            build_id = self.build_id(query.build_target, query.locale)
            if build_id is None or query.build_id >= build_id:
                return Serve.NO
        if query.build_target not in self.document.platforms:
            return Serve.NO
        if query.pin is not None and parse_pin(query.pin).is_exceeded_by(own):
            return Serve.MAYBE
        return Serve.YES

    def _own_version(self, data: dict[str, Any] | None) -> MozVersion | None:
        text = self.value(data, self.version_key)
        try:
            found = parse_version(text) if isinstance(text, str) else None
        except BadVersion:
            return None
        return found if isinstance(found, MozVersion) else None

    # --- Rendering (sections 7.2 to 7.4) ------------------------------------------------------------------

    def inner(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        locale = query.locale or ""
        real = self.resolve(query.build_target)
        data = None if real is None else self.document.locale(real, locale)
        build_id = self.build_id(query.build_target, locale)
        if real is None or data is None or build_id is None:
            return []  # the client's platform or locale is not part of this release
        values = self.update_line(query, data, build_id, context)
        line = "".join(f' {name}="{attribute(value)}"' for name, value in values)
        return [f"    <update{line}>", *self._patch_lines(query, real, data, context), "    </update>"]

    @abstractmethod
    def update_line(
        self, query: UpdateQuery, data: dict[str, Any], build_id: str, context: RenderContext
    ) -> list[tuple[str, Any]]:
        """Return the attributes of the update element, in the order of the wire."""

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
        self, query: UpdateQuery, real: str, data: dict[str, Any], context: RenderContext
    ) -> list[str]:
        lines = []
        for kind in PATCH_KINDS:
            for patch in self.patches(data, kind):
                line = (
                    self._patch_line(query, real, patch, kind, context) if isinstance(patch, dict) else None
                )
                if line is not None:
                    lines.append(line)
                    break
        return lines

    def _patch_line(
        self, query: UpdateQuery, real: str, patch: dict[str, Any], kind: str, context: RenderContext
    ) -> str | None:
        """Return the line of a patch that this client can use, else None (section 7.3)."""
        source = patch.get("from")
        if not isinstance(source, str):
            return None
        if source != ANY_BUILD and not self._came_from(source, query, real, context):
            return None
        url = self._patch_url(query, real, patch, kind, source, context)
        if url is None or not context.allowlist.allows(url, query.product):
            return None
        line = (
            f'        <patch type="{kind}" URL="{attribute(url)}"'
            f' hashFunction="{attribute(self.top.get("hashFunction"))}"'
            f' hashValue="{attribute(patch.get("hashValue"))}" size="{attribute(patch.get("filesize"))}"'
        )
        if self.proofs and patch.get("binTransInclusionProof") is not None:
            line += f' binTransInclusionProof="{attribute(patch["binTransInclusionProof"])}"'
        return f"{line}/>"

    def _came_from(self, source: str, query: UpdateQuery, real: str, context: RenderContext) -> bool:
        """Tell whether the client runs release `source`: its build id there, under any name of its platform."""
        release = context.release(source)
        if not isinstance(release, AppRelease) or query.locale is None:
            return False
        return any(
            release.build_id(name, query.locale) == query.build_id
            for name in (query.build_target, *self._siblings.get(real, ()))
        )

    def _patch_url(
        self,
        query: UpdateQuery,
        real: str,
        patch: dict[str, Any],
        kind: str,
        source: str,
        context: RenderContext,
    ) -> str | None:
        url = patch.get("fileUrl")
        if not isinstance(url, str) or not url:
            url = self.template(query, kind, source)
            if not isinstance(url, str) or not url:
                return None
            platform = as_dict(self.document.platforms.get(real))
            tokens = {"LOCALE": query.locale or ""}
            for name in ("OS_FTP", "OS_BOUNCER"):
                if f"%{name}%" in url or f"%{name.lower()}%" in url:
                    value = platform.get(name)
                    if not isinstance(value, str):
                        return None
                    tokens[name] = value
            url = with_tokens(url, {**tokens, **self.template_tokens(kind, source)})
        if context.force is not None and url.startswith(context.special_force_hosts):
            url += f"{'&' if '?' in url else '?'}force={context.force.value}"
        return url

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
                    yield f"platforms.{platform}.locales.{locale}.{kind}s.{number}.fileUrl", url

    def own_problems(self) -> list[Problem]:
        found = []
        for name, entry in self.document.platforms.items():
            alias = as_dict(entry).get("alias")
            if alias is not None and "alias" in as_dict(self.document.platforms.get(alias, {"alias": True})):
                found.append(
                    Problem(
                        f"platforms.{name}.alias",
                        alias,
                        "an alias must name a platform of this release that is not an alias itself.",
                    )
                )
        return found

    def locale_problems(self, platform: str, locale: str, data: Any) -> list[Problem]:
        """Return what is wrong with one locale's object by itself (schema), for a submission of just that."""
        path = f"platforms.{platform}.locales.{locale}"
        return schema_problems(locale_schema(APPLICATION[self.schema_version]), data, path)


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    for key, inner in as_dict(value).items():
        yield from _texts(f"{path}.{key}", inner)


class PairedPatches(AppRelease):
    """Versions 1 and 2: at most one complete and one partial patch."""

    def patches(self, data: dict[str, Any], kind: str) -> list[Any]:
        return [data[kind]] if kind in data else []


class ListedPatches(AppRelease):
    """Versions 3 and later: lists of patches."""

    def patches(self, data: dict[str, Any], kind: str) -> list[Any]:
        return as_list(data.get(f"{kind}s"))


class ChannelTemplates(AppRelease):
    """Versions 1 to 3: one URL template a channel, filled from tables of file names and products."""

    plural_names: ClassVar[bool] = False

    def template(self, query: UpdateQuery, kind: str, source: str) -> str | None:
        urls = as_dict(self.top.get("fileUrls"))
        found = urls.get(query.channel, urls.get(query.fallback_channel))
        return found if isinstance(found, str) else None

    def template_tokens(self, kind: str, source: str) -> dict[str, str]:
        tokens = {}
        for token, table in (("FILENAME", "ftpFilenames"), ("PRODUCT", "bouncerProducts")):
            entry = as_dict(self.top.get(table))
            value = as_dict(entry.get(f"{kind}s")).get(source) if self.plural_names else entry.get(kind)
            tokens[token] = value if isinstance(value, str) else ""
        return tokens


class SourceTemplates(ListedPatches):
    """Versions 4 and later: one URL template for each channel, kind and source release."""

    def template(self, query: UpdateQuery, kind: str, source: str) -> str | None:
        urls = as_dict(self.top.get("fileUrls"))
        for channel in (query.channel, query.fallback_channel, "*"):
            block = urls.get(channel)
            if block and isinstance(block, dict):
                found = as_dict(block.get(f"{kind}s")).get(source)
                return found if isinstance(found, str) else None
        return None
