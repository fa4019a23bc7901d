"""One byte form of a JSON value: what is stored, hashed and compared is always this text."""

from __future__ import annotations

import json
from typing import Any


def canonical_json(value: Any) -> str:
    """Return `value` as JSON text with sorted keys and no white space; the same value gives the same text.

    Raises ValueError for NaN and infinities, which JSON does not have, and TypeError for other types.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
