"""Moving a rule in the decision order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.ordering import NoRoomError, Place, moved

MOST = 2**31 - 1


def order(places):
    return [place.rule_id for place in sorted(places, key=lambda place: place.order)]


def written(places, priorities):
    return [
        Place(place.rule_id, priorities.get(place.rule_id, place.priority), place.product, place.channel)
        for place in places
    ]


def test_moved__room_between__writes_one_rule():
    places = [Place(1, 300), Place(2, 200), Place(3, 100)]
    assert moved(places, 3, 2, after=False, most=MOST) == {3: 250}
    assert moved(places, 1, 3, after=True, most=MOST) == {1: 90}


def test_moved__no_room__raises_only_who_must():
    places = [Place(1, 12), Place(2, 11), Place(3, 10), Place(4, 10), Place(5, 900)]
    found = moved(places, 4, 3, after=False, most=MOST)
    assert order(written(places, found)) == [5, 1, 2, 4, 3]
    assert 5 not in found


def test_moved__stands_there_already__writes_nothing():
    places = [Place(1, 300), Place(2, 200)]
    assert moved(places, 1, 2, after=False, most=MOST) == {}


def test_moved__others_who_never_meet__are_left_alone():
    places = [
        Place(1, 100, "Acme", "release*"),
        Place(2, 101, "Other", "release"),
        Place(3, 101, "Acme", "beta"),
    ]
    places += [Place(4, 102, "Acme", "release")]
    assert moved(places, 1, 4, after=False, most=MOST).keys() == {1}


def test_moved__at_the_top_of_what_can_be_stored__is_refused():
    with pytest.raises(NoRoomError):
        moved([Place(1, MOST), Place(2, 5)], 2, 1, after=False, most=MOST)


PLACES = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.sampled_from([None, "A", "B"]),
        st.sampled_from([None, "rel*", "release", "beta"]),
    ),
    min_size=2,
    max_size=12,
)


@given(PLACES, st.data())
def test_moved__any_rules__keeps_every_order_that_matters(rows, data):
    places = [Place(number, *row) for number, row in enumerate(rows, start=1)]
    ids = [place.rule_id for place in places]
    own = data.draw(st.sampled_from(ids))
    beside = data.draw(st.sampled_from([key for key in ids if key != own]))
    after = data.draw(st.booleans())
    result = order(written(places, moved(places, own, beside, after=after, most=MOST)))
    where = {key: position for position, key in enumerate(result)}
    assert (where[own] > where[beside]) == after
    before = {key: position for position, key in enumerate(order(places))}
    by_key = {place.rule_id: place for place in places}
    for one in ids:
        for two in ids:
            if own in (one, two) or before[one] > before[two] or not by_key[one].meets(by_key[two]):
                continue
            assert where[one] <= where[two]
    wanted = [key for key in order(places) if key != own]
    wanted.insert(wanted.index(beside) + (1 if after else 0), own)
    for key in ids:
        if by_key[key].meets(by_key[own]):
            assert (where[key] < where[own]) == (wanted.index(key) < wanted.index(own)) or key == own
