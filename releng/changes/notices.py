"""Mails about scheduled changes: which are due, and what they say. Agents send them, each once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from releng.changes.conditions import Due, due
from releng.changes.models import Notice, ScheduledChange

CLAIM = timedelta(seconds=90)
UPTAKE_NEAR = 0.8
MOST_AT_ONCE = 100

NOTICE_KEY = ("scheduled_change_id", "kind", "occasion")
SUBJECTS = {
    Notice.Kind.AHEAD: "will be made soon",
    Notice.Kind.ENACTED: "was made",
    Notice.Kind.FAILED: "could not be made",
    Notice.Kind.SUSPENDED: "was suspended",
    Notice.Kind.OVERDUE: "is overdue",
}


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that an agent is to send: for people who follow these products."""

    notice_id: int
    products: tuple[str, ...]
    subject: str
    body: str


def note(scheduled: ScheduledChange, kind: Notice.Kind, occasion: str = "") -> None:
    """Let a mail be sent about something; the same occasion is told once."""
    Notice.objects.get_or_create(scheduled_change=scheduled, kind=kind, occasion=occasion[:100])


def announce(states: Iterable[tuple[ScheduledChange, Due]], now: datetime) -> None:
    """Let mails be sent about changes whose time is near, whose number is nearly reached, or that are overdue."""
    wanted = [
        Notice(scheduled_change=scheduled, kind=kind, occasion=scheduled.content_digest)
        for scheduled, state in states
        for kind, is_so in (
            (Notice.Kind.AHEAD, is_near(scheduled, state, now)),
            (Notice.Kind.OVERDUE, overdue_since(scheduled, state, now) is not None),
        )
        if is_so
    ]
    keys = [notice.scheduled_change_id for notice in wanted]
    told = set(Notice.objects.filter(scheduled_change__in=keys).values_list(*NOTICE_KEY))
    fresh = [notice for notice in wanted if tuple(getattr(notice, name) for name in NOTICE_KEY) not in told]
    Notice.objects.bulk_create(fresh, ignore_conflicts=True)


def is_near(scheduled: ScheduledChange, state: Due, now: datetime) -> bool:
    """Tell whether it is about to happen: within the lead time, or at 80 % of the number that it waits for."""
    if scheduled.follows is not None and scheduled.follows.is_open:
        return False
    lead = timedelta(minutes=settings.MAIL_LEAD_MINUTES)
    timed = scheduled.when or scheduled.at_latest
    near = [item.share >= UPTAKE_NEAR for item in state.progress]
    if scheduled.at_latest is not None and scheduled.at_latest <= now + lead:
        return True
    if near:
        return all(near) and (scheduled.when is None or scheduled.when <= now + lead)
    return timed is not None and timed <= now + lead


def overdue_since(scheduled: ScheduledChange, state: Due, now: datetime) -> datetime | None:
    """Return since when a change should have been made, or None while it is on time."""
    moment = scheduled.when or scheduled.at_latest
    grace = timedelta(minutes=settings.OVERDUE_MINUTES)
    return moment if moment is not None and state.met and moment < now - grace else None


def claimed(now: datetime | None = None) -> list[Mail]:
    """Return mails that nobody else is sending; whoever asks has CLAIM to say that they are sent."""
    now = timezone.now() if now is None else now
    rows = Notice.objects.filter(sent_at=None).filter(Q(claimed_until=None) | Q(claimed_until__lt=now))
    keys = list(
        rows.select_for_update(skip_locked=True).order_by("pk").values_list("pk", flat=True)[:MOST_AT_ONCE]
    )
    Notice.objects.filter(pk__in=keys).update(claimed_until=now + CLAIM)
    found = Notice.objects.filter(pk__in=keys).select_related(
        "scheduled_change__author", "scheduled_change__enacted_by", "scheduled_change__follows"
    )
    found = found.prefetch_related(
        "scheduled_change__writes", "scheduled_change__signoffs__user", "scheduled_change__failures"
    )
    return [_mail(notice) for notice in found.order_by("pk")]


def sent(notice_ids: Iterable[int]) -> None:
    """Note that mails have been sent."""
    Notice.objects.filter(pk__in=list(notice_ids), sent_at=None).update(sent_at=timezone.now())


def _mail(notice: Notice) -> Mail:
    scheduled = notice.scheduled_change
    writes = list(scheduled.writes.all())
    products = tuple(sorted({write.product for write in writes if write.product}))
    what = "; ".join(map(str, writes))
    subject = f"Scheduled change {scheduled} {SUBJECTS[Notice.Kind(notice.kind)]}: {what}"
    lines = [
        f"Scheduled change {scheduled} {SUBJECTS[Notice.Kind(notice.kind)]}.",
        "",
        *(_described(write) for write in writes),
        "",
        f"Proposed by {scheduled.author}: {scheduled.reason or 'no reason given'}",
        *_state(notice, scheduled),
    ]
    return Mail(notice.pk, products, " ".join(subject.split())[:200], "\n".join(lines))


def _described(write: object) -> str:
    values: dict[str, object] = getattr(write, "values", {})
    told = ", ".join(f"{name} = {_short(value)}" for name, value in sorted(values.items()))
    return f"- {write}" + (f": {told}" if told else "")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 100 else "(a document)" if isinstance(value, dict) else f"{text[:99]}…"


def _state(notice: Notice, scheduled: ScheduledChange) -> Sequence[str]:
    if notice.kind == Notice.Kind.ENACTED:
        return [f"Made at {scheduled.enacted_at:%Y-%m-%d %H:%M:%S} UTC by {scheduled.enacted_by}."]
    if notice.kind == Notice.Kind.SUSPENDED:
        return ["Somebody must look at it, then edit, resume or cancel it.", "", scheduled.state_reason]
    if notice.kind == Notice.Kind.FAILED:
        return [f"It will be tried again. {failure.message}" for failure in scheduled.failures.all()[:1]]
    signed = [
        str(signoff)
        for signoff in scheduled.signoffs.all()
        if signoff.content_digest == scheduled.content_digest
    ]
    return [
        *([f"When: {scheduled.when:%Y-%m-%d %H:%M:%S} UTC."] if scheduled.when is not None else []),
        *(
            f"{item.name}: {'unknown' if item.value is None else f'{item.value:g}'} of {item.target:g}."
            for item in due(scheduled).progress
        ),
        f"Signed off by: {', '.join(signed) or 'nobody'}.",
    ]
