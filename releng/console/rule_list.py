"""The rules as decisions: who is asked first, by product and channel, with what is proposed and what is stopped."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import BooleanField, ExpressionWrapper, Prefetch, Q, Value
from django.utils import timezone

from history.diff import FieldDiff, diff_fields
from releng.changes.kinds import TARGETS
from releng.changes.models import ScheduledChange, ScheduledWrite, Signoff
from releng.changes.requirements import Requirements
from releng.console.rule_filters import RuleFilters, accepts, open_writes
from releng.console.rule_words import LABELS, conditions, unmet_conditions, unsent_conditions, update_path
from rules.models import EmergencyShutoff, Rule
from rules.wire import rule_to_wire

RULES_ON_A_PAGE = 100

Place = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Proposed:
    """What an open scheduled change would do to a rule, on top of what those before it do."""

    write: ScheduledWrite
    changes: list[FieldDiff]
    required: dict[str, int]

    @property
    def scheduled(self) -> ScheduledChange:
        """The change that it is a part of."""
        return self.write.scheduled_change

    @property
    def signed(self) -> list[Any]:
        """Signoffs that were given for what would be written."""
        scheduled = self.scheduled
        given = scheduled.signoffs.all()
        return [signoff for signoff in given if signoff.content_digest == scheduled.content_digest]

    @property
    def is_late(self) -> bool:
        """Whether its moment is over, and it has still not been made."""
        moment = self.scheduled.when or self.scheduled.at_latest
        grace = timedelta(minutes=settings.OVERDUE_MINUTES)
        return (
            self.scheduled.state == ScheduledChange.State.PENDING
            and moment is not None
            and moment < timezone.now() - grace
        )

    @property
    def labelled(self) -> list[tuple[str, FieldDiff]]:
        """The changes with what people call the fields."""
        return [(LABELS.get(change.name, change.name), change) for change in self.changes]


@dataclass
class Row:
    """One line of the list: a rule with its proposals, or a rule that is only proposed (`rule.pk` is None)."""

    rule: Rule
    proposals: list[Proposed] = field(default_factory=list)
    stopped: list[EmergencyShutoff] = field(default_factory=list)
    after: Rule | None = None  # as the proposals so far would leave it

    @property
    def place(self) -> Place:
        """For whom it is."""
        return self.rule.product, self.rule.channel

    @property
    def plain_channel(self) -> str:
        """The channel without its star, as clients may send it."""
        return (self.rule.channel or "").removesuffix("*")

    @property
    def conditions(self) -> Any:
        """Whom it asks for besides product and channel."""
        return conditions(self.rule)

    @property
    def warnings(self) -> list[str]:
        """What is legal, but worth a second look."""
        if self.rule.pk is None:
            return []
        unsent = ", ".join(LABELS[name] for name in unsent_conditions(self.rule))
        told = f"Clients of {self.rule.product} do not send: {unsent}."
        return self.rule.warnings() + ([told] if unsent else [])

    @property
    def json(self) -> str:
        """The rule as the API writes it."""
        return json.dumps(rule_to_wire(self.rule), indent=2, ensure_ascii=False)

    @property
    def update_path(self) -> str:
        """An update request that the rule matches."""
        return update_path(self.rule)

    @property
    def unmet(self) -> str:
        """What of the rule that request cannot fulfil."""
        return ", ".join(unmet_conditions(self.rule, self.update_path))


@dataclass
class Group:
    """The rules of one product and channel, as they stand on a page."""

    product: str | None
    channel: str | None
    count: int
    rows: list[Row] = field(default_factory=list)
    stopped: list[EmergencyShutoff] = field(default_factory=list)

    @property
    def query(self) -> str:
        """The filters that show everything that decides there."""
        asked = {"product": self.product, "channel": self.channel}
        return urlencode({name: value for name, value in asked.items() if value})


class RuleList:
    """One page of the list: two queries for the rules, one for what is stopped, three for what is proposed."""

    def __init__(self, form: RuleFilters, page: int) -> None:
        self.form = form
        matched = form.query()
        hit = ExpressionWrapper(matched, BooleanField()) if matched else Value(True)
        keys = Rule.objects.order_by().annotate(hit=hit)
        rows = list(keys.values_list("pk", "product", "channel", "priority", "hit"))
        places = {(product, channel) for _, product, channel, _, _ in rows}
        self.places: list[Place] = sorted(places, key=lambda place: _order(0, place[0], place[1], 0))
        chosen_places = {place for place in places if form.takes_place(*place)}
        found = (row[:4] for row in rows if row[4] and row[1:3] in chosen_places)
        ordered = sorted(found, key=lambda row: self._order(*row))
        self.count = len(ordered)
        self.pages = max(1, -(-self.count // RULES_ON_A_PAGE))
        self.page = min(max(1, page), self.pages)
        start = (self.page - 1) * RULES_ON_A_PAGE
        self._counts: dict[Place, int] = defaultdict(int)
        for _, product, channel, _ in ordered:
            self._counts[product, channel] += 1
        chosen = ordered[start : start + RULES_ON_A_PAGE]
        self._until = [self._order(*row) for row in ordered[start + RULES_ON_A_PAGE :][:1]]
        self._from = [self._order(*row) for row in chosen[:1]] if start else []
        self._shutoffs = list(EmergencyShutoff.objects.all())
        stored = Rule.objects.with_releases().in_bulk([row[0] for row in chosen])
        self.rows = [Row(stored[row[0]]) for row in chosen if row[0] in stored]
        self._propose()
        for row in self.rows:
            row.stopped = [stop for stop in self._shutoffs if concerns(stop, *row.place)]

    @property
    def is_one_decision(self) -> bool:
        """Whether one product and channel were asked for: then the order is that in which clients are decided."""
        return {"product", "channel"} <= self.form.chosen.keys()

    @property
    def groups(self) -> list[Group]:
        """The rows by product and channel; all as one where one product and channel were asked for."""
        if self.is_one_decision:
            chosen = self.form.chosen
            group = Group(chosen["product"], chosen["channel"], self.count, self.rows)
            group.stopped = [stop for stop in self._shutoffs if concerns(stop, group.product, group.channel)]
            return [group] if self.rows else []
        found: list[Group] = []
        for row in self.rows:
            if not found or (found[-1].product, found[-1].channel) != row.place:
                found.append(Group(*row.place, count=self._counts[row.place]))
            found[-1].rows.append(row)
        for group in found:
            group.stopped = [stop for stop in self._shutoffs if concerns(stop, group.product, group.channel)]
        return found

    @property
    def index(self) -> list[tuple[str | None, list[Group]]]:
        """Products, each with its channels: the way into a long list."""
        found: dict[str | None, list[Group]] = defaultdict(list)
        for product, channel in self.places:
            found[product].append(Group(product, channel, self._counts[product, channel]))
        return list(found.items())

    @property
    def products(self) -> list[str]:
        """The products that rules have."""
        return sorted({product for product, _ in self.places if product})

    @property
    def channels(self) -> list[str]:
        """The channels that rules have, of the product that was asked for."""
        wanted = self.form.chosen.get("product")
        return sorted({channel for product, channel in self.places if channel and wanted in (None, product)})

    def address_of(self, page: int) -> str:
        """Return the query of another page of the same list."""
        asked = {name: "on" if value is True else value for name, value in self.form.chosen.items()}
        return "?" + urlencode(asked | ({"page": page} if page > 1 else {}))

    @property
    def older(self) -> str:
        """The address of the page before, if there is one."""
        return self.address_of(self.page - 1) if self.page > 1 else ""

    @property
    def newer(self) -> str:
        """The address of the next page, if there is one."""
        return self.address_of(self.page + 1) if self.page < self.pages else ""

    def _order(self, pk: int | None, product: str | None, channel: str | None, priority: int) -> Any:
        if self.is_one_decision:
            return (-priority, pk is None, pk or 0)
        return _order(pk, product, channel, priority)

    def _propose(self) -> None:
        """Put what is proposed under its rule, and rules that are only proposed in their places."""
        by_key = {row.rule.pk: row for row in self.rows}
        writes = open_writes().filter(Q(change="insert") | Q(object_id__in=list(by_key)))
        asked = Requirements()
        for write in _with_signoffs(writes):
            if write.change == "insert":
                self._add_new(write, asked)
                continue
            row = by_key[write.object_id]
            row.proposals.append(_proposed(write, row, asked))
        self.rows.sort(key=lambda row: self._order(row.rule.pk, *row.place, row.rule.priority))

    def _add_new(self, write: ScheduledWrite, asked: Requirements) -> None:
        rule = Rule(**{_attname(name): value for name, value in write.values.items()})
        if not self.form.takes_new(rule):
            return
        order = self._order(None, rule.product, rule.channel, rule.priority)
        if (self._from and order < self._from[0]) or (self._until and order >= self._until[0]):
            return  # it stands on another page
        row = Row(rule)
        row.proposals.append(Proposed(write, [], asked.of_place(rule.product, rule.channel)))
        self.rows.append(row)


def row_of(rule: Rule, asked: Requirements) -> Row:
    """Return the line of one rule, for its own page: with what is proposed and what is stopped."""
    row = Row(rule)
    for write in _with_signoffs(open_writes().filter(object_id=rule.pk)):
        row.proposals.append(_proposed(write, row, asked))
    row.stopped = [stop for stop in EmergencyShutoff.objects.all() if concerns(stop, *row.place)]
    return row


def concerns(stop: EmergencyShutoff, product: str | None, channel: str | None) -> bool:
    """Tell whether a shutoff stops what rules of a product and channel would offer."""
    if product not in (None, stop.product):
        return False
    return channel is None or accepts(channel, stop.channel)


def _order(pk: int | None, product: str | None, channel: str | None, priority: int) -> Any:
    """Sort by product and channel, those for all of them last; then as rules decide, new ones last."""
    return (product is None, product or "", channel is None, channel or "", -priority, pk is None, pk or 0)


def _with_signoffs(writes: Any) -> Any:
    signoffs = Prefetch("scheduled_change__signoffs", Signoff.objects.select_related("user"))
    return writes.select_related("scheduled_change__author").prefetch_related(signoffs)


def _attname(name: str) -> str:
    field: Any = Rule._meta.get_field(name)
    return str(field.attname)


def _proposed(write: ScheduledWrite, row: Row, asked: Requirements) -> Proposed:
    before = row.after or row.rule
    if write.change == "delete":
        return Proposed(write, [], asked.of_place(before.product, before.channel))
    target = TARGETS["rule"]
    old = target.values_of(before)
    changes = diff_fields(old, old | write.values, list_fields=Rule.history_list_fields)
    values = {_attname(name): value for name, value in (old | write.values).items()}
    row.after = Rule(**values, rule_id=before.pk)
    required = asked.signoffs("update", before, row.after, write.values)
    return Proposed(write, changes, required)
