"""Rules, emergency shutoffs and pins in the admin; all changes go through the verbs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from history.models import VersionedModel
from history.verbadmin import Values, VerbAdmin
from rules import actions
from rules.models import EmergencyShutoff, PinnableRelease, Rule


@admin.register(Rule)
class RuleAdmin(VerbAdmin):
    """Rules in the order in which they decide."""

    list_display = [
        "rule_id",
        "alias",
        "priority",
        "product",
        "channel",
        "version",
        "mapping",
        "background_rate",
        "fallback_mapping",
        "odd",
        "data_version",
    ]
    list_filter = ["product", "channel", "update_type"]
    search_fields = ["=rule_id", "alias", "product", "channel", "mapping__name", "comment"]
    autocomplete_fields = ["mapping", "fallback_mapping", "whitelist"]
    readonly_fields = ["odd"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "alias",
                    "priority",
                    "mapping",
                    "background_rate",
                    "fallback_mapping",
                    "update_type",
                    "odd",
                    "comment",
                ]
            },
        ),
        (
            "Who is offered it",
            {
                "fields": [
                    "product",
                    "channel",
                    "version",
                    "build_id",
                    "build_target",
                    "header_architecture",
                    "locale",
                    "distribution",
                    "dist_version",
                    "os_version",
                    "instruction_set",
                    "memory",
                    "jaws",
                    "mig64",
                    "whitelist",
                ]
            },
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> Any:
        rules: Any = super().get_queryset(request)
        return rules.with_releases()

    @admin.display(description="Worth a look")
    def odd(self, rule: Rule) -> str:
        """What is legal, but worth a second look."""
        return " ".join(rule.warnings()) or "-"

    def create(self, obj: Any, values: Values) -> VersionedModel:
        return actions.create_rule(_edited(values))

    def update(self, obj: Any, values: Values) -> VersionedModel:
        return actions.update_rule(obj.pk, _edited(values), based_on=values["based_on"])

    def remove(self, obj: Any) -> None:
        actions.delete_rule(obj.pk, based_on=obj.data_version)


def _edited(values: Values) -> dict[str, Any]:
    return {name: values[name] for name in actions.EDITABLE_FIELDS if name in values}


@admin.register(EmergencyShutoff)
class EmergencyShutoffAdmin(VerbAdmin):
    """Shutoffs are made and lifted, never changed."""

    list_display = ["product", "channel", "build_target", "locale", "comment", "data_version"]
    list_filter = ["product"]
    search_fields = ["product", "channel", "build_target", "locale", "comment"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def create(self, obj: Any, values: Values) -> VersionedModel:
        return actions.shut_off(**{name: values[name] for name in (*EmergencyShutoff.unique_by, "comment")})

    def remove(self, obj: Any) -> None:
        place = {name: getattr(obj, name) for name in EmergencyShutoff.unique_by}
        actions.lift_shutoff(**place, based_on=obj.data_version)


@admin.register(PinnableRelease)
class PinnableReleaseAdmin(VerbAdmin):
    """Pins point to ever newer releases."""

    list_display = ["product", "channel", "version", "mapping", "data_version"]
    list_select_related = ["mapping"]
    list_filter = ["product", "channel"]
    search_fields = ["product", "channel", "version", "mapping__name"]
    autocomplete_fields = ["mapping"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("mapping").defer("mapping__document")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else ["product", "channel", "version"]

    def create(self, obj: Any, values: Values) -> VersionedModel:
        return self._set(obj, values)

    def update(self, obj: Any, values: Values) -> VersionedModel:
        return self._set(obj, values)

    def _set(self, obj: Any, values: Values) -> PinnableRelease:
        return actions.set_pin(values["mapping"].name, obj.product, obj.channel, obj.version)

    def remove(self, obj: Any) -> None:
        actions.delete_pin(obj.product, obj.channel, obj.version, based_on=obj.data_version)
