"""docs/automation.md is run as it stands: its commands, its shell and its Python, against a real server over TLS."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.api.tls import secured
from tests.servers import BIN, ROOT

DOCUMENT = ROOT / "docs" / "automation.md"
PASSWORD = "only-for-tests-1"
END = "\x1e"  # printed behind each block, so that each has its own output
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Block:
    """One block of code, and the JSON that stands under it, if any."""

    language: str
    code: str
    printed: str | None


def blocks() -> Iterator[Block]:
    """Return the blocks of the document that are run, in order."""
    found = BLOCK.findall(DOCUMENT.read_text())
    for (language, code), (after, text) in zip(found, [*found[1:], ("", "")], strict=True):
        if language != "json":
            yield Block(language, code, text if after == "json" else None)


# Runs blocks as they come, all in one namespace, as if they stood in one file.
PYTHON = f"""
import json, sys
names = {{"__name__": "__main__"}}
for line in sys.stdin:  # a block is a line of JSON
    exec(compile(json.loads(line), "automation.md", "exec"), names)
    print(end={END!r}, flush=True)
"""


def shell_line(code: str) -> str:
    """Return what a shell is sent to run a block."""
    return code + "printf '\\036'\n"


def python_line(code: str) -> str:
    """Return what PYTHON is sent to run a block."""
    return json.dumps(code) + "\n"


class Runner:
    """A shell or a Python that runs one block after another; ends when a command of a block fails.

    `sent` makes of a block's code what is sent, so that END is printed behind it.
    """

    def __init__(
        self, command: list[str], env: dict[str, str], folder: Path, sent: Callable[[str], str]
    ) -> None:
        self.log = folder / f"{Path(command[0]).name}.log"
        self.sent = sent
        with self.log.open("wb") as err:
            self.process = subprocess.Popen(
                command, env=env, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err
            )

    def run(self, block: Block) -> str:
        """Run a block; return what it printed, which must be what the document says."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(self.sent(block.code).encode())
        self.process.stdin.flush()
        printed = b""
        while (character := self.process.stdout.read(1)) != END.encode():
            if not character:
                pytest.fail(f"{block.code}\nfailed:\n{printed.decode()}\n{self.log.read_text()[-3000:]}")
            printed += character
        if block.printed is not None:
            assert json.loads(printed) == json.loads(block.printed), block.code
        return printed.decode()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.process.kill()
        self.process.communicate(timeout=60)
        if kind is None:
            assert self.process.returncode == 0, self.log.read_text()[-3000:]


def test_document__blocks__are_those_that_are_run_here() -> None:
    assert {block.language for block in blocks()} == {"bash", "sh", "python"}


def test_document__as_written__works(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    shell = ["bash", "-eu", "-o", "pipefail"]
    with secured(f"sqlite:///{tmp_path}/releng.sqlite3", tmp_path, workers=2, pages=True) as place:
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        (tmp_path / "manage.py").symlink_to(ROOT / "manage.py")
        first, *others = blocks()
        with Runner(
            shell, {**place.env, "PATH": path, "ACCOUNT_PASSWORD": PASSWORD}, tmp_path, shell_line
        ) as server:
            printed = server.run(first)
        told = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
        # What scripts have, on machines that know nothing of the server: the environment that the document names.
        env = {
            "PATH": path,
            "RELENG_URL": f"https://{place.domain}",
            "RELENG_CLIENT_ID": told["CLIENT_ID"],
            "RELENG_CLIENT_SECRET": told["CLIENT_SECRET"],
            "RELENG_USER": "rita",
            "RELENG_PASSWORD": PASSWORD,
            "CURL_CA_BUNDLE": str(place.certificate),
            "REQUESTS_CA_BUNDLE": str(place.certificate),
        }
        python = [sys.executable, "-W", "error", "-c", PYTHON]
        with (
            Runner(shell, env, tmp_path, shell_line) as sh,
            Runner(python, env, tmp_path, python_line) as py,
        ):
            for block in others:
                {"sh": sh, "python": py}[block.language].run(block)
