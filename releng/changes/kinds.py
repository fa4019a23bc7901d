"""Every kind of row that can be scheduled, by its name."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth import get_user_model

from history.context import Change
from history.models import VersionedModel
from releases.models import AllowedDomain, SpecialForceHost
from releng.changes.release_targets import PartTarget, ReleaseTarget
from releng.changes.targets import Target, Values
from releng.permissions import actions as permission_actions
from releng.permissions.models import Permission, PermissionRequiredSignoff, ProductRequiredSignoff, Role
from rules import actions
from rules.models import EmergencyShutoff, PinnableRelease, Rule


class RuleTarget(Target):
    """Rules, releases in them by name."""

    kind = "rule"
    model: ClassVar[type[VersionedModel]] = Rule
    fields = actions.EDITABLE_FIELDS
    release_fields = ("mapping", "fallback_mapping", "whitelist")

    def insert(self, values: Values) -> Any:
        return actions.create_rule(values)

    def update(self, row: Any, values: Values) -> Any:
        return actions.update_rule(row.pk, values, based_on=row.data_version)

    def delete(self, row: Any) -> None:
        actions.delete_rule(row.pk, based_on=row.data_version)


class ShutoffTarget(Target):
    """Emergency shutoffs: made and lifted, never changed."""

    kind = "emergency_shutoff"
    model: ClassVar[type[VersionedModel]] = EmergencyShutoff
    key_fields = (*EmergencyShutoff.unique_by, "comment")
    validate_constraints = True  # its uniqueness is an expression
    fields = ()
    changes: ClassVar[frozenset[Change]] = frozenset({"insert", "delete"})

    def insert(self, values: Values) -> Any:
        return actions.shut_off(**values)

    def delete(self, row: Any) -> None:
        place = {name: getattr(row, name) for name in EmergencyShutoff.unique_by}
        actions.lift_shutoff(**place, based_on=row.data_version)


class PinTarget(Target):
    """Pins: they point to ever newer releases."""

    kind = "pinnable_release"
    model: ClassVar[type[VersionedModel]] = PinnableRelease
    key_fields = ("product", "channel", "version")
    fields = ("mapping",)
    release_fields = ("mapping",)

    def insert(self, values: Values) -> Any:
        return actions.set_pin(values["mapping"], values["product"], values["channel"], values["version"])

    def update(self, row: Any, values: Values) -> Any:
        return actions.set_pin(values["mapping"], row.product, row.channel, row.version)

    def delete(self, row: Any) -> None:
        actions.delete_pin(row.product, row.channel, row.version, based_on=row.data_version)


class PermissionTarget(Target):
    """Who may do what."""

    kind = "permission"
    model: ClassVar[type[VersionedModel]] = Permission
    key_fields = ("user", "permission")
    fields = ("products", "actions")

    def insert(self, values: Values) -> Any:
        user = get_user_model().objects.get(pk=values["user"])
        options = {name: values.get(name) for name in self.fields}
        return permission_actions.grant(user, values["permission"], **options)

    def update(self, row: Any, values: Values) -> Any:
        options = {name: values.get(name, getattr(row, name)) for name in self.fields}
        return permission_actions.update_permission(row.pk, based_on=row.data_version, **options)

    def delete(self, row: Any) -> None:
        permission_actions.revoke(row.pk, based_on=row.data_version)


class RoleTarget(Target):
    """Who signs in which role."""

    kind = "role"
    model: ClassVar[type[VersionedModel]] = Role
    key_fields = ("user", "role")
    fields = ()
    changes: ClassVar[frozenset[Change]] = frozenset({"insert", "delete"})

    def insert(self, values: Values) -> Any:
        user = get_user_model().objects.get(pk=values["user"])
        return permission_actions.grant_role(user, values["role"])[0]

    def delete(self, row: Any) -> None:
        permission_actions.revoke_role(row.pk, based_on=row.data_version)


class RequirementTarget(Target):
    """Base of the requirements: no more may be asked for than there are people who hold the role."""

    fields = ("signoffs_required",)

    def update(self, row: Any, values: Values) -> Any:
        return permission_actions.update_requirement(
            row, values["signoffs_required"], based_on=row.data_version
        )

    def delete(self, row: Any) -> None:
        permission_actions.drop_requirement(row, based_on=row.data_version)


class ProductSignoffTarget(RequirementTarget):
    """How many must agree to changes of a product's channel."""

    kind = "product_signoff"
    model: ClassVar[type[VersionedModel]] = ProductRequiredSignoff
    key_fields = ("product", "channel", "role")

    def insert(self, values: Values) -> Any:
        return permission_actions.require_for_product(**values)


class PermissionSignoffTarget(RequirementTarget):
    """How many must agree to changes of a product's permissions."""

    kind = "permission_signoff"
    model: ClassVar[type[VersionedModel]] = PermissionRequiredSignoff
    key_fields = ("product", "role")

    def insert(self, values: Values) -> Any:
        return permission_actions.require_for_permissions(**values)


class AllowedDomainTarget(Target):
    """From where payloads may come."""

    kind = "allowed_domain"
    model: ClassVar[type[VersionedModel]] = AllowedDomain
    fields = ("host", "path_regex", "position", "products")


class ForceHostTarget(Target):
    """Which payload URLs carry `force` on."""

    kind = "special_force_host"
    model: ClassVar[type[VersionedModel]] = SpecialForceHost
    fields = ("prefix",)


TARGETS: dict[str, Target] = {
    target.kind: target
    for target in (
        RuleTarget(),
        ReleaseTarget(),
        PartTarget(),
        PermissionTarget(),
        RoleTarget(),
        ProductSignoffTarget(),
        PermissionSignoffTarget(),
        ShutoffTarget(),
        PinTarget(),
        AllowedDomainTarget(),
        ForceHostTarget(),
    )
}
KIND_OF: dict[type[VersionedModel], str] = {target.model: kind for kind, target in TARGETS.items()}
