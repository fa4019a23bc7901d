"""What tests of uptake share: stored counts, and a service that tells numbers."""

from __future__ import annotations

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import timezone

from releng.uptake.clients import Client
from releng.uptake.rows import Level, add


@pytest.fixture
def store(db):
    """Returns a function that stores requests of a version, so many minutes ago."""

    def stored(version, requests, *, ago=0.0, channel="release", build_target="Linux", product="Firefox"):
        start = (timezone.now() - timedelta(minutes=ago)).replace(second=0, microsecond=0)
        add(Level.MINUTE, {(start, Client(product, channel, version, build_target)): requests})

    return stored


class Service:
    """A server on this machine. `replies` are given one after the other, the last one for good.

    A reply is a status and a body, or a function that is handed the request handler.
    """

    def __init__(self):
        self.replies = []
        self.asked = []
        self.headers = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                service.asked.append(self.path)
                service.headers.append(dict(self.headers))
                reply = service.replies.pop(0) if len(service.replies) > 1 else service.replies[0]
                if callable(reply):
                    reply(self)
                    return
                status, body = reply
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self):
        """End the server; whoever asks is refused."""
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def service():
    running = Service()
    yield running
    running.stop()
