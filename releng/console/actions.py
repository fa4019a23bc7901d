"""What the pages remember is written here: marks of good states, and how far somebody has read."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from history.models import Generation
from releng.console.models import GoodState, LastLook


def mark_good(product: str, channel: str, sequence: int, reason: str) -> GoodState:
    """Call the state of a product and channel after change set `sequence` good; `reason` says how one knows.

    An earlier mark of the same product and channel is moved, and stays in history. Raises ValidationError.
    """
    newest = Generation.objects.values_list("number", flat=True).get(pk=Generation.HEAD)
    if not 0 < sequence <= newest:
        raise ValidationError(
            {"sequence": f"#{sequence}: there is no such change set; the newest is #{newest}."}
        )
    rows = GoodState.objects.select_for_update(of=("self",))
    row = rows.filter(product=product, channel=channel).first() or GoodState(product=product, channel=channel)
    row.sequence, row.reason = sequence, reason
    row.full_clean()
    row.save()
    return row


def looked(user: Any, sequence: int) -> LastLook:
    """Note that somebody has read what changed up to change set `sequence`; never less than before."""
    row = LastLook.objects.filter(user=user).first() or LastLook(user=user, sequence=0)
    row.sequence, row.time = max(row.sequence, sequence), timezone.now()
    row.save()
    return row
