"""Moving a rule in the decision order: which priorities must be written. Pure, no Django."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

STEP = 10
"""How far from its neighbour a rule is put where there is room."""


class NoRoomError(ValueError):
    """There is no priority left above the highest rule."""


@dataclass(frozen=True, slots=True)
class Place:
    """What decides about a rule's place: its key, its priority, and for whom it competes."""

    rule_id: int
    priority: int
    product: str | None = None
    channel: str | None = None

    @property
    def order(self) -> tuple[int, int]:
        """Sort key of the decision order (protocol.md section 4.1)."""
        return (-self.priority, self.rule_id)

    def meets(self, other: Place) -> bool:
        """Tell whether some client can be asked about by both rules, so that their order matters."""
        if None not in (self.product, other.product) and self.product != other.product:
            return False
        if self.channel is None or other.channel is None or self.channel == other.channel:
            return True
        return _accepts(self.channel, other.channel) or _accepts(other.channel, self.channel)


def moved(places: Iterable[Place], rule_id: int, beside: int, *, after: bool, most: int) -> dict[int, int]:
    """Return the priorities to write, by rule, so that one rule stands directly before or after another.

    The order of all others among each other stays as it is wherever it matters; only rules without room are raised.
    Empty when the rule stands there already. `most` is the highest priority that can be stored. Raises NoRoomError,
    and KeyError for a rule that is not among `places`.
    """
    ordered = sorted(places, key=lambda place: place.order)
    by_key = {place.rule_id: place for place in ordered}
    own, other = by_key[rule_id], by_key[beside]
    rest = [place for place in ordered if place.rule_id != rule_id]
    position = rest.index(other) + (1 if after else 0)
    above = [place for place in rest[:position] if place.meets(own) or place == other]
    below = [place for place in rest[position:] if place.meets(own) or place == other]
    if _stands(own, above, below):
        return {}
    priority = _between(own, above, below)
    found = {rule_id: priority}
    raised = [Place(rule_id, priority, own.product, own.channel)]
    for place in reversed(rest[:position]):
        lowest = max(
            (_lowest(place, lower) for lower in raised if place.meets(lower) or place == other), default=0
        )
        if lowest > place.priority:
            found[place.rule_id] = lowest
            raised.append(Place(place.rule_id, lowest, place.product, place.channel))
    if max(found.values()) > most:
        raise NoRoomError(f"No priority is left: the highest that can be stored is {most}.")
    return found


def _stands(own: Place, above: Sequence[Place], below: Sequence[Place]) -> bool:
    before = all(place.order < own.order for place in above)
    return before and all(own.order < place.order for place in below)


def _between(own: Place, above: Sequence[Place], below: Sequence[Place]) -> int:
    low = max((_lowest(own, place) for place in below), default=None)
    high = min((_highest(own, place) for place in above), default=None)
    if low is None and high is None:
        return own.priority
    if high is None:
        return low + STEP - 1 if low is not None else own.priority
    if low is None:
        return max(0, high - STEP + 1)
    return (low + high) // 2 if low <= high else low


def _lowest(rule: Place, lower: Place) -> int:
    """Return the lowest priority with which `rule` stands before `lower`."""
    return lower.priority if rule.rule_id < lower.rule_id else lower.priority + 1


def _highest(rule: Place, upper: Place) -> int:
    """Return the highest priority with which `rule` stands after `upper`."""
    return upper.priority if upper.rule_id < rule.rule_id else upper.priority - 1


def _accepts(pattern: str, channel: str) -> bool:
    return pattern.endswith("*") and channel.removesuffix("*").startswith(pattern[:-1])
