"""Bad settings are told by `manage.py check`."""

from __future__ import annotations

import pytest

from releng.uptake.checks import check_lengths, check_sources

GOOD = {"url": "https://metrics.example/{product}/{channel}/{version}?t={build_target}"}


def messages(found):
    return [(message.id, message.msg) for message in found]


def test_checks__as_shipped__find_nothing():
    assert check_sources() == check_lengths() == []


def test_check_sources__all_kinds_of_good_sources__find_nothing(settings):
    settings.UPTAKE_SOURCE = "http"
    settings.UPTAKE_HTTP = GOOD | {"path": "a.0", "headers": {"X": "y"}, "timeout": 1, "scale": 100}
    settings.METRICS = {"crashes": GOOD, "asks": {"traffic": "requests"}, "share": {"traffic": "share"}}
    assert check_sources() == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (None, "there is no url"),
        ([], "there is no url"),
        ({}, "there is no url"),
        ({"url": 5}, "there is no url"),
        ({"url": "ftp://metrics.example"}, "not one of http or https"),
        ({"url": "https://"}, "not one of http or https"),
        ({"url": "https://[bad"}, "not one of http or https"),
        ({"url": "https://metrics.example/{locale}"}, "{locale}"),
        ({"url": "https://metrics.example/{}"}, "{}"),
        ({"url": "https://{product}.example/"}, "server must not depend"),
        (GOOD | {"paths": "x"}, "paths is unknown"),
        (GOOD | {"path": ["data"]}, "the path is no text"),
        (GOOD | {"headers": {"X": 1}}, "the headers are no texts"),
        (GOOD | {"headers": "X: y"}, "the headers are no texts"),
        (GOOD | {"timeout": 0}, "the timeout is not above 0"),
        (GOOD | {"timeout": 60}, "the timeout is not above 0"),
        (GOOD | {"timeout": "3"}, "the timeout is no number"),
        (GOOD | {"scale": True}, "the scale is no number"),
    ],
)
def test_check_sources__bad_endpoint__is_named(settings, source, problem):
    settings.METRICS = {"crashes": source}
    settings.UPTAKE_SOURCE, settings.UPTAKE_HTTP = "http", source
    [(uptake_id, uptake), (metric_id, metric)] = messages(check_sources())
    assert (uptake_id, metric_id) == ("uptake.E002", "uptake.E003")
    assert problem in uptake
    assert problem in metric or source is None


@pytest.mark.parametrize(
    ("metrics", "problem"),
    [
        ([], "METRICS is no JSON object"),
        ({"x": {"traffic": "crashes"}}, "one of share, requests"),
        ({"x": {"traffic": "share", "url": "https://metrics.example"}}, "one of share, requests"),
        ({"x" * 101: GOOD}, "has not 1 to 100 characters"),
        ({"": GOOD}, "has not 1 to 100 characters"),
    ],
)
def test_check_sources__bad_metric__is_named(settings, metrics, problem):
    settings.METRICS = metrics
    [(identity, message)] = messages(check_sources())
    assert identity == "uptake.E003"
    assert problem in message


def test_check_sources__unknown_source__is_named(settings):
    settings.UPTAKE_SOURCE = "tea leaves"
    [(identity, message)] = messages(check_sources())
    assert identity == "uptake.E001"
    assert "tea leaves" in message


def test_check_lengths__impossible_or_contradicting__are_named(settings):
    settings.UPTAKE_FLUSH_SECONDS = 0
    settings.UPTAKE_WINDOW_MINUTES = 601
    settings.UPTAKE_HOURS_BY_MINUTE = 10
    settings.UPTAKE_REFRESH_SECONDS = 601
    settings.UPTAKE_STALE_SECONDS = 600
    assert messages(check_lengths()) == [
        ("uptake.E004", "UPTAKE_FLUSH_SECONDS is 0, and must be above 0."),
        ("uptake.E005", "UPTAKE_WINDOW_MINUTES is longer than UPTAKE_HOURS_BY_MINUTE."),
        ("uptake.E005", "UPTAKE_REFRESH_SECONDS is longer than UPTAKE_STALE_SECONDS."),
    ]
