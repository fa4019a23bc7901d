"""Scheduled changes as the contract has them: one row each, below the kind of what they change (protocol.md 12.9)."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from history.context import Change
from releases.validation import shown
from releng.api.base import ContractView
from releng.api.conditional import versioned
from releng.api.contract_kinds import KIND_OF, Kind
from releng.api.idempotency import idempotent
from releng.api.listing import ListView
from releng.api.parsing import number, text
from releng.api.revisions import DEFAULT_REVISIONS, milliseconds, moment
from releng.changes import actions
from releng.changes.actions import Proposal
from releng.changes.enacting import enact
from releng.changes.examination import examine
from releng.changes.models import ScheduledChange, ScheduledWrite, Signoff
from releng.changes.standing import standings

VIEW = "changes.view_scheduledchange"
PROPOSE = "changes.add_scheduledchange"
CHANGE = "changes.change_scheduledchange"
ENACT = "changes.enact_scheduledchange"
TELEMETRY = ("telemetry_product", "telemetry_channel", "telemetry_uptake")
SHOWN_STATES = (*ScheduledChange.OPEN, ScheduledChange.State.ENACTED)
CHANGES: tuple[Change, ...] = ("insert", "update", "delete")


# --- On the wire --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a write besides what it proposes: the row as it would be, or is; who must agree, and who has."""

    row: Any
    required: Mapping[str, int]
    in_force: Iterable[Signoff]


def scheduled_to_wire(kind: Kind, write: ScheduledWrite, told: Told) -> dict[str, Any]:
    """Return one proposed write as a row: the row as it would be, and who has agreed."""
    scheduled = write.scheduled_change
    values = kind.target.values_of(told.row) if told.row is not None else {}
    # Of one that is over, what was written: the row has changed since, perhaps.
    row = kind.to_wire(
        values if scheduled.is_open and values else {**values, **write.values}, write.object_id
    )
    return {
        **row,
        "data_version": kind.version_in(write),
        "sc_id": scheduled.pk,
        "sc_data_version": scheduled.data_version,
        "scheduled_by": scheduled.author.get_username(),
        "change_type": write.change,
        "complete": scheduled.state == ScheduledChange.State.ENACTED,
        "when": milliseconds(scheduled.when) if scheduled.when is not None else None,
        **_telemetry(kind, scheduled),
        "signoffs": {signoff.user.get_username(): signoff.role for signoff in told.in_force},
        "required_signoffs": told.required,
    }


def _standing(kind: Kind, write: ScheduledWrite) -> Mapping[str, Any]:
    row = kind.target.find(write.object_id) if write.object_id is not None else None
    return kind.target.values_of(row) if row is not None else {}


def _telemetry(kind: Kind, scheduled: ScheduledChange) -> dict[str, Any]:
    if kind.target_name != "rule":
        return {}
    values = (scheduled.uptake_product, scheduled.uptake_channel, scheduled.uptake_percent)
    return dict(zip(TELEMETRY, values, strict=True))


def signoffs_of(scheduled: ScheduledChange) -> dict[str, str]:
    """Return who agrees to a change, and in which role."""
    rows = scheduled.signoffs.select_related("user")
    return {signoff.user.get_username(): signoff.role for signoff in rows}


# --- Endpoints ----------------------------------------------------------------------------------------------


ORDERINGS = {
    "sc_id": "scheduled_change",
    "when": "scheduled_change__when",
    "scheduled_by": "scheduled_change__author__username",
    "change_type": "change",
}


