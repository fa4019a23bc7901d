"""What is to happen later: scheduled changes, the rows that they write, and who agreed."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from history.fields import CanonicalJSONField
from history.models import VersionedModel, VersionedQuerySet
from releases.models import Release
from releases.validation import PRODUCT_LENGTH
from rules.models import CHANNEL_LENGTH

COMMENT_LENGTH = 2_000
VERSION_LENGTH = 75
METRIC_LENGTH = 100
ROLE_LENGTH = 50


class ScheduledChangeQuerySet(VersionedQuerySet):
    """Scheduled changes, named as people speak of them."""

    def pending(self) -> ScheduledChangeQuerySet:
        """Those that will be enacted when their conditions are met and the signoffs are there."""
        return self.filter(state=ScheduledChange.State.PENDING)

    def open(self) -> ScheduledChangeQuerySet:
        """Those whose end is not decided: pending and suspended."""
        return self.filter(state__in=ScheduledChange.OPEN)

    def writing(self, kind: str, object_id: int) -> ScheduledChangeQuerySet:
        """Those that would write this row."""
        writes = ScheduledWrite.objects.filter(target=kind, object_id=object_id)
        return self.filter(pk__in=writes.values("scheduled_change"))

    def about(self, product: str, channel: str | None = None) -> ScheduledChangeQuerySet:
        """Those that touch a product, and a channel of it when one is given."""
        writes = ScheduledWrite.objects.filter(product=product)
        if channel is not None:
            writes = writes.filter(channel=channel)
        return self.filter(pk__in=writes.values("scheduled_change"))


ScheduledChangeManager = models.Manager.from_queryset(ScheduledChangeQuerySet)


class ScheduledChange(VersionedModel):
    """One or more writes that happen as one, when all conditions are met and everybody needed has agreed.

    `content_digest` covers exactly what will be written, and when; each signoff is bound to it. All conditions that are
    given must hold; `at_latest` ends the waiting for numbers. `follows` names the change whose result this one
    is based on: it can be enacted only after that one. Written by `releng.changes.actions` alone.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        SUSPENDED = "suspended"
        ENACTED = "enacted"
        CANCELLED = "cancelled"
        REJECTED = "rejected"

    OPEN: ClassVar[tuple[str, ...]] = (State.PENDING, State.SUSPENDED)

    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING, db_index=True)
    state_reason = models.TextField(
        blank=True, max_length=COMMENT_LENGTH, help_text="Why it is in this state."
    )
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(blank=True, max_length=COMMENT_LENGTH)
    follows = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="followers"
    )
    content_digest = models.CharField(max_length=64, editable=False)

    when = models.DateTimeField(null=True, blank=True, help_text="Not before this moment.")
    at_latest = models.DateTimeField(
        null=True, blank=True, help_text="At this moment, whatever the numbers say."
    )
    uptake_product = models.CharField(max_length=PRODUCT_LENGTH, null=True, blank=True)
    uptake_channel = models.CharField(max_length=CHANNEL_LENGTH, null=True, blank=True)
    uptake_version = models.CharField(max_length=VERSION_LENGTH, null=True, blank=True)
    uptake_build_target = models.CharField(max_length=75, null=True, blank=True)
    uptake_percent = models.FloatField(
        null=True, blank=True, help_text="When so many of 100 run the version."
    )
    metric = models.CharField(
        max_length=METRIC_LENGTH, null=True, blank=True, help_text="Waits for this number."
    )
    metric_above = models.FloatField(null=True, blank=True, help_text="When the number goes above this.")
    guard_metric = models.CharField(
        max_length=METRIC_LENGTH, null=True, blank=True, help_text="Suspends the change."
    )
    guard_above = models.FloatField(
        null=True, blank=True, help_text="Suspended when the number goes above this."
    )

    enacted_at = models.DateTimeField(null=True, blank=True)
    enacted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    objects: ClassVar[Any] = ScheduledChangeManager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["pending", "suspended", "enacted", "cancelled", "rejected"]),
                name="scheduledchange_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state="enacted", enacted_at__isnull=False, enacted_by__isnull=False)
                | (~Q(state="enacted") & Q(enacted_at__isnull=True, enacted_by__isnull=True)),
                name="scheduledchange_enacted_has_time_and_actor",
            ),
            models.CheckConstraint(
                condition=Q(
                    uptake_percent__isnull=True,
                    uptake_product__isnull=True,
                    uptake_channel__isnull=True,
                    uptake_version__isnull=True,
                )
                | Q(
                    uptake_percent__gt=0,
                    uptake_percent__lte=100,
                    uptake_product__isnull=False,
                    uptake_channel__isnull=False,
                    uptake_version__isnull=False,
                ),
                name="scheduledchange_uptake_whole",
            ),
            models.CheckConstraint(
                condition=Q(metric__isnull=True, metric_above__isnull=True)
                | Q(metric__isnull=False, metric_above__isnull=False),
                name="scheduledchange_metric_whole",
            ),
            models.CheckConstraint(
                condition=Q(guard_metric__isnull=True, guard_above__isnull=True)
                | Q(guard_metric__isnull=False, guard_above__isnull=False),
                name="scheduledchange_guard_whole",
            ),
            models.CheckConstraint(
                condition=Q(at_latest__isnull=True)
                | Q(uptake_percent__isnull=False)
                | Q(metric__isnull=False),
                name="scheduledchange_at_latest_ends_a_wait",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}" if self.pk is not None else "new"

    @property
    def is_open(self) -> bool:
        """Whether its end is not decided yet."""
        return self.state in self.OPEN


