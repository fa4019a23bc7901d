"""The page of one scheduled change: what it writes, why and when, who must agree, and what the reader may do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from history.diff import FieldDiff
from history.exceptions import HistoryError
from history.values import path_text
from releng.changes import allowed
from releng.changes.conditions import Due, due
from releng.changes.examination import Examination, ExaminedWrite, RoleProgress, examine, told
from releng.changes.models import ScheduledChange, ScheduledWrite, Signoff
from releng.changes.notices import overdue_since
from releng.changes.resolving import conflicts_digest, field_of, resolved
from releng.changes.signing import followers_of
from releng.console.change_effects import effects_told
from releng.console.change_verbs import DONE, VERBS, editable
from releng.console.change_words import changes_of, page_of_row, waits_for, write_words
from releng.console.pages import render_page
from releng.permissions.who import people_by_role

FAILURES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ShownWrite:
    """One write of an open change, with its difference and the fields of its form."""

    item: ExaminedWrite
    changes: list[FieldDiff]
    title: str
    url: str
    typed: Any  # what was sent to be edited, and refused: nothing typed is lost

    @property
    def fields(self) -> list[dict[str, Any]]:
        """The proposed values that can be typed, with what the row says now and what both sides did."""
        write, both = self.item.write, {conflict.path: conflict for conflict in self.item.conflicts}
        now = self.item.target.values_of(self.item.before) if self.item.before is not None else {}
        return [
            {
                "name": name,
                "id": f"{write.position}-{name}",
                "typed": self.typed.get(f"value-{write.position}-{name}", _text(value)),
                "takes_theirs": self.typed.get(f"take-{write.position}-{name}") == "theirs",
                "is_release": name in self.item.target.release_fields,
                "is_long": isinstance(value, str) and ("\n" in value or len(value) > 60),
                "now": now.get(name),
                "has_now": name in now,
                "conflict": both.get((name,)),
            }
            for name, value in editable(write)
        ]

    @property
    def json(self) -> str:
        """All proposed values, for those who edit documents."""
        write = self.item.write
        try:
            values = resolved(self.item)  # on top of the row as it is: saving it takes nobody's work back
        except ValidationError:
            values = write.values
        stored = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False)
        return str(self.typed.get(f"values-{write.position}", stored))

    @property
    def sides(self) -> list[dict[str, Any]]:
        """The places inside a document that both sides changed, each to be chosen."""
        write = self.item.write
        if write.change != "update":
            return []
        return [
            {
                "id": f"{write.position}-{number}",
                "where": path_text(conflict.path),
                "theirs": conflict.theirs,
                "proposed": conflict.yours,
                "takes_theirs": self.typed.get(f"side-{write.position}-{number}") == "theirs",
            }
            for number, conflict in enumerate(self.item.conflicts)
            if field_of(conflict, write.values) is None and conflict.path
        ]

    @property
    def conflicts_digest(self) -> str:
        """What the conflicts that are shown are known by."""
        return conflicts_digest(self.item)


@dataclass(frozen=True, slots=True)
class ShownChange:
    """An open change examined: what is written, and when."""

    scheduled: ScheduledChange
    examination: Examination
    writes: list[ShownWrite]
    state: Due

    @property
    def overdue_since(self) -> Any:
        """Since when it should have been made; None while it is on time."""
        if self.scheduled.state != ScheduledChange.State.PENDING:
            return None
        return overdue_since(self.scheduled, self.state, timezone.now())


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A role that must agree: who has, and who still can."""

    progress: RoleProgress
    can: list[str]


def shown(scheduled: ScheduledChange, typed: Any = None) -> ShownChange:
    """Examine an open change for reading; `typed` is what was sent to edit it, and refused."""
    examination = examine(scheduled)
    writes = [
        ShownWrite(
            item,
            changes_of(item),
            write_words(item.write, item.before, item.after).title,
            page_of_row(item.write),
            {} if typed is None else typed,
        )
        for item in examination.writes
    ]
    return ShownChange(scheduled, examination, writes, due(scheduled))


