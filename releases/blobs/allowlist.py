"""From which hosts payloads may come, product by product (protocol.md section 9)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

CACHED_URLS = 16_384

_Paths = tuple[tuple[re.Pattern[str], frozenset[str]], ...]


class Allowlist:
    """Immutable; compiled once. An entry of any other shape, or with a broken pattern, forbids."""

    def __init__(self, hosts: Mapping[str, Sequence[str] | Mapping[str, Sequence[str]]]) -> None:
        self._hosts: dict[str, frozenset[str] | _Paths] = {
            host: _compile(entry) for host, entry in hosts.items()
        }
        self.allows = lru_cache(maxsize=CACHED_URLS)(self._allows)

    def _allows(self, url: str, product: str | None) -> bool:
        """Tell whether `product` may be sent to `url`: host exact with port, first full match of a path decides."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        entry = self._hosts.get(parts.netloc)
        if entry is None:
            return False
        if isinstance(entry, frozenset):
            return product in entry
        for pattern, products in entry:
            if pattern.fullmatch(parts.path):
                return product in products
        return False


def _compile(entry: Any) -> frozenset[str] | _Paths:
    if isinstance(entry, Mapping):
        try:
            return tuple((re.compile(pattern), _products(products)) for pattern, products in entry.items())
        except (re.error, TypeError):
            return ()
    return _products(entry)


def _products(value: Any) -> frozenset[str]:
    if isinstance(value, (list, tuple, set, frozenset)):
        return frozenset(product for product in value if isinstance(product, str))
    return frozenset()
