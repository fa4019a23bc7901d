"""Scheduled changes as this project has them: `/api/v2/scheduled_changes` (docs/api.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import django_filters
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from releases.validation import shown
from releng.api import change_shapes, shapes
from releng.api.base import ApiView
from releng.api.idempotency import idempotent
from releng.api.listing import DEFAULT_LIMIT, ListView, list_parameters
from releng.api.parsing import number
from releng.api.shapes import (
    DATA_VERSION,
    DRY_RUN,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    ONE,
    READ,
    VERSION_HEADERS,
    documented,
)
from releng.changes import actions, conditions, signing
from releng.changes.actions import Proposal
from releng.changes.conditions import due
from releng.changes.enacting import enact
from releng.changes.examination import examine
from releng.changes.models import ScheduledChange
from releng.changes.rollouts import Rollout, throttled_rollout

VIEW = "changes.view_scheduledchange"
PROPOSE = "changes.add_scheduledchange"
CHANGE = "changes.change_scheduledchange"
ENACT = "changes.enact_scheduledchange"


class ScheduledFilters(django_filters.FilterSet):
    """What the list can be asked for; a change with several writes is found by each of them."""

    state = django_filters.ChoiceFilter(
        choices=[(name, name) for name in ("open", "all", *ScheduledChange.State.values)],
        method="in_state",
        help_text="One state, `open` (unless told) or `all`.",
    )
    product = django_filters.CharFilter("writes__product")
    channel = django_filters.CharFilter("writes__channel")
    target = django_filters.CharFilter("writes__target", help_text="A kind of row.")
    author = django_filters.CharFilter("author__username", help_text="A user name.")

    def in_state(self, rows: Any, name: str, value: str) -> Any:
        """Return the changes in a state, or those that are open."""
        if value == "all":
            return rows
        return rows.open() if value == "open" else rows.filter(state=value)


USERNAME = OpenApiParameter("username", str, description="Whose signoff; one's own unless told.")


def described(scheduled: ScheduledChange, *, whole: bool = False) -> dict[str, Any]:
    """Return a scheduled change for an answer; `whole` adds what it would write, and who still must agree."""
    body: dict[str, Any] = {
        "id": scheduled.pk,
        "data_version": scheduled.data_version,
        "state": scheduled.state,
        "state_reason": scheduled.state_reason,
        "author": scheduled.author.get_username(),
        "reason": scheduled.reason,
        "follows": scheduled.follows_id,
        "digest": scheduled.content_digest,
        "conditions": {
            name: value for name, value in conditions.stored(scheduled).items() if value is not None
        },
        "enacted_at": scheduled.enacted_at,
        "enacted_by": scheduled.enacted_by.get_username() if scheduled.enacted_by is not None else None,
        "writes": [
            {
                "position": write.position,
                "target": write.target,
                "change": write.change,
                "object_id": write.object_id,
                "object_name": write.object_name,
                "product": write.product,
                "channel": write.channel,
                "values": write.values,
                "base": write.base,
            }
            for write in scheduled.writes.all()
        ],
        "signoffs": [
            {
                "username": signoff.user.get_username(),
                "role": signoff.role,
                "comment": signoff.comment,
                "time": signoff.time,
            }
            for signoff in scheduled.signoffs.all()
        ],
    }
    if whole:
        body |= _examined(scheduled)
    return body


def _examined(scheduled: ScheduledChange) -> dict[str, Any]:
    if not scheduled.is_open:
        return {}
    examination = examine(scheduled)
    state = due(scheduled)
    return {
        "required_signoffs": examination.required,
        "missing_signoffs": examination.missing,
        "in_force": [signoff.user.get_username() for signoff in examination.in_force],
        "conflicts": [conflict.as_dict() for conflict in examination.conflicts],
        "problems": list(examination.problems),
        "followers": [
            {"id": follower.pk, "digest": follower.content_digest}
            for follower in signing.followers_of(scheduled)
        ],
        "due": state.met,
        "waiting_for": list(state.waiting_for),
        "progress": [
            {"name": item.name, "value": item.value, "target": item.target, "unknown": item.unknown}
            for item in state.progress
        ],
    }


def condition_fields(given: Any) -> dict[str, Any]:
    """Return conditions from a body: times as text with a zone; raise ValidationError naming the field."""
    if not isinstance(given, dict):
        raise ValidationError({"conditions": f"{shown(given)}: must be an object."})
    fields = {name: value for name, value in given.items() if name != "as_soon_as_signed"}
    for name in conditions.TIMES:
        if fields.get(name) is not None:
            fields[name] = moment(fields[name], name)
    return fields


def moment(value: Any, name: str) -> datetime:
    """Return a time that was sent as text of ISO 8601 with its zone; raise ValidationError naming it."""
    try:
        found = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValidationError(
            {name: f"{shown(value)}: give a time with its zone, for instance 2030-01-31T14:00:00Z."}
        )
    return found


def proposals_of(given: Any, name: str = "writes") -> list[Proposal]:
    """Return proposals from the list of writes that a body has as `name`; raise ValidationError naming it."""
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise ValidationError({name: "must be a list of objects."})
    known = {"target", "change", "object_id", "values", "base"}
    found = []
    for position, item in enumerate(given):
        if unknown := sorted(item.keys() - known):
            raise ValidationError(
                {name: f"{position}: {', '.join(unknown)} is none of {', '.join(sorted(known))}."}
            )
        values = item.get("values") or {}
        if not isinstance(values, dict):
            raise ValidationError({name: f"{position}: values must be an object."})
        key = item.get("object_id")
        found.append(
            Proposal(
                str(item.get("target")),
                item.get("change", ""),
                values,
                None if key is None else number(key, "object_id"),
                item.get("base"),
            )
        )
    return found


class ScheduledChangeList(ListView):
    """List scheduled changes, or schedule one."""

    needed = {"GET": VIEW, "POST": PROPOSE}
    filters = ScheduledFilters
    orderings = {"id": "pk", "when": "when", "state": "state", "author": "author__username"}

    @documented(
        "v2_scheduled_changes_list",
        change_shapes.ScheduledPage,
        *list_parameters(ScheduledFilters, *orderings),
    )
    def get(self, request: Request) -> Response:
        """The newest first; open ones unless `state` names another, or `all`. Always in pages, of 100 unless told."""
        rows = ScheduledChange.objects.all()
        if "state" not in request.query_params:
            rows = rows.open()
        page, count = self.page(self.chosen(rows, "-pk").distinct(), default=DEFAULT_LIMIT)
        found = page.select_related("author", "enacted_by").prefetch_related("writes", "signoffs__user")
        return Response({"count": count, "scheduled_changes": [described(one) for one in found]})

    @documented(
        "v2_scheduled_changes_create",
        change_shapes.Scheduled,
        DRY_RUN,
        IDEMPOTENCY_KEY,
        body=change_shapes.Proposed,
        status=201,
        refusals=ONE,
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Schedule `writes` under `conditions`; `{"as_soon_as_signed": true}` is a condition too."""
        body = self.body()
        _refuse_unknown(body, {"writes", "conditions", "reason", "follows"})
        given = body.get("conditions")
        if not given:
            raise ValidationError({"conditions": 'is missing; {"as_soon_as_signed": true} is one too.'})
        follows = body.get("follows")
        scheduled = actions.propose(
            request.user,
            proposals_of(body.get("writes")),
            conditions=condition_fields(given),
            reason=str(body.get("reason") or ""),
            follows=ScheduledChange.objects.get(pk=number(follows, "follows")) if follows else None,
        )
        return Response(described(scheduled, whole=True), status=201)


