"""Counting in memory: sums are right, and nothing that clients send can make it grow."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from releng.uptake.clients import NOBODY, OTHER, Client, Limits
from releng.uptake.counting import LIMITS, TICKETS_SHARED, Counter

KNOWN = frozenset({"Firefox", "Acme"})
THREADS, COUNTED = 4, 100_000
START = datetime(2030, 5, 17, 13, 37, 21, tzinfo=UTC)
MINUTE = START.replace(second=0)


class Clock:
    """The time of day, moved by hand."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def advance(self, **lengths):
        self.now += timedelta(**lengths)


def ticket(counter, version="1.0", channel="release", product="Firefox"):
    return counter.ticket(product, channel, version, "Linux", KNOWN)


def versions(counts):
    found = Tally()
    for (_, client), requests in counts.items():
        found[client.version] += requests
    return found


def test_count__requests__are_told_once_under_their_minute():
    counter = Counter(now=Clock())
    for _ in range(3):
        counter.count(ticket(counter))
    assert counter.take() == {(MINUTE, Client("Firefox", "release", "1.0", "Linux")): 3}
    assert counter.take() == {}
    counter.count(ticket(counter))
    assert versions(counter.take()) == {"1.0": 1}


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("count"), st.sampled_from(["1.0", "2.0", "3.0", "4.0"])),
            st.tuples(st.just("take"), st.just("")),
            st.tuples(st.just("advance"), st.integers(1, 90)),
        ),
        max_size=80,
    )
)
def test_count__any_life__each_request_is_told_exactly_once(life):
    clock = Clock()
    counter = Counter(Limits(clients=2, channels=1), clock)
    held = {version: ticket(counter, version) for version in ("1.0", "2.0", "3.0", "4.0")}
    counted, told = 0, 0
    for what, value in life:
        if what == "count":
            counter.count(held[value])
            counted += 1
        elif what == "take":
            told += sum(counter.take().values())
        else:
            clock.advance(seconds=value)
    told += sum(counter.take().values())
    assert told == counted


def test_count__next_minute__has_a_page_of_its_own():
    clock = Clock()
    counter = Counter(now=clock)
    held = ticket(counter)
    counter.count(held)
    clock.advance(minutes=1)
    counter.count(held)
    assert list(counter.take()) == [(MINUTE, held.client)], "the page is turned when counts are taken"
    counter.count(held)
    assert list(counter.take()) == [(MINUTE + timedelta(minutes=1), held.client)]


def test_count__request_under_way_while_the_page_turns__is_told_with_the_next():
    clock = Clock()
    counter = Counter(now=clock)
    held = ticket(counter)
    counter.count(held)
    late_tick = held.tick  # what a thread has in hand that was stopped just here
    clock.advance(minutes=1)
    counter.take()
    late_tick()
    assert counter.take() == {(MINUTE, held.client): 1}


def test_count__a_hundred_thousand_made_up_versions__few_keys_and_no_request_lost():
    counter = Counter(Limits(clients=100, channels=10), Clock())
    for number in range(100_000):
        counter.count(ticket(counter, f"{number}.0", f"channel-{number % 1_000}"))
    counts = counter.take()
    assert len(counts) <= 111
    assert sum(counts.values()) == 100_000
    assert len(counter._tickets) <= TICKETS_SHARED


def test_count__unknown_products__are_one_key():
    counter = Counter(now=Clock())
    for number in range(1_000):
        counter.count(ticket(counter, f"{number}.0", product=f"Product-{number}"))
    assert counter.take() == {(MINUTE, NOBODY): 1_000}


def test_count__flood_of_made_up_versions__what_was_busy_before_stays_apart():
    clock = Clock()
    counter = Counter(Limits(clients=10, channels=2), clock)
    real = [ticket(counter, f"{number}.0") for number in (1, 2, 3)]
    for _ in range(50):
        for held in real:
            counter.count(held)
    made_up = 1_000
    for _ in range(5):
        clock.advance(minutes=1)
        counter.take()
        for _ in range(100):
            counter.count(ticket(counter, f"{made_up}.0"))
            made_up += 1
        for held in real:
            for _ in range(10):
                counter.count(held)
        found = versions(counter.take())
        assert [found[held.client.version] for held in real] == [10, 10, 10]
        assert found[OTHER] >= 90


def test_count__after_a_flood__new_versions_are_told_apart_again():
    clock = Clock()
    counter = Counter(Limits(clients=10, channels=2), clock)
    for number in range(100):
        counter.count(ticket(counter, f"{number}.0"))
    late = ticket(counter, "200.0")
    counter.count(late)
    assert versions(counter.take())["200.0"] == 0
    clock.advance(minutes=1)
    counter.take()
    counter.count(late)
    assert versions(counter.take())["200.0"] == 1


def test_count__many_threads_and_turning_pages__none_lost():
    clock = Clock()
    counter = Counter(now=clock)
    done = threading.Event()
    told = Tally()

    def count(number):
        for position in range(COUNTED):
            counter.count(ticket(counter, f"{(number + position) % 5}.0"))

    def take():
        while not done.wait(0.1):  # much longer than a thread is stopped in the middle of a request
            told.update(versions(counter.take()))
            clock.advance(seconds=31)

    taker = threading.Thread(target=take)
    threads = [threading.Thread(target=count, args=(number,)) for number in range(THREADS)]
    taker.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    taker.join()
    for _ in range(2):
        told.update(versions(counter.take()))
    assert sum(told.values()) == THREADS * COUNTED


def test_clear__after_a_fork__what_the_parent_counted_is_forgotten():
    counter = Counter(now=Clock())
    held = ticket(counter)
    counter.count(held)
    counter.clear()
    counter.count(held)
    assert sum(counter.take().values()) == 1


def test_limits__as_shipped__bound_what_a_worker_keeps():
    assert LIMITS.keys < 1_000


def test_ticket__product_that_is_not_known_any_more__is_nobodys():
    counter = Counter(now=Clock())
    assert counter.ticket("Firefox", "release", "1.0", "Linux", KNOWN).client.product == "Firefox"
    assert counter.ticket("Firefox", "release", "1.0", "Linux", {"Acme"}).client == NOBODY
    assert counter.ticket("Firefox", "release", "1.0", "Linux", KNOWN).client.product == "Firefox"
