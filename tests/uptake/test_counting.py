"""Counting in memory: sums are right, and nothing that clients send can make it grow."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from releng.uptake.counting import OTHER, Client, Counter

KNOWN = frozenset({"Firefox", "Acme"})


def test_client__unknown_product__is_other() -> None:
    assert Counter().client("Nobody", "release", "1.0", "Linux", KNOWN) == Client(OTHER, OTHER, OTHER, OTHER)


def test_client__plausible_versions_only() -> None:
    counter = Counter()
    for version in ("128.0", "128.0.1esr", "3.6.28", "130.0a1", "2.10.1"):
        assert counter.client("Firefox", "release", version, "x", KNOWN).version == version
    for version in ("", "banana", "1" * 80, "1.0 OR 1", "../../x", "1.2.3.4.5.6.7"):
        assert counter.client("Firefox", "release", version, "x", KNOWN).version == OTHER


@given(st.lists(st.tuples(st.sampled_from(["1.0", "2.0", "3.0"]), st.integers(1, 5)), max_size=60))
def test_count__any_order__sums_are_kept(counted: list[tuple[str, int]]) -> None:
    counter, expected = Counter(), dict.fromkeys(["1.0", "2.0", "3.0"], 0)
    taken: dict[str, int] = dict.fromkeys(expected, 0)
    for position, (version, requests) in enumerate(counted):
        counter.count(Client("Firefox", "release", version, "x"), requests)
        expected[version] += requests
        if position % 7 == 0:
            for client, number in counter.take().items():
                taken[client.version] += number
    for client, number in counter.take().items():
        taken[client.version] += number
    assert taken == expected


def test_count__ten_thousand_made_up_versions__few_keys_and_no_request_lost() -> None:
    counter = Counter(most_keys=100, clock=lambda: 0.0)
    for number in range(10_000):
        counter.count(counter.client("Firefox", "release", f"{number}.0", "x", KNOWN))
    counts = counter.take()
    assert len(counts) == 101
    assert sum(counts.values()) == 10_000


def test_count__next_minute__admits_new_clients() -> None:
    now = [0.0]
    counter = Counter(most_keys=1, clock=lambda: now[0])
    first, second = (Client("Firefox", "release", version, "x") for version in ("1.0", "2.0"))
    counter.count(first)
    counter.count(second)
    now[0] = 61.0
    counter.count(second)
    counts = counter.take()
    assert (counts[first], counts[second]) == (1, 1)


def test_count__many_threads__none_lost() -> None:
    counter = Counter()
    client = Client("Firefox", "release", "1.0", "x")

    def count() -> None:
        for _ in range(5_000):
            counter.count(client)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.take() == {client: 40_000}