class ScheduledChangeDetail(ApiView):
    """One scheduled change: read it, edit it, cancel it."""

    needed = {"GET": VIEW, "PATCH": CHANGE, "DELETE": CHANGE}
    arguments = frozenset({"data_version"})

    @documented("v2_scheduled_changes_read", change_shapes.Scheduled, *VERSION_HEADERS, refusals=READ)
    def get(self, request: Request, change_id: int) -> Response:
        """All of it, and what is still missing."""
        scheduled = ScheduledChange.objects.select_related("author", "enacted_by").get(pk=change_id)
        return _whole(scheduled)

    @documented(
        "v2_scheduled_changes_edit",
        change_shapes.Scheduled,
        IF_MATCH,
        DRY_RUN,
        body=change_shapes.Edited,
        refusals=ONE,
    )
    def patch(self, request: Request, change_id: int) -> Response:
        """Change values by the position of their write, conditions, or the reason; based on `data_version`."""
        body = self.body()
        _refuse_unknown(body, {"data_version", "values", "conditions", "reason"})
        values = body.get("values")
        if values is not None and not isinstance(values, dict):
            raise ValidationError({"values": "must be an object of objects, by the position of the write."})
        scheduled = actions.edit(
            change_id,
            request.user,
            based_on=self.based_on(body.get("data_version")),
            values=None
            if values is None
            else {number(key, "values", least=0): value for key, value in values.items()},
            conditions=condition_fields(body["conditions"]) if "conditions" in body else None,
            reason=body.get("reason"),
        )
        return _whole(scheduled)

    @documented(
        "v2_scheduled_changes_cancel",
        change_shapes.Scheduled,
        DATA_VERSION,
        IF_MATCH,
        DRY_RUN,
        refusals=ONE,
    )
    def delete(self, request: Request, change_id: int) -> Response:
        """Cancel it, based on `data_version`."""
        based_on = self.based_on(request.query_params.get("data_version"))
        return _whole(actions.cancel(change_id, request.user, based_on=based_on))


