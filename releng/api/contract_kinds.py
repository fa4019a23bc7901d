"""The kinds of scheduled changes of the contract, and how the rows behind them look on its wire (protocol.md 12.9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from rest_framework import serializers

from history.context import Change
from history.values import Json
from releases.numbering import version_at, version_of
from releng.api.parsing import json_text, number, text
from releng.api.rules import KEYS as RULE_KEYS
from releng.api.rules import RuleShape, found_rule
from releng.api.users import Options, account_named, options_from_wire
from releng.changes.kinds import TARGETS
from releng.changes.targets import Target
from releng.permissions.models import Permission
from rules.models import EmergencyShutoff
from rules.wire import WIRE_NAME_OF, WIRE_NAMES, values_from_wire

Values = dict[str, Json]
EVERY: frozenset[Change] = frozenset({"insert", "update", "delete"})


class Kind:
    """One kind. `columns` are the base columns of its rows; `asked` the arguments of its list and their columns."""

    address: ClassVar[str]
    target_name: ClassVar[str]
    columns: ClassVar[dict[str, Any]]
    asked: ClassVar[tuple[str, ...]] = ()
    proposes: ClassVar[frozenset[Change]] = EVERY

    @property
    def target(self) -> Target:
        """How rows of this kind are read and written."""
        return TARGETS[self.target_name]

    def to_wire(self, values: Mapping[str, Json], object_id: int | None) -> dict[str, Any]:
        """Return the base columns of a row with these values; null where there is none."""
        return {name: values.get(name) for name in self.columns}

    def from_wire(self, body: Mapping[str, Any], *, new: bool) -> Values:
        """Return the values that were sent by field name; those that name a row only for a `new` one.

        Raises ValidationError and BadArgument.
        """
        names = {*self.target.fields, *(self.target.key_fields if new else ())}
        return {name: body[name] for name in self.columns if name in body and name in names}

    def find(self, body: Mapping[str, Any]) -> Any:
        """Return the row that the body names; raise what says that there is none."""
        key = {name: text(body.get(name), name) for name in self.target.key_fields}
        return self.target.model.objects.get(**key)

    def narrowed(self, writes: Any, name: str, told: str) -> Any:
        """Return those of the proposed writes that an argument of `asked` asks for; raise BadArgument."""
        return writes.filter(**{name: told})

    def version_of(self, row: Any) -> int:
        """Return the version of a row as the contract counts it."""
        version: int = row.data_version
        return version

    def version_in(self, write: Any, sequence: int | None = None) -> int | None:
        """Return the same of the row that a write is based on, perhaps as of a change set."""
        return None if write.base is None else int(write.base["data_version"])


class Rules(Kind):
    """Changes of rules."""

    address = "rules"
    target_name = "rule"
    columns = {name: field for name, field in RuleShape._declared_fields.items() if name != "data_version"}  # noqa: SLF001
    asked = ("rule_id",)

    def to_wire(self, values: Mapping[str, Json], object_id: int | None) -> dict[str, Any]:
        said = {WIRE_NAME_OF[name]: value for name, value in values.items()}
        return {name: object_id if name == "rule_id" else said.get(name) for name in self.columns}

    def from_wire(self, body: Mapping[str, Any], *, new: bool) -> Values:
        sent = {name: body[name] for name in WIRE_NAMES if name in body and name not in RULE_KEYS}
        blank = {name for name, value in sent.items() if isinstance(value, str) and not value.strip()}
        return values_from_wire({name: None if name in blank else value for name, value in sent.items()})

    def narrowed(self, writes: Any, name: str, told: str) -> Any:
        return writes.filter(object_id=number(told, name))

    def find(self, body: Mapping[str, Any]) -> Any:
        told = body.get("rule_id")
        return found_rule(told if isinstance(told, str) else str(number(told, "rule_id")))


class Permissions(Kind):
    """Changes of what somebody may do."""

    address = "permissions"
    target_name = "permission"
    columns = {
        "username": serializers.CharField(),
        "permission": serializers.CharField(),
        "options": Options(allow_null=True),
    }

    def to_wire(self, values: Mapping[str, Json], object_id: int | None) -> dict[str, Any]:
        user = get_user_model().objects.filter(pk=values.get("user") or 0).first()
        options = {name: values[name] for name in ("products", "actions") if values.get(name)}
        return {
            "username": user.get_username() if user is not None else None,
            "permission": values.get("permission"),
            "options": options or None,
        }

    def from_wire(self, body: Mapping[str, Any], *, new: bool) -> Values:
        values: Values = options_from_wire(body.get("options")) if "options" in body or new else {}
        if new:
            user = account_named(text(body.get("username"), "username"))
            values |= {"user": user.pk, "permission": text(body.get("permission"), "permission")}
        return values

    def find(self, body: Mapping[str, Any]) -> Any:
        key = {name: text(body.get(name), name) for name in ("username", "permission")}
        return Permission.objects.get(user__username=key["username"], permission=key["permission"])


class Requirements(Kind):
    """Base of changes of how many must agree."""

    def from_wire(self, body: Mapping[str, Any], *, new: bool) -> Values:
        values = super().from_wire(body, new=new)
        if "signoffs_required" in values:
            values["signoffs_required"] = number(values["signoffs_required"], "signoffs_required")
        return values


class ProductRequirements(Requirements):
    """Changes of how many must agree to changes of a product's channel."""

    address = "required_signoffs/product"
    target_name = "product_signoff"
    columns = {
        "product": serializers.CharField(),
        "channel": serializers.CharField(),
        "role": serializers.CharField(),
        "signoffs_required": serializers.IntegerField(allow_null=True),
    }
    asked = ("product", "channel")


