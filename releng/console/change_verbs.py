"""What the page of a scheduled change can do: each verb with what its form sends, and what is said afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models

from releases.validation import shown
from releng.changes import actions
from releng.changes.batches import take_apart
from releng.changes.enacting import enact
from releng.changes.examination import ExaminedWrite, examine
from releng.changes.kinds import TARGETS
from releng.changes.models import ScheduledChange, ScheduledWrite
from releng.changes.resolving import conflicts_digest, resolved
from releng.changes.scheduling import moment_of

Post = Any  # a QueryDict
SCALARS = (str, int, float, bool, type(None))
MOMENTS = ("when", "at_latest")
NUMBERS = ("uptake_percent", "metric_above", "guard_above")


def editable(write: ScheduledWrite) -> list[tuple[str, Any]]:
    """Return the proposed values that a form shows one by one; documents are edited as JSON."""
    return [(name, value) for name, value in write.values.items() if isinstance(value, SCALARS)]


def _number(post: Post, name: str) -> int:
    text = post.get(name, "")
    if not text.isascii() or not text.isdigit():
        raise ValidationError("The page does not say what it is based on; open it anew.")
    return int(text)


def _follower_digests(post: Post) -> dict[int, str]:
    """Return the digests of the followers that the page showed, by their ids."""
    found = ((name.removeprefix("follower-"), name, text) for name, text in post.items())
    return {int(key): text for key, name, text in found if key != name and key.isascii() and key.isdigit()}


def _sign(key: int, user: Any, post: Post) -> Any:
    return actions.sign_off(
        key,
        user,
        post.get("role", ""),
        comment=post.get("comment", ""),
        digest=post.get("digest", ""),
        with_followers=post.get("with_followers") == "on",
        follower_digests=_follower_digests(post),
    )


def _revoke(key: int, user: Any, post: Post) -> Any:
    name = post.get("user", "")
    whose = get_user_model().objects.filter(username=name).first() if name else user
    if whose is None:
        raise ValidationError(f"{shown(name)}: there is no such person.")
    if not actions.revoke_signoff(key, user, user=whose):
        raise ValidationError("There is no signoff to take back.")


def _edit(key: int, user: Any, post: Post) -> Any:
    """Edit the values that the form has, and the conditions; either as single values or as JSON."""
    scheduled = ScheduledChange.objects.get(pk=key)
    values: dict[int, Mapping[str, Any]] = {}
    for item in examine(scheduled).writes:
        write = item.write
        text = post.get(f"values-{write.position}")
        if text is not None:
            values[write.position] = _from_json(write.position, text)
        elif write.change != "delete" and f"fields-{write.position}" in post:
            values[write.position] = _from_fields(item, post)
    reason = post.get("reason")
    return actions.edit(
        key,
        user,
        based_on=_number(post, "based_on"),
        values=values,
        conditions=_conditions(scheduled, post),
        reason=reason,
    )


def _from_json(position: int, text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValidationError(f"Write {position}: this is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise ValidationError(f"Write {position}: the values must be a JSON object.")
    return found


def _from_fields(item: ExaminedWrite, post: Post) -> Mapping[str, Any]:
    """Return the values of one write as its form has them: those that are left out stay as the row has them."""
    write, shown_conflicts = item.write, post.get(f"conflicts-{item.write.position}")
    if shown_conflicts is not None and shown_conflicts != conflicts_digest(item):
        raise ValidationError("The row has changed again since the page was opened: look at the sides again.")
    keep = {
        number
        for number in range(len(item.conflicts))
        if post.get(f"side-{write.position}-{number}") == "theirs"
    }
    values = resolved(item, keep)
    for name, _ in editable(write):
        given = f"{write.position}-{name}"
        if post.get(f"take-{given}") == "theirs":
            values.pop(name, None)
            continue
        text = post.get(f"value-{given}")
        if text is not None:
            values[name] = _typed(TARGETS[write.target].model._meta.get_field(name), text)
    return values


def _typed(field: Any, text: str) -> Any:
    text = text.replace("\r\n", "\n")
    if not text.strip():
        return None if field.null else ""
    if isinstance(field, models.BooleanField):
        return {"yes": True, "no": False}.get(text.strip().lower(), text)
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    return target.to_python(text.strip())


def _conditions(scheduled: ScheduledChange, post: Post) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name in MOMENTS:
        sent = "schedule_when" if name == "when" else name
        if sent in post:
            moment, stored = moment_of(post[sent], name), getattr(scheduled, name)
            # The page shows whole seconds.
            same = stored is not None and moment == stored.replace(microsecond=0)
            given[name] = stored if same else moment
    for name in NUMBERS:
        if name in post:
            given[name] = _float(name, post[name])
    return given


def _float(name: str, text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise ValidationError(f"{name.replace('_', ' ')}: {shown(text)}: must be a number.") from None


VERBS: dict[str, Callable[[int, Any, Post], Any]] = {
    "sign": _sign,
    "revoke": _revoke,
    "reject": lambda key, user, post: actions.reject(key, user, comment=post.get("comment", "")),
    "cancel": lambda key, user, post: actions.cancel(
        key, user, based_on=_number(post, "based_on"), comment=post.get("comment", "")
    ),
    "edit": _edit,
    "resume": lambda key, user, post: actions.resume(key, user),
    "enact": lambda key, user, post: enact(key, user),
    "apart": lambda key, user, post: take_apart(key, user, based_on=_number(post, "based_on")),
}
DONE = {
    "sign": "You have signed it off.",
    "revoke": "The signoff is taken back.",
    "reject": "It is rejected.",
    "cancel": "It is cancelled.",
    "edit": "It is edited.",
    "resume": "It waits for its conditions again.",
    "enact": "It is enacted.",
    "apart": "It is taken apart: one change for each of its writes.",
}
