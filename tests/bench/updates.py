"""The public service under load, against a no-op application under the same server."""

from __future__ import annotations

import gzip
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.table import print_table
from tests.servers import environment, fetch, free_port, granian, manage, running, started

ROUNDS = 5
SECONDS = 4
CONNECTIONS = 8
REFRESHES = 100
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}

WRK_SCRIPT = """
local targets, at = {}, 0
for line in io.lines(os.getenv("TARGETS")) do targets[#targets + 1] = line end
request = function()
    at = at % #targets + 1
    return wrk.format("GET", targets[at])
end
"""


@dataclass
class Load:
    """What one server did in each round: requests a second, 99th percentile in milliseconds, wrong statuses."""

    rates: list[float] = field(default_factory=list)
    p99s: list[float] = field(default_factory=list)
    wrong: int = 0


def wrk(port: int, targets: Path, script: Path, seconds: int = SECONDS) -> tuple[float, float, int]:
    """Load one server; return requests a second, p99 in milliseconds, and how many were no 2xx."""
    done = subprocess.run(
        [
            "wrk",
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{seconds}s",
            "--latency",
            "-s",
            str(script),
            f"http://127.0.0.1:{port}",
        ],
        env={**os.environ, "TARGETS": str(targets)},
        capture_output=True,
        text=True,
        check=True,
    )
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout).groups()  # type: ignore[union-attr]
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1]  # type: ignore[index]
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    return float(rate), float(number) * _UNITS[unit], int(wrong[1]) if wrong else 0


def rss_mib(port: int) -> float:
    """Return the memory of the largest process that serves `port`."""
    found = subprocess.run(
        ["pgrep", "-f", f"port {port}"], capture_output=True, text=True, check=False
    ).stdout
    sizes = []
    for pid in found.split():
        status = Path(f"/proc/{pid}/status")
        if status.exists() and (match := re.search(r"VmRSS:\s+(\d+)", status.read_text())):
            sizes.append(int(match[1]) / 1024)
    return max(sizes, default=0.0)


def diverse(targets: list[str]) -> Iterator[str]:
    """Yield targets no two of which are alike: memory and system version differ as those of real clients do."""
    rng = random.Random(5)
    for target in targets:
        target = re.sub(r"MEM:\w+", lambda _: f"MEM:{rng.randrange(1000, 99999)}", target)
        yield re.sub(
            r"(Windows_NT%2010\.0\.0\.0\.)\d+", lambda match: f"{match[1]}{rng.randrange(10**6)}", target
        )


def run(data: Path, folder: Path) -> None:
    """Measure on the data sets in `data`; databases are made in `folder` once."""
    if shutil.which("wrk") is None:
        raise SystemExit("The benchmark of the update service needs wrk (Debian: apt-get install wrk).")
    sets = [name for name in ("large-100", "large-10000") if (data / f"{name}-data.json.gz").exists()]
    urls = data / "urls.txt.gz"
    if not sets or not urls.exists():
        print(f"{data} has no large data: this part is left out.")
        return
    targets = gzip.decompress(urls.read_bytes()).decode().split()
    (folder / "targets.txt").write_text("\n".join(targets))
    (folder / "diverse.txt").write_text("\n".join(diverse(targets * 10)))
    (folder / "wrk.lua").write_text(WRK_SCRIPT)
    for name in sets:
        prepare(folder, data, name)
    with ExitStack() as stack:
        ports = {"no-op": free_port()}
        command = granian(ports["no-op"], application="tests.bench.noop:application")
        stack.enter_context(running(command, environment("sqlite://"), ports["no-op"], folder / "log"))
        ready = {}
        for name in sets:
            ports[name] = free_port()
            begun = time.monotonic()
            stack.enter_context(
                running(
                    granian(ports[name]), environment(database(folder, name)), ports[name], folder / "log"
                )
            )
            ready[name] = time.monotonic() - begun
        loads = measure(ports, sets, folder)
        report(loads, sets)
        print_table(
            "One worker's memory and start",
            ("rules", "memory after load, MiB", "ready after, s"),
            [(name, f"{rss_mib(ports[name]):.0f}", f"{ready[name]:.1f}") for name in sets],
        )
        refreshes_under_load(ports[sets[-1]], folder, sets[-1], targets)
    profile(folder, sets[-1], targets)


def database(folder: Path, name: str) -> str:
    return f"sqlite:///{folder.resolve()}/{name}.sqlite3"


def prepare(folder: Path, data: Path, name: str) -> None:
    """Load a data set into a database of its own, unless that was done before."""
    done = folder / f"{name}.done"
    if done.exists():
        return
    (folder / f"{name}.sqlite3").unlink(missing_ok=True)
    env = environment(database(folder, name))
    manage(env, "migrate", "--verbosity", "0")
    begun = time.monotonic()
    manage(env, "load_data", str(data / f"{name}-data.json.gz"))
    done.write_text("")
    print(f"load_data {name}: {time.monotonic() - begun:.0f} s")


