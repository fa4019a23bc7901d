"""What counting requests costs the public service, and how many rows ten million of them leave."""

from __future__ import annotations

import gzip
import shutil
import statistics
from contextlib import ExitStack
from pathlib import Path

from tests.bench.table import print_table
from tests.bench.updates import (
    CONNECTIONS,
    WRK_SCRIPT,
    database,
    diverse,
    prepare,
    wrk,
)
from tests.servers import environment, free_port, granian, manage, running

ROUNDS, SECONDS = 24, 2
DATA = "large-100"
REQUESTS = 10_000_000
MINUTES = 60

# Half of the requests are what real clients send; the other half is made up, each a version or channel of its own.
MANY = f"""
import itertools, random, resource, time
from datetime import UTC, datetime, timedelta
from django.db.models import Count, Sum
from releng.uptake.counting import Counter
from releng.uptake.folding import fold
from releng.uptake.models import UptakeCount
from releng.uptake.recording import Recorder

def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

products = {{f"Product{{number}}" for number in range(10)}}
rng = random.Random(5)
real = [
    (product, channel, f"{{version}}.0.{{patch}}", target)
    for product in products
    for channel in ("release", "beta", "esr")
    for version in range(140, 146)
    for patch in range(2)
    for target in ("WINNT_x86_64-msvc-x64", "Linux_x86_64-gcc3", "Darwin_aarch64-gcc3")
]
begin = datetime(2030, 5, 17, 12, tzinfo=UTC)
now = begin
recorder = Recorder(Counter(now=lambda: now), 5.0)
counter, numbers = recorder.counter, itertools.count()
names = [*products, *(f"Unknown{{number}}" for number in range(10))]
before, spent, flushing, most = memory(), 0.0, 0.0, 0
a_flush = -(-{REQUESTS} // ({MINUTES} * 12))
counted = 0
for turn in range({MINUTES} * 12):
    asked = rng.choices(real, k=a_flush // 2)
    for _ in range(a_flush - len(asked)):
        number = next(numbers)
        asked.append((rng.choice(names), f"channel{{number % 5000}}", f"{{number}}.0", "x"))
    started = time.perf_counter()
    for client in asked:
        counter.count(counter.ticket(*client, products))
    spent += time.perf_counter() - started
    counted += len(asked)
    now += timedelta(seconds=5)
    started = time.perf_counter()
    assert recorder.flush()
    taken = time.perf_counter() - started
    flushing, most = flushing + taken, max(most, taken)
recorder.stop()
ticket = counter.ticket(*real[0], products)
started = time.perf_counter()
for _ in range(1_000_000):
    counter.count(ticket)
warm = time.perf_counter() - started
counter.take()
rows = UptakeCount.objects
minutes = rows.count()
worst = max(number for _, number in rows.values_list("start").annotate(number=Count("pk")))
apart = rows.exclude(version="(other)").filter(channel__in=["release", "beta", "esr"]).aggregate(n=Sum("requests"))["n"]
assert rows.aggregate(n=Sum("requests"))["n"] == counted, "requests were lost"
started = time.perf_counter()
fold(begin + timedelta(hours=12))
folding = time.perf_counter() - started
hours = rows.count()
assert rows.aggregate(n=Sum("requests"))["n"] == counted, "folding lost requests"
fold(begin + timedelta(days=90))
days = rows.count()
assert rows.aggregate(n=Sum("requests"))["n"] == counted, "folding lost requests"
for line in (
    ("requests counted, none lost", f"{{counted:,}}"),
    ("of real clients', told apart", f"{{apart / (counted / 2):.1%}}"),
    ("rows by the minute", f"{{minutes:,}}"),
    ("rows of the fullest minute (10 products)", f"{{worst:,}}"),
    ("rows by the hour", f"{{hours:,}}"),
    ("rows by the day", f"{{days:,}}"),
    ("a warm request's counting, ns", f"{{1000 * warm:.0f}}"),
    ("a new request's counting, ns", f"{{1e9 * spent / counted:.0f}}"),
    ("a flush, ms: mean, longest", f"{{1000 * flushing / ({MINUTES} * 12):.0f}}, {{1000 * most:.0f}}"),
    ("folding an hour, s", f"{{folding:.1f}}"),
    ("memory grown by, MiB", f"{{memory() - before:.0f}}"),
):
    print("|".join(line))
"""

