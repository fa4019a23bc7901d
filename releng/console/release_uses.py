"""What uses releases: rules, pins, other releases, and open scheduled changes; for many releases in few queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from django.db.models import CharField, IntegerField, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat

from releases.blobs import Superblob
from releases.models import Release
from releng.changes.models import ScheduledChange, ScheduledReference, ScheduledWrite
from releng.console.rule_list import concerns
from rules.models import EmergencyShutoff, PinnableRelease, Rule

POINTS: dict[str, str] = {
    "mapping_id": "mapping",
    "fallback_mapping_id": "fallback",
    "whitelist_id": "list of devices",
}


@dataclass(frozen=True, slots=True)
class RuleUse:
    """A rule that names a release in one of its fields, itself or (`through`) as a part of another release."""

    rule: Rule
    how: str
    through: str = ""
    stops: tuple[EmergencyShutoff, ...] = ()

    @property
    def is_stopped(self) -> bool:
        """Whether updates are stopped for all clients of the rule's channel."""
        rule = self.rule
        return any(
            (stop.product, stop.channel) == (rule.product, rule.channel)
            and stop.build_target in (None, rule.build_target)
            and stop.locale in (None, rule.locale)
            for stop in self.stops
        )

    @property
    def share(self) -> int:
        """How many of 100 requests that the rule decides get the release by it."""
        if self.how == "mapping":
            return self.rule.background_rate
        return 100 - self.rule.background_rate if self.how == "fallback" else 0

    @property
    def is_active(self) -> bool:
        """Whether clients are offered the release by it now."""
        return self.share > 0 and not self.is_stopped

    @property
    def state(self) -> str:
        """The same in words."""
        if self.how == POINTS["whitelist_id"]:
            return "asked which devices may be offered an update"
        if self.is_stopped:
            return "stopped"
        return f"offered to {self.share} % now" if self.share else "offered to nobody now"


@dataclass(frozen=True, slots=True)
class PinUse:
    """A pin to a release, or (`through`) to one that it is a part of: its key, product, channel and version."""

    pk: int
    name: str
    through: str = ""

    def __str__(self) -> str:
        return self.name


@dataclass
class Uses:
    """Everything that uses one release."""

    rules: list[RuleUse] = field(default_factory=list)
    pins: list[PinUse] = field(default_factory=list)
    parts_of: list[str] = field(default_factory=list)  # releases that splice this one
    changes: list[int] = field(default_factory=list)  # open scheduled changes

    @property
    def active(self) -> list[RuleUse]:
        """The rules by which clients are offered it now."""
        return [use for use in self.rules if use.is_active]

    def __bool__(self) -> bool:
        return bool(self.rules or self.pins or self.parts_of)

    @property
    def has_pointers(self) -> bool:
        """Whether something points to the release itself, so that it cannot be deleted."""
        through = [*(use.through for use in self.rules), *(pin.through for pin in self.pins)]
        return not all(through)


def uses_of(names: Collection[str]) -> dict[str, Uses]:
    """Return what uses each of these releases: four queries, however many there are."""
    found: dict[str, Uses] = {name: Uses() for name in names}
    for whole, blobs in _superblobs():
        for name in set(blobs) & found.keys():
            found[name].parts_of.append(whole)
    asked = {*names, *(whole for uses in found.values() for whole in uses.parts_of)}
    by_name = _rule_uses(asked)
    for name, uses in found.items():
        uses.rules = list(by_name.get(name, ()))
        for whole in uses.parts_of:
            uses.rules += [
                RuleUse(use.rule, use.how, whole, use.stops)
                for use in by_name.get(whole, ())
                if use.how != POINTS["whitelist_id"]
            ]
        uses.rules.sort(key=lambda use: (not use.is_active, -use.rule.priority, use.rule.pk))
    pins: dict[str, list[PinUse]] = defaultdict(list)
    for name, key, pin in _pins_and_changes(names, asked):
        if pin:
            pins[name].append(PinUse(key, pin))
        elif name in found and key not in found[name].changes:
            found[name].changes.append(key)
    for name, uses in found.items():
        uses.pins = list(pins[name])
        for whole in uses.parts_of:
            uses.pins += [PinUse(pin.pk, pin.name, whole) for pin in pins[whole]]
    return found


def offering(*, active: bool = False) -> QuerySet[Release]:
    """Return the releases that a rule names as its mapping or fallback; `active`: to somebody, were nothing stopped."""
    mapped, fallback = Rule.objects.order_by(), Rule.objects.order_by()
    if active:
        mapped, fallback = mapped.filter(background_rate__gt=0), fallback.filter(background_rate__lt=100)
    names = Q(name__in=mapped.filter(mapping__isnull=False).values("mapping"))
    names |= Q(name__in=fallback.filter(fallback_mapping__isnull=False).values("fallback_mapping"))
    found: QuerySet[Release] = Release.objects.filter(names)
    return found


def _rule_uses(names: Collection[str]) -> dict[str, list[RuleUse]]:
    condition = Q(mapping__in=names) | Q(fallback_mapping__in=names) | Q(whitelist__in=names)
    stops = list(EmergencyShutoff.objects.all())
    found: dict[str, list[RuleUse]] = defaultdict(list)
    for rule in Rule.objects.filter(condition):
        met = tuple(stop for stop in stops if concerns(stop, rule.product, rule.channel))
        for attname, how in POINTS.items():
            if (name := getattr(rule, attname)) in names:
                found[name].append(RuleUse(rule, how, stops=met))
    return found


def _superblobs() -> Iterable[tuple[str, list[str]]]:
    rows = Release.objects.filter(schema_version=Superblob.schema_version).order_by("name")
    for name, document in rows.values_list("name", "document"):
        yield name, document.get("blobs") or []


def _pins_and_changes(names: Collection[str], pinned: Collection[str]) -> Iterable[tuple[str, int, str]]:
    """Yield (release name, key, text) of pins; of open scheduled changes that are about a release, without text."""
    pending = Q(scheduled_change__state__in=ScheduledChange.OPEN)
    keys = Release.objects.filter(name__in=names).values("pk")
    writes = ScheduledWrite.objects.filter(pending, target="release", object_id__in=keys)
    references = ScheduledReference.objects.filter(pending, release__in=names)
    pins = PinnableRelease.objects.filter(mapping__in=pinned)
    told = Concat("product", Value(" "), "channel", Value(" "), "version", output_field=CharField())
    found = [
        rows.order_by()
        .annotate(named=Cast(name, CharField()), key=Cast(key, IntegerField()), told=text)
        .values_list("named", "key", "told")
        for rows, name, key, text in (
            (pins, "mapping_id", "pk", told),
            (writes, "object_name", "scheduled_change_id", Value("", output_field=CharField())),
            (references, "release_id", "scheduled_change_id", Value("", output_field=CharField())),
        )
    ]
    return found[0].union(*found[1:]).order_by("named", "told", "key")
