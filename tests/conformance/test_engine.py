"""Every recorded case, through the pure parts alone: request, decision, rendering."""

import os
from pathlib import Path

import pytest

from tests.conformance.replay import HERE, differences, pure_responder, pure_snapshot, read_cases, read_data


def replay(folder, name):
    snapshot = pure_snapshot(read_data(folder / f"{name}-data.json.gz"))
    cases = (
        case
        for case in read_cases(folder / f"{name}-cases.jsonl.gz")
        if case["url"].startswith(("/update", "/json"))
    )
    ran, found = differences(cases, pure_responder(snapshot))
    assert not found, "\n".join(found)
    return ran


def test_small_set__every_case__answers_as_recorded():
    assert replay(HERE, "small") > 14_000


@pytest.mark.large
def test_large_set__every_case__answers_as_recorded():
    if "CONFORMANCE_DIR" not in os.environ:
        pytest.skip("CONFORMANCE_DIR does not name the folder of the large recorded cases")
    assert replay(Path(os.environ["CONFORMANCE_DIR"]), "large-100") > 43_000
