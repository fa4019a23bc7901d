"""The agent's view of the world: the API, asked as an OAuth client that may only enact."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

TIMEOUT_SECONDS = 30.0
RENEW_BEFORE_SECONDS = 300.0


class ApiError(Exception):
    """The API did not do what was asked; the message says what it said."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How the agent signs in; `token_url` is where tokens are given out."""

    token_url: str
    client_id: str
    client_secret: str


class Api:
    """The endpoints that agents may use. Raises ApiError for every refusal, and when nobody answers."""

    def __init__(self, root: str, credentials: Credentials) -> None:
        self._root = root.rstrip("/")
        self._credentials = credentials
        self._session = requests.Session()
        # Asking for work again is harmless, and enacting happens at most once, so both may be tried again.
        retries = Retry(total=3, backoff_factor=0.3, status_forcelist=(502, 503, 504), allowed_methods=None)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retries))
        self._token = ""
        self._renew_at = 0.0

    def work(self, name: str) -> dict[str, Any]:
        """Return `{"mails": [...], "due": [ids], "pending": n}`."""
        return self._post("v2/agent/work", {"name": name})

    def mails_sent(self, notice_ids: list[int]) -> None:
        """Say which mails need not be sent again."""
        self._post("v2/agent/mails", {"notice_ids": notice_ids})

    def enact(self, change_id: int) -> dict[str, Any]:
        """Try to enact; return `{"outcome": ..., "detail": ...}`."""
        return self._post(f"v2/agent/enact/{change_id}", {})

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._send(path, body)
        if answer.status_code == 401:  # revoked, or its secret was rotated: once more with a new one
            self._renew_at = 0.0
            answer = self._send(path, body)
        return _json(answer, path)

    def _send(self, path: str, body: dict[str, Any]) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._bearer()}"}
        try:
            return self._session.post(
                f"{self._root}/{path}",
                json=body,
                headers=headers,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise ApiError(f"{path}: {type(error).__name__}: nobody answers at {self._root}") from error

    def _bearer(self) -> str:
        if time.monotonic() >= self._renew_at:
            form = {
                "grant_type": "client_credentials",
                "client_id": self._credentials.client_id,
                "client_secret": self._credentials.client_secret,
            }
            url = self._credentials.token_url
            try:
                answer = self._session.post(url, data=form, timeout=TIMEOUT_SECONDS, allow_redirects=False)
            except requests.RequestException as error:
                raise ApiError(f"token: {type(error).__name__}: nobody answers at {url}") from error
            found = _json(answer, "token")
            self._token = str(found["access_token"])
            lifetime = float(found.get("expires_in", 0))
            self._renew_at = time.monotonic() + max(lifetime - RENEW_BEFORE_SECONDS, lifetime / 2)
        return self._token


def _json(answer: requests.Response, what: str) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.status_code != 200 or not isinstance(body, dict):
        said = (
            body.get("exception") or body.get("detail") or body.get("error") if isinstance(body, dict) else ""
        )
        raise ApiError(f"{what}: {answer.status_code} {said or answer.reason}")
    return body