class ScheduledChangeSignoffs(ApiView):
    """Agree to a scheduled change, or take that back."""

    needed = {"POST": CHANGE, "DELETE": CHANGE}
    arguments = frozenset({"username"})

    @documented(
        "v2_scheduled_changes_sign_off",
        change_shapes.Scheduled,
        DRY_RUN,
        body=change_shapes.SigningOff,
        refusals=ONE,
    )
    def post(self, request: Request, change_id: int) -> Response:
        """Sign off in `role`; `digest` is that of the content that was looked at."""
        body = self.body()
        _refuse_unknown(body, {"role", "comment", "digest", "with_followers", "follower_digests"})
        actions.sign_off(
            change_id,
            request.user,
            str(body.get("role") or ""),
            comment=str(body.get("comment") or ""),
            digest=body.get("digest"),
            with_followers=bool(body.get("with_followers")),
            follower_digests=_digests(body.get("follower_digests")),
        )
        return _whole(ScheduledChange.objects.get(pk=change_id))

    @documented(
        "v2_scheduled_changes_revoke_signoff",
        change_shapes.Scheduled,
        USERNAME,
        DRY_RUN,
        refusals=ONE,
    )
    def delete(self, request: Request, change_id: int) -> Response:
        """Take one's own signoff back, or that of `username`."""
        name = request.query_params.get("username")
        user = get_user_model().objects.get(username=name) if name is not None else None
        actions.revoke_signoff(change_id, request.user, user=user)
        return _whole(ScheduledChange.objects.get(pk=change_id))


class ScheduledChangeReject(ApiView):
    """End a scheduled change because it must not happen."""

    needed = {"POST": CHANGE}

    @documented(
        "v2_scheduled_changes_reject",
        change_shapes.Scheduled,
        DRY_RUN,
        body=change_shapes.Comment,
        refusals=ONE,
    )
    def post(self, request: Request, change_id: int) -> Response:
        """Reject it; a `comment` is needed."""
        comment = str(self.body().get("comment") or "")
        return _whole(actions.reject(change_id, request.user, comment=comment))


class ScheduledChangeResume(ApiView):
    """Let a suspended change go on."""

    needed = {"POST": CHANGE}

    @documented("v2_scheduled_changes_resume", change_shapes.Scheduled, DRY_RUN, refusals=ONE)
    def post(self, request: Request, change_id: int) -> Response:
        """Resume it, when nothing stands against it any more."""
        return _whole(actions.resume(change_id, request.user))


class ScheduledChangeEnact(ApiView):
    """Carry a scheduled change out."""

    needed = {"POST": ENACT}

    @documented("v2_scheduled_changes_enact", shapes.Nothing, DRY_RUN, refusals=ONE)
    def post(self, request: Request, change_id: int) -> Response:
        """Enact it, when it is due and everybody needed has agreed."""
        enact(change_id, request.user)
        return Response({})


class RolloutList(ApiView):
    """Prepare the changes of a throttled rollout."""

    needed = {"POST": PROPOSE}

    @documented(
        "v2_rollouts_create",
        change_shapes.RolloutSteps,
        DRY_RUN,
        IDEMPOTENCY_KEY,
        body=change_shapes.RolloutPlan,
        status=201,
        refusals=ONE,
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Raise the rate at `start`, drop it to 0 at the target uptake or the time limit, offer to all at `finish`."""
        body = self.body()
        reason = str(body.pop("reason", "") or "")
        _refuse_unknown(body, set(Rollout.__dataclass_fields__))
        times = {
            name: moment(body[name], name) for name in ("start", "time_limit", "finish") if body.get(name)
        }
        missing = {"rule_id", "mapping", "rate", "target_percent", "time_limit"} - {
            name for name, value in body.items() if value is not None
        }
        if missing:
            raise ValidationError(dict.fromkeys(sorted(missing), "is missing."))
        for name in ("rule_id", "rate"):
            body[name] = number(body[name], name)
        steps = throttled_rollout(request.user, Rollout(**{**body, **times}), reason=reason)
        return Response({"scheduled_changes": [described(step, whole=True) for step in steps]}, status=201)


def _digests(given: Any) -> dict[int, str]:
    if given is not None and not isinstance(given, dict):
        raise ValidationError({"follower_digests": f"{shown(given)}: must be an object, digests by id."})
    return {number(key, "follower_digests"): str(digest) for key, digest in (given or {}).items()}


def _whole(scheduled: ScheduledChange) -> Response:
    return Response(described(scheduled, whole=True), headers={"X-Data-Version": str(scheduled.data_version)})


def _refuse_unknown(body: dict[str, Any], known: set[str]) -> None:
    if unknown := sorted(body.keys() - known):
        raise ValidationError(
            {name: f"is unknown; known are {', '.join(sorted(known))}." for name in unknown}
        )
