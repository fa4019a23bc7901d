"""Recorded requests and answers: reading them, and comparing what we answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from releases.blobs import ClientError, Document, blob_for
from releases.blobs.allowlist import Allowlist
from releng.updates.request import Kind, parse_request
from rules.engine.decide import decide
from rules.engine.render import EMPTY_DOCUMENT, render_client_error, render_json, render_xml
from rules.engine.rule import Rule
from rules.engine.snapshot import Release, Snapshot

HERE = Path(__file__).parent
USER_AGENT = "Mozilla/5.0 (golden)"
DICE = {"any": 50, "win": 0, "lose": 99}

_RULE_FIELDS = {
    "backgroundRate": "background_rate",
    "buildID": "build_id",
    "buildTarget": "build_target",
    "distVersion": "dist_version",
    "fallbackMapping": "fallback_mapping",
    "headerArchitecture": "header_architecture",
    "instructionSet": "instruction_set",
    "osVersion": "os_version",
}


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    content_type: str
    body: str
    rule_id: str | None
    rule_data_version: str | None


def read_cases(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the recorded cases of one file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def read_data(path: Path) -> dict[str, Any]:
    """Return the data set that cases were recorded on."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        data: dict[str, Any] = json.load(file)
    return data


def pure_snapshot(data: dict[str, Any]) -> Snapshot:
    """Build a snapshot of a data set without any database."""
    return Snapshot.build(
        rules=[
            Rule(**{_RULE_FIELDS.get(key, key): value for key, value in row.items()}) for row in data["rules"]
        ],
        releases={
            row["name"]: Release(row["product"], blob_for(Document.from_dict(row["blob"])))
            for row in data["releases"]
        },
        shutoffs=[(row["product"], row["channel"]) for row in data["emergency_shutoffs"]],
        pins={
            (row["product"], row["channel"], row["version"]): row["mapping"]
            for row in data["pinnable_releases"]
        },
        allowlist=Allowlist(data["allowlisted_domains"]),
        special_force_hosts=data["special_force_hosts"],
    )


def pure_responder(snapshot: Snapshot, user_agent: str = USER_AGENT) -> Callable[[str, int], Reply]:
    """Return a function that answers (URL, dice) as the service does, without server and database."""

    def respond(url: str, dice: int = 0) -> Reply:
        path, _, query_string = url.partition("?")
        request = parse_request(path, query_string, user_agent)
        if request.kind is Kind.BAD_ARGUMENT:
            return Reply(400, "application/problem+json", request.problem[1], None, None)
        if request.kind is Kind.UNKNOWN_UPDATE:
            return Reply(200, "text/xml; charset=utf-8", EMPTY_DOCUMENT.decode(), None, None)
        if request.query is None:
            return Reply(404, "text/plain; charset=utf-8", "", None, None)
        render = render_xml if request.kind is Kind.XML else render_json
        try:
            answer = render(decide(request.query, snapshot, lambda: dice), snapshot)
        except ClientError as error:
            answer = render_client_error(error)
        return Reply(
            answer.status, answer.content_type, answer.body.decode(), answer.rule_id, answer.rule_data_version
        )

    return respond


def difference(case: dict[str, Any], reply: Reply) -> str | None:
    """Return how a reply differs from the recorded one, or None."""
    if reply.status != case["status"]:
        return f"status {reply.status}, recorded {case['status']}: {reply.body[:200]}"
    if case["status"] != 200:
        return None
    got = {
        "content_type": reply.content_type,
        "body": reply.body,
        "rule_id": reply.rule_id,
        "rule_data_version": reply.rule_data_version,
    }
    wrong = [
        f"{key} {got[key]!r}, recorded {case[key]!r}" for key in got if key in case and got[key] != case[key]
    ]
    return "; ".join(wrong) or None


def differences(
    cases: Iterator[dict[str, Any]], respond: Callable[[str, int], Reply], most: int = 10
) -> tuple[int, list[str]]:
    """Replay cases through `respond(url, dice)`; return how many ran, and the first differences as text."""
    ran, found = 0, []
    for case in cases:
        ran += 1
        wrong = difference(case, respond(case["url"], DICE[case["dice"]]))
        if wrong is not None:
            found.append(f"{case['url']} ({case['dice']}): {wrong}")
            if len(found) >= most:
                break
    return ran, found
