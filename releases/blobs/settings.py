"""Schema version 6000: dates of settings that clients fetch elsewhere, such as security policies."""

from __future__ import annotations

from typing import Any

from releases.blobs.base import Blob, RenderContext, Serve, as_dict, as_list, attribute, is_printable
from releases.blobs.errors import Problem
from releases.blobs.expressions import channel_matches, check_channel
from releases.blobs.query import UpdateQuery
from releases.blobs.schemas import SETTINGS


class Settings(Blob):
    """Always served; lists the settings whose conditions the request meets, by ascending id."""

    schema_version = 6000
    schema = SETTINGS
    set_lists = frozenset({"settings.*.locales", "settings.*.channels"})

    def serve(self, query: UpdateQuery) -> Serve:
        return Serve.YES

    def header(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        return ["    <settings>"]

    def inner(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        settings = as_dict(self.top.get("settings"))
        return [
            f'        <setting id="{attribute(name)}"'
            f' lastModified="{attribute(as_dict(settings[name]).get("lastModified"))}"/>'
            for name in sorted(settings)
            if _applies(as_dict(settings[name]), query)
        ]

    def footer(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        return ["    </settings>"]

    def render(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        inner = self.inner(query, context)
        return [*self.header(query, context), *inner, *self.footer(query, context)] if inner else []

    def own_problems(self) -> list[Problem]:
        return [
            Problem(f"settings.{name}.channels.{number}", channel, message)
            for name, setting in as_dict(self.top.get("settings")).items()
            for number, channel in enumerate(setting.get("channels", []))
            if (message := check_channel(channel))
        ]


def _applies(setting: dict[str, Any], query: UpdateQuery) -> bool:
    if not is_printable(setting.get("lastModified")):
        return False
    if "locales" in setting and query.locale not in as_list(setting["locales"]):
        return False
    return "channels" not in setting or any(
        channel_matches(pattern, channel)
        for pattern in as_list(setting["channels"])
        if isinstance(pattern, str)
        for channel in (query.channel, query.fallback_channel)
    )
