"""What a client tells about itself: the one value that every matcher and every blob looks at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Force(Enum):
    """The `force` query argument that was understood; the value is what is echoed to special hosts."""

    MAIN = "1"
    FALLBACK = "-1"


@dataclass(frozen=True, slots=True)
class UpdateQuery:
    """One client's question, normalised (protocol.md section 2).

    `None` means that the route has no such field ("absent"), except for the capabilities:
    `instruction_set` is `""` where the route lacks it and `None` where the client sent something that
    cannot be read; `memory` (MiB), `jaws` and `mig64` are `None` when absent or unknown, since the two
    match alike (protocol.md section 4.2).
    """

    product: str
    version: str
    channel: str
    build_target: str
    build_id: str | None = None
    locale: str | None = None
    os_version: str | None = None
    header_architecture: str | None = None
    distribution: str | None = None
    dist_version: str | None = None
    instruction_set: str | None = ""
    memory: int | None = None
    jaws: bool | None = None
    mig64: bool | None = None
    imei: str | None = None
    force: Force | None = None
    pin: str | None = None

    @property
    def fallback_channel(self) -> str:
        """The channel without a partner suffix: all before the first `-cck-` (protocol.md section 3)."""
        return self.channel.split("-cck-", 1)[0]
