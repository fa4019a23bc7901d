"""A number over HTTP, from a real server: what is believed, tried again, and refused."""

from __future__ import annotations

import gzip
import json
import threading
import time

import pytest

from releng.uptake import fetching
from releng.uptake.fetching import MOST_BYTES, Endpoint, fetch
from releng.uptake.readings import NoReadingError
from tests.servers import free_port


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.01)


def ask(service, path="data.0.share", **options):
    return fetch(Endpoint(service.url, path, **options), f"{service.url}/uptake")


def send(handler, *headers, status=200, body=b""):
    handler.send_response(status)
    for name, value in headers:
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def test_fetch__number_at_the_path__is_returned(service):
    service.replies = [(200, b'{"data": [{"share": 25.5}]}')]
    assert ask(service) == 25.5


@pytest.mark.parametrize(
    ("body", "path", "scale", "value"),
    [
        ("7", "", 1, 7),
        ("[1, [2, 3]]", "1.1", 1, 3),
        ('{"a": 0.25}', "a", 100, 25),
        ('{"0": -1e3}', "0", 1, -1000),
    ],
)
def test_fetch__path_and_scale__lead_to_the_number(service, body, path, scale, value):
    service.replies = [(200, body.encode())]
    assert ask(service, path, scale=scale) == value


def test_fetch__headers_of_the_settings__are_sent_and_nothing_is_compressed(service):
    service.replies = [(200, b"1")]
    ask(service, "", headers={"Authorization": "Bearer x"})
    assert service.headers[0]["Authorization"] == "Bearer x"
    assert service.headers[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "no JSON"),
        (b"<html>", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"1" * 5_000, "no JSON"),
        (gzip.compress(b'{"data": [{"share": 1}]}', mtime=0), "no JSON"),
        (b"{}", "has no data.0.share"),
        (b"[]", "has no data.0.share"),
        (b"null", "has no data.0.share"),
        (b'{"data": []}', "has no data.0.share"),
        (b'{"data": "text"}', "has no data.0.share"),
        (b'{"data": [{"share": "25"}]}', "is no number"),
        (b'{"data": [{"share": null}]}', "is no number"),
        (b'{"data": [{"share": true}]}', "is no number"),
        (b'{"data": [{"share": [1]}]}', "is no number"),
        (b'{"data": [{"share": NaN}]}', "is no finite number"),
        (b'{"data": [{"share": -Infinity}]}', "is no finite number"),
        (b'{"data": [{"share": 1e999}]}', "is no finite number"),
        (b'{"data": [{"share": 1' + b"0" * 400 + b"}]}", "is no finite number"),
    ],
)
def test_fetch__answer_that_is_no_number__is_refused_at_once(service, body, problem):
    service.replies = [(200, body)]
    with pytest.raises(NoReadingError, match=problem):
        ask(service)
    assert len(service.asked) == 1


def test_fetch__huge_answer__is_not_read_to_its_end(service):
    sent = []

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                sent.append(handler.wfile.write(b" " * 65_536))
        except OSError:
            pass

    service.replies = [endless]
    with pytest.raises(NoReadingError, match="longer than"):
        ask(service)
    assert sum(sent) < 20 * MOST_BYTES


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_fetch__passing_failure__is_tried_again(service, status):
    service.replies = [(status, b""), (status, b""), (200, b"5")]
    assert ask(service, "") == 5
    assert len(service.asked) == 3


def test_fetch__lasting_failure__ends_after_three_tries(service):
    service.replies = [(503, b"")]
    with pytest.raises(NoReadingError, match="answers 503"):
        ask(service)
    assert len(service.asked) == 3


def test_fetch__told_to_retry_in_an_hour__does_not_wait_for_it(service):
    service.replies = [lambda handler: send(handler, ("Retry-After", "3600"), status=503), (200, b"5")]
    started = time.monotonic()
    assert ask(service, "") == 5
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("status", [201, 204, 301, 400, 401, 403, 404, 501])
def test_fetch__other_statuses__are_refused_at_once(service, status):
    service.replies = [(status, b"5")]
    with pytest.raises(NoReadingError, match=f"answers {status}"):
        ask(service, "")
    assert len(service.asked) == 1


def test_fetch__connection_broken_in_the_middle__is_tried_again(service):
    def broken(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"1")
        handler.close_connection = True

    service.replies = [broken, lambda handler: handler.connection.close(), (200, b"5")]
    assert ask(service, "") == 5


def test_fetch__nobody_there__says_so():
    url = f"http://127.0.0.1:{free_port()}/"
    with pytest.raises(NoReadingError, match="cannot be reached"):
        fetch(Endpoint(url), url)


def test_fetch__silent_server__times_out_and_is_tried_again(service):
    silence = threading.Event()
    service.replies = [lambda handler: silence.wait(10), lambda handler: silence.wait(10), (200, b"5")]
    try:
        assert ask(service, "", timeout_seconds=0.2) == 5
    finally:
        silence.set()


def test_fetch__answer_that_drips__ends_when_time_is_up(service, monkeypatch):
    monkeypatch.setattr(fetching, "ALTOGETHER_SECONDS", 0.5)
    stop = threading.Event()

    def dripping(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while not stop.wait(0.05):
                handler.wfile.write(b" ")
        except OSError:
            pass

    service.replies = [dripping]
    started = time.monotonic()
    try:
        with pytest.raises(NoReadingError, match="takes too long"):
            ask(service, timeout_seconds=0.3)
    finally:
        stop.set()
    assert time.monotonic() - started < 3


def test_fetch__redirect_on_the_same_server__is_followed(service):
    service.replies = [lambda handler: send(handler, ("Location", "/there?x=1"), status=302), (200, b"5")]
    assert ask(service, "") == 5
    assert service.asked == ["/uptake", "/there?x=1"]


@pytest.mark.parametrize(
    "target",
    ["http://localhost:{port}/", "https://127.0.0.1:{port}/", "http://127.0.0.1:1/", "//elsewhere.example/"],
)
def test_fetch__redirect_to_another_server__is_refused(service, target):
    location = target.format(port=service.server.server_port)
    service.replies = [lambda handler: send(handler, ("Location", location), status=302), (200, b"5")]
    with pytest.raises(NoReadingError, match="another server"):
        ask(service, "")
    assert len(service.asked) == 1


def test_fetch__redirects_in_a_circle__end(service):
    service.replies = [lambda handler: send(handler, ("Location", "/uptake"), status=302)]
    with pytest.raises(NoReadingError, match="too often"):
        ask(service, "")


def test_url_for__any_text__stays_one_piece():
    endpoint = Endpoint("https://metrics.example/{product}/{channel}?v={version}&t={build_target}")
    places = {"product": "a/b", "channel": "{version}", "version": "1&x=2", "build_target": "é ?"}
    assert endpoint.url_for(places) == (
        "https://metrics.example/a%2Fb/%7Bversion%7D?v=1%26x%3D2&t=%C3%A9%20%3F"
    )


def test_messages__of_every_kind__hold_no_address(service):
    service.replies = [(404, json.dumps({"why": "secret"}).encode())]
    with pytest.raises(NoReadingError) as refused:
        fetch(Endpoint(service.url), f"{service.url}/?key=secret")
    with pytest.raises(NoReadingError) as unreachable:
        fetch(Endpoint("http://127.0.0.1:1"), "http://127.0.0.1:1/?key=secret")
    for error in (refused.value, unreachable.value):
        assert "127.0.0.1" not in str(error)
        assert "secret" not in str(error)