# Blocks of the same requests with and without counting in turn, so that what the machine does meets both alike.
ALONE = """
import statistics, time
from pathlib import Path
from releng.updates.keeper import SnapshotKeeper
from releng.updates.service import UpdateService
from releng.uptake.counting import Counter
from releng.uptake.recording import Recorder

keeper = SnapshotKeeper()
keeper.refresh()
without = UpdateService(keeper, None)
counting = UpdateService(keeper, None, recorder=Recorder(Counter(), 3600.0))

def environ(target):
    path, _, query = target.partition("?")
    return {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_URI": target}

def taken(service, block):
    started = time.thread_time()
    for request in block:
        service(request, lambda status, headers: None)
    return 1e6 * (time.thread_time() - started) / len(block)

for file in ("targets.txt", "diverse.txt"):
    requests = list(map(environ, Path("FOLDER", file).read_text().split()))
    blocks = [requests[at : at + 500] for at in range(0, len(requests) - 499, 500)]
    if file == "targets.txt":
        for block in blocks:
            taken(without, block), taken(counting, block)
    costs = []
    for number in range(300):
        block = blocks[number % len(blocks)]
        if number % 2:
            costs.append((taken(without, block), taken(counting, block)))
        else:
            costs.append((taken(counting, block), taken(without, block))[::-1])
    off = statistics.median(cost for cost, _ in costs)
    # Whoever answers a block second finds some of its texts known: each order has a median of its own.
    more = sum(statistics.median(other - cost for cost, other in costs[order::2]) for order in (0, 1)) / 2
    print(f"{file}|{off}|{more}")
counting.recorder.counter.clear()
"""


def run(data: Path, folder: Path) -> None:
    """Measure on the smallest data set in `data`, then count."""
    throughput(data, folder)
    ten_millions(folder)


def throughput(data: Path, folder: Path) -> None:
    """Load a server that counts and one that does not in turn; print the ratio of each pair."""
    if shutil.which("wrk") is None:
        raise SystemExit("The benchmark of counting needs wrk (Debian: apt-get install wrk).")
    if not (data / f"{DATA}-data.json.gz").exists() or not (data / "urls.txt.gz").exists():
        print(f"{data} has no large data: this part is left out.")
        return
    targets = gzip.decompress((data / "urls.txt.gz").read_bytes()).decode().split()
    (folder / "targets.txt").write_text("\n".join(targets))
    (folder / "diverse.txt").write_text("\n".join(diverse(targets * 10)))
    (folder / "wrk.lua").write_text(WRK_SCRIPT)
    prepare(folder, data, DATA)
    files = {"targets.txt": "the same requests", "diverse.txt": "no request twice"}
    rates: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        ports = {}
        for counts in ("true", "false"):
            ports[counts] = free_port()
            env = environment(database(folder, DATA), COUNT_TRAFFIC=counts)
            stack.enter_context(running(granian(ports[counts]), env, ports[counts], folder / "log"))
        for number in range(ROUNDS + 1):
            for file in files:
                # Each goes first in every other round: what the machine does meanwhile meets both alike.
                for counts in ("true", "false") if number % 2 else ("false", "true"):
                    rate, _, _ = wrk(ports[counts], folder / file, folder / "wrk.lua", SECONDS)
                    if number:  # the first round warms up
                        rates.setdefault((file, counts), []).append(rate)
    rows = []
    for file, what in files.items():
        on, off = rates[file, "true"], rates[file, "false"]
        ratios = [mine / other for mine, other in zip(on, off, strict=True)]
        rows.append((what, f"{statistics.median(on):.0f}", f"{statistics.median(off):.0f}", spread(ratios)))
    title = (
        f"Counting on granian, {DATA}, 1 worker, {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS} s"
    )
    print_table(title, ("requests", "requests/s, counting", "not counting", "ratio (middle half)"), rows)
    printed = manage(environment(database(folder, DATA)), "shell", "-c", ALONE.replace("FOLDER", str(folder)))
    costs = dict(line.split("|", 1) for line in printed.splitlines() if "|" in line)
    rows = []
    for file, what in files.items():
        off, more = map(float, costs[file].split("|"))
        whole = 1e6 / statistics.median(rates[file, "false"])
        rows.append((what, f"{off:.2f}", f"{more:.2f}", f"{100 * more / whole:.1f} %"))
    head = ("requests", "without counting, us", "counting costs, us", "of a whole request on granian")
    print_table("The application alone, processor time", head, rows)


def spread(values: list[float]) -> str:
    """Return the median, and where the middle half of the values lies."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def ten_millions(folder: Path) -> None:
    """Count ten million requests, half of them hostile, within an hour of simulated time."""
    file = folder / "uptake.sqlite3"
    file.unlink(missing_ok=True)
    env = environment(f"sqlite:///{file.resolve()}")
    manage(env, "migrate", "--verbosity", "0")
    printed = manage(env, "shell", "-c", MANY, timeout=1200)
    rows = [tuple(line.split("|")) for line in printed.splitlines() if "|" in line]
    print_table(f"{REQUESTS:,} requests in {MINUTES} minutes, one worker, SQLite", ("", ""), rows)
