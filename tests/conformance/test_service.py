"""Every recorded case of the small set, through the database and the WSGI service."""

import pytest

from history.changesets import change_set
from releng.updates.service import UpdateService
from rules.datafile import load
from tests.conformance.replay import HERE, Reply, differences, read_cases, read_data
from tests.updates.client import call
from tests.updates.conftest import QuietKeeper


@pytest.mark.django_db
@pytest.mark.parametrize("raw", [True, False], ids=["raw target", "decoded path"])
def test_small_set__through_database_and_wsgi__answers_as_recorded(raw):
    with change_set(actor_name="tester", reason="conformance"):
        load(read_data(HERE / "small-data.json.gz"))
    keeper = QuietKeeper()
    keeper.refresh()
    dice = {"number": 0}

    def nothing_behind(environ, start_response):
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b""]

    service = UpdateService(keeper, nothing_behind, dice=lambda: dice["number"])

    def respond(url, number):
        dice["number"] = number
        got = call(service, url, raw=raw)
        return Reply(
            got.status,
            got.headers["Content-Type"],
            got.body.decode(),
            got.headers.get("Rule-ID"),
            got.headers.get("Rule-Data-Version"),
        )

    ran, found = differences(read_cases(HERE / "small-cases.jsonl.gz"), respond)
    assert not found, "\n".join(found)
    assert ran == 14_036
