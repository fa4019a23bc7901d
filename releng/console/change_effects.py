"""What clients would get instead if a scheduled change were made now: for the page where one signs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from releases.reading import consistent_read
from releng.changes.effects import MOST_EFFECTS, Effect, Effects, effects_between
from releng.changes.examination import Examination, ExaminedWrite, told
from releng.changes.overlay import DECIDING
from releng.changes.release_targets import PartTarget, ReleaseTarget
from releng.changes.trials import Moment, Trial, trial
from releng.console.rule_words import client_words
from releng.updates.asking import ask_all, question_of_fields

MOST_PLACES = 4


@dataclass(frozen=True, slots=True)
class Told:
    """Examples of clients with what they get before and after; `untold` says why nothing can be told."""

    effects: list[tuple[Any, Effect]] = field(default_factory=list)
    more: int = 0
    untold: str = ""

    @property
    def unseen(self) -> bool:
        """Whether clients were found, and none of them sees a difference."""
        return bool(self.effects) and all(effect.is_same for _, effect in self.effects)


def effects_told(examination: Examination) -> Told | None:
    """Return what an open change would make different for clients; None when it writes nothing that decides.

    What it follows counts as made.
    """
    scheduled = examination.scheduled
    if not any(item.write.target in DECIDING for item in examination.writes):
        return None
    if examination.conflicts or examination.problems:
        return Told(untold="it cannot be written as it is.")
    waits = scheduled.follows is not None and scheduled.follows.is_open
    try:
        with consistent_read():
            before = trial(Moment(changes=(scheduled.follows_id,) if waits and scheduled.follows_id else ()))
            after = trial(Moment(changes=(scheduled.pk,)))
            found = effects_between(before, after)
            places = [place for item in examination.writes for place in _changed_places(item)][:MOST_PLACES]
            effects = _at(places, found, before, after) if places else found.effects
    except ValidationError as error:
        return Told(untold=told(error))
    return Told([(client_words(effect.client), effect) for effect in effects], found.more)


def _changed_places(item: ExaminedWrite) -> list[tuple[str, str]]:
    """Return the platforms and locales of a release that a write changes: only their clients can see it."""
    if item.write.target == PartTarget.kind:
        row = item.after if item.after is not None else item.before
        return [(row.platform, row.locale)]
    if item.write.target != ReleaseTarget.kind or "document" not in item.values:
        return []
    old, new = (_locales(item, row) for row in (item.before, item.after))
    return sorted(place for place in old.keys() | new.keys() if old.get(place) != new.get(place))


def _locales(item: ExaminedWrite, row: Any) -> dict[tuple[str, str], Any]:
    document: Any = item.target.values_of(row).get("document") if row is not None else None
    platforms = document.get("platforms") if isinstance(document, dict) else None
    return {
        (platform, locale): entry
        for platform, of_platform in (platforms or {}).items()
        if isinstance(of_platform, dict)
        for locale, entry in (of_platform.get("locales") or {}).items()
    }


def _at(places: list[tuple[str, str]], found: Effects, before: Trial, after: Trial) -> list[Effect]:
    """Return effects for clients of some platforms and locales, otherwise like those that were found."""
    effects = []
    for effect in found.effects[: MOST_EFFECTS // len(places)]:
        for build_target, locale in places:
            client = {**effect.client, "build_target": build_target, "locale": locale}
            question = question_of_fields(client)
            answers = [ask_all(question, state.snapshot) for state in (before, after)]
            effects.append(Effect(question, client, answers[0], answers[1]))
    return effects
