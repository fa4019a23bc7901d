"""What a client would get, and why: `/api/decide`, at any moment and with changes that are only proposed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases.reading import consistent_read
from releases.validation import shown
from releng.api.base import ApiView
from releng.api.change_shapes import Write
from releng.api.parsing import is_true, number, text
from releng.api.scheduled_changes import moment, proposals_of
from releng.api.shapes import LISTED, Shape, documented
from releng.changes.trials import Considered, Moment, Trial, trial
from releng.updates import asking
from releng.updates.asking import ALWAYS_LOSES, ALWAYS_WINS, Asked, Question, ask
from rules.engine import explain
from rules.engine.decide import Outcome
from rules.engine.explain import Stage
from rules.engine.rule import Rule

VIEW = "rules.view_rule"
VIEW_CHANGES = "changes.view_scheduledchange"
EARLIEST_YEAR, LATEST_YEAR = 1970, 9000
# Rules that are for other channels are counted, not listed, unless every rule is asked for.
SUMMARISED = "channel"
KEYS = ("url", "fields", "user_agent", "at", "changes", "values", "dice", "every_rule")

# --- Shapes -------------------------------------------------------------------------------------------------

FIELD_HELP = {
    "build_id": f"`{asking.DEFAULTS['build_id']}` unless told.",
    "locale": f"`{asking.DEFAULTS['locale']}` unless told.",
    "memory": "MiB.",
    "jaws": "1 or 0: whether the JAWS screen reader runs.",
    "mig64": "1 or 0: whether a 32-bit client may move to 64 bits.",
    "force": "1 for the mapping, -1 for the fallback mapping: the client's wish about throttling.",
    "pin": "The version that the client is pinned to, such as `128.`.",
    "imei": "The device, for rules with a whitelist (query version 5).",
    "instruction_set": "Such as `SSE4_2`.",
}


class ClientFields(Shape):
    """What a client tells; product, version, build_target and channel are needed."""

    for _name in asking.FIELDS:
        locals()[_name] = serializers.CharField(required=False, help_text=FIELD_HELP.get(_name, ""))


class DecideBody(Shape):
    """A request, as `url` or as `fields`, and the state in which it is decided."""

    url = serializers.CharField(required=False, help_text="An update URL, with or without scheme and host.")
    fields = ClientFields(required=False)  # the name on the wire
    user_agent = serializers.CharField(required=False)
    at = serializers.DateTimeField(
        required=False, help_text="A moment that is over, or ahead; now unless told."
    )
    changes = serializers.ListField(
        child=serializers.IntegerField(), required=False, help_text="Open scheduled changes, by id."
    )
    values = Write(many=True, required=False, help_text="Unsaved values, as scheduled changes have them.")
    dice = serializers.IntegerField(required=False, min_value=ALWAYS_WINS, max_value=ALWAYS_LOSES)
    every_rule = serializers.BooleanField(required=False)


class ConsideredChange(Shape):
    """A scheduled change that was applied, or left out."""

    id = serializers.IntegerField()
    when = serializers.DateTimeField(allow_null=True)
    author = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    writes = serializers.ListField(child=serializers.CharField())
    why = serializers.CharField(required=False, help_text="Why it was left out.")


class DecidedState(Shape):
    """The state in which it was decided; `change_set` is the last one that it includes."""

    at = serializers.DateTimeField(allow_null=True)
    change_set = serializers.IntegerField()
    applied = ConsideredChange(many=True)
    left_out = ConsideredChange(many=True)


class RuleNamed(Shape):
    """A rule, by what it is called."""

    rule_id = serializers.IntegerField()
    alias = serializers.CharField(allow_null=True)
    data_version = serializers.IntegerField()
    priority = serializers.IntegerField()
    product = serializers.CharField(allow_null=True)
    channel = serializers.CharField(allow_null=True)
    mapping = serializers.CharField(allow_null=True)
    fallback_mapping = serializers.CharField(allow_null=True)
    background_rate = serializers.IntegerField(allow_null=True)


class ConsideredRule(RuleNamed):
    """A rule that was tested: the first field that did not match, null for the one that decides."""

    rejected_by = serializers.CharField(allow_null=True)
    rule_value = serializers.JSONField(allow_null=True)
    client_value = serializers.JSONField(allow_null=True)


class ToldStep(Shape):
    """What one stage came to."""

    stage = serializers.ChoiceField(choices=[stage.value for stage in Stage])
    text = serializers.CharField()


class SentAnswer(Shape):
    """What the public service sends."""

    status = serializers.IntegerField()
    content_type = serializers.CharField()
    body = serializers.CharField(allow_blank=True)
    rule_id = serializers.CharField(allow_null=True, help_text="The header Rule-ID.")
    rule_data_version = serializers.CharField(allow_null=True, help_text="The header Rule-Data-Version.")


class Decided(Shape):
    """How a request is decided when the dice fall in one way."""

    outcome = serializers.CharField(
        allow_null=True,
        help_text=f"{', '.join(outcome.name.lower() for outcome in Outcome)}; null when it cannot be read.",
    )
    release = serializers.CharField(allow_null=True, help_text="What is served; null when nothing is.")
    is_fallback = serializers.BooleanField()
    pinned = serializers.BooleanField()
    answer = SentAnswer()
    steps = ToldStep(many=True)


class Decision(Decided):
    """The answer, the rule, and the explanation.

    `rates` are the background rates for which dice fell; where any did, `otherwise` is what those get who lose.
    """

    url = serializers.CharField()
    client = ClientFields()
    state = DecidedState()
    rule = RuleNamed(allow_null=True)
    considered = ConsideredRule(many=True)
    not_listed = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many rejected rules are not listed, by field."
    )
    rates = serializers.ListField(child=serializers.IntegerField())
    otherwise = Decided(allow_null=True)
    error = serializers.CharField(allow_null=True, help_text="Why the request cannot be read.")


_PATH = (
    "/update/3/Firefox/144.0/20251001000000/WINNT_x86_64-msvc/de/release/default/default/default/update.xml"
)
EXAMPLES = [
    OpenApiExample("URL", {"url": _PATH, "at": "2030-01-31T14:00:00Z"}, request_only=True),
    OpenApiExample(
        "Fields and a change",
        {
            "fields": {
                "product": "Firefox",
                "version": "144.0",
                "build_target": "WINNT_x86_64-msvc",
                "channel": "release",
            },
            "changes": [17],
        },
        request_only=True,
    ),
    OpenApiExample(
        "Unsaved values",
        {
            "url": _PATH,
            "values": [
                {"target": "rule", "change": "update", "object_id": 12, "values": {"background_rate": 50}}
            ],
        },
        request_only=True,
    ),
]
PARAMETERS = [
    OpenApiParameter("url", str, description="An update URL; instead of the fields."),
    *(
        OpenApiParameter(
            name, str, description=FIELD_HELP.get(name, f"The client's {name.replace('_', ' ')}.")
        )
        for name in asking.FIELDS
    ),
    OpenApiParameter("user_agent", str, description="The client's User-Agent; it tells PPC from Intel."),
    OpenApiParameter("at", str, description="A moment with its zone, over or ahead; now unless told."),
    OpenApiParameter("changes", str, description="Ids of open scheduled changes, separated by commas."),
    OpenApiParameter("dice", int, description="0 (the default) wins every throttle, 99 loses every one."),
    OpenApiParameter("every_rule", bool, description="List rules for other channels, too."),
]

# --- The endpoint -------------------------------------------------------------------------------------------


class Decide(ApiView):
    """What a client would get. Nothing is written, by POST neither."""

    needed = {"GET": VIEW, "POST": VIEW}
    arguments = frozenset({"url", *asking.FIELDS, "user_agent", "at", "changes", "dice", "every_rule"})

    @documented("decide", Decision, *PARAMETERS)
    def get(self, request: Request) -> Response:
        """What the client of an update URL, or of these fields, is answered, by which rule, and why.

        Of a moment ahead, the scheduled changes that will be enacted until then are applied. Listed are changes about
        the client's product.
        """
        given = {name: request.query_params[name] for name in self.arguments & request.query_params.keys()}
        fields = {name: given.pop(name) for name in asking.FIELDS if name in given}
        if fields:
            given["fields"] = fields
        given["changes"] = [part for part in given.get("changes", "").split(",") if part.strip()]
        given["every_rule"] = is_true(given.get("every_rule"))
        return self._decided(given)

    @documented("decide_with_values", Decision, body=DecideBody, refusals=LISTED, examples=EXAMPLES)
    def post(self, request: Request) -> Response:
        """The same for a request that is told as JSON; unsaved `values` can be tried, too."""
        body = self.body()
        if unknown := sorted(body.keys() - set(KEYS)):
            raise ValidationError(dict.fromkeys(unknown, f"is none of {', '.join(KEYS)}."))
        return self._decided(body)

    def _decided(self, given: dict[str, Any]) -> Response:
        question, asked = _question(given), _moment(given)
        if asked.changes or asked.at is not None:
            self.require(VIEW_CHANGES)
        dice = number(given.get("dice", ALWAYS_WINS), "dice", least=0)
        if dice > ALWAYS_LOSES:
            raise ValidationError({"dice": f"{dice}: must be at most {ALWAYS_LOSES}."})
        with consistent_read():
            state = trial(asked)
            found = ask(question, state.snapshot, dice)
            otherwise = ask(question, state.snapshot, ALWAYS_LOSES) if found.rates else None
        return Response(
            {
                **_wire(found),
                "url": question.url,
                "client": question.fields,
                "state": _state(state, found),
                "rule": _rule(found.explanation.winner) if found.explanation.winner is not None else None,
                **_considered(found.explanation.considered, every=given.get("every_rule") is True),
                "rates": list(found.rates),
                "otherwise": _wire(otherwise) if otherwise is not None else None,
                "error": found.explanation.error,
            }
        )


# --- Reading ------------------------------------------------------------------------------------------------


def _question(given: dict[str, Any]) -> Question:
    user_agent = text(given.get("user_agent") or "", "user_agent")
    fields, url = given.get("fields"), given.get("url")
    if fields and url:
        raise ValidationError({"url": "Give the update URL or the fields of a client, not both."})
    if fields is not None and not isinstance(fields, dict):
        raise ValidationError({"fields": f"{shown(fields)}: must be an object."})
    if fields:
        return asking.question_of_fields(fields, user_agent)
    return asking.question_of_url(text(url or "", "url"), user_agent)


def _moment(given: dict[str, Any]) -> Moment:
    changes, values = (given[name] if given.get(name) is not None else [] for name in ("changes", "values"))
    if not isinstance(changes, list):
        raise ValidationError({"changes": f"{shown(changes)}: must be a list of ids."})
    every = given.get("every_rule", False)
    if not isinstance(every, bool):
        raise ValidationError({"every_rule": f"{shown(every)}: must be true or false."})
    return Moment(
        at=_at(given["at"]) if given.get("at") else None,
        changes=tuple(number(key, "changes") for key in changes),
        drafts=tuple(proposals_of(values, "values")),
    )


def _at(value: Any) -> datetime:
    found = moment(value, "at")
    if not EARLIEST_YEAR <= found.year <= LATEST_YEAR:
        raise ValidationError({"at": f"{shown(value)}: must be between {EARLIEST_YEAR} and {LATEST_YEAR}."})
    return found


# --- Telling ------------------------------------------------------------------------------------------------


def _wire(asked: Asked) -> dict[str, Any]:
    decision, answer = asked.explanation.decision, asked.answer
    return {
        "outcome": asked.outcome.name.lower() if asked.outcome is not None else None,
        "release": asked.release_name,
        "is_fallback": decision is not None and decision.is_fallback,
        "pinned": decision is not None and decision.pinned,
        "answer": {
            "status": answer.status,
            "content_type": answer.content_type,
            "body": asked.body,
            "rule_id": answer.rule_id,
            "rule_data_version": answer.rule_data_version,
        },
        "steps": [{"stage": step.stage.value, "text": step.text} for step in asked.explanation.steps],
    }


def _state(state: Trial, asked: Asked) -> dict[str, Any]:
    applied, left_out = state.concerning(asked.products)
    return {
        "at": state.moment.at,
        "change_set": state.sequence,
        "applied": [_change(item) for item in applied],
        "left_out": [{**_change(item), "why": item.why} for item in left_out],
    }


def _change(item: Considered) -> dict[str, Any]:
    return {
        "id": item.scheduled.pk,
        "when": item.when,
        "author": item.scheduled.author.get_username(),
        "reason": item.scheduled.reason,
        "writes": [str(write) for write in item.scheduled.writes.all()],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in RuleNamed().fields}


def _considered(tested: Iterable[explain.Considered], *, every: bool) -> dict[str, Any]:
    listed, not_listed = [], Counter[str]()
    for item in tested:
        if item.rejected_by == SUMMARISED and not every:
            not_listed[SUMMARISED] += 1
            continue
        listed.append(
            {
                **_rule(item.rule),
                "rejected_by": item.rejected_by,
                "rule_value": item.rule_value,
                "client_value": item.client_value,
            }
        )
    return {"considered": listed, "not_listed": dict(not_listed)}
