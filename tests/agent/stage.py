"""A stage for stories with agents: a database, accounts, servers and agents as real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from releng.updates.demo import demo_data
from tests.servers import ROOT, environment, free_port, granian, manage, running, started, wait_until

PASSWORD = "only-for-tests-1"


@dataclass
class Stage:
    """One database with what the stories need; `env` is the environment of every process but the agents."""

    env: dict[str, str]
    folder: Path
    agent_env: dict[str, str]
    port: int = 0

    def shell(self, script: str) -> str:
        """Run Python in a process of the project; return what it printed."""
        return manage(self.env, "shell", "--verbosity", "0", "-c", script)

    def account(self, name: str, *arguments: str) -> None:
        """Make an account."""
        manage({**self.env, "ACCOUNT_PASSWORD": PASSWORD}, "create_account", name, *arguments)

    @contextmanager
    def server(self, workers: int = 1) -> Iterator[subprocess.Popen[bytes]]:
        """Run admin, API and update service."""
        command = self.server_command(workers)
        with running(command, self.env, self.port, self.folder / "server.log") as process:
            yield process

    def server_command(self, workers: int) -> list[str]:
        """Return the command of the server, always at the same port."""
        self.port = self.port or free_port()
        self.agent_env["AGENT_API_URL"] = f"http://127.0.0.1:{self.port}/api"
        return granian(self.port, workers, "releng.wsgi:application")

    def start_server(self, workers: int) -> subprocess.Popen[bytes]:
        """Start the server in a process group of its own, which the caller ends."""
        command = self.server_command(workers)
        with (self.folder / "server.log").open("ab") as out:
            return subprocess.Popen(
                command, env=self.env, cwd=ROOT, stdout=out, stderr=out, start_new_session=True
            )

    def agent_command(self, name: str, interval: float) -> list[str]:
        """Return the command of an agent."""
        return [sys.executable, "manage.py", "agent", "--name", name, "--interval", str(interval)]

    @contextmanager
    def agent(self, name: str = "agent-1", interval: float = 0.3) -> Iterator[subprocess.Popen[bytes]]:
        """Run an agent, which knows the API and no database."""
        command = self.agent_command(name, interval)
        with started(command, self.agent_env, self.folder / f"{name}.log") as process:
            yield process

    def start_agent(self, name: str, interval: float) -> subprocess.Popen[bytes]:
        """Start an agent that the caller ends."""
        with (self.folder / f"{name}.log").open("ab") as out:
            return subprocess.Popen(
                self.agent_command(name, interval), env=self.agent_env, cwd=ROOT, stdout=out, stderr=out
            )

    def person(self, name: str) -> Person:
        """Sign somebody in."""
        return Person(f"http://127.0.0.1:{self.port}", name)

    def mails(self) -> list[str]:
        """Return the mails that were sent, in order."""
        files = sorted((self.folder / "mails").glob("*.log"), key=lambda file: file.stat().st_mtime_ns)
        parts = [part for file in files for part in file.read_text().split("-" * 79)]
        return [part.strip() for part in parts if part.strip()]


class Person:
    """Somebody with a session, who uses the API."""

    def __init__(self, root: str, name: str) -> None:
        self.root = root
        self.session = requests.Session()
        page = f"{root}/admin/login/"
        self.session.get(page, timeout=10)
        form = {
            "username": name,
            "password": PASSWORD,
            "csrfmiddlewaretoken": self.session.cookies["csrftoken"],
        }
        answer = self.session.post(page, data=form, timeout=10, allow_redirects=False)
        assert answer.status_code == 302, answer.text[:2000]

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        """POST JSON to the API; the answer must have the status."""
        headers = {"X-CSRFToken": self.session.cookies["csrftoken"]}
        answer = self.session.post(f"{self.root}/api/{path}", json=body, headers=headers, timeout=60)
        assert answer.status_code == status, answer.text[:3000]
        return answer.json()

    def get(self, path: str) -> Any:
        """GET JSON from the API."""
        answer = self.session.get(f"{self.root}/api/{path}", timeout=60)
        assert answer.status_code == 200, answer.text[:3000]
        return answer.json()


def stage(database_url: str, folder: Path, **settings: str) -> Stage:
    """Prepare a database with the demo's rules, an agent's credentials, and mail into files."""
    (folder / "mails").mkdir(exist_ok=True)
    env = environment(database_url, DEBUG="true", LOG_FORMAT="plain", **settings)
    agent_env = {
        **environment("postgres://nobody@127.0.0.1:1/none"),
        "EMAIL_URL": f"filemail:///{folder}/mails",
        "MAIL_RECIPIENTS": json.dumps({"Firefox": ["release@example.com"], "*": ["all@example.com"]}),
        "LOG_FORMAT": "plain",
        "LOG_LEVEL": "INFO",
    }
    made = Stage(env, folder, agent_env)
    manage(env, "load_data", "-", stdin=json.dumps(demo_data()))
    made.account("robot", "--system", "--permission", "scheduled_change:enact")
    for line in manage(env, "create_client", "agent", "--user", "robot").splitlines():
        name, _, value = line.partition("=")
        agent_env[f"AGENT_{name}"] = value
    return made


__all__ = ["Person", "Stage", "stage", "wait_until"]
