"""Rows that count the versions of whole releases (releases.numbering writes and reads them)."""

from __future__ import annotations

from django.db import models


class WholeRelease(models.Model):
    """The version that a whole release has now; locked by whoever makes the next one."""

    release_id = models.BigIntegerField(primary_key=True)
    version = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return f"release {self.release_id} at version {self.version}"


class WholeVersion(models.Model):
    """Which change set made a version of a whole release: history tells the rest."""

    release_id = models.BigIntegerField()
    version = models.PositiveBigIntegerField()
    change_set_id = models.UUIDField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["release_id", "version"], name="whole_version_once")]
        indexes = [models.Index(fields=["change_set_id", "release_id"], name="whole_version_change_set")]

    def __str__(self) -> str:
        return f"version {self.version} of release {self.release_id}"
