"""Releases, their locales, and from where payloads may come, in the admin; all changes go through the verbs."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from history.canonical import canonical_json
from history.exceptions import UnconfirmedError
from history.models import VersionedModel
from history.verbadmin import Values, VerbAdmin
from releases import actions
from releases.models import AllowedDomain, Release, ReleasePart, SpecialForceHost
from releases.storage import DataVersions


@admin.register(Release)
class ReleaseAdmin(VerbAdmin):
    """Releases: found, locked and deleted here; the console shows their documents, and lets people write them."""

    search_fields = ["name", "product"]
    actions = ["lock", "unlock"]

    def get_queryset(self, request: HttpRequest) -> Any:
        releases: Any = super().get_queryset(request)
        return releases.without_documents()

    def confirmed_version(self, obj: Any) -> str:
        """All parts have versions: what was submitted after the page was shown must not go along unseen."""
        return canonical_json(DataVersions.of(obj).as_tree())

    def refuse_unconfirmed(self, obj: Any, confirmed: str | None) -> None:
        try:
            obj.confirmed_versions = DataVersions.from_tree(json.loads(confirmed or ""))
        except ValueError as error:
            raise UnconfirmedError(obj) from error

    def remove(self, obj: Any) -> None:
        actions.delete_release(obj.name, based_on=obj.confirmed_versions)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """List what is deleted along; Django would count the parts as what protects a release."""
        names = [f"release {release} with {release.parts.count()} locales" for release in objs]
        protected = [
            f"{row._meta.verbose_name} {row} points to {release}"
            for release in objs
            for row in release.pointers()
        ]
        allowed = all(self.has_delete_permission(request, release) for release in objs)
        missing = set() if allowed else {str(self.opts.verbose_name)}
        return names, {str(self.opts.verbose_name_plural): len(names)}, missing, protected

    @admin.action(description="Make read-only", permissions=["set_read_only"])
    def lock(self, request: HttpRequest, queryset: models.QuerySet[Release]) -> None:
        """Lock releases against every change."""
        self._switch(request, queryset, read_only=True)

    @admin.action(description="Make writable", permissions=["unset_read_only"])
    def unlock(self, request: HttpRequest, queryset: models.QuerySet[Release]) -> None:
        """Let releases be changed again."""
        self._switch(request, queryset, read_only=False)

    def _switch(self, request: HttpRequest, queryset: models.QuerySet[Release], *, read_only: bool) -> None:
        done = [
            actions.set_read_only(release.name, read_only, based_on=version).name
            for release, version in self.shown_versions(request, queryset)
        ]
        self.message_user(request, f"{'Read-only' if read_only else 'Writable'} now: {', '.join(done)}.")

    def has_set_read_only_permission(self, request: HttpRequest) -> bool:
        """Tell whether the reader may lock any release at all."""
        return request.user.has_perm("releases.set_read_only")

    def has_unset_read_only_permission(self, request: HttpRequest) -> bool:
        """Tell whether the reader may unlock any release at all."""
        return request.user.has_perm("releases.unset_read_only")


@admin.register(ReleasePart)
class ReleasePartAdmin(VerbAdmin):
    """Single locales of releases, as builds submit them."""

    list_display = ["release", "platform", "locale", "data_version"]
    list_select_related = ["release"]
    list_filter = ["release__product"]
    search_fields = ["release__name", "platform", "locale"]
    autocomplete_fields = ["release"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("release").defer("release__document")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else ["release", "platform", "locale"]

    def create(self, obj: Any, values: Values) -> VersionedModel:
        return self._submit(obj, values, base_version=None)

    def update(self, obj: Any, values: Values) -> VersionedModel:
        return self._submit(obj, values, base_version=values["based_on"])

    def _submit(self, obj: Any, values: Values, base_version: int | None) -> ReleasePart:
        return actions.submit_locale(
            obj.release.name,
            obj.release.product,
            obj.platform,
            obj.locale,
            values["document"],
            base_version=base_version,
        ).part

    def remove(self, obj: Any) -> None:
        actions.remove_locale(obj.release.name, obj.platform, obj.locale, based_on=obj.data_version)


@admin.register(AllowedDomain)
class AllowedDomainAdmin(VerbAdmin):
    """From where payloads may come."""

    list_display = ["host", "path_regex", "position", "products", "data_version"]
    search_fields = ["host", "products"]


@admin.register(SpecialForceHost)
class SpecialForceHostAdmin(VerbAdmin):
    """Which payload URLs carry `force` on."""

    list_display = ["prefix", "data_version"]
    search_fields = ["prefix"]
