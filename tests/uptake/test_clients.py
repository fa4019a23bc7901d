"""What is counted apart: texts of a known form, and so many of them."""

from __future__ import annotations

from collections import Counter as Tally

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releng.uptake.clients import NOBODY, OTHER, Client, Limits, Roster, client_of, commonest

KNOWN = frozenset({"Firefox", "Acme"})


def test_client_of__unknown_products__are_one():
    found = {
        client_of(name, "release", "1.0", "Linux", KNOWN) for name in ("Nobody", "", "x" * 500, "firefox")
    }
    assert found == {NOBODY}


@pytest.mark.parametrize(
    "version", ["128.0", "128.0.1esr", "3.6.28", "130.0a1", "2.10.1", "2.0.0-beta.3", "7"]
)
def test_client_of__version_of_a_release__is_told_apart(version):
    assert client_of("Firefox", "release", version, "Linux", KNOWN).version == version


@pytest.mark.parametrize(
    "text", ["", "x" * 76, "a\0b", "a\nb", "\x7f"], ids=["empty", "long", "nul", "line", "delete"]
)
def test_client_of__text_that_no_rule_can_name__is_other(text):
    assert client_of("Firefox", text, "1.0", text, KNOWN) == ("Firefox", OTHER, "1.0", OTHER)
    assert client_of("Firefox", "release", text, "Linux", KNOWN) == ("Firefox", "release", OTHER, "Linux")


@pytest.mark.parametrize("version", ["banana", "1.0 OR 1", "../../x", "1.2.3.4.5.6.7", "1..2", ".5", "1.0\n"])
def test_client_of__no_version__is_other(version):
    assert client_of("Firefox", "release", version, "Linux", KNOWN).version == OTHER


def test_roster__full__counts_by_channel_then_by_product():
    roster = Roster(Limits(clients=2, channels=1))

    def key(channel, version):
        return roster.key_of(Client("Firefox", channel, version, "Linux"))[1:3]

    assert key("release", "1.0") == ("release", "1.0")
    assert key("beta", "2.0") == ("beta", "2.0")
    assert key("release", "3.0") == ("release", OTHER)
    assert key("beta", "3.0") == (OTHER, OTHER)
    assert key("release", "4.0") == ("release", OTHER)
    assert key("release", "1.0") == ("release", "1.0")
    assert roster.key_of(Client("Acme", "beta", "3.0", "Linux")).version == "3.0", (
        "each product has its own room"
    )


CLIENTS = st.builds(
    Client,
    st.sampled_from(["Firefox", "Acme", OTHER]),
    st.sampled_from(["release", "beta", "nightly", OTHER]),
    st.sampled_from([*"123456", OTHER]),
    st.sampled_from(["Linux", "Darwin", OTHER]),
)


@given(
    st.dictionaries(CLIENTS, st.integers(1, 1000), max_size=60),
    st.builds(Limits, st.integers(0, 8), st.integers(0, 3)),
)
def test_commonest__any_counts__sums_stay_and_keys_are_bounded(requests, limits):
    found = commonest(requests, limits)
    for product in {client.product for client in requests}:
        mine = {client: number for client, number in found.items() if client.product == product}
        assert sum(mine.values()) == sum(n for client, n in requests.items() if client.product == product)
        assert len(mine) <= limits.keys
    kept = {client for client, number in found.items() if requests.get(client) == number}
    told_apart = Tally(client.product for client in requests)
    for product, number in told_apart.items():
        if number <= limits.clients:
            assert {client for client in requests if client.product == product} <= kept


@given(st.dictionaries(CLIENTS, st.integers(1, 1000), max_size=60), st.integers(0, 8))
def test_commonest__room_for_every_channel__no_request_leaves_its_channel(requests, clients):
    by_channel, found_by_channel = Tally(), Tally()
    for client, number in requests.items():
        by_channel[client.product, client.channel] += number
    for client, number in commonest(requests, Limits(clients, channels=4)).items():
        found_by_channel[client.product, client.channel] += number
    assert by_channel == found_by_channel
