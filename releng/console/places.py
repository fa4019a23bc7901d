"""Where updates can be stopped: products and their channels, the rules that decide there, and the traffic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, Sum
from django.utils import timezone

from releng.permissions.questions import channels_meet
from releng.updates.keeper import LOOK_EVERY_SECONDS
from releng.uptake.clients import OTHER
from releng.uptake.models import UptakeCount
from rules.models import EmergencyShutoff, Rule

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Place:
    """A product and channel as clients name them; there perhaps one platform or locale only."""

    product: str
    channel: str
    build_target: str | None = None
    locale: str | None = None

    def __str__(self) -> str:
        return " ".join(filter(None, (self.product, self.channel, self.build_target, self.locale)))

    def decided_by(self, rule: Any) -> bool:
        """Tell whether a rule may decide about clients of this place."""
        return (
            rule.product in (None, self.product)
            and reaches(rule.channel, self.channel)
            and (self.build_target is None or rule.build_target in (None, self.build_target))
            and (self.locale is None or rule.locale is None or self.locale in rule.locale.split(","))
        )


def reaches(rule_channel: str | None, channel: str) -> bool:
    """Tell whether a rule for one channel accepts clients of another; none accepts all."""
    return rule_channel is None or channels_meet(rule_channel, channel)


def stale_seconds() -> int:
    """Return how long an answer that was given just before a change can still reach clients."""
    return int(settings.UPDATE_MAX_AGE + LOOK_EVERY_SECONDS + 0.999)


def known_places() -> dict[str, list[str]]:
    """Return the products that rules name, each with the channels that are known of it: three queries.

    A channel with a star stands for the one before the star. Channels come from rules, shutoffs and the last day's
    traffic; a product without any has none.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for product, channel in (
        Rule.objects.order_by().exclude(product=None).values_list("product", "channel").distinct()
    ):
        found[product] |= {channel.removesuffix("*")} if channel and channel != "*" else set()
    for product, channel in EmergencyShutoff.objects.values_list("product", "channel"):
        found[product].add(channel)
    recent = UptakeCount.objects.filter(product__in=list(found), start__gte=timezone.now() - DAY).order_by()
    for product, channel in recent.values_list("product", "channel").distinct():
        if channel != OTHER:
            found[product].add(channel)
    return {product: sorted(channels) for product, channels in sorted(found.items())}


def rules_of(place: Place) -> list[Rule]:
    """Return the rules that may decide about clients of a place, in the order in which they decide: one query."""
    rows = Rule.objects.filter(Q(product=place.product) | Q(product=None))
    return [rule for rule in rows if place.decided_by(rule)]


@dataclass(frozen=True, slots=True)
class Requests:
    """How many requests came, in the last hour and in the last day; and the commonest versions of the day."""

    hour: int
    day: int
    versions: list[tuple[str, int]]


def traffic_of(places: Iterable[Place]) -> Requests:
    """Return how much traffic some places have had: one query. Requests not told apart by platform are left out."""
    now, wanted = timezone.now(), Q(pk__in=[])
    for place in places:
        # Partners' channels are counted under the channel that they are taken from, and stopped with it.
        one = Q(product=place.product, channel=place.channel.split("-cck-", 1)[0])
        wanted |= one & Q(build_target=place.build_target) if place.build_target else one
    rows = UptakeCount.objects.filter(wanted, start__gte=now - DAY).order_by().values("version")
    counted = rows.annotate(
        day=Sum("requests"), hour=Sum("requests", filter=Q(start__gte=now - HOUR), default=0)
    )
    found = sorted(counted, key=lambda row: (-row["day"], row["version"]))
    return Requests(
        sum(row["hour"] for row in found),
        sum(row["day"] for row in found),
        [(row["version"], row["day"]) for row in found[:5]],
    )


@dataclass(frozen=True, slots=True)
class Stop:
    """An active shutoff: since when, by whom, and until when answers from before can live in caches."""

    shutoff: EmergencyShutoff
    since: datetime | None
    by: str
    resuming: Any = None  # the open scheduled change that lifts it

    @property
    def stale_until(self) -> datetime | None:
        """When the last answer that was given before has died."""
        return None if self.since is None else self.since + timedelta(seconds=stale_seconds())

    @property
    def is_spreading(self) -> bool:
        """Whether answers from before can still be in caches."""
        return self.stale_until is not None and self.stale_until > timezone.now()


def active_stops(resuming: dict[int, Any] | None = None) -> list[Stop]:
    """Return all shutoffs, the newest first: two queries. `resuming` has open scheduled changes by shutoff."""
    shutoffs = list(EmergencyShutoff.objects.all())
    made = {
        row.id: row.change_set
        for row in EmergencyShutoff.history.filter(
            id__in=[shutoff.pk for shutoff in shutoffs], history_type="+"
        ).select_related("change_set")
    }
    stops = [
        Stop(
            shutoff,
            made[shutoff.pk].time if shutoff.pk in made else None,
            made[shutoff.pk].actor_name if shutoff.pk in made else "",
            (resuming or {}).get(shutoff.pk),
        )
        for shutoff in shutoffs
    ]
    return sorted(
        stops, key=lambda stop: (stop.since is not None, stop.since or timezone.now()), reverse=True
    )
