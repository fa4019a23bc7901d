"""How many requests were counted, and the last good value of each number read elsewhere."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class UptakeCount(models.Model):
    """So many update requests of one kind of client within a minute, an hour or a day from `start` on.

    No row is changed by hand and none needs history: rows are added to by the workers, and folded by age.
    """

    class Level(models.TextChoices):
        MINUTE = "minute"
        HOUR = "hour"
        DAY = "day"

    level = models.CharField(max_length=6, choices=Level.choices)
    start = models.DateTimeField()
    product = models.CharField(max_length=75)
    channel = models.CharField(max_length=75)
    version = models.CharField(max_length=75)
    build_target = models.CharField(max_length=75)
    requests = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["product", "channel", "start", "level", "version", "build_target"], name="uptake_once"
            ),
            models.CheckConstraint(condition=Q(requests__gt=0), name="uptake_requests_positive"),
        ]
        indexes = [models.Index(fields=["level", "start"], name="uptake_level_start")]

    def __str__(self) -> str:
        return f"{self.product} {self.channel} {self.version} {self.start:%Y-%m-%d %H:%M}: {self.requests}"


class MetricReading(models.Model):
    """The last good value of a number that another service tells, and how the last try went."""

    key = models.CharField(max_length=64, unique=True, help_text="Digest of the metric and what was asked.")
    name = models.CharField(max_length=100)
    value = models.FloatField(null=True)
    read_at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField()
    problem = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"
