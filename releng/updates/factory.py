"""The update service as the settings describe it, one for each process."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings

from releng.updates import signing
from releng.updates.keeper import SnapshotKeeper
from releng.updates.service import Application, UpdateService
from releng.uptake.counting import Counter
from releng.uptake.recording import Recorder


def update_service(behind: Application, problems: Callable[[], list[str]] | None = None) -> UpdateService:
    """Return the service in front of `behind`, with its first snapshot loaded if the database answers.

    `problems` makes the health page red for more than a stale snapshot.
    """
    keeper = SnapshotKeeper()
    keeper.refresh()
    dice = settings.UPDATE_DICE
    recorder = Recorder(Counter(), settings.UPTAKE_FLUSH_SECONDS) if settings.COUNT_TRAFFIC else None
    return UpdateService(
        keeper,
        behind,
        dice=None if dice is None else lambda: dice,
        signer=signing.from_settings(settings.SIGNERS, settings.SIGNED_PRODUCTS),
        signing_must_succeed=settings.SIGNING_MUST_SUCCEED,
        max_age_seconds=settings.UPDATE_MAX_AGE,
        recorder=recorder,
        problems=problems,
    )
