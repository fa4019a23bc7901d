"""Who is offered what: rules, emergency shutoffs and pins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

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
from releases.validation import (
    PRODUCT_LENGTH,
    CheckedModel,
    check_comment,
    check_matchable,
    shown,
    text_lengths,
)
from rules.querysets import RuleQuerySet

RuleManager = models.Manager.from_queryset(RuleQuerySet)

CHANNEL_LENGTH = 75
PIN_LENGTH = 75
SHUTOFF_LOCALE_LENGTH = 50
COMMENT_LENGTH = 500
LARGEST_PRIORITY = 2**31 - 1  # what a database keeps
ALIAS_FORM = r"\A[A-Za-z][A-Za-z0-9-]*\Z"
PIN_FORM = r"\A[0-9]+\.([0-9]+\.)?\Z"

# The longest text of each field (protocol.md section 12.4).
RULE_LENGTHS: dict[str, int] = {
    "alias": 50,
    "product": PRODUCT_LENGTH,
    "channel": CHANNEL_LENGTH,
    "version": 75,
    "build_target": 75,
    "build_id": 20,
    "locale": 200,
    "os_version": 1000,
    "memory": 100,
    "instruction_set": 1000,
    "distribution": 2000,
    "dist_version": 100,
    "header_architecture": 10,
    "comment": COMMENT_LENGTH,
}


def _text(name: str, **kwargs: Any) -> Any:
    kwargs.setdefault("validators", [check_matchable])
    return models.CharField(max_length=RULE_LENGTHS[name], null=True, blank=True, **kwargs)


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


def trim(row: models.Model) -> None:
    """Trim a row's texts, and turn blank ones into none where that is possible."""
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        if isinstance(value, str):
            setattr(row, field.attname, value.strip() or (None if field.null else ""))


class Rule(CheckedModel, VersionedModel):
    """Offers a release to the clients that match; an empty field accepts everything (protocol.md section 4)."""

    history_facets: ClassVar[dict[str, str]] = {"product": "product", "channel": "channel", "name": "alias"}
    # Lists written as text, each with its separator: differences show items added and removed.
    history_list_fields: ClassVar[dict[str, str]] = dict.fromkeys(
        ("version", "locale", "os_version", "instruction_set", "distribution"), ","
    )

    class UpdateType(models.TextChoices):
        MINOR = "minor"
        MAJOR = "major"

    rule_id = models.BigAutoField(primary_key=True)
    alias = _text(
        "alias",
        unique=True,
        validators=[RegexValidator(ALIAS_FORM, "An alias is a letter, then letters, digits or hyphens.")],
    )
    priority = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(LARGEST_PRIORITY)],
        help_text="The matching rule with the highest priority decides.",
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
    product = _text("product", db_index=True)
    channel = _text("channel", help_text="A star at the end accepts whatever follows.")
    version = _text("version", help_text="Versions, or >, >=, <, <= and a version; separated by commas.")
    build_target = _text("build_target")
    build_id = _text("build_id", help_text="A build id, or >, >=, <, <= and one.")
    locale = _text("locale", help_text="Locales, separated by commas.")
    os_version = _text("os_version", help_text="Parts of the client's value; commas mean or, && means and.")
    memory = _text("memory", help_text="MiB: a number, or >, >=, <, <= and one.")
    instruction_set = _text("instruction_set", help_text="Values, separated by commas.")
    jaws = models.BooleanField(null=True, blank=True, help_text="Whether the JAWS screen reader runs.")
    mig64 = models.BooleanField(
        null=True, blank=True, help_text="Whether a 32-bit client may move to 64 bits."
    )
    distribution = _text("distribution", help_text="Values, separated by commas.")
    dist_version = _text("dist_version")
    header_architecture = _text("header_architecture")
    whitelist = _release(
        "whitelist_of",
        db_column="whitelist",
        help_text="Only devices that this list names (query version 5).",
    )
    comment = _text("comment", validators=[check_comment])

    objects: ClassVar[Any] = RuleManager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-priority", "rule_id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(priority__gte=0, priority__lte=LARGEST_PRIORITY), name="rule_priority_range"
            ),
            models.CheckConstraint(
                condition=Q(background_rate__gte=0, background_rate__lte=100),
                name="rule_background_rate_0_100",
            ),
            models.CheckConstraint(
                condition=Q(update_type__in=["minor", "major"]), name="rule_update_type_known"
            ),
            models.CheckConstraint(
                condition=Q(alias__isnull=True) | Q(alias__regex=ALIAS_FORM), name="rule_alias_form"
            ),
            models.CheckConstraint(condition=text_lengths(RULE_LENGTHS), name="rule_text_lengths"),
            models.CheckConstraint(condition=Q(data_version__gte=1), name="rule_data_version_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.alias}" if self.alias else f"{self.rule_id}"

    def normalise(self) -> None:
        """Trim texts, turn blank ones into none, and drop white space from lists (protocol.md section 12.4)."""
        trim(self)
        for name in ("locale", "distribution"):
            value = getattr(self, name)
            if isinstance(value, str):
                setattr(self, name, "".join(value.split()))

    def clean_fields(self, exclude: Any = None) -> None:
        self.normalise()
        super().clean_fields(exclude=exclude)

    def validate_constraints(self, exclude: Any = None) -> None:
        """Leave constraints to the database: each would be a query, and fields and `clean` say the same."""

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
            message = check(value) if isinstance(value, str) else None
            if message:
                errors[name] = ValidationError(f"{shown(value)}: {message}", code="bad_expression")
        whitelist = self._release("whitelist")
        if whitelist is not None and whitelist.schema_version != Whitelist.schema_version:
            errors["whitelist"] = ValidationError(
                f"{shown(self.whitelist_id)}: is no whitelist; its schema_version is "
                f"{whitelist.schema_version}, not {Whitelist.schema_version}.",
                code="no_whitelist",
            )
        if errors:
            raise ValidationError(errors)

    def warnings(self) -> list[str]:
        """Return what is legal, but worth a second look."""
        return [text for texts in self.field_warnings().values() for text in texts]

    def field_warnings(self) -> dict[str, list[str]]:
        """Return the same by the name of the field that it is about."""
        found: dict[str, list[str]] = {}
        for name in ("mapping", "fallback_mapping"):
            release = self._release(name)
            if release is None:
                continue
            told = found.setdefault(name, [])
            if self.product is not None and release.product != self.product:
                told.append(
                    f"{name} {release.name} is a release of {release.product}, but the rule is for {self.product}."
                )
            if release.schema_version == Whitelist.schema_version:
                told.append(f"{name} {release.name} is a whitelist, which is never offered to anybody.")
        return found

    def _release(self, name: str) -> Release | None:
        """Return the release that a field names; None also for one that does not exist."""
        try:
            release: Release | None = getattr(self, name)
        except ObjectDoesNotExist:
            return None
        return release


class EmergencyShutoff(CheckedModel, VersionedModel):
    """Stops updates of a product and channel at once (protocol.md section 3), or of one platform or locale there."""

    history_facets: ClassVar[dict[str, str]] = {"product": "product", "channel": "channel"}
    history_later_fields: ClassVar[tuple[str, ...]] = ("build_target", "locale")
    unique_by: ClassVar[tuple[str, ...]] = ("product", "channel", "build_target", "locale")

    product = models.CharField(max_length=PRODUCT_LENGTH, validators=[check_matchable])
    channel = models.CharField(max_length=CHANNEL_LENGTH, validators=[check_matchable])
    build_target = models.CharField(
        max_length=RULE_LENGTHS["build_target"],
        null=True,
        blank=True,
        validators=[check_matchable],
        help_text="Only clients of this platform; empty: all.",
    )
    locale = models.CharField(
        max_length=SHUTOFF_LOCALE_LENGTH,
        null=True,
        blank=True,
        validators=[check_matchable],
        help_text="Only clients of this locale; empty: all.",
    )
    comment = models.CharField(
        "why", max_length=COMMENT_LENGTH, null=True, blank=True, validators=[check_comment]
    )

    class Meta:
        ordering = ["product", "channel", "build_target", "locale"]
        constraints = [
            models.UniqueConstraint(
                "product",
                "channel",
                Coalesce("build_target", models.Value("")),
                Coalesce("locale", models.Value("")),
                name="shutoff_once",
                violation_error_message="Updates are shut off there already.",
            ),
            models.CheckConstraint(
                condition=text_lengths(
                    {
                        "product": PRODUCT_LENGTH,
                        "channel": CHANNEL_LENGTH,
                        "build_target": RULE_LENGTHS["build_target"],
                        "locale": SHUTOFF_LOCALE_LENGTH,
                        "comment": COMMENT_LENGTH,
                    }
                ),
                name="shutoff_text_lengths",
            ),
            models.CheckConstraint(condition=Q(data_version__gte=1), name="shutoff_data_version_positive"),
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, (self.product, self.channel, self.build_target, self.locale)))

    def clean_fields(self, exclude: Any = None) -> None:
        trim(self)
        super().clean_fields(exclude=exclude)

    def warnings(self) -> list[str]:
        """Return what is legal, but worth a second look."""
        if "*" not in self.channel:
            return []
        return [
            f"channel {self.channel}: a shutoff names one channel exactly, so the star stops only clients "
            "whose channel has a star in its name."
        ]


