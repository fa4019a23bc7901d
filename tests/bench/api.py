"""The API under load on PostgreSQL: single locales from many clients, long lists, large releases."""

from __future__ import annotations

import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import requests

from tests.bench.table import print_table
from tests.servers import ROOT, environment, free_port, granian, manage, own_postgresql, running

CLIENTS, EACH, WORKERS = 8, 40, 2
ROUNDS = 5
RULES, PAGE = 5_000, 100
LOCALES, PLATFORMS = 100, 10

PREPARE = f"""
from history import bulk
from history.changesets import change_set
from releases.actions import create_release
from rules.models import Rule
entry = {{"buildID": "20250101000000", "completes": [{{"from": "*", "filesize": 1, "hashValue": "ab" * 64}}]}}
locales = {{f"l{{number}}": entry for number in range({LOCALES})}}
document = {{"name": "Acme-large", "schema_version": 9, "hashFunction": "sha512"}}
document["platforms"] = {{f"P{{number}}": {{"locales": locales}} for number in range({PLATFORMS})}}
with change_set(actor_name="bench"):
    create_release("Acme-large", "Acme", document)
    create_release("Acme-small", "Acme", {{**document, "name": "Acme-small", "platforms": {{}}}})
    bulk.insert(
        Rule(product="Acme", channel=f"c{{number % 50}}", priority=number, mapping_id="Acme-small")
        for number in range({RULES})
    )
"""


@dataclass(frozen=True)
class Place:
    """A server, and a token for it."""

    root: str
    token: str

    def session(self) -> requests.Session:
        """Return a session that sends the token."""
        made = requests.Session()
        made.trust_env = False
        made.headers["Authorization"] = f"Bearer {self.token}"
        return made


def run(folder: Path) -> None:
    """Measure on a PostgreSQL of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        server = stack.enter_context(own_postgresql())
        env = environment(server.url, API_RATE="", TOKEN_RATE="")
        manage(env, "migrate", "--verbosity", "0")
        words = [word for name in ("rule", "release", "release_locale") for word in ("--permission", name)]
        manage(env, "create_account", "bench", "--system", *words)
        printed = manage(env, "create_client", "bench", "--user", "bench")
        client = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
        manage(env, "shell", "-c", PREPARE)
        port = free_port()
        command = granian(port, WORKERS, "releng.wsgi:application")
        stack.enter_context(running(command, env, port, folder / "api.log"))
        told = {
            "grant_type": "client_credentials",
            "client_id": client["CLIENT_ID"],
            "client_secret": client["CLIENT_SECRET"],
        }
        root = f"http://127.0.0.1:{port}"
        answer = requests.post(f"{root}/oauth/token", data=told, timeout=30)
        place = Place(f"{root}/api", answer.json()["access_token"])
        submissions(place)
        reading(place)


# --- Submissions ----------------------------------------------------------------------------------------------


def submissions(place: Place) -> None:
    """Submit single locales from one client and from several, to one release and to one each; then in one request."""
    rows = []
    cases: list[tuple[str, int, bool]] = [
        ("1 client, one release", 1, False),
        (f"{CLIENTS} clients, one release", CLIENTS, False),
        (f"{CLIENTS} clients, a release each", CLIENTS, True),
    ]
    rates: dict[str, list[float]] = {name: [] for name, _, _ in cases}
    taken: dict[str, list[float]] = {name: [] for name, _, _ in cases}
    for number in range(ROUNDS + 1):
        for name, clients, apart in cases:
            seconds, whole = _storm(place, clients, apart=apart, mark=f"{number}-{clients}-{apart}")
            if number:  # the first round warms up
                rates[name].append(len(seconds) / whole)
                taken[name] += seconds
    base = rates[cases[0][0]]
    for name, _, _ in cases:
        ratios = [rate / one for rate, one in zip(rates[name], base, strict=True)]
        cuts = statistics.quantiles(taken[name], n=100)
        rows.append(
            (
                name,
                f"{statistics.median(rates[name]):.0f}",
                f"{statistics.median(ratios):.2f}",
                f"{1000 * cuts[49]:.0f}",
                f"{1000 * cuts[98]:.0f}",
                f"{cuts[98] / cuts[49]:.1f}",
            )
        )
    head = ("HEAD and PUT of one locale", "locales/s", "ratio to 1 client", "p50, ms", "p99, ms", "p99 / p50")
    title = (
        f"Submissions on PostgreSQL, granian with {WORKERS} workers, {EACH} locales a client, {ROUNDS} rounds"
    )
    print_table(title, head, rows)
    _batches(place, statistics.median(base))


def _storm(place: Place, clients: int, *, apart: bool, mark: str) -> tuple[list[float], float]:
    spawn = multiprocessing.get_context("spawn")
    ready, results = spawn.Barrier(clients), spawn.Queue()
    workers = [
        spawn.Process(target=_submit, args=(place, number, apart, mark, ready, results))
        for number in range(clients)
    ]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=600) for _ in workers]
    for worker in workers:
        worker.join(60)
    seconds = [each for one, _, _ in found for each in one]
    return seconds, max(end for _, _, end in found) - min(begin for _, begin, _ in found)


def _submit(place: Place, number: int, apart: bool, mark: str, ready: Any, results: Any) -> None:
    name = f"Acme-{mark}-{number if apart else 0}"
    seconds = []
    with place.session() as session:
        ready.wait(120)
        begun = time.time()
        for at in range(EACH):
            started = time.perf_counter()
            head = session.head(f"{place.root}/releases/{name}", timeout=60)
            body: dict[str, Any] = {
                "product": "Acme",
                "schema_version": 9,
                "hashFunction": "sha512",
                "data": json.dumps(_build(at)),
            }
            if head.ok:
                body["data_version"] = int(head.headers["X-Data-Version"])
            address = f"{place.root}/releases/{name}/builds/P{number}/l{at}"
            answer = session.put(address, json=body, timeout=60)
            assert answer.status_code == 201, answer.text
            seconds.append(time.perf_counter() - started)
        results.put((seconds, begun, time.time()))


def _batches(place: Place, rate_of_one: float) -> None:
    """Submit a platform's locales in one request each, and print how much faster that is than one by one."""
    rows = [{"platform": "P0", "locale": f"l{at}", "data": _build(at)} for at in range(LOCALES)]
    body = {"product": "Acme", "schema_version": 9, "hashFunction": "sha512", "builds": rows}
    with place.session() as session:
        seconds = [
            _timed(partial(session.post, f"{place.root}/releases/Acme-batch-{number}/builds", json=body))
            for number in range(ROUNDS)
        ]
    rate = LOCALES / statistics.median(seconds)
    print(
        f"{LOCALES} locales in one request: {rate:.0f} locales/s, {rate / rate_of_one:.0f} times one by one.\n"
    )