class KindView(ListView, ContractView):
    """Base of the endpoints of one kind; subclasses are made for each kind (contract_urls)."""

    kind: ClassVar[Kind]
    open_reads = True

    def writes(self) -> QuerySet[ScheduledWrite]:
        """Return the proposed writes of this kind."""
        rows = ScheduledWrite.objects.filter(target=self.kind.target_name)
        found: QuerySet[ScheduledWrite] = rows.select_related("scheduled_change__author").prefetch_related(
            "scheduled_change__signoffs__user"
        )
        return found

    def write(self, sc_id: int) -> ScheduledWrite:
        """Return the one write of a change of this kind; raise Http404 and ValidationError."""
        found = list(self.writes().filter(scheduled_change=sc_id, scheduled_change__state__in=SHOWN_STATES))
        if not found:
            raise Http404(f"scheduled change {sc_id} of {self.kind.address} not found")
        if len(found) > 1 or found[0].scheduled_change.writes.count() > 1:
            raise ValidationError(
                f"Scheduled change {sc_id} has several writes, which this address cannot show: "
                f"see /api/v2/scheduled_changes/{sc_id}."
            )
        return found[0]

    def row(self, write: ScheduledWrite) -> dict[str, Any]:
        """Return a write as a row."""
        scheduled, found = write.scheduled_change, self.kind.target.find
        if not scheduled.is_open:
            standing = found(write.object_id) if write.object_id is not None else None
            return scheduled_to_wire(self.kind, write, Told(standing, {}, scheduled.signoffs.all()))
        examination = examine(scheduled)
        (item,) = (item for item in examination.writes if item.write.pk == write.pk)
        row = item.after if item.after is not None else item.before
        return scheduled_to_wire(self.kind, write, Told(row, examination.required, examination.in_force))

    def rows(self, writes: Sequence[ScheduledWrite]) -> list[dict[str, Any]]:
        """Return writes as rows; but for releases, whose documents are merged, in few queries however many they are."""
        if self.kind.target_name == "release":
            return [self.row(write) for write in writes]
        model: Any = self.kind.target.model
        opened = {
            write.scheduled_change_id: write.scheduled_change
            for write in writes
            if write.scheduled_change.is_open
        }
        progress = {one.scheduled.pk: one for one in standings(list(opened.values()))}
        over = {write.object_id for write in writes if write.scheduled_change_id not in opened}
        past = model._base_manager.in_bulk(over - {None})
        found = []
        for write in writes:
            standing = progress.get(write.scheduled_change_id)
            if standing is None:
                told = Told(past.get(write.object_id), {}, write.scheduled_change.signoffs.all())
            else:
                places = zip(standing.writes, standing.rows, strict=True)
                before, after = next(states for other, states in places if other.pk == write.pk)
                told = Told(after if after is not None else before, standing.required, standing.in_force)
            found.append(scheduled_to_wire(self.kind, write, told))
        return found

    def when(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the condition that the body has, if any."""
        if any(body.get(name) for name in TELEMETRY):
            raise ValidationError(
                {"telemetry": "Conditions on uptake name a version: schedule with /api/v2/scheduled_changes."}
            )
        return {"when": moment(body["when"], "when")} if body.get("when") not in (None, "") else {}

    def refuse_outdated(self, row: Any, body: Mapping[str, Any], *, needed: bool) -> None:
        """Raise OutdatedDataError unless the body's data_version is that of the row."""
        if not needed and body.get("data_version") is None:
            return
        told = number(body.get("data_version"), "data_version")
        if told != self.kind.version_of(row):
            raise row.outdated(told)

    def told(self, scheduled: ScheduledChange, body: dict[str, Any]) -> Response:
        """Answer a write; a trial run says who would have to agree."""
        body["signoffs"] = signoffs_of(scheduled)
        if self.is_dry_run:
            body["required_signoffs"] = examine(scheduled).required
        return versioned(body, scheduled.data_version)


class ChangeList(KindView):
    """Scheduled changes of one kind: list them."""

    needed = {"GET": VIEW}
    orderings = ORDERINGS

    def declared_arguments(self) -> frozenset[str]:
        own = {"all", *self.kind.asked} if self.request.method in ("GET", "HEAD") else set()
        return super().declared_arguments() | own

    def get(self, request: Request) -> Response:
        """Open ones; with `all` also those that have been enacted."""
        states = SHOWN_STATES if "all" in request.query_params else ScheduledChange.OPEN
        rows = self.writes().filter(scheduled_change__state__in=states)
        for name in self.kind.asked:
            told = self.argument(name)
            if told is not None:
                rows = self.kind.narrowed(rows, name, told)
        page, count = self.page(rows.order_by(*self._order(), "scheduled_change", "position"))
        return Response({"count": count, "scheduled_changes": self.rows(list(page))})


class ProposingList(ChangeList):
    """Scheduled changes of one kind: list them, propose one."""

    needed = {"GET": VIEW, "POST": PROPOSE}

    @idempotent
    def post(self, request: Request) -> Response:
        """Propose a change for the moment `when`, in milliseconds since 1970."""
        body = self.body()
        self.give_reason(body.get("reason"))
        change = body.get("change_type")
        if change not in self.kind.proposes:
            known = ", ".join(name for name in CHANGES if name in self.kind.proposes)
            raise ValidationError({"change_type": f"{shown(change)}: is none of {known}."})
        conditions = self.when(body)
        if not conditions:
            raise ValidationError({"when": "is missing."})
        row = None
        if change != "insert":
            row = self.kind.find(body)
            self.refuse_outdated(row, body, needed=True)
        proposal = Proposal(
            self.kind.target_name,
            change,
            self.kind.from_wire(body, new=row is None) if change != "delete" else {},
            row.pk if row is not None else None,
        )
        reason = str(body.get("reason") or request.headers.get("X-Change-Reason") or "")
        scheduled = actions.propose(request.user, [proposal], conditions=conditions, reason=reason)
        return self.told(scheduled, {"sc_id": scheduled.pk})


class ChangeDetail(KindView):
    """One scheduled change: read it, edit it, cancel it."""

    needed = {"GET": VIEW, "POST": CHANGE, "DELETE": CHANGE}

    def declared_arguments(self) -> frozenset[str]:
        return frozenset({"data_version"} if self.request.method == "DELETE" else ())

    def get(self, request: Request, sc_id: int) -> Response:
        """The row as it would be, and who has agreed."""
        write = self.write(sc_id)
        return versioned({"scheduled_change": self.row(write)}, write.scheduled_change.data_version)

    def post(self, request: Request, sc_id: int) -> Response:
        """Change what is proposed, or when; based on `sc_data_version`. What others have signed is void."""
        body = self.body()
        self.give_reason(body.get("reason"))
        write = self.write(sc_id)
        if write.change != "insert":
            row = self.kind.target.find(write.object_id or 0)
            if row is not None:
                self.refuse_outdated(row, body, needed=False)
        sent = self.kind.from_wire(body, new=False) if write.change != "delete" else {}
        scheduled = actions.edit(
            sc_id,
            request.user,
            based_on=self.based_on(body.get("sc_data_version"), "sc_data_version"),
            values={write.position: {**write.values, **sent}} if sent else None,
            conditions=self.when(body) or None,
            reason=body.get("reason") if isinstance(body.get("reason"), str) else None,
        )
        return self.told(scheduled, {"new_data_version": scheduled.data_version})

    def delete(self, request: Request, sc_id: int) -> Response:
        """Cancel it, based on its own version."""
        self.write(sc_id)
        actions.cancel(sc_id, request.user, based_on=self.based_on(self.argument("data_version")))
        return Response({})


class ChangeEnact(KindView):
    """Carry a scheduled change out."""

    needed = {"POST": ENACT}

    def declared_arguments(self) -> frozenset[str]:
        return frozenset()

    def post(self, request: Request, sc_id: int) -> Response:
        """Enact it, when it is due and everybody needed has agreed."""
        if not self.writes().filter(scheduled_change=sc_id).exists():
            raise Http404(f"scheduled change {sc_id} of {self.kind.address} not found")
        enact(sc_id, request.user)
        return Response({})


class ChangeSignoffs(KindView):
    """Agree to a scheduled change, or take that back."""

    needed = {"POST": CHANGE, "DELETE": CHANGE}

    def declared_arguments(self) -> frozenset[str]:
        return frozenset({"username"} if self.request.method == "DELETE" else ())

    def post(self, request: Request, sc_id: int) -> Response:
        """Sign off in `role`."""
        self.write(sc_id)
        body = self.body()
        actions.sign_off(sc_id, request.user, text(body.get("role"), "role"))
        return Response({})

    def delete(self, request: Request, sc_id: int) -> Response:
        """Take one's own signoff back, or that of `username`; where there is none, `error` says so."""
        self.write(sc_id)
        name = self.argument("username")
        user = get_user_model().objects.get(username=name) if name is not None else None
        if actions.revoke_signoff(sc_id, request.user, user=user):
            return Response({})
        return Response({"error": f"{name or request.user.get_username()} has not signed this change off."})


class ChangeRevisions(KindView):
    """The versions of one scheduled change."""

    needed = {"GET": VIEW, "POST": CHANGE}

    def get(self, request: Request, sc_id: int) -> Response:
        """Newest first: what was proposed, and when it was to happen."""
        write = self.write(sc_id)
        found, count = self.page(_versions(sc_id), default=DEFAULT_REVISIONS)
        past, standing = _past_of(write), _standing(self.kind, write)
        return Response(
            {"count": count, "revisions": [_revision(self.kind, write, row, past, standing) for row in found]}
        )

    def post(self, request: Request, sc_id: int) -> Response:
        """Propose again what a version proposed."""
        body = self.body()
        write = self.write(sc_id)
        change_id = number(body.get("change_id"), "change_id")
        row = _versions(sc_id).filter(history_id=change_id).first()
        if row is None:
            raise Http404(f"change {change_id} of scheduled change {sc_id} not found")
        told = self.version_named(body.get("sc_data_version"), "sc_data_version")
        scheduled = actions.edit(
            sc_id,
            request.user,
            based_on=write.scheduled_change.data_version if told is None else told,
            values={write.position: _written(row, _past_of(write)).values}
            if write.change != "delete"
            else None,
            conditions={"when": row.when},
        )
        return self.told(scheduled, {"new_data_version": scheduled.data_version})


class ReleaseDiff(ContractView):
    """What a scheduled change would change in a release."""

    needed = {"GET": VIEW}
    open_reads = True

    def get(self, request: Request, sc_id: int) -> HttpResponse:
        """The difference of the two documents as text, line by line."""
        kind = KIND_OF["release"]
        write = ScheduledWrite.objects.filter(target="release", scheduled_change=sc_id).first()
        if write is None:
            raise Http404(f"scheduled change {sc_id} of a release not found")
        row = kind.target.find(write.object_id) if write.object_id is not None else None
        now = kind.target.values_of(row)["document"] if row is not None else {}
        item = next(
            (item for item in examine(write.scheduled_change).writes if item.write.pk == write.pk), None
        )
        after = item.after if item is not None else None
        then = kind.target.values_of(after)["document"] if after is not None else {}
        lines = difflib.unified_diff(
            _lines(now), _lines(then), "current", f"scheduled change {sc_id}", lineterm=""
        )
        return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")


# --- The past -----------------------------------------------------------------------------------------------


def _lines(document: Any) -> list[str]:
    return json.dumps(document, indent=4, sort_keys=True).splitlines() if document else []


def _versions(sc_id: int) -> QuerySet[Any]:
    rows = ScheduledChange.history.filter(id=sc_id).exclude(history_type="-")
    found: QuerySet[Any] = rows.select_related("change_set", "author").order_by("-history_id")
    return found


def _past_of(write: ScheduledWrite) -> list[Any]:
    """Return the versions of a write, newest first."""
    rows = ScheduledWrite.history.filter(id=write.pk).exclude(history_type="-")
    return list(rows.select_related("change_set").order_by("-history_id"))


def _written(row: Any, past: list[Any]) -> Any:
    """Return the version of the write that belongs to a version of its change."""
    sequence = row.change_set.sequence
    return next((write for write in past if write.change_set.sequence <= sequence), past[-1])


def _revision(
    kind: Kind, write: ScheduledWrite, row: Any, past: list[Any], standing: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a version proposed, in the row as it stands: what is not proposed stays as it is."""
    then = _written(row, past)
    return {
        **kind.to_wire({**standing, **then.values}, write.object_id),
        "data_version": kind.version_in(then, row.change_set.sequence),
        "sc_id": write.scheduled_change_id,
        "sc_data_version": row.data_version,
        "scheduled_by": row.author.get_username(),
        "change_type": write.change,
        "complete": row.state == ScheduledChange.State.ENACTED,
        "when": milliseconds(row.when) if row.when is not None else None,
        **_telemetry(kind, row),
        "change_id": row.history_id,
        "changed_by": row.change_set.actor_name,
        "timestamp": milliseconds(row.change_set.time),
    }
