"""The update service as the settings describe it, one for each process."""

from __future__ import annotations

from django.conf import settings

from releng.updates import signing
from releng.updates.keeper import SnapshotKeeper
from releng.updates.service import Application, UpdateService


def update_service(behind: Application) -> UpdateService:
    """Return the service in front of `behind`, with its first snapshot loaded if the database answers."""
    keeper = SnapshotKeeper()
    keeper.refresh()
    dice = settings.UPDATE_DICE
    return UpdateService(
        keeper,
        behind,
        dice=None if dice is None else lambda: dice,
        signer=signing.from_settings(settings.SIGNERS, settings.SIGNED_PRODUCTS),
        signing_must_succeed=settings.SIGNING_MUST_SUCCEED,
        max_age_seconds=settings.UPDATE_MAX_AGE,
    )
