"""Builds that submit locales at the same time, from processes of their own, with Mozilla's published client library.

No Django here: these processes know the API alone.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from balrogclient import SingleLocale, get_balrog_session

PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class Storm:
    """Every locale of every platform of one release, dealt to `processes`; `certificate` is what they trust."""

    api: str
    secrets: dict[str, str]
    certificate: Path
    release: str
    processes: int
    locales: int
    platforms: int

    @property
    def size(self) -> int:
        """How many submissions there are."""
        return self.locales * self.platforms

    def place(self, at: int) -> tuple[str, str]:
        """Return platform and locale of a submission."""
        return f"P{at % self.platforms}", f"l{at // self.platforms}"

    def build(self, at: int) -> dict[str, Any]:
        """Return what is submitted there: no two are the same."""
        patch = {"from": "*", "filesize": 1000 + at, "hashValue": f"{at:04x}" * 32}
        return {"buildID": str(20250101000000 + at), "completes": [patch]}

    def rage(self) -> Outcome:
        """Submit everything; the processes begin together, each with its token."""
        spawn = multiprocessing.get_context("spawn")
        ready, results = spawn.Barrier(self.processes), spawn.Queue()
        workers = [
            spawn.Process(target=_work, args=(self, number, ready, results))
            for number in range(self.processes)
        ]
        for worker in workers:
            worker.start()
        found = [results.get(timeout=PATIENCE_SECONDS) for _ in workers]
        for worker in workers:
            worker.join(PATIENCE_SECONDS)
        return Outcome(
            [line for refused, _, _, _ in found for line in refused],
            [taken for _, seconds, _, _ in found for taken in seconds],
            max(ended for _, _, _, ended in found) - min(began for _, _, began, _ in found),
        )


@dataclass(frozen=True)
class Outcome:
    """What the processes saw: refusals and failures in words, seconds of each submission, seconds of it all."""

    refused: list[str]
    seconds: list[float]
    whole: float


def _work(storm: Storm, number: int, ready: Any, results: Any) -> None:
    refused, seconds = [], []
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(storm.certificate)
        get_balrog_session(storm.secrets, session)
        told = {
            "auth0_secrets": storm.secrets,
            "api_root": storm.api,
            "ca_certs": str(storm.certificate),
            "session": session,
        }
        ready.wait(PATIENCE_SECONDS)
        began = time.time()
        for at in range(number, storm.size, storm.processes):
            platform, locale = storm.place(at)
            build = SingleLocale(storm.release, platform, locale, **told)
            started = time.perf_counter()
            try:
                build.update_build(
                    "Acme",
                    "sha512",
                    json.dumps(storm.build(at)),
                    alias=f'["{platform}-alias"]',
                    schemaVersion=9,
                )
            except requests.RequestException as error:
                text = error.response.text[:500] if error.response is not None else ""
                refused.append(f"{platform} {locale}: {error} {text}")
            seconds.append(time.perf_counter() - started)
        results.put((refused, seconds, began, time.time()))
