"""Which requests the public service counts, and as what; without asking the database."""

from __future__ import annotations

from collections import Counter as Tally

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from history.changesets import change_set
from releng.updates.management.commands.load_demo import DEMO_URL
from releng.uptake.clients import OTHER
from releng.uptake.counting import Counter
from releng.uptake.models import UptakeCount
from releng.uptake.recording import Recorder
from rules.models import EmergencyShutoff
from tests.updates.client import call

pytestmark = pytest.mark.django_db

THROTTLED = DEMO_URL.split("?")[0]
WINDOWS = "WINNT_x86_64-msvc-x64"
GMP = "/update/3/GMP/145.0/20251103120000/Linux_x86_64-gcc3/de/release/Linux/default/default/update.xml"
SYSTEM_ADDONS = GMP.replace("GMP", "SystemAddons").replace("145.0", "144.0")
VPN = "/json/1/FirefoxVPN/2.20.0/WINNT_x86_64/release/update.json"


class QuietRecorder(Recorder):
    """Writes only when the test says so: no thread beside it."""

    def ensure_running(self):
        pass


@pytest.fixture
def recorder():
    return QuietRecorder(Counter(), 60.0)


@pytest.fixture
def service(demo, make_service, recorder):
    return make_service(recorder=recorder)


def counted(recorder):
    found = Tally()
    for (_, client), requests in recorder.counter.take().items():
        found[tuple(client)] += requests
    return found


@pytest.mark.parametrize(
    ("target", "client"),
    [
        (DEMO_URL, ("Firefox", "release", "144.0", WINDOWS)),
        (THROTTLED, ("Firefox", "release", "144.0", WINDOWS)),
        (GMP, ("GMP", "release", "145.0", "Linux_x86_64-gcc3")),
        (SYSTEM_ADDONS, ("SystemAddons", "release", "144.0", "Linux_x86_64-gcc3")),
        (VPN, ("FirefoxVPN", "release", "2.20.0", "WINNT_x86_64")),
        (THROTTLED.replace("/release/", "/nowhere/"), ("Firefox", "nowhere", "144.0", WINDOWS)),
        (THROTTLED.replace("/release/", "/release-cck-partner/"), ("Firefox", "release", "144.0", WINDOWS)),
        (THROTTLED.replace("/144.0/", "/banana/"), ("Firefox", "release", OTHER, WINDOWS)),
        (THROTTLED.replace("/Firefox/", "/Nothing/"), (OTHER, OTHER, OTHER, OTHER)),
    ],
)
def test_request__for_an_update__counts_each_time_however_it_is_answered(service, recorder, target, client):
    for _ in range(3):
        call(service, target)
    assert counted(recorder) == {client: 3}


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("HEAD", DEMO_URL),
        ("OPTIONS", DEMO_URL),
        ("POST", DEMO_URL),
        ("GET", f"{THROTTLED}?foo=1"),
        ("GET", "/update/banana"),
        ("GET", "/update/6/Firefox/144.0/update.xml"),
        ("GET", "/__heartbeat__"),
        ("GET", "/robots.txt"),
        ("GET", "/api/v1/rules"),
    ],
)
def test_request__that_asks_for_no_update__does_not_count(service, recorder, method, target):
    call(service, DEMO_URL)
    recorder.counter.take()
    for _ in range(2):
        call(service, target, method=method)
    assert counted(recorder) == {}


def test_request__text_that_no_database_takes__is_counted_and_written(service, recorder):
    call(service, THROTTLED.replace("/release/", "/re%00lease/").replace("/144.0/", "/144%00/"))
    call(service, THROTTLED.replace("/release/", f"/{'x' * 5000}/"))
    assert recorder.flush()
    assert sorted(UptakeCount.objects.values_list("channel", "version", "requests")) == [
        (OTHER, OTHER, 1),
        (OTHER, "144.0", 1),
    ]


def test_request__warm_or_cold__asks_the_database_nothing(service):
    with CaptureQueriesContext(connection) as queries:
        for target in (DEMO_URL, DEMO_URL, THROTTLED, GMP, VPN):
            assert call(service, target).status == 200
    assert len(queries) == 0


def test_request__after_a_change__is_counted_as_before(service, recorder):
    call(service, DEMO_URL)
    with change_set(actor_name="tester", reason="test"):
        EmergencyShutoff(product="Firefox", channel="release", comment="stop").save()
    assert service.keeper.refresh()
    call(service, DEMO_URL)
    assert counted(recorder) == {("Firefox", "release", "144.0", WINDOWS): 2}


def test_request__same_client_in_different_words__shares_what_is_remembered_of_it(service, recorder):
    for number in range(500):
        call(service, THROTTLED.replace("MEM:16384", f"MEM:{number}"))
    assert len(recorder.counter._tickets) == 1
    assert counted(recorder) == {("Firefox", "release", "144.0", WINDOWS): 500}


def test_service__without_a_recorder__answers_the_same(demo, make_service, service):
    without = make_service()
    for target in (DEMO_URL, GMP, VPN, "/update/banana"):
        assert call(without, target) == call(service, target)
