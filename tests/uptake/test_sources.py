"""Uptake and metrics as conditions ask for them: known, unknown, stale, and read no more often than needed."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from releng.uptake import fetching
from releng.uptake.clients import OTHER
from releng.uptake.models import MetricReading, UptakeCount
from releng.uptake.sources import Reading, Unknown, metric, metric_names, series, shares, uptake_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def ready(settings, monkeypatch):
    settings.UPTAKE_LEAST_REQUESTS = 100
    settings.UPTAKE_REFRESH_SECONDS = 0
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.01)


@pytest.fixture
def http(settings, service):
    """Uptake comes from the service; returns it."""
    settings.UPTAKE_SOURCE = "http"
    settings.UPTAKE_HTTP = {"url": f"{service.url}/{{product}}/{{channel}}/{{version}}/{{build_target}}"}
    return service


def value(reading):
    assert isinstance(reading, Reading), reading
    return reading.value


def reason(reading):
    assert isinstance(reading, Unknown), reading
    return reading.reason


def age_readings(**lengths):
    """Let time pass for what is stored."""
    for row in MetricReading.objects.all():
        row.tried_at -= timedelta(**lengths)
        row.read_at = row.read_at and row.read_at - timedelta(**lengths)
        row.save()


# --- Own traffic --------------------------------------------------------------------------------------------


def test_uptake__traffic__is_the_share_of_the_channels_requests(store):
    store("145.0", 30, ago=1)
    store("145.0", 10, ago=30, build_target="Darwin")
    store("144.0", 120, ago=2)
    store("145.0", 1_000, ago=2, channel="beta")
    store("145.0", 1_000, ago=2, product="Thunderbird")
    store("145.0", 1_000, ago=90)
    assert value(uptake_of("Firefox", "release", "145.0")) == pytest.approx(25)
    assert value(uptake_of("Firefox", "release", "144.0")) == pytest.approx(75)
    assert value(uptake_of("Firefox", "release", "146.0")) == 0


def test_uptake__of_one_build_target__is_a_share_of_its_requests(store):
    store("145.0", 50, build_target="Linux")
    store("144.0", 50, build_target="Linux")
    store("144.0", 900, build_target="Darwin")
    assert value(uptake_of("Firefox", "release", "145.0", "Linux")) == pytest.approx(50)
    assert reason(uptake_of("Firefox", "release", "145.0", "Windows")).startswith("no requests")


def test_uptake__requests_that_were_not_told_apart__count_against_it(store):
    store("145.0", 100)
    store(OTHER, 100, build_target=OTHER)
    assert value(uptake_of("Firefox", "release", "145.0")) == pytest.approx(50)
    assert value(uptake_of("Firefox", "release", "145.0", "Linux")) == pytest.approx(50)


def test_uptake__of_a_partners_channel__is_that_of_the_channel_it_is_counted_under(store):
    store("145.0", 100)
    assert value(uptake_of("Firefox", "release-cck-partner", "145.0")) == 100


def test_uptake__too_few_requests__is_unknown(store):
    store("145.0", 99)
    assert reason(uptake_of("Firefox", "release", "145.0")) == (
        "only 99 requests in the last 60 minutes, 100 are needed"
    )
    store("145.0", 1)
    assert value(uptake_of("Firefox", "release", "145.0")) == 100


def test_uptake__known_and_then_too_few_requests__is_unknown_at_once(store):
    store("145.0", 200)
    assert value(uptake_of("Firefox", "release", "145.0")) == 100
    UptakeCount.objects.all().delete()
    assert reason(uptake_of("Firefox", "release", "145.0")).startswith("no requests")


def test_uptake__no_requests_of_late__is_unknown_for_counting_may_be_broken(store, settings):
    settings.UPTAKE_STALE_SECONDS = 600
    store("145.0", 1_000, ago=20)
    assert "was last known" in reason(uptake_of("Firefox", "release", "145.0"))


def test_uptake__asked_again_within_the_refresh_time__is_not_counted_again(
    store, settings, django_assert_num_queries
):
    settings.UPTAKE_REFRESH_SECONDS = 30
    store("145.0", 100)
    assert value(uptake_of("Firefox", "release", "145.0")) == 100
    store("144.0", 100)
    with django_assert_num_queries(1):
        assert value(uptake_of("Firefox", "release", "145.0")) == 100
    age_readings(seconds=settings.UPTAKE_FLUSH_SECONDS + 1)
    assert value(uptake_of("Firefox", "release", "145.0")) == 50


def test_metric__of_the_traffic__is_a_share_or_a_number_of_requests(store, settings):
    settings.METRICS = {"asks": {"traffic": "requests"}, "share": {"traffic": "share"}}
    store("145.0", 40)
    store("144.0", 160)
    assert value(metric("asks", "Firefox", "release", "145.0")) == 40
    assert value(metric("asks", "Firefox", "release", "")) == 200
    assert value(metric("share", "Firefox", "release", "145.0")) == 20
    assert "needs a version" in reason(metric("share", "Firefox", "release", ""))
    assert "needs a product" in reason(metric("asks", "", "", ""))


# --- Other services -----------------------------------------------------------------------------------------


def test_uptake__http__asks_the_endpoint_and_tells_the_age(http):
    http.replies = [(200, b"12.5")]
    reading = uptake_of("Firefox", "release", "145.0/x", "Linux x")
    assert value(reading) == 12.5
    assert http.asked == ["/Firefox/release/145.0%2Fx/Linux%20x"]
    assert timedelta(0) <= reading.age < timedelta(seconds=30)
    assert timezone.now() - reading.read_at < timedelta(seconds=30)


def test_uptake__http_asked_again_within_the_refresh_time__is_not_fetched_again(http, settings):
    settings.UPTAKE_REFRESH_SECONDS = 30
    http.replies = [(200, b"10"), (200, b"20")]
    assert [value(uptake_of("Firefox", "release", "145.0")) for _ in range(5)] == [10] * 5
    assert len(http.asked) == 1
    age_readings(seconds=31)
    assert value(uptake_of("Firefox", "release", "145.0")) == 20


def test_uptake__http_fails__last_good_value_is_told_with_its_age_until_it_is_stale(http, settings):
    settings.UPTAKE_STALE_SECONDS = 600
    http.replies = [(200, b"10"), (404, b"")]
    assert value(uptake_of("Firefox", "release", "145.0")) == 10
    age_readings(minutes=9)
    reading = uptake_of("Firefox", "release", "145.0")
    assert value(reading) == 10
    assert timedelta(minutes=9) <= reading.age < timedelta(minutes=10)
    age_readings(minutes=2)
    assert reason(uptake_of("Firefox", "release", "145.0")) == (
        "uptake was last known 11 minutes ago: answers 404"
    )


def test_uptake__http_never_answered__is_unknown_and_says_why(http):
    http.replies = [(500, b"")]
    assert reason(uptake_of("Firefox", "release", "145.0")) == "answers 500"


def test_uptake__http_back_after_a_failure__is_known_again(http):
    http.replies = [(404, b""), (200, b"10")]
    assert reason(uptake_of("Firefox", "release", "145.0"))
    assert value(uptake_of("Firefox", "release", "145.0")) == 10
    assert MetricReading.objects.get().problem == ""


@pytest.mark.parametrize("body", [b"100.1", b"-1", b"1e30"])
def test_uptake__http_tells_no_percentage__is_unknown(http, body):
    http.replies = [(200, body)]
    assert "is no percentage" in reason(uptake_of("Firefox", "release", "145.0"))


def test_uptake__endpoint_changed_in_the_settings__value_of_the_old_one_is_not_told(http, settings):
    settings.UPTAKE_REFRESH_SECONDS = 3600
    http.replies = [(200, b"0.1"), (200, b"0.2")]
    assert value(uptake_of("Firefox", "release", "145.0")) == 0.1
    settings.UPTAKE_HTTP = {**settings.UPTAKE_HTTP, "scale": 100}
    assert value(uptake_of("Firefox", "release", "145.0")) == 20


def test_uptake__source_that_is_not_configured__is_unknown(settings):
    settings.UPTAKE_SOURCE = "http"
    assert reason(uptake_of("Firefox", "release", "145.0")) == "uptake is not configured: there is no url"
    settings.UPTAKE_SOURCE = "tea leaves"
    assert "tea leaves" in reason(uptake_of("Firefox", "release", "145.0"))


def test_metric__http__has_its_own_number_for_each_place(service, settings):
    settings.METRICS = {"crashes": {"url": f"{service.url}/{{product}}/{{channel}}", "path": "rate"}}
    settings.UPTAKE_REFRESH_SECONDS = 30
    service.replies = [(200, b'{"rate": 1.5}'), (200, b'{"rate": 250}')]
    assert metric_names() == {"crashes"}
    for _ in range(2):
        assert value(metric("crashes", "Firefox", "release", "")) == 1.5
        assert value(metric("crashes", "Firefox", "beta", "")) == 250
    assert service.asked == ["/Firefox/release", "/Firefox/beta"]


def test_metric__not_asked_for_in_a_month__is_forgotten(service, settings):
    settings.METRICS = {"crashes": {"url": f"{service.url}/{{channel}}"}}
    service.replies = [(200, b"1")]
    for channel, days_later in (("release", 20), ("beta", 20), ("nightly", 0)):
        assert value(metric("crashes", "Firefox", channel, "")) == 1
        age_readings(days=days_later)
    assert MetricReading.objects.count() == 2


def test_metric__unknown_name__is_unknown():
    assert reason(metric("nope", "Firefox", "release", "1.0")) == "nope: no metric nope is configured"


@pytest.mark.django_db(transaction=True)
def test_metric__asked_by_many_at_once__is_fetched_once_and_nobody_waits_for_it(service, settings):
    settings.METRICS = {"crashes": {"url": service.url}}
    settings.UPTAKE_REFRESH_SECONDS = 3600
    service.replies = [(200, b"1"), (200, b"2")]
    assert value(metric("crashes", "", "", "")) == 1
    age_readings(hours=2)
    settings.UPTAKE_STALE_SECONDS = 3 * 3600
    together = threading.Barrier(8)
    found = []

    def ask():
        try:
            together.wait()
            found.append(metric("crashes", "", "", ""))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert {value(reading) for reading in found} <= {1, 2}
    assert len(service.asked) == 2


# --- Over time ----------------------------------------------------------------------------------------------


def test_shares__counts__commonest_version_first(store):
    store("144.0", 10)
    store("145.0", 30, ago=5)
    store("145.0", 30, ago=500)
    since = timezone.now() - timedelta(hours=1)
    assert shares("Firefox", "release", since) == [("145.0", 30), ("144.0", 10)]
    assert shares("Firefox", "release", since, until=timezone.now() - timedelta(minutes=3)) == [("145.0", 30)]


@pytest.mark.parametrize(
    ("hours", "step"),
    [
        (1, timedelta(minutes=1)),
        (24, timedelta(hours=1)),
        (30 * 24, timedelta(days=1)),
    ],
)
def test_series__any_span__has_the_step_that_fits_and_all_requests(store, hours, step):
    now = timezone.now()
    for minutes_ago in (5, 15, 25):
        store("144.0", 10, ago=minutes_ago)
        store("145.0", minutes_ago, ago=minutes_ago)
    found = series("Firefox", "release", now - timedelta(hours=hours), now)
    assert found.step == step
    starts = [start for start, _ in found.points]
    assert starts == sorted(set(starts))
    for version, total in (("144.0", 30), ("145.0", 45)):
        assert sum(versions.get(version, 0) for _, versions in found.points) == total


def test_series__old_span__is_in_the_steps_that_are_kept(store, settings):
    now = timezone.now()
    assert series("Firefox", "release", now - timedelta(hours=8), now - timedelta(hours=7)).step == timedelta(
        hours=1
    )
    assert series("Firefox", "release", now - timedelta(days=70), now - timedelta(days=69)).step == timedelta(
        days=1
    )
