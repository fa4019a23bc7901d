"""Numbers that other services tell: asked for as JSON over HTTP, without trusting what comes back."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests
import urllib3

from releng.uptake.readings import NoReadingError

MOST_BYTES = 1_000_000
CHUNK_BYTES = 65_536
TRIES = 3
PAUSE_SECONDS = 0.2  # before the second try; twice as long before each further one
MOST_REDIRECTS = 3
ALTOGETHER_SECONDS = 10.0
WORTH_ANOTHER_TRY = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a number is: a URL with {product}, {channel}, {version} and {build_target}, and the path in the answer.

    `scale` multiplies what is read: 100 makes percent of a share between 0 and 1.
    """

    url: str
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 3.0
    scale: float = 1.0

    def url_for(self, places: Mapping[str, str]) -> str:
        """Return the URL with its places filled in, each as one piece."""
        url = self.url
        for name, value in places.items():
            url = url.replace(f"{{{name}}}", quote(value, safe=""))
        return url


class _TryAgainError(NoReadingError):
    """What may be better a moment later."""


def fetch(endpoint: Endpoint, url: str) -> float:
    """Return the number. Raises NoReadingError; its text has no address in it, which may hold a key."""
    give_up_at = time.monotonic() + ALTOGETHER_SECONDS
    pause = PAUSE_SECONDS
    for _ in range(TRIES - 1):
        try:
            return _tried(endpoint, url, give_up_at)
        except _TryAgainError:
            time.sleep(pause)
            pause *= 2
    return _tried(endpoint, url, give_up_at)


def _tried(endpoint: Endpoint, url: str, give_up_at: float) -> float:
    try:
        with requests.Session() as session:
            body = _body(session, endpoint, url, give_up_at)
    except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
        raise _TryAgainError(f"cannot be reached ({type(error).__name__})") from error
    except (requests.RequestException, ValueError) as error:
        raise NoReadingError(f"cannot be asked ({type(error).__name__})") from error
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NoReadingError("the answer is no JSON") from error
    return _number(answer, endpoint)


def _body(session: requests.Session, endpoint: Endpoint, url: str, give_up_at: float) -> bytes:
    # Compressed, a small answer could become a huge one.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", **endpoint.headers}
    for _ in range(MOST_REDIRECTS + 1):
        left = give_up_at - time.monotonic()
        if left <= 0:
            raise NoReadingError("takes too long")
        timeout = min(endpoint.timeout_seconds, left)
        with session.get(url, headers=headers, timeout=timeout, allow_redirects=False, stream=True) as answer:
            if answer.is_redirect:
                target = urljoin(url, answer.headers["Location"])
                if _server(target) != _server(url):
                    raise NoReadingError("redirects to another server")
                url = target
                continue
            if answer.status_code in WORTH_ANOTHER_TRY:
                raise _TryAgainError(f"answers {answer.status_code}")
            if answer.status_code != 200:
                raise NoReadingError(f"answers {answer.status_code}")
            return _read(answer, give_up_at)
    raise NoReadingError("redirects too often")


def _read(answer: requests.Response, give_up_at: float) -> bytes:
    body = bytearray()
    while chunk := answer.raw.read1(CHUNK_BYTES, decode_content=False):
        body += chunk
        if len(body) > MOST_BYTES:
            raise NoReadingError(f"the answer is longer than {MOST_BYTES} bytes")
        if time.monotonic() > give_up_at:
            raise NoReadingError("takes too long")
    return bytes(body)


def _server(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _number(value: Any, endpoint: Endpoint) -> float:
    for step in filter(None, endpoint.path.split(".")):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise NoReadingError(f"the answer has no {endpoint.path}") from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NoReadingError(f"the answer's {endpoint.path or 'whole'} is no number")
    try:
        number = float(value) * endpoint.scale
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise NoReadingError(f"the answer's {endpoint.path or 'whole'} is no finite number")
    return number
