"""The bodies of scheduled changes, of rollouts and of agents, as the schema describes them."""

from __future__ import annotations

from rest_framework import serializers

from releng.api.shapes import Shape
from releng.changes.conditions import FIELDS, TIMES
from releng.changes.enacting import Outcome
from releng.changes.kinds import TARGETS
from releng.changes.models import ScheduledChange, ScheduledWrite


class Conditions(Shape):
    """When a scheduled change is due; all that are given must hold."""

    as_soon_as_signed = serializers.BooleanField(required=False)
    for _name in FIELDS:
        if _name in TIMES:
            locals()[_name] = serializers.DateTimeField(required=False)
        elif _name in ("uptake_percent", "metric_above", "guard_above"):
            locals()[_name] = serializers.FloatField(required=False)
        else:
            locals()[_name] = serializers.CharField(required=False)


class Write(Shape):
    """One row that is to be written."""

    target = serializers.ChoiceField(choices=sorted(TARGETS))
    change = serializers.ChoiceField(choices=ScheduledWrite.Change.choices)
    object_id = serializers.IntegerField(required=False, allow_null=True)
    values = serializers.DictField(required=False, help_text="Only what is to change, by field name.")
    base = serializers.JSONField(required=False, help_text="The version that the values were chosen for.")


class WrittenRow(Write):
    """One row of a stored change."""

    position = serializers.IntegerField()
    object_name = serializers.CharField(allow_blank=True)
    product = serializers.CharField(allow_null=True)
    channel = serializers.CharField(allow_null=True)


class SignoffGiven(Shape):
    """Who agreed, and when."""

    username = serializers.CharField()
    role = serializers.CharField()
    comment = serializers.CharField(allow_blank=True)
    time = serializers.DateTimeField()


class Progress(Shape):
    """A number that a change waits for."""

    name = serializers.CharField()
    value = serializers.FloatField(allow_null=True)
    target = serializers.FloatField()
    unknown = serializers.CharField(allow_blank=True)


class Follower(Shape):
    """A change that follows another one, and the digest of what it would write."""

    id = serializers.IntegerField()
    digest = serializers.CharField()


class Scheduled(Shape):
    """A scheduled change; the last fields only for open ones that are asked for by themselves."""

    id = serializers.IntegerField()
    data_version = serializers.IntegerField()
    state = serializers.ChoiceField(choices=ScheduledChange.State.choices)
    state_reason = serializers.CharField(allow_blank=True)
    author = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    follows = serializers.IntegerField(allow_null=True)
    digest = serializers.CharField()
    conditions = Conditions()
    enacted_at = serializers.DateTimeField(allow_null=True)
    enacted_by = serializers.CharField(allow_null=True)
    writes = WrittenRow(many=True)
    signoffs = SignoffGiven(many=True)
    required_signoffs = serializers.DictField(child=serializers.IntegerField(), required=False)
    missing_signoffs = serializers.DictField(child=serializers.IntegerField(), required=False)
    in_force = serializers.ListField(child=serializers.CharField(), required=False)
    conflicts = serializers.ListField(child=serializers.DictField(), required=False)
    problems = serializers.ListField(child=serializers.CharField(), required=False)
    followers = Follower(many=True, required=False)
    due = serializers.BooleanField(required=False)
    waiting_for = serializers.ListField(child=serializers.CharField(), required=False)
    progress = Progress(many=True, required=False)


class ScheduledPage(Shape):
    """Some of the scheduled changes, and how many there are."""

    count = serializers.IntegerField()
    scheduled_changes = Scheduled(many=True)


class Proposed(Shape):
    """What is to be scheduled."""

    writes = Write(many=True)
    conditions = Conditions()
    reason = serializers.CharField(required=False)
    follows = serializers.IntegerField(required=False)


class Edited(Shape):
    """What is to be different about a scheduled change."""

    data_version = serializers.IntegerField()
    values = serializers.DictField(child=serializers.DictField(), required=False)
    conditions = Conditions(required=False)
    reason = serializers.CharField(required=False)


class SigningOff(Shape):
    """Agreement."""

    role = serializers.CharField()
    comment = serializers.CharField(required=False)
    digest = serializers.CharField(required=False, help_text="Of the content that was looked at.")
    with_followers = serializers.BooleanField(required=False)
    follower_digests = serializers.DictField(
        child=serializers.CharField(),
        required=False,
        help_text="By the id of each follower; needed with `digest` and `with_followers`.",
    )


class Comment(Shape):
    """Why."""

    comment = serializers.CharField()


class RolloutPlan(Shape):
    """A throttled rollout."""

    rule_id = serializers.IntegerField()
    mapping = serializers.CharField()
    rate = serializers.IntegerField(min_value=1, max_value=99)
    target_percent = serializers.FloatField()
    time_limit = serializers.DateTimeField()
    start = serializers.DateTimeField(required=False)
    finish = serializers.DateTimeField(required=False)
    guard_metric = serializers.CharField(required=False)
    guard_above = serializers.FloatField(required=False)
    version = serializers.CharField(required=False)
    fallback_mapping = serializers.CharField(required=False)
    reason = serializers.CharField(required=False)


class RolloutSteps(Shape):
    """The changes of a rollout, each following the one before."""

    scheduled_changes = Scheduled(many=True)


class AgentName(Shape):
    """Who asks for work."""

    name = serializers.CharField(max_length=100)


class Mail(Shape):
    """A mail to send."""

    notice_id = serializers.IntegerField()
    products = serializers.ListField(child=serializers.CharField())
    subject = serializers.CharField()
    body = serializers.CharField()


class Work(Shape):
    """What an agent is to do."""

    mails = Mail(many=True)
    due = serializers.ListField(child=serializers.IntegerField())
    pending = serializers.IntegerField()


class MailsSent(Shape):
    """Mails that need not be sent again."""

    notice_ids = serializers.ListField(child=serializers.IntegerField())


class Attempted(Shape):
    """What became of an attempt to enact."""

    outcome = serializers.ChoiceField(choices=[item.value for item in Outcome])
    detail = serializers.CharField(allow_blank=True)


class AgentSeen(Shape):
    """When an agent was here last."""

    name = serializers.CharField()
    last_pass = serializers.DateTimeField()


class AgentsStatus(Shape):
    """Whether the agents do their work."""

    agents = AgentSeen(many=True)
    problems = serializers.ListField(child=serializers.CharField())
