"""The client of a signing service, against a real HTTP server that checks what it is sent."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from mohawk import Receiver
from mohawk.exc import HawkFail

from releng.updates import signing

PASSWORD = "a secret of the test"


class Service(BaseHTTPRequestHandler):
    """Signs what comes with the right Hawk header; fails first as often as it is told."""

    failures = 0
    seen: list[dict] = []

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        url = f"http://127.0.0.1:{self.server.server_port}{self.path}"
        try:
            Receiver(
                lambda user: {"id": user, "key": PASSWORD, "algorithm": "sha256"},
                self.headers["Authorization"],
                url,
                "POST",
                content=content,
                content_type=self.headers["Content-Type"],
            )
            status = 201
        except HawkFail:
            status = 401
        if type(self).failures > 0:
            type(self).failures -= 1
            status = 503
        body = b"{}"
        if status == 201:
            (asked,) = json.loads(content)
            type(self).seen.append({"path": self.path, **asked})
            body = json.dumps(
                [{"signature": f"signed-{asked['keyid']}", "x5u": "https://c.example/x"}]
            ).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def service():
    Service.failures, Service.seen = 0, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def signer(url, password=PASSWORD):
    return signing.from_settings(
        {
            "default": {"url": url, "key_id": "main", "user": "updates", "password": password},
            "GMP": {"key_id": "gmp"},
        },
        ["GMP"],
    )


def test_remote__each_product__is_signed_by_its_key_over_the_prefixed_hash(service):
    made = signer(service)
    assert made.header("GMP", b"body") == "x5u=https://c.example/x; p384ecdsa=signed-gmp"
    assert made.header(None, b"body").endswith("signed-main")
    digest = hashlib.sha384(b"Content-Signature:\x00body").digest()
    assert Service.seen == [
        {"path": "/sign/hash", "input": base64.b64encode(digest).decode(), "keyid": key}
        for key in ("gmp", "main")
    ]


def test_remote__same_body_again__is_not_asked_again(service):
    made = signer(service)
    assert made.header("GMP", b"body") == made.header("GMP", b"body")
    assert len(Service.seen) == 1


def test_remote__two_failures__third_attempt_signs(service, monkeypatch):
    monkeypatch.setattr(signing, "FIRST_PAUSE_SECONDS", 0.001)
    Service.failures = 2
    assert signer(service).header("GMP", b"body").endswith("signed-gmp")


def test_remote__three_failures__is_an_error_without_secrets(service, monkeypatch):
    monkeypatch.setattr(signing, "FIRST_PAUSE_SECONDS", 0.001)
    Service.failures = 3
    with pytest.raises(signing.SigningError, match="503") as failed:
        signer(service).header("GMP", b"body")
    assert PASSWORD not in str(failed.value)
    assert not Service.seen


def test_remote__wrong_password__is_refused_by_the_service(service, monkeypatch):
    monkeypatch.setattr(signing, "FIRST_PAUSE_SECONDS", 0.001)
    with pytest.raises(signing.SigningError, match="401"):
        signer(service, password="wrong").header("GMP", b"body")


def test_remote__nobody_there__is_an_error(monkeypatch):
    monkeypatch.setattr(signing, "FIRST_PAUSE_SECONDS", 0.001)
    with pytest.raises(signing.SigningError, match="after 3 attempts"):
        signer("http://127.0.0.1:1").header("GMP", b"body")


def test_signer__shown__hides_key_and_password():
    shown = repr(signing.RemoteSigner("https://s.example", "k", "user", PASSWORD))
    assert PASSWORD not in shown
