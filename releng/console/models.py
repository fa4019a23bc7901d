"""What the pages remember: which states were called good, and how far somebody has read."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from history.models import VersionedModel
from releases.validation import PRODUCT_LENGTH
from rules.models import CHANNEL_LENGTH

REASON_LENGTH = 500


class GoodState(VersionedModel):
    """Somebody said: what was decided for a product and channel after change set `sequence` was good.

    One for each product and channel, moved on with every new mark; its history has the earlier ones.
    """

    history_facets: ClassVar[dict[str, str]] = {"product": "product", "channel": "channel"}

    product = models.CharField(max_length=PRODUCT_LENGTH)
    channel = models.CharField(max_length=CHANNEL_LENGTH)
    sequence = models.PositiveBigIntegerField(help_text="The number of the change set that made the state.")
    reason = models.CharField("why", max_length=REASON_LENGTH, help_text="How you know that it is good.")

    class Meta:
        ordering = ["product", "channel"]
        constraints = [
            models.UniqueConstraint(fields=["product", "channel"], name="goodstate_once"),
            models.CheckConstraint(condition=Q(data_version__gte=1), name="goodstate_data_version_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.channel} after change set #{self.sequence}"

    def clean_fields(self, exclude: object = None) -> None:
        self.product, self.channel = self.product.strip(), self.channel.strip()
        self.reason = self.reason.strip()
        if not self.reason:
            raise ValidationError(
                {"reason": "Say how you know that it is good; whoever goes back to it will ask."}
            )
        super().clean_fields(exclude=exclude)  # type: ignore[arg-type]


class LastLook(models.Model):
    """How far a person has read what changed: up to change set `sequence`. No history: it says nothing of updates."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    sequence = models.PositiveBigIntegerField()
    time = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.user} up to #{self.sequence}"