def check_pin(text: str) -> None:
    """Raise ValidationError unless `text` is a pin as clients normalise it: `N.` or `N.N.`."""
    try:
        normal = parse_pin(text).text
    except BadPin:
        normal = ""
    if normal != text:
        raise ValidationError(
            f"{shown(text)}: is not a pin; write 128. or 128.5. with the dot at the end.", code="bad_pin"
        )


class PinnableRelease(CheckedModel, VersionedModel):
    """The release that clients get who have pinned themselves to a version (features group K)."""

    history_facets: ClassVar[dict[str, str]] = {"product": "product", "channel": "channel"}
    unique_by: ClassVar[tuple[str, ...]] = ("product", "channel", "version")

    product = models.CharField(max_length=PRODUCT_LENGTH, validators=[check_matchable])
    channel = models.CharField(max_length=CHANNEL_LENGTH, validators=[check_matchable])
    version = models.CharField(max_length=PIN_LENGTH, validators=[check_pin])
    mapping = models.ForeignKey(
        Release, to_field="name", on_delete=models.PROTECT, related_name="pinned_by", db_column="mapping"
    )

    class Meta:
        ordering = ["product", "channel", "version"]
        constraints = [
            models.UniqueConstraint(
                fields=["product", "channel", "version"], name="pin_product_channel_version_once"
            ),
            models.CheckConstraint(condition=Q(version__regex=PIN_FORM), name="pin_version_form"),
            models.CheckConstraint(
                condition=text_lengths(
                    {"product": PRODUCT_LENGTH, "channel": CHANNEL_LENGTH, "version": PIN_LENGTH}
                ),
                name="pin_text_lengths",
            ),
            models.CheckConstraint(condition=Q(data_version__gte=1), name="pin_data_version_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.channel} {self.version}"
