"""The public update service as a WSGI application: request in, decision, bytes out, without Django's request cycle.

Wire facts: protocol.md sections 1 and 10. Everything under `/update` and `/json`, and what load balancers ask, is
answered here; any other path goes to the application behind.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from releases.blobs import ClientError
from releng.updates.health import Health
from releng.updates.keeper import SnapshotKeeper
from releng.updates.request import METHODS, Kind, Request, parse_request
from releng.updates.signing import ContentSigner, SigningError
from releng.uptake.counting import Ticket
from releng.uptake.recording import Recorder
from rules.engine.decide import Dice, decide
from rules.engine.render import (
    EMPTY_ANSWER,
    EMPTY_DOCUMENT,
    JSON_NOTHING,
    XML_TYPE,
    Answer,
    render_client_error,
    render_json,
    render_xml,
)
from rules.engine.snapshot import Snapshot

logger = logging.getLogger(__name__)

Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

ANSWERS_REMEMBERED = 32_768
BODIES_REMEMBERED = 8_192
LONGEST_REMEMBERED = 1_000  # characters of a request's target
PROBLEM_TYPE = "application/problem+json"

SECURITY_HEADERS: Headers = [
    ("Strict-Transport-Security", "max-age=31536000;"),
    ("X-Content-Type-Options", "nosniff"),
]
POLICY: Headers = [("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")]
STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

UNKNOWN_UPDATE = Answer(200, XML_TYPE, EMPTY_DOCUMENT)


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signs an answer, for which product, and what is answered when that fails."""

    signer: ContentSigner
    product: str
    instead: Answer


@dataclass(frozen=True, slots=True)
class Prepared:
    """An answer, ready to be sent: what the WSGI server is handed. `signature` says how to sign it, if at all."""

    status: str
    headers: Headers
    body: bytes
    signature: Signature | None = None


@dataclass(frozen=True, slots=True)
class Throttled:
    """Two answers of which the dice choose: below `rate` the first."""

    rate: int
    wins: Prepared
    loses: Prepared


# What a target is answered, and as what it is counted (None: not at all).
Remembered = tuple[Prepared | Throttled, Ticket | None]


