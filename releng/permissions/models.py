"""Who may do what, who signs in which role, and how many must agree to what."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from history.fields import CanonicalJSONField
from history.models import VersionedModel

PRODUCT_LENGTH = 15
CHANNEL_LENGTH = 75
ROLE_LENGTH = 50
MOST_SIGNOFFS = 100
BROWSER_LENGTH = 300
ROLE_FORM = r"\A[A-Za-z0-9][A-Za-z0-9_.-]*\Z"

AUDITOR = "auditor"
"""The role that sees everything and changes nothing."""

# Which options each permission takes (features Q01, Q02): whether products, and which actions.
OPTIONS: dict[str, tuple[bool, frozenset[str]]] = {
    "admin": (True, frozenset()),
    "emergency_shutoff": (True, frozenset({"create", "modify", "delete"})),
    "release": (True, frozenset({"create", "modify", "delete"})),
    "release_locale": (True, frozenset({"modify"})),
    "release_read_only": (True, frozenset({"set", "unset"})),
    "rule": (True, frozenset({"create", "modify", "delete"})),
    "pinnable_release": (True, frozenset()),
    "permission": (False, frozenset({"create", "modify", "delete", "view"})),
    "required_signoff": (True, frozenset()),
    "scheduled_change": (False, frozenset({"enact"})),
}

_EVERY_VERB = {"create": "create", "modify": "modify", "delete": "delete"}
# How people say each permission, and each of its actions.
IN_WORDS: dict[str, tuple[str, dict[str, str]]] = {
    "admin": ("may do everything with {products}", {}),
    "emergency_shutoff": (
        "may {verbs} updates of {products}",
        {"create": "stop", "modify": "edit stops of", "delete": "resume"},
    ),
    "release": ("may {verbs} releases of {products}", _EVERY_VERB),
    "release_locale": ("may submit locales of {products}", {"modify": "submit"}),
    "release_read_only": ("may {verbs} releases of {products}", {"set": "lock", "unset": "unlock"}),
    "rule": ("may {verbs} rules of {products}", _EVERY_VERB),
    "pinnable_release": ("may manage pins of {products}", {}),
    "permission": ("may {verbs} permissions and roles of others", {"view": "view", **_EVERY_VERB}),
    "required_signoff": ("may manage signoff requirements of {products}", {}),
    "scheduled_change": ("may enact scheduled changes", {"enact": "enact"}),
}


def _ascii_texts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(isinstance(item, str) and item.strip() and item.isascii() for item in value)
        and len(set(value)) == len(value)
    )


class Permission(VersionedModel):
    """One thing that a user may do; null options mean every product, and every action."""

    history_facets: ClassVar[dict[str, str]] = {"name": "user__username"}

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="permissions")
    permission = models.CharField(max_length=30, choices=[(name, name) for name in OPTIONS])
    products = CanonicalJSONField(null=True, blank=True, help_text="A list of products; empty: all of them.")
    actions = CanonicalJSONField(null=True, blank=True, help_text="A list of actions; empty: all of them.")

    class Meta:
        ordering = ["user__username", "permission"]
        constraints = [
            models.UniqueConstraint(fields=["user", "permission"], name="permission_once_for_each_user"),
            models.CheckConstraint(condition=Q(permission__in=sorted(OPTIONS)), name="permission_name_known"),
            models.CheckConstraint(condition=Q(data_version__gte=1), name="permission_data_version_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.user} {self.permission}"

    def clean_fields(self, exclude: Any = None) -> None:
        # An empty list of options is no limit (Q03); one form of saying so.
        self.products = sorted(self.products) if _ascii_texts(self.products) else self.products or None
        self.actions = sorted(self.actions) if _ascii_texts(self.actions) else self.actions or None
        self.products, self.actions = self.products or None, self.actions or None
        super().clean_fields(exclude=exclude)

    def clean(self) -> None:
        takes_products, actions = OPTIONS.get(self.permission, (False, frozenset()))
        errors = {}
        if self.products is not None:
            if not takes_products:
                errors["products"] = f"The permission {self.permission} cannot be limited to products."
            elif not _ascii_texts(self.products):
                errors["products"] = f"{self.products!r}: must be a list of product names, each once."
        if self.actions is not None:
            if not actions:
                errors["actions"] = f"The permission {self.permission} cannot be limited to actions."
            elif not _ascii_texts(self.actions) or not set(self.actions) <= actions:
                errors["actions"] = f"{self.actions!r}: must be a list out of {', '.join(sorted(actions))}."
        if errors:
            raise ValidationError(errors)

    def in_words(self) -> str:
        """Return the permission as people say it: `may create and modify rules of Firefox`."""
        products = ", ".join(self.products) if self.products else "every product"
        phrase, words = IN_WORDS[self.permission]
        named = [word for action, word in words.items() if not self.actions or action in self.actions]
        verbs = " and ".join(filter(None, (", ".join(named[:-1]), *named[-1:])))
        return phrase.format(verbs=verbs, products=products)


class Role(VersionedModel):
    """A user signs off in a role. The role `auditor` sees everything instead."""

    history_facets: ClassVar[dict[str, str]] = {"name": "user__username"}

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="roles")
    role = models.CharField(
        max_length=ROLE_LENGTH,
        db_index=True,
        validators=[RegexValidator(ROLE_FORM, "A role is letters, digits, dots, hyphens and underscores.")],
    )

    class Meta:
        ordering = ["role", "user__username"]
        constraints = [
            models.UniqueConstraint(fields=["user", "role"], name="role_once_for_each_user"),
            models.CheckConstraint(condition=Q(data_version__gte=1), name="role_data_version_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.user} {self.role}"


class RequiredSignoff(VersionedModel):
    """Base of the requirements: so many of a role must agree."""

    product = models.CharField(max_length=PRODUCT_LENGTH)
    role = models.CharField(
        max_length=ROLE_LENGTH,
        validators=[RegexValidator(ROLE_FORM, "A role is letters, digits, dots, hyphens and underscores.")],
    )
    signoffs_required = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(MOST_SIGNOFFS)]
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        if self.role == AUDITOR:
            raise ValidationError({"role": "auditor: auditors look on; choose another role."})


class ProductRequiredSignoff(RequiredSignoff):
    """Changes that touch a product's channel need so many signoffs of a role."""

    history_facets: ClassVar[dict[str, str]] = {"product": "product", "channel": "channel"}

    channel = models.CharField(max_length=CHANNEL_LENGTH)

    class Meta:
        ordering = ["product", "channel", "role"]
        constraints = [
            models.UniqueConstraint(
                fields=["product", "channel", "role"], name="product_signoff_once_for_each_role"
            ),
            models.CheckConstraint(
                condition=Q(signoffs_required__gte=1, signoffs_required__lte=MOST_SIGNOFFS),
                name="product_signoff_count_range",
            ),
            models.CheckConstraint(
                condition=Q(data_version__gte=1), name="product_signoff_data_version_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.channel} {self.role}"


class PermissionRequiredSignoff(RequiredSignoff):
    """Changes of permissions that reach a product need so many signoffs of a role."""

    history_facets: ClassVar[dict[str, str]] = {"product": "product"}

    class Meta:
        ordering = ["product", "role"]
        constraints = [
            models.UniqueConstraint(fields=["product", "role"], name="permission_signoff_once_for_each_role"),
            models.CheckConstraint(
                condition=Q(signoffs_required__gte=1, signoffs_required__lte=MOST_SIGNOFFS),
                name="permission_signoff_count_range",
            ),
            models.CheckConstraint(
                condition=Q(data_version__gte=1), name="permission_signoff_data_version_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.role}"


class Account(VersionedModel):
    """What is said of a user beyond the password: a person or a machine, and whether still here.

    A user without this row is a person. `is_active` goes along with the user's own, so that it has a history.
    """

    history_facets: ClassVar[dict[str, str]] = {"name": "user__username"}

    class Kind(models.TextChoices):
        PERSON = "person"
        SYSTEM = "system"

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="account")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.PERSON)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["user__username"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["person", "system"]), name="account_kind_known"),
            models.CheckConstraint(condition=Q(data_version__gte=1), name="account_data_version_positive"),
        ]

    def __str__(self) -> str:
        return str(self.user)


class SignIn(models.Model):
    """One sign-in, for as long as its session lives: when, from where, with what. No history: it decides nothing."""

    class How(models.TextChoices):
        PASSWORD = "password", "password"
        SINGLE_SIGN_ON = "oidc", "single sign-on"

    session = models.OneToOneField(Session, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_ins")
    time = models.DateTimeField()
    how = models.CharField(max_length=10, choices=How.choices, default=How.PASSWORD)
    address = models.GenericIPAddressField(null=True)
    browser = models.CharField(max_length=BROWSER_LENGTH, blank=True)

    class Meta:
        ordering = ["-time"]

    def __str__(self) -> str:
        return f"{self.user} since {self.time:%Y-%m-%d %H:%M} UTC"
