"""Counting update requests in memory, beside the request path; the recorder writes them down now and then."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection
from typing import NamedTuple

OTHER = "(other)"
MOST_KEYS = 2_000  # of one product in one minute and worker; whatever comes beyond is counted as OTHER
LONGEST = 75
VERSION_FORM = re.compile(r"[0-9]+(\.[0-9A-Za-z]+){0,4}")


class Client(NamedTuple):
    """What is counted apart."""

    product: str
    channel: str
    version: str
    build_target: str


Counts = dict[Client, int]


class Counter:
    """Counts of the running interval. Hostile requests cannot make it grow: it takes only products that rules name,
    versions that look like versions, and so many different clients a minute.
    """

    def __init__(self, most_keys: int = MOST_KEYS, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_keys = most_keys
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counts = {}
        self._admitted: dict[str, set[Client]] = {}
        self._minute = 0

    def client(
        self, product: str, channel: str, version: str, build_target: str, known: Collection[str]
    ) -> Client:
        """Return what a request counts as; `known` are the products that rules name."""
        if product not in known:
            return Client(OTHER, OTHER, OTHER, OTHER)
        plausible = len(version) <= LONGEST and VERSION_FORM.fullmatch(version) is not None
        return Client(
            product,
            channel if len(channel) <= LONGEST else OTHER,
            version if plausible else OTHER,
            build_target if len(build_target) <= LONGEST else OTHER,
        )

    def count(self, client: Client, requests: int = 1) -> None:
        """Count a request."""
        with self._lock:
            found = self._counts.get(client)
            if found is None:
                client = self._admit(client)
                found = self._counts.get(client, 0)
            self._counts[client] = found + requests

    def take(self) -> Counts:
        """Return what was counted since the last call, and start anew."""
        with self._lock:
            taken, self._counts = self._counts, {}
        return taken

    def give_back(self, counts: Counts) -> None:
        """Count again what could not be written down."""
        for client, requests in counts.items():
            self.count(client, requests)

    def _admit(self, client: Client) -> Client:
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute, self._admitted = minute, {}
        admitted = self._admitted.setdefault(client.product, set())
        if client in admitted:
            return client
        if len(admitted) >= self._most_keys:
            return Client(client.product, OTHER, OTHER, OTHER)
        admitted.add(client)
        return client
