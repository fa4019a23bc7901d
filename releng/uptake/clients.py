"""What is counted apart, and how many of it: hostile requests must not fill memory or tables."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

OTHER = "(other)"
LONGEST = 75  # characters of a text that is counted as it is
# What rules can name; a NUL, for instance, cannot even be stored.
TEXT_FORM = re.compile(rf"[!-~ ]{{1,{LONGEST}}}")
VERSION_FORM = re.compile(r"[0-9]+(\.[0-9A-Za-z_+-]+){0,5}")


class Client(NamedTuple):
    """A kind of client. `OTHER` stands for whatever is not told apart."""

    product: str
    channel: str
    version: str
    build_target: str

    def of_channel(self) -> Client:
        """Return the key of all further clients of the channel.

        It is kept longest: shares are taken of a channel's requests, so none of them may leave it.
        """
        return Client(self.product, self.channel, OTHER, OTHER)

    def of_product(self) -> Client:
        """Return the key of all further clients of the product."""
        return Client(self.product, OTHER, OTHER, OTHER)


NOBODY = Client(OTHER, OTHER, OTHER, OTHER)


def client_of(
    product: str, channel: str, version: str, build_target: str, known_products: Collection[str]
) -> Client:
    """Return what a request counts as; all requests for unknown products are one."""
    if product not in known_products or len(product) > LONGEST:
        return NOBODY
    has_version = len(version) <= LONGEST and VERSION_FORM.fullmatch(version) is not None
    return Client(
        product,
        channel if TEXT_FORM.fullmatch(channel) else OTHER,
        version if has_version else OTHER,
        build_target if TEXT_FORM.fullmatch(build_target) else OTHER,
    )


class Limits(NamedTuple):
    """How many keys a product may have: so many clients told apart, then so many channels, and one for the rest."""

    clients: int
    channels: int

    @property
    def keys(self) -> int:
        """The most keys of one product."""
        return self.clients + self.channels + 1


class Roster:
    """Finds under which key a client is counted; whoever comes first is told apart, as long as there is room."""

    def __init__(self, limits: Limits) -> None:
        self._room_for_clients: dict[str, int] = defaultdict(lambda: limits.clients)
        self._room_for_channels: dict[str, int] = defaultdict(lambda: limits.channels)
        self._keys: set[Client] = set()

    def key_of(self, client: Client) -> Client:
        """Return the key of a client. A client that has one of its own keeps it."""
        for key, room in ((client, self._room_for_clients), (client.of_channel(), self._room_for_channels)):
            if key in self._keys:
                return key
            if room[client.product] > 0:
                room[client.product] -= 1
                self._keys.add(key)
                return key
        return client.of_product()


def commonest(requests: dict[Client, int], limits: Limits) -> dict[Client, int]:
    """Tell the commonest clients of each product apart and count the rest together. The sum stays."""
    roster = Roster(limits)
    found: dict[Client, int] = defaultdict(int)
    for client in sorted(requests, key=lambda client: (-requests[client], client)):
        found[roster.key_of(client)] += requests[client]
    return dict(found)