class ScheduledWrite(VersionedModel):
    """One row that a scheduled change inserts, updates or deletes; `values` has the proposed fields only.

    `target` is the kind of row (releng.changes.targets). `base` says which version of the row the values were
    chosen for: `{"data_version": n}`, for releases the versions of all their parts; null for a new row, and while the
    row is still to be written by the change that this one follows.
    """

    class Change(models.TextChoices):
        INSERT = "insert"
        UPDATE = "update"
        DELETE = "delete"

    scheduled_change = models.ForeignKey(ScheduledChange, on_delete=models.PROTECT, related_name="writes")
    position = models.PositiveSmallIntegerField(default=0)
    target = models.CharField(max_length=20)
    change = models.CharField(max_length=6, choices=Change.choices)
    object_id = models.BigIntegerField(null=True, blank=True)
    object_name = models.CharField(max_length=300, blank=True)
    product = models.CharField(max_length=PRODUCT_LENGTH, null=True, blank=True, db_index=True)
    channel = models.CharField(max_length=CHANNEL_LENGTH, null=True, blank=True)
    values = CanonicalJSONField(blank=True, default=dict)
    base = CanonicalJSONField(null=True, blank=True)

    class Meta:
        ordering = ["scheduled_change", "position"]
        indexes = [models.Index(fields=["target", "object_id"], name="scheduledwrite_object")]
        constraints = [
            models.UniqueConstraint(
                fields=["scheduled_change", "position"], name="scheduledwrite_position_once"
            ),
            models.CheckConstraint(
                condition=Q(change__in=["insert", "update", "delete"]), name="scheduledwrite_change_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.change} {self.target} {self.object_name}".rstrip()


class Signoff(VersionedModel):
    """Somebody agreed, in a role, to exactly what `content_digest` stands for."""

    scheduled_change = models.ForeignKey(ScheduledChange, on_delete=models.PROTECT, related_name="signoffs")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=ROLE_LENGTH)
    comment = models.TextField(blank=True, max_length=COMMENT_LENGTH)
    time = models.DateTimeField()
    content_digest = models.CharField(max_length=64, editable=False)

    class Meta:
        ordering = ["time", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["scheduled_change", "user"], name="signoff_once_for_each_user")
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.role}"


class ScheduledReference(models.Model):
    """A release that an open scheduled change would point a row to: it must not disappear meanwhile.

    The rows of a change are deleted when its end is decided.
    """

    scheduled_change = models.ForeignKey(ScheduledChange, on_delete=models.PROTECT, related_name="references")
    release = models.ForeignKey(
        Release, to_field="name", on_delete=models.PROTECT, related_name="scheduled_in", db_column="release"
    )

    class Meta:
        verbose_name = "scheduled change"
        constraints = [
            models.UniqueConstraint(fields=["scheduled_change", "release"], name="scheduledreference_once")
        ]

    def __str__(self) -> str:
        return str(self.scheduled_change_id)


class EnactFailure(models.Model):
    """The agent tried to enact a change, and could not: what stood against it. The last one decides the next try."""

    scheduled_change = models.ForeignKey(ScheduledChange, on_delete=models.PROTECT, related_name="failures")
    time = models.DateTimeField()
    message = models.TextField()

    class Meta:
        ordering = ["-time", "-pk"]

    def __str__(self) -> str:
        return self.message


class Notice(models.Model):
    """A mail about a scheduled change: due once; an agent that took it on has until `claimed_until` to send it."""

    class Kind(models.TextChoices):
        AHEAD = "ahead", "will be enacted soon"
        ENACTED = "enacted", "was enacted"
        FAILED = "failed", "could not be enacted"
        SUSPENDED = "suspended", "was suspended"
        OVERDUE = "overdue", "is overdue"

    scheduled_change = models.ForeignKey(ScheduledChange, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    occasion = models.CharField(
        max_length=100, help_text="What it is about: a new occasion is a new mail, the same one is not."
    )
    claimed_until = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["scheduled_change", "kind", "occasion"], name="notice_once")
        ]

    def __str__(self) -> str:
        return f"scheduled change {self.scheduled_change_id} {self.get_kind_display()}"


class AgentHeartbeat(models.Model):
    """When each agent last asked for work: one row for each of their names."""

    name = models.CharField(max_length=100, unique=True)
    last_pass = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