class PermissionRequirements(Requirements):
    """Changes of how many must agree to changes of permissions."""

    address = "required_signoffs/permissions"
    target_name = "permission_signoff"
    columns = {
        "product": serializers.CharField(),
        "role": serializers.CharField(),
        "signoffs_required": serializers.IntegerField(allow_null=True),
    }
    asked = ("product",)


class Shutoffs(Kind):
    """Letting updates go on again."""

    address = "emergency_shutoff"
    target_name = "emergency_shutoff"
    columns = {
        "product": serializers.CharField(),
        "channel": serializers.CharField(),
        "comment": serializers.CharField(allow_null=True),
        "build_target": serializers.CharField(allow_null=True),
        "locale": serializers.CharField(allow_null=True),
    }
    asked = ("product", "channel")
    proposes = frozenset({"delete"})

    def find(self, body: Mapping[str, Any]) -> Any:
        key: dict[str, Any] = {name: text(body.get(name), name) for name in ("product", "channel")}
        key |= {name: body.get(name) or None for name in ("build_target", "locale")}
        return EmergencyShutoff.objects.get(**key)


class Pins(Kind):
    """Changes of pins; `PUT /api/v2/releases/{name}/pinnable` proposes them."""

    address = "pinnable_releases"
    target_name = "pinnable_release"
    columns = {name: serializers.CharField() for name in ("product", "channel", "version", "mapping")}
    asked = ("product", "channel")
    proposes = frozenset()


class Releases(Kind):
    """Changes of whole releases."""

    address = "releases"
    target_name = "release"
    columns = {
        "name": serializers.CharField(),
        "product": serializers.CharField(),
        "read_only": serializers.BooleanField(),
        "data": serializers.DictField(allow_null=True),
    }
    asked = ("name",)

    def narrowed(self, writes: Any, name: str, told: str) -> Any:
        return writes.filter(object_name=told)

    def to_wire(self, values: Mapping[str, Json], object_id: int | None) -> dict[str, Any]:
        return {name: values.get(_RELEASE_FIELD.get(name, name)) for name in self.columns}

    def version_of(self, row: Any) -> int:
        return version_of(row)

    def version_in(self, write: Any, sequence: int | None = None) -> int | None:
        release = self.target.find(write.object_id) if write.base is not None else None
        if release is None:
            return None
        # What is written to a release is merged into what is scheduled for it at once: the base is the release itself.
        return version_of(release) if sequence is None else version_at(release.pk, sequence)

    def from_wire(self, body: Mapping[str, Any], *, new: bool) -> Values:
        names = ("name", "product") if new else ("product",)
        values: Values = {name: text(body[name], name) for name in names if name in body}
        if "read_only" in body:
            values["read_only"] = body["read_only"]
        if body.get("data") not in (None, ""):
            values["document"] = json_text(body["data"], "data")
        return values


_RELEASE_FIELD = {"data": "document"}
KINDS: tuple[Kind, ...] = (
    Rules(),
    Releases(),
    Permissions(),
    Shutoffs(),
    ProductRequirements(),
    PermissionRequirements(),
    Pins(),
)
KIND_OF: dict[str, Kind] = {kind.target_name: kind for kind in KINDS}