def measure(ports: dict[str, int], sets: list[str], folder: Path) -> dict[str, Load]:
    """Load all servers in turn, round by round, so that a slow moment of the machine meets all."""
    cases = [("no-op", "targets.txt"), *((name, "targets.txt") for name in sets)]
    cases += [(name, "diverse.txt") for name in sets]
    loads = {f"{name} {file}": Load() for name, file in cases}
    for number in range(ROUNDS + 1):
        for name, file in cases:
            rate, p99, wrong = wrk(ports[name], folder / file, folder / "wrk.lua")
            if number:  # the first round warms up
                load = loads[f"{name} {file}"]
                load.rates.append(rate)
                load.p99s.append(p99)
                load.wrong += wrong
    return loads


def report(loads: dict[str, Load], sets: list[str]) -> None:
    base = loads["no-op targets.txt"]
    rows = []
    for key, load in loads.items():
        ratios = [rate / noop for rate, noop in zip(load.rates, base.rates, strict=True)]
        p99_ratios = [mine / noop for mine, noop in zip(load.p99s, base.p99s, strict=True)]
        rows.append(
            (
                key.replace(" targets.txt", "").replace(" diverse.txt", ", no request twice"),
                f"{statistics.median(load.rates):.0f}",
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                f"{statistics.median(load.p99s):.2f}",
                f"{statistics.median(p99_ratios):.2f}",
            )
        )
    head = ("application", "requests/s", "ratio to no-op", "p99, ms", "p99 ratio")
    print_table(
        f"Update service on granian, 1 worker, {CONNECTIONS} connections, {ROUNDS} rounds", head, rows
    )
    if len(sets) == 2:
        small, large = (loads[f"{name} targets.txt"].rates for name in sets)
        cost = statistics.median(few / many for few, many in zip(small, large, strict=True))
        print(f"10,000 rules cost {100 * (cost - 1):+.1f} % a request against 100.\n")


CHANGES = f"""
import time
from history.changesets import change_set
from rules.models import Rule
rule = Rule.objects.filter(comment=None).order_by("pk").first()
for number in range({REFRESHES}):
    with change_set(actor_name="bench", reason="change"):
        rule.comment = f"change {{number}}" if number < {REFRESHES} - 1 else None
        rule.save()
    time.sleep(1.05)
"""


def refreshes_under_load(port: int, folder: Path, name: str, targets: list[str]) -> None:
    """Time every request while the rules change, and the same number while they do not."""

    def worst(seconds_or_process: Any) -> list[float]:
        taken: list[float] = []
        stop = threading.Event()

        def ask(start: int) -> None:
            at = start
            while not stop.is_set():
                begun = time.perf_counter()
                fetch(port, targets[at % len(targets)])
                taken.append(time.perf_counter() - begun)
                at += 7

        thread = threading.Thread(target=ask, args=(1,))
        thread.start()
        if isinstance(seconds_or_process, subprocess.Popen):
            seconds_or_process.wait()
        else:
            time.sleep(seconds_or_process)
        stop.set()
        thread.join()
        return sorted(taken, reverse=True)

    env = environment(database(folder, name))
    with started([sys.executable, "manage.py", "shell", "-c", CHANGES], env, folder / "log") as process:
        changing = worst(process)
    quiet = worst(REFRESHES * 1.05)
    rows = [
        (label, len(taken), f"{1000 * taken[0]:.1f}", f"{1000 * taken[len(taken) // 1000]:.1f}")
        for label, taken in ((f"during {REFRESHES} refreshes", changing), ("without", quiet))
    ]
    print_table(f"The slowest requests, {name}", ("", "requests", "worst, ms", "99.9 %, ms"), rows)


def profile(folder: Path, name: str, targets: list[str]) -> None:
    """Print where the time goes when no answer is remembered: parsing, deciding, rendering."""
    script = f"""
import cProfile, io, pstats
from releng.updates.loader import current_snapshot
from releng.updates.request import Kind, parse_request
from releases.blobs import ClientError
from rules.engine.decide import decide
from rules.engine.render import render_json, render_xml
snapshot = current_snapshot()
targets = open({str(folder / "targets.txt")!r}).read().split()
def run():
    for target in targets:
        path, _, query = target.partition("?")
        request = parse_request(path, query)
        if request.query is not None:
            try:
                decision = decide(request.query, snapshot, lambda: 50)
                (render_xml if request.kind is Kind.XML else render_json)(decision, snapshot)
            except ClientError:
                pass
run()
profiler = cProfile.Profile()
profiler.runcall(run)
out = io.StringIO()
pstats.Stats(profiler, stream=out).sort_stats("tottime").print_stats(14)
print("\\n".join(line for line in out.getvalue().splitlines() if line.strip())[:4000])
"""
    print(f"Where the time of {len(targets)} requests goes, {name}, nothing remembered:")
    print(manage(environment(database(folder, name)), "shell", "-c", script))
