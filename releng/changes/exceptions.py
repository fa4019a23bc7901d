"""Why a change cannot be made now, or a scheduled change not be signed or enacted; each error has a stable `code`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from history.exceptions import HistoryError
from history.merge import Conflict
from releases.exceptions import WrongStateError


def spelled(required: Mapping[str, int]) -> str:
    """Return requirements as people read them: `2 x qa, 1 x relman`."""
    return ", ".join(f"{count} x {role}" for role, count in sorted(required.items()))


class SignoffRequiredError(HistoryError):
    """A change that others must agree to was to be made directly; `required` has how many of each role."""

    code = "signoff_required"

    def __init__(self, what: str, required: Mapping[str, int]) -> None:
        super().__init__(
            f"Changing {what} needs signoffs ({spelled(required)}), so it cannot be done directly; schedule it."
        )
        self.what = what
        self.required = dict(required)


class ChangeScheduledError(WrongStateError):
    """The row has an open scheduled change, which would be left without it, or compete with another."""

    code = "change_scheduled"

    def __init__(self, what: str, scheduled: Iterable[object], hint: str) -> None:
        self.scheduled = list(scheduled)
        numbers = ", ".join(map(str, self.scheduled))
        super().__init__(f"{what} has a scheduled change already ({numbers}): {hint}")


class WrongChangeStateError(WrongStateError):
    """The scheduled change is not in a state in which this can be done."""

    code = "scheduled_change_state"

    def __init__(self, change: object, state: str, verb: str) -> None:
        super().__init__(f"Scheduled change {change} is {state}, so it cannot be {verb}.")
        self.state = state


class NotDueError(WrongStateError):
    """The conditions of the scheduled change are not met; `waiting_for` says which."""

    code = "not_due"

    def __init__(self, change: object, waiting_for: Iterable[str]) -> None:
        self.waiting_for = list(waiting_for)
        super().__init__(f"Scheduled change {change} is not due: it waits {'; '.join(self.waiting_for)}.")


class SignoffsMissingError(WrongStateError):
    """Not everybody needed has agreed to exactly this content; `missing` has how many of each role are."""

    code = "signoffs_missing"

    def __init__(self, change: object, missing: Mapping[str, int]) -> None:
        super().__init__(f"Scheduled change {change} still needs signoffs: {spelled(missing)}.")
        self.missing = dict(missing)


class ContentChangedError(WrongStateError):
    """Somebody was to sign what is no longer what would be written."""

    code = "content_changed"

    def __init__(self, change: object) -> None:
        super().__init__(
            f"What scheduled change {change} would write has changed since you looked at it. Look again, then sign."
        )


class FollowerNotSeenError(WrongStateError):
    """What follows a change was to be signed with it, and was not among what the person looked at."""

    code = "follower_not_seen"

    def __init__(self, change: object, follower: object) -> None:
        super().__init__(
            f"Scheduled change {follower} follows scheduled change {change}, and you have not looked at it. "
            "Look again, then sign; over the API give its digest in follower_digests."
        )


class OverlappingChangeError(WrongStateError):
    """The rows have changed in the same places that the scheduled change would change."""

    code = "overlapping_change"

    def __init__(self, change: object, explanation: str, conflicts: tuple[Conflict, ...] = ()) -> None:
        super().__init__(f"Scheduled change {change}: {explanation}")
        self.explanation = explanation
        self.conflicts = conflicts


class SignoffRefusedError(WrongStateError):
    """This person cannot sign this change in this role, or take back that signoff."""

    code = "signoff_refused"


class PastTimeError(HistoryError):
    """A change was to be scheduled for a moment that is over."""

    code = "past_time"

    def __init__(self, name: str, moment: datetime, now: datetime) -> None:
        super().__init__(
            f"{name}: {moment.isoformat(timespec='seconds')} is over (it is {now.isoformat(timespec='seconds')}). "
            'Choose a later moment, or "as soon as signed".'
        )
