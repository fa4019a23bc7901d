"""Releases, their locales, and from where payloads may come, in the admin; all changes go through the verbs."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from history.admin import VersionedForm
from history.canonical import canonical_json
from history.exceptions import HistoryError, UnconfirmedError
from history.models import VersionedModel
from history.verbadmin import DocumentField, Values, VerbAdmin
from releases import actions
from releases.models import AllowedDomain, Release, ReleasePart, SpecialForceHost, checked_blob
from releases.storage import DataVersions, parts_of


class UseFilter(admin.SimpleListFilter):
    """Releases that something points to, or nothing."""

    title = "use"
    parameter_name = "use"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("used", "pointed at"), ("unused", "not pointed at")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() is None:
            return queryset
        return queryset.pointed_at() if self.value() == "used" else queryset.unused()


class ReleaseForm(VersionedForm):
    """The whole document as text; carries the versions of all its parts, so that stale edits are merged."""

    blob = DocumentField(label="Document")

    class Meta:
        model = Release
        fields = ["name", "product"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["based_on"] = forms.CharField(required=False, widget=forms.HiddenInput)
        if self.instance.pk is not None and not self.is_bound:
            versions = DataVersions.of(self.instance)
            self.fields["based_on"].initial = canonical_json(versions.as_tree())
            self.fields["blob"].initial = self.instance.blob()

    def clean_based_on(self) -> DataVersions | None:
        """Read the versions of the parts."""
        if self.instance.pk is None:
            return None
        try:
            return DataVersions.from_tree(json.loads(self.cleaned_data["based_on"]))
        except ValueError as error:
            raise ValidationError("The form does not say what it is based on; open the page anew.") from error

    def clean(self) -> dict[str, Any]:
        forms.ModelForm.clean(self)
        if not self.errors:
            try:
                self._check()
            except ValidationError as error:
                for name, errors in error.error_dict.items():
                    self.add_error("blob" if name not in self.fields else name, errors)
            except HistoryError as error:
                self.add_error(None, str(error))
        return self.cleaned_data

    def _check(self) -> None:
        values = self.cleaned_data
        if self.instance.pk is None:
            checked_blob(values["blob"], name=values["name"], product=values["product"])
            return
        release = Release.objects.get(pk=self.instance.pk)
        actions.checked_update(
            release,
            parts_of(release),
            values["blob"],
            based_on=values["based_on"],
            product=values.get("product", release.product),
        )


@admin.register(Release)
class ReleaseAdmin(VerbAdmin):
    """Releases as whole documents."""

    form = ReleaseForm
    list_display = ["name", "product", "schema_version", "read_only", "data_version"]
    list_filter = ["product", "schema_version", "read_only", UseFilter]
    search_fields = ["name", "product"]
    fields = ["name", "product", "schema_version", "read_only", "pointed_at_by"]
    actions = ["lock", "unlock"]

    def get_queryset(self, request: HttpRequest) -> Any:
        releases: Any = super().get_queryset(request)
        return releases.without_documents()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        may_edit = self.has_change_permission(request, obj) or obj is None
        return [*self.fields, "blob" if may_edit else "document_text"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        always = ["schema_version", "read_only", "pointed_at_by", "document_text"]
        return always if obj is None else ["name", *always]

    @admin.display(description="Pointed at by")
    def pointed_at_by(self, release: Release) -> str:
        """What offers this release."""
        rows = release.pointers() if release.pk is not None else []
        return format_html_join(", ", "{} {}", ((row._meta.verbose_name, row) for row in rows)) or "nothing"

    @admin.display(description="Document")
    def document_text(self, release: Release) -> str:
        """The whole document, for those who may only read it."""
        return format_html("<pre>{}</pre>", json.dumps(release.blob(), indent=2, ensure_ascii=False))

    def create(self, obj: Any, values: Values) -> VersionedModel:
        return actions.create_release(values["name"], values["product"], values["blob"])

    def update(self, obj: Any, values: Values) -> VersionedModel:
        return actions.update_release(
            obj.name, values["blob"], based_on=values["based_on"], product=values["product"]
        )

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
