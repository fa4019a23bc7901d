"""A client that speaks JSON, as automation does."""

from __future__ import annotations

import json
from typing import Any


class Api:
    """Sends JSON: `api.put(address, body, **headers)`; reads as Django's own client does."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __getattr__(self, method: str) -> Any:
        call = getattr(self.client, method)
        if method in ("get", "head"):
            return call

        def send(address: str, body: Any = None, **headers: str) -> Any:
            return call(address, json.dumps(body or {}), content_type="application/json", headers=headers)

        return send
