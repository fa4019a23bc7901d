"""History on a real PostgreSQL: what it costs in bytes, how fast locales come in, how long a proof takes."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

from tests.bench.table import print_table
from tests.servers import ROOT, environment, manage, own_postgresql

SUBMISSIONS = 1_000
PROCESSES = 16
STORM_LOCALES = 2_000
VERIFIED_ROWS = 1_000_000
LONGEST_SECONDS = 1_800.0

_PRELUDE = """
import json, random, time
from django.db import connection
from history import bulk
from history.changesets import change_set
from releases import actions
from releases.models import Release, ReleasePart
def size(*tables):
    with connection.cursor() as cursor:
        cursor.execute("VACUUM FULL")
        cursor.execute("SELECT sum(pg_total_relation_size(t::regclass)) FROM unnest(%s) t", [list(tables)])
        return int(cursor.fetchone()[0])
def locale(rng):
    def patch(source):
        value = f"{rng.getrandbits(512):0128x}"
        return {"from": source, "filesize": rng.randrange(10**8), "hashValue": value}
    build_id = f"{rng.randrange(10**14):014}"
    return {"buildID": build_id, "completes": [patch("*")], "partials": [patch("one"), patch("two")]}
"""

_PARTS = (
    _PRELUDE
    + f"""
rng = random.Random(1)
platforms = {{f"P{{p}}": {{"locales": {{f"l{{n}}": locale(rng) for n in range(100)}}}} for p in range(8)}}
blob = {{"name": "big", "schema_version": 9, "hashFunction": "sha512", "platforms": platforms}}
with change_set(actor_name="bench", reason="big"):
    actions.create_release("big", "Firefox", blob)
tables = ["history_changeset", "releases_historicalrelease", "releases_historicalreleasepart"]
before = size(*tables)
for number in range({SUBMISSIONS}):
    with change_set(actor_name="bench", reason="nightly"):
        actions.submit_locale("big", "Firefox", f"P{{number % 8}}", f"l{{number % 100}}", locale(rng),
            schema_version=9, hash_function="sha512")
grown = size(*tables) - before
text = json.dumps(Release.objects.get(name="big").blob(), sort_keys=True, separators=(",", ":"))
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE copies (id serial, document text)")
    cursor.execute("INSERT INTO copies (document) SELECT %s FROM generate_series(1, {SUBMISSIONS})", [text])
copies = size("copies")
print(json.dumps([len(text), grown, copies]))
"""
)

_WRITER = (
    _PRELUDE
    + """
import sys
number, processes, count = NUMBER, PROCESSES, COUNT
rng = random.Random(number)
taken = []
for place in range(number, count, processes):
    begun = time.perf_counter()
    with change_set(actor_name=f"builder {number}", reason="storm"):
        actions.submit_locale("storm", "Firefox", f"P{place % 5}", f"l{place // 5}", locale(rng),
            schema_version=9, hash_function="sha512")
    taken.append(time.perf_counter() - begun)
print(json.dumps(taken))
"""
)

_FILL = (
    _PRELUDE
    + f"""
from rules.models import Rule
left = {VERIFIED_ROWS} - ReleasePart.history.count()
for start in range(0, left, 50_000):
    with change_set(actor_name="bench", reason=f"fill {{start}}"):
        numbers = range(start, min(start + 50_000, left))
        bulk.insert(Rule(product="Firefox", channel=f"c{{n}}", comment="x" * 50) for n in numbers)
"""
)


def run() -> None:
    """Print three tables."""
    with own_postgresql() as server:
        env = environment(server.url)
        manage(env, "migrate", "--verbosity", "0")
        length, grown, copies = json.loads(_script(env, _PARTS))
        print_table(
            f"History of {SUBMISSIONS} single-locale submissions to a release of {length / 1000:.0f} kB",
            ("", "bytes on disk", "share"),
            [
                ("as parts", grown, f"{100 * grown / copies:.2f} %"),
                (f"{SUBMISSIONS} whole copies", copies, "100 %"),
            ],
        )
        _storm(env)
        _script(env, _FILL)
        begun = time.monotonic()
        print(manage(env, "verify_history", timeout=LONGEST_SECONDS).strip())
        took = time.monotonic() - begun
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print_table(
            "verify_history",
            ("history rows", "seconds", "rows/s", "peak of any process so far, MiB"),
            [(VERIFIED_ROWS, f"{took:.0f}", f"{VERIFIED_ROWS / took:.0f}", f"{peak:.0f}")],
        )


def _script(env: dict[str, str], text: str) -> str:
    """Run a script inside the project; return the last line that it printed."""
    printed = manage(env, "shell", "--verbosity", "0", "-c", text, timeout=LONGEST_SECONDS)
    return (printed.strip().splitlines() or [""])[-1]


def _storm(env: dict[str, str]) -> None:
    counts = _WRITER.replace("PROCESSES", str(PROCESSES)).replace("COUNT", str(STORM_LOCALES))
    commands = [counts.replace("NUMBER", str(number)) for number in range(PROCESSES)]
    begun = time.monotonic()
    writers = [
        subprocess.Popen(
            [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", command],
            env=env,
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for command in commands
    ]
    taken = sorted(seconds for writer in writers for seconds in json.loads(writer.communicate()[0]))
    wall = time.monotonic() - begun
    assert len(taken) == STORM_LOCALES
    print_table(
        f"{STORM_LOCALES} different locales of one release from {PROCESSES} processes (their start included)",
        ("submissions/s", "median, ms", "p99, ms"),
        [
            (
                f"{STORM_LOCALES / wall:.0f}",
                f"{1000 * taken[len(taken) // 2]:.1f}",
                f"{1000 * taken[len(taken) * 99 // 100]:.1f}",
            )
        ],
    )
