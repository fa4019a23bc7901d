"""Who is offered what: rules, emergency shutoffs and pins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from history.models import VersionedModel
from releases.blobs import Whitelist
from releases.blobs.errors import BadPin
from releases.blobs.expressions import (
    check_channel,
    check_list,
    check_number,
    check_os_version,
    check_version,
)
from releases.blobs.versions import is_loose, parse_pin
from releases.models import Release
from releases.validation import PRODUCT_LENGTH, check_ascii

CHANNEL_LENGTH = 75


def _text(length: int, **kwargs: Any) -> Any:
    return models.CharField(max_length=length, null=True, blank=True, validators=[check_ascii], **kwargs)


def _release(related_name: str, **kwargs: Any) -> Any:
    return models.ForeignKey(
        Release,
        to_field="name",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name=related_name,
        **kwargs,
    )


class Rule(VersionedModel):
    """Offers a release to the clients that match; an empty field accepts everything (protocol.md section 4)."""

    history_facets: ClassVar[dict[str, str]] = {"product": "product", "channel": "channel"}

    class UpdateType(models.TextChoices):
        MINOR = "minor"
        MAJOR = "major"

    rule_id = models.BigAutoField(primary_key=True)
    alias = models.CharField(
        max_length=50,
        null=True,
        blank=True,
        unique=True,
        validators=[
            RegexValidator(
                r"\A[A-Za-z][A-Za-z0-9-]*\Z", "An alias is a letter, then letters, digits or hyphens."
            )
        ],
    )
    priority = models.PositiveIntegerField(
        default=0, help_text="The matching rule with the highest priority decides."
    )
    mapping = _release("mapped_by", db_column="mapping", help_text="Empty: matched, but nothing is offered.")
    fallback_mapping = _release(
        "fallback_of", db_column="fallback_mapping", help_text="What those get who lose the throttle."
    )
    background_rate = models.PositiveSmallIntegerField(
        default=100,
        validators=[MaxValueValidator(100)],
        help_text="How many of 100 requests get the mapping.",
    )
    update_type = models.CharField(max_length=10, choices=UpdateType.choices, default=UpdateType.MINOR)
    product = _text(PRODUCT_LENGTH, db_index=True)
    channel = _text(CHANNEL_LENGTH, help_text="A star at the end accepts whatever follows.")
    version = _text(75, help_text="Versions, or >, >=, <, <= and a version; separated by commas.")
    build_target = _text(75)
    build_id = _text(20, help_text="A build id, or >, >=, <, <= and one.")
    locale = _text(200, help_text="Locales, separated by commas.")
    os_version = _text(1000, help_text="Parts of the client's value; commas mean or, && means and.")
    memory = _text(100, help_text="MiB: a number, or >, >=, <, <= and one.")
    instruction_set = _text(1000, help_text="Values, separated by commas.")
    jaws = models.BooleanField(null=True, blank=True, help_text="Whether the JAWS screen reader runs.")
    mig64 = models.BooleanField(
        null=True, blank=True, help_text="Whether a 32-bit client may move to 64 bits."
    )
    distribution = _text(2000, help_text="Values, separated by commas.")
    dist_version = _text(100)
    header_architecture = _text(10)
    whitelist = _release(
        "whitelist_of",
        db_column="whitelist",
        help_text="Only devices that this list names (query version 5).",
    )
    comment = _text(500)

    class Meta:
        ordering = ["-priority", "rule_id"]
        constraints = [
            models.CheckConstraint(condition=Q(background_rate__lte=100), name="rule_background_rate_0_100"),
            models.CheckConstraint(
                condition=Q(update_type__in=["minor", "major"]), name="rule_update_type_known"
            ),
            models.CheckConstraint(
                condition=Q(alias__isnull=True) | Q(alias__regex=r"^[A-Za-z][A-Za-z0-9-]*$"),
                name="rule_alias_form",
            ),
            models.CheckConstraint(condition=Q(data_version__gte=1), name="rule_data_version_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.alias}" if self.alias else f"{self.rule_id}"

    def normalise(self) -> None:
        """Trim texts, turn blank ones into none, and drop white space from lists (protocol.md section 12.4)."""
        for field in self._meta.concrete_fields:
            value = getattr(self, field.attname)
            if isinstance(value, str) and field.null:
                setattr(self, field.attname, value.strip() or None)
        for name in ("locale", "distribution"):
            value = getattr(self, name)
            if value is not None:
                setattr(self, name, "".join(value.split()) or None)

    def clean_fields(self, exclude: Any = None) -> None:
        self.normalise()
        super().clean_fields(exclude=exclude)

    def clean(self) -> None:
        loose = is_loose(self.product) if self.product is not None else None
        checks: dict[str, Callable[[str], str | None]] = {
            "channel": check_channel,
            "version": lambda text: check_version(text, loose=loose),
            "build_id": check_number,
            "memory": check_number,
            "locale": check_list,
            "distribution": check_list,
            "instruction_set": check_list,
            "os_version": check_os_version,
        }
        errors = {}
        for name, check in checks.items():
            value = getattr(self, name)
            message = check(value) if value is not None else None
            if message:
                errors[name] = ValidationError(f"{name} {value!r}: {message}", code="bad_expression")
        if self.whitelist_id is not None and self.whitelist.schema_version != Whitelist.schema_version:
            errors["whitelist"] = ValidationError(
                f"whitelist {self.whitelist_id!r} is no whitelist: its schema_version is "
                f"{self.whitelist.schema_version}, not {Whitelist.schema_version}.",
                code="no_whitelist",
            )
        if errors:
            raise ValidationError(errors)

    def warnings(self) -> list[str]:
        """Return what is legal, but worth a second look."""
        found = []
        for name in ("mapping", "fallback_mapping"):
            release = getattr(self, name)
            if release is not None and self.product is not None and release.product != self.product:
                found.append(
                    f"{name} {release.name} is a release of {release.product}, but the rule is for {self.product}."
                )
        if self.mapping_id is not None and self.background_rate < 100 and self.fallback_mapping_id is None:
            found.append(
                f"background_rate is {self.background_rate} and there is no fallback_mapping: "
                "who loses the throttle is offered nothing."
            )
        return found


class EmergencyShutoff(VersionedModel):
    """Stops all updates of a product and channel at once (protocol.md section 3)."""

    history_facets: ClassVar[dict[str, str]] = {"product": "product", "channel": "channel"}

    product = models.CharField(max_length=PRODUCT_LENGTH, validators=[check_ascii])
    channel = models.CharField(max_length=CHANNEL_LENGTH, validators=[check_ascii])
    comment = models.CharField(max_length=500, null=True, blank=True)

    class Meta:
        ordering = ["product", "channel"]
        constraints = [
            models.UniqueConstraint(fields=["product", "channel"], name="shutoff_product_channel_once")
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.channel}"


def check_pin(text: str) -> None:
    """Raise ValidationError unless `text` is a pin as clients normalise it: `N.` or `N.N.`."""
    try:
        normal = parse_pin(text).text
    except BadPin:
        normal = ""
    if normal != text:
        raise ValidationError(
            f"{text!r} is not a pin; write 128. or 128.5. with the dot at the end.", code="bad_pin"
        )


class PinnableRelease(VersionedModel):
    """The release that clients get who have pinned themselves to a version (features group K)."""

    history_facets: ClassVar[dict[str, str]] = {"product": "product", "channel": "channel"}

    product = models.CharField(max_length=PRODUCT_LENGTH, validators=[check_ascii])
    channel = models.CharField(max_length=CHANNEL_LENGTH, validators=[check_ascii])
    version = models.CharField(max_length=75, validators=[check_pin])
    mapping = models.ForeignKey(
        Release, to_field="name", on_delete=models.PROTECT, related_name="pinned_by", db_column="mapping"
    )

    class Meta:
        ordering = ["product", "channel", "version"]
        constraints = [
            models.UniqueConstraint(
                fields=["product", "channel", "version"], name="pin_product_channel_version_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.channel} {self.version}"
