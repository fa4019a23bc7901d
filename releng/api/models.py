"""What the API itself remembers: answers to requests that may be sent again."""

from __future__ import annotations

from django.conf import settings
from django.db import models

KEY_LENGTH = 255


class IdempotencyKey(models.Model):
    """A request that made something, by the key that its sender gave it, and what was answered."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=KEY_LENGTH)
    request_digest = models.CharField(max_length=64, help_text="SHA-256 of method, address and body.")
    time = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField(default=0)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=bytes)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.key}"