class UpdateService:
    """Answers update requests from the keeper's snapshot; hands everything else to `behind`.

    Answers are remembered for as long as their snapshot is the running one, at most ANSWERS_REMEMBERED in each of two
    generations of the cache. `dice` replaces the random number 0..99 of throttling. `signing_must_succeed`:
    what cannot be signed is answered by the empty document instead of unsigned. `recorder` counts what is asked.
    `problems` makes the health page red besides.
    """

    def __init__(
        self,
        keeper: SnapshotKeeper,
        behind: Application,
        *,
        dice: Dice | None = None,
        signer: ContentSigner | None = None,
        signing_must_succeed: bool = True,
        max_age_seconds: int = 90,
        recorder: Recorder | None = None,
        problems: Callable[[], list[str]] | None = None,
    ) -> None:
        self.keeper = keeper
        self.behind = behind
        self._dice = dice or _random_dice
        self._signer = signer
        self._signing_must_succeed = signing_must_succeed
        self.recorder = recorder
        cache: Headers = [("Cache-Control", f"public, max-age={max_age_seconds}")]
        self._envelope: Headers = [*SECURITY_HEADERS, *cache, *POLICY]
        self._unready: Headers = [*SECURITY_HEADERS, ("Cache-Control", "no-store"), *POLICY]
        self._health = Health(keeper, problems)
        self._remembered: tuple[Snapshot | None, dict[str, Any], dict[str, Any]] = (None, {}, {})
        self._shared: dict[Any, Prepared] = {}

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if not path.startswith(("/update", "/json/")):
            page = self._health.page(path)
            if page is None:
                return self.behind(environ, start_response)
            prepared = self._prepare(page.answer, extra=page.headers)
            return _send(prepared, prepared.headers, environ, start_response)
        self.keeper.ensure_watching()
        if self.recorder is not None:
            self.recorder.ensure_running()
        try:
            prepared = self._answer(path, environ)
            headers = prepared.headers
            if prepared.signature is not None:
                prepared, headers = self._signed(prepared, prepared.signature)
        except Exception:  # no client is ever left with an error; it is logged, with its traceback
            logger.exception("updates.failed", extra={"path": path[:500]})
            prepared = self._prepare(EMPTY_ANSWER if path.startswith("/update") else JSON_NOTHING)
            headers = prepared.headers
        return _send(prepared, headers, environ, start_response)

    def _answer(self, path: str, environ: dict[str, Any]) -> Prepared:
        method = environ["REQUEST_METHOD"]
        if method not in METHODS:
            return self._prepare(
                _problem(405, "Method Not Allowed", f"Use {', '.join(METHODS)}."), allow=True
            )
        user_agent = environ.get("HTTP_USER_AGENT", "")
        query_string = environ.get("QUERY_STRING", "")
        snapshot = self.keeper.snapshot
        if snapshot is None:
            empty = EMPTY_ANSWER if path.startswith("/update") else JSON_NOTHING
            return Prepared(STATUS_LINES[empty.status], _headers(empty, self._unready), empty.body)
        known, newer, older = self._remembered
        if known is not snapshot:
            newer, older = {}, {}
            self._remembered = (snapshot, newer, older)
            self._shared = {}
        # Some servers tell the target as it was sent; an encoded slash is only visible there.
        target = environ.get("REQUEST_URI") or environ.get("RAW_URI")
        raw = target is not None
        key = target if target is not None else f"{path}?{query_string}"
        if "PPC" in user_agent:
            key = f"PPC {key}"
        known_answer: Remembered | None = newer.get(key) or older.get(key)
        if known_answer is not None:
            found, ticket = known_answer
            self._count(ticket, method)
        else:
            if target is not None:
                path = _path_of(target)
            request = parse_request(path, query_string, user_agent, raw=raw)
            ticket = self._ticket(request, snapshot)
            self._count(ticket, method)
            decided = self._decide(request, snapshot)
            if decided is None:
                # Several dice fell: this answer holds only once.
                answer, _ = self._render(request, snapshot, self._dice)
                return self._prepare(answer, request=request)
            if len(key) <= LONGEST_REMEMBERED:
                if len(newer) >= ANSWERS_REMEMBERED:
                    older, newer = newer, {}
                    self._remembered = (snapshot, newer, older)
                newer[key] = (decided, ticket)
            found = decided
        if isinstance(found, Throttled):
            return found.wins if self._dice() < found.rate else found.loses
        return found

    def _ticket(self, request: Request, snapshot: Snapshot) -> Ticket | None:
        """Return as what a request is counted: whatever asks for an update is, however it is answered."""
        query = request.query
        if self.recorder is None or query is None:
            return None
        return self.recorder.counter.ticket(
            query.product, query.fallback_channel, query.version, query.build_target, snapshot.products
        )

    def _count(self, ticket: Ticket | None, method: str) -> None:
        if ticket is not None and self.recorder is not None and method == "GET":
            self.recorder.counter.count(ticket)

    def _decide(self, request: Request, snapshot: Snapshot) -> Prepared | Throttled | None:
        """Return an answer that may be remembered; None when more than one throw of the dice shapes it."""
        answer, rates = self._render(request, snapshot, lambda: 99)
        if not rates:
            return self._share(answer, request)
        wins, same_rates = self._render(request, snapshot, lambda: 0)
        if len(rates) != 1 or rates != same_rates:
            return None
        return Throttled(rates[0], self._share(wins, request), self._share(answer, request))

    def _share(self, answer: Answer, request: Request) -> Prepared:
        """Prepare an answer, once for all requests that get the same: far fewer answers than requests are different."""
        key = (answer, request.kind, request.query.product if request.query is not None else None)
        found = self._shared.get(key)
        if found is None:
            if len(self._shared) >= BODIES_REMEMBERED:
                self._shared = {}
            found = self._shared[key] = self._prepare(answer, request=request)
        return found

    def _render(self, request: Request, snapshot: Snapshot, dice: Dice) -> tuple[Answer, tuple[int, ...]]:
        """Return the answer, and the rates for which the dice were asked."""
        if request.kind is Kind.BAD_ARGUMENT:
            title, detail = request.problem
            return _problem(400, title, detail), ()
        if request.query is None:
            return UNKNOWN_UPDATE if request.kind is Kind.UNKNOWN_UPDATE else _not_found(), ()
        try:
            decision = decide(request.query, snapshot, dice)
            render = render_xml if request.kind is Kind.XML else render_json
            return render(decision, snapshot), decision.rates
        except ClientError as error:
            return render_client_error(error), ()

    # --- Envelope and signature ---------------------------------------------------------------------------

    def _prepare(
        self,
        answer: Answer,
        *,
        request: Request | None = None,
        extra: Headers | None = None,
        allow: bool = False,
    ) -> Prepared:
        headers = _headers(answer, self._envelope)
        if extra:
            replaced = {name for name, _ in extra}
            headers = [pair for pair in headers if pair[0] not in replaced] + extra
        if allow:
            headers.append(("Allow", ", ".join(METHODS)))
        signature = None
        query = request.query if request is not None else None
        if self._signer is not None and query is not None and answer.status == 200:
            is_json = request is not None and request.kind is Kind.JSON
            if self._signer.signs(query.product, is_json=is_json):
                signature = Signature(self._signer, query.product, JSON_NOTHING if is_json else EMPTY_ANSWER)
        return Prepared(STATUS_LINES[answer.status], headers, answer.body, signature)

    def _signed(self, prepared: Prepared, signature: Signature) -> tuple[Prepared, Headers]:
        try:
            value = signature.signer.header(signature.product, prepared.body)
        except SigningError as error:
            logger.error("updates.not_signed", extra={"product": signature.product, "error": str(error)})
            if self._signing_must_succeed:
                refused = self._prepare(signature.instead)
                return refused, refused.headers
            return prepared, prepared.headers
        return prepared, [*prepared.headers, ("Content-Signature", value)]


def _random_dice() -> int:
    return random.randrange(100)  # noqa: S311


def _path_of(target: str) -> str:
    path = target.split("?", 1)[0]
    if path.startswith(("http://", "https://")):
        path = "/" + path.split("/", 3)[3] if path.count("/") >= 3 else "/"
    return path


def _headers(answer: Answer, envelope: Headers) -> Headers:
    headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body))), *envelope]
    if answer.rule_id is not None and answer.rule_data_version is not None:
        headers += [("Rule-ID", answer.rule_id), ("Rule-Data-Version", answer.rule_data_version)]
    return headers


def _problem(status: int, title: str | None, detail: str) -> Answer:
    body = {"detail": detail, "status": status, "title": title, "type": "about:blank"}
    return Answer(status, PROBLEM_TYPE, json.dumps(body).encode())


def _not_found() -> Answer:
    return Answer(404, "text/plain; charset=utf-8", b"Not Found")


def _send(
    prepared: Prepared, headers: Headers, environ: dict[str, Any], start_response: StartResponse
) -> Iterable[bytes]:
    start_response(prepared.status, list(headers))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [prepared.body]
