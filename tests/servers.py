"""Real servers for tests: started on free ports, waited for, and stopped."""

from __future__ import annotations

import atexit
import fcntl
import http.client
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 30.0


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> float:
    """Wait until `condition` holds; return how long it took; fail naming `what` when it never does."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if condition():
            return time.monotonic() - started
        time.sleep(0.02)
    pytest.fail(f"{what}: not within {seconds} s")


@dataclass(frozen=True)
class Reply:
    """What a server answered over the network."""

    status: int
    headers: dict[str, str]
    body: bytes


def fetch(port: int, target: str, timeout: float = 10.0) -> Reply:
    """GET one target from a server on this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", target, headers={"Host": "127.0.0.1"})
        response = connection.getresponse()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def answers(port: int, target: str = "/__lbheartbeat__") -> bool:
    """Tell whether a server answers at all."""
    try:
        return fetch(port, target, timeout=2.0).status < 500
    except OSError:
        return False


def environment(database_url: str, **more: str) -> dict[str, str]:
    """Return the environment of a server process."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return {
        **kept,
        "DATABASE_URL": database_url,
        "SECRET_KEY": "for-tests-only-" + "x" * 50,
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "SECURE_SSL_REDIRECT": "false",
        "UPDATE_DICE": "0",
        "LOG_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
        **more,
    }


@contextmanager
def started(command: list[str], env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends, without waiting for it."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=out, stderr=out)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def running(
    command: list[str], env: dict[str, str], port: int, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; it must answer first."""
    with started(command, env, log) as process:

        def ready() -> bool:
            if process.poll() is not None:
                pytest.fail(f"{command[0]} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
            return answers(port)

        wait_until(ready, f"{command[0]} answers")
        yield process


def granian(port: int, workers: int = 1, application: str = "releng.updates.wsgi:application") -> list[str]:
    """Return the command of the production server."""
    return [
        str(BIN / "granian"),
        *("--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)),
        *("--blocking-threads", "2", "--backpressure", "64", "--log-level", "warning", application),
    ]


class PostgreSQL:
    """A PostgreSQL server of the test's own, which it may stop and start."""

    def __init__(self, folder: Path, binaries: Path, data: Path | None = None) -> None:
        self.folder, self._binaries, self.port = folder, binaries, free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        if data is None:
            self._run(binaries / "initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "postgres")
        else:
            self._run(Path("cp"), "-a", str(data), f"{folder}/data")

    def _run(self, program: Path, *arguments: str) -> None:
        command = [str(program), *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self._run(
            self._binaries / "pg_ctl",
            "-D",
            f"{self.folder}/data",
            "-w",
            "-l",
            f"{self.folder}/log",
            "-o",
            options,
            "start",
        )

    def stop(self, how: str = "immediate") -> None:
        """Stop it, at once, as a crash would; or `fast`: in order."""
        self._run(self._binaries / "pg_ctl", "-D", f"{self.folder}/data", "-m", how, "-w", "stop")


def _shared() -> Path:
    """Return the folder for what is made once for all processes of a run; the first of them removes it in the end."""
    if (name := os.environ.get("TESTS_SHARED")) is None:
        name = os.environ["TESTS_SHARED"] = tempfile.mkdtemp(prefix="releng-tests-")
        Path(name).chmod(0o755)  # PostgreSQL runs as another user
        atexit.register(shutil.rmtree, name, ignore_errors=True)
    return Path(name)


SHARED = _shared()


@contextmanager
def _alone(what: str) -> Iterator[Path]:
    """Yield the place of something that is shared, while no other process makes it."""
    with (SHARED / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield SHARED / what


def _migrated_data(binaries: Path) -> Path:
    """Return the data of a PostgreSQL that has the tables of the service."""
    with _alone("postgresql") as made:
        if not made.exists():
            draft = made.with_name("draft")
            draft.mkdir()
            server = PostgreSQL(draft, binaries)
            server.start()
            manage(environment(server.url), "migrate", "--verbosity", "0")
            server.stop("fast")
            draft.rename(made)
    return made / "data"


@contextmanager
def own_postgresql() -> Iterator[PostgreSQL]:
    """Yield a running PostgreSQL of one's own with the tables of the service, all of them empty.

    The test is skipped where the server's programs are missing.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL's server programs are not installed")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        server = PostgreSQL(folder, found[-1].parent, _migrated_data(found[-1].parent))
        server.start()
        try:
            yield server
        finally:
            with suppress(subprocess.CalledProcessError):  # the test may have stopped it itself
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def manage(env: dict[str, str], *arguments: str, stdin: str | None = None, timeout: float = 300) -> str:
    """Run a management command in a process of its own; return what it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def query(database_url: str, sql: str) -> list[tuple[Any, ...]]:
    """Ask a database that others work on, or change it; without a process for each question."""
    connection: Any
    if database_url.startswith("sqlite"):
        connection = sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=20)
    else:
        connection = psycopg2.connect(database_url)
    with closing(connection), connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def sqlite_with(demo: bool, folder: Path) -> str:
    """Return the URL of a migrated SQLite database of one's own in `folder`, with the demo data or empty."""
    with _alone("demo.sqlite3" if demo else "empty.sqlite3") as made:
        if not made.exists():
            draft = made.with_suffix(".draft")
            env = environment(f"sqlite:///{draft}", DEBUG="true")
            manage(env, "migrate", "--verbosity", "0")
            if demo:
                manage(env, "load_demo")
            draft.rename(made)  # the last connection has taken the journal in
    own = folder / "site.sqlite3"
    shutil.copyfile(made, own)
    return f"sqlite:///{own}"