def change_page(
    request: HttpRequest, scheduled: ScheduledChange, *, typed: Any = None, verb: str = "", status: int = 200
) -> HttpResponse:
    """Show one change; `typed` is what somebody sent with `verb`, where that was refused."""
    user: Any = request.user
    found = shown(scheduled, typed if verb == "edit" else None) if scheduled.is_open else None
    signoffs = list(scheduled.signoffs.select_related("user").order_by("time", "pk"))
    context: dict[str, Any] = {
        "scheduled": scheduled,
        "shown": found,
        "stored_writes": _stored(scheduled) if found is None else [],
        "signoffs": signoffs,
        "followers": scheduled.followers.order_by("pk"),
        "failures": scheduled.failures.all()[:FAILURES_SHOWN],
        "typed": typed if typed is not None else {},
        "waits": waits_for(scheduled) if found is None else [],
        "verb": verb,
        "json_typed": typed is not None and any(name.startswith("values-") for name in typed),
        "places": sorted({(write.product or "", write.channel or "") for write in scheduled.writes.all()}),
    }
    if found is not None:
        context |= _doing(user, found, signoffs) | {"effects": effects_told(found.examination)}
    return render_page(
        request, "changes/scheduled_change.html", _title(scheduled, found), status=status, **context
    )


def _doing(user: Any, found: ShownChange, signoffs: list[Signoff]) -> dict[str, Any]:
    """Return what the page says about signing and the other verbs."""
    examination, scheduled = found.examination, found.scheduled
    roles = allowed.roles_held(user)
    sign = allowed.may_sign(user, examination, roles)
    change = allowed.may_change(user, examination)
    people = people_by_role(examination.required) if examination.required else {}
    along = [shown(follower) for follower in followers_of(scheduled)] if sign.yes else []
    return {
        "roles": [
            RoleRow(item, [name for name in people.get(item.role, []) if name not in item.signed])
            for item in examination.progress
        ],
        "in_force": {signoff.pk for signoff in examination.in_force},
        "my_roles": sorted(roles & examination.missing.keys()),
        "sign": sign,
        "along": along,
        "change": change,
        "reject": allowed.may_reject(user, examination, roles, change),
        "enact": allowed.may_enact(user, examination, found.state),
        "revocable": allowed.revocable(user, scheduled, roles),
        "may_take_apart": change.yes
        and len(found.writes) > 1
        and scheduled.state == ScheduledChange.State.PENDING
        and scheduled.follows_id is None
        and not scheduled.followers.filter(state__in=ScheduledChange.OPEN).exists(),
        "can_resume": scheduled.state == ScheduledChange.State.SUSPENDED
        and not examination.conflicts
        and not examination.problems,
    }


def act(request: HttpRequest, scheduled: ScheduledChange, verb: str) -> HttpResponse:
    """Do something with a change; where it is refused, show its page with the reason and what was typed."""
    if request.method != "POST":
        return HttpResponseNotAllowed(("POST",))
    try:
        with transaction.atomic():
            VERBS[verb](scheduled.pk, request.user, request.POST)
    except (HistoryError, ValidationError, PermissionDenied) as error:
        messages.error(request, f"Nothing was done. {told(error)}")
        status = (
            403 if isinstance(error, PermissionDenied) else 400 if isinstance(error, ValidationError) else 409
        )
        return change_page(request, read(scheduled.pk), typed=request.POST, verb=verb, status=status)
    messages.success(request, DONE[verb])
    return HttpResponseRedirect(reverse("admin:changes_scheduledchange_change", args=[scheduled.pk]))


def read(key: int) -> ScheduledChange:
    """Return a change with what its page shows of it; raises Http404."""
    rows = ScheduledChange.objects.select_related("author", "enacted_by", "follows")
    found: ScheduledChange | None = rows.filter(pk=key).first()
    if found is None:
        raise Http404("There is no such scheduled change.")
    return found


def _stored(scheduled: ScheduledChange) -> list[tuple[ScheduledWrite, str, str]]:
    return [
        (write, write_words(write, None).title, page_of_row(write))
        for write in scheduled.writes.order_by("position")
    ]


def _title(scheduled: ScheduledChange, found: ShownChange | None) -> str:
    if found is not None:
        titles = [write.title for write in found.writes]
    else:
        titles = [title for _, title, _ in _stored(scheduled)]
    more = f" and {len(titles) - 1} more" if len(titles) > 1 else ""
    return f"Scheduled change {scheduled}: {titles[0] if titles else 'nothing'}{more}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
