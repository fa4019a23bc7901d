"""From which hosts payloads may come: protocol.md section 9."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.blobs.allowlist import Allowlist
from tests.releases.blobs.strategies import JUNK

HOSTS = Allowlist(
    {
        "cdn.example": ["Acme"],
        "cdn.example:8080": ["Acme"],
        "paths.example": {r"/a/[\w.]+\.mar": ["Acme"], r"/a/.*": ["Other"], r"/b(": ["Acme"]},
        "ordered.example": {r"/a/[\w.]+\.mar": ["Acme"], r"/a/.*": ["Other"]},
        "broken.example": 5,
    }
)


@pytest.mark.parametrize(
    ("url", "product", "expected"),
    [
        ("https://cdn.example/x", "Acme", True),
        ("ftp://cdn.example/x", "Acme", True),
        ("https://cdn.example", "Acme", True),
        ("https://cdn.example/x", "acme", False),
        ("https://cdn.example/x", None, False),
        ("https://CDN.example/x", "Acme", False),
        ("https://cdn.example:443/x", "Acme", False),
        ("https://cdn.example:8080/x", "Acme", True),
        ("https://user@cdn.example/x", "Acme", False),
        ("https://cdn.example.evil/x", "Acme", False),
        ("https://ordered.example/a/x.mar", "Acme", True),
        ("https://ordered.example/a/x.mar", "Other", False),
        ("https://ordered.example/a/x.mar?b=c", "Acme", True),
        ("https://ordered.example/a/x/y.mar", "Other", True),
        ("https://ordered.example/c", "Acme", False),
        ("https://paths.example/a/x.mar", "Acme", False),
        ("https://broken.example/", "Acme", False),
        ("cdn.example/x", "Acme", False),
        ("https://[cdn.example/x", "Acme", False),
        ("", "Acme", False),
    ],
)
def test_allows__url_and_product__host_is_exact_and_the_first_path_decides(url, product, expected):
    assert HOSTS.allows(url, product) is expected


@given(st.dictionaries(st.sampled_from(["", "h", "cdn.example"]), JUNK, max_size=3), st.text(max_size=30))
def test_allowlist__any_entries_and_urls__never_raise(entries, text):
    hosts = Allowlist(entries)
    for url in (text, f"https://{text}", "https://h/x"):
        assert hosts.allows(url, "Acme") in (True, False)
