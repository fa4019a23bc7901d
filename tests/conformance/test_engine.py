"""Every recorded case, through the pure parts alone: request, decision, rendering."""

import os
from pathlib import Path

import pytest

from releases.blobs import ClientError
from releng.updates.request import Kind, parse_request
from rules.engine.decide import decide
from rules.engine.render import EMPTY_DOCUMENT, render_client_error, render_json, render_xml
from tests.conformance.replay import (
    HERE,
    USER_AGENT,
    Reply,
    differences,
    pure_snapshot,
    read_cases,
    read_data,
)


def responder(snapshot):
    """Answer as the service does, without server and database."""

    def respond(url, dice):
        path, _, query_string = url.partition("?")
        request = parse_request(path, query_string, USER_AGENT)
        if request.kind is Kind.BAD_ARGUMENT:
            return Reply(400, "application/problem+json", "", None, None)
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


def replay(folder, name):
    snapshot = pure_snapshot(read_data(folder / f"{name}-data.json.gz"))
    cases = (
        case
        for case in read_cases(folder / f"{name}-cases.jsonl.gz")
        if case["url"].startswith(("/update", "/json"))
    )
    ran, found = differences(cases, responder(snapshot))
    assert not found, "\n".join(found)
    return ran


def test_small_set__every_case__answers_as_recorded():
    assert replay(HERE, "small") > 14_000


@pytest.mark.large
def test_large_set__every_case__answers_as_recorded():
    if "CONFORMANCE_DIR" not in os.environ:
        pytest.skip("CONFORMANCE_DIR does not name the folder of the large recorded cases")
    assert replay(Path(os.environ["CONFORMANCE_DIR"]), "large-100") > 43_000