def _build(at: int) -> dict[str, Any]:
    patch = {"from": "*", "filesize": 1000 + at, "hashValue": "ab" * 64}
    return {"buildID": str(20250101000000 + at), "completes": [patch]}


# --- Reading --------------------------------------------------------------------------------------------------


def reading(place: Place) -> None:
    """Read all rules at once and in pages, whose time must not grow with their number; and a large release."""
    with place.session() as session:

        def timed(path: str) -> float:
            return statistics.median(
                _timed(lambda: session.get(f"{place.root}/{path}", timeout=60)) for _ in range(ROUNDS)
            )

        few = timed("rules?limit=500&page=1")
        every = timed("rules")
        first, last = timed(f"rules?limit={PAGE}&page=1"), timed(f"rules?limit={PAGE}&page={RULES // PAGE}")
        small, large, head = timed("releases/Acme-small"), timed("releases/Acme-large"), _head(place)
    cells = LOCALES * PLATFORMS
    rows = [
        ("500 rules", _ms(few), _us(few, 500), ""),
        (f"{RULES} rules at once", _ms(every), _us(every, RULES), f"{every / RULES / few * 500:.2f} a row"),
        (f"first page of {PAGE}", _ms(first), _us(first, PAGE), ""),
        (f"last page of {PAGE}", _ms(last), _us(last, PAGE), f"{last / first:.2f} of the first"),
        ("a release without builds", _ms(small), "", ""),
        (
            f"one of {LOCALES} locales x {PLATFORMS} platforms",
            _ms(large),
            _us(large, cells),
            f"{large / small:.1f} of it",
        ),
        ("HEAD of that", _ms(head), "", f"{head / large:.2f} of GET"),
    ]
    print_table(f"Reading over HTTP, {ROUNDS} times", ("", "ms", "us a row", "ratio"), rows)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f}"


def _us(seconds: float, rows: int) -> str:
    return f"{1e6 * seconds / rows:.0f}"


def _head(place: Place) -> float:
    with place.session() as session:
        address = f"{place.root}/releases/Acme-large"
        return statistics.median(_timed(lambda: session.head(address, timeout=60)) for _ in range(ROUNDS))


def _timed(ask: Callable[[], requests.Response]) -> float:
    started = time.perf_counter()
    answer = ask()
    assert answer.ok, answer.text[:500]
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    run(Path("build/bench"))
