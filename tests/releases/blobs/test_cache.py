"""The bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from releases.blobs.cache import RecentlyUsed


@given(st.integers(1, 8), st.lists(st.integers(0, 30), max_size=80))
def test_recently_used__any_use__stays_bounded_and_true(size, keys):
    cache = RecentlyUsed(size)
    for key in keys:
        found = cache.get(key)
        assert found in (None, key + 100)
        if found is None:
            cache.put(key, key + 100)
        assert len(cache) <= 2 * size
        assert cache.get(key) == key + 100


def test_recently_used__entry_in_use__outlives_the_others():
    cache = RecentlyUsed(2)
    for key in range(20):
        cache.put(key, key)
        assert cache.get(0) == 0
    assert cache.get(1) is None
