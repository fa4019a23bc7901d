"""An external issuer of tokens (OpenID Connect) in a thread: its public keys, and who somebody is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

AUDIENCE = "updates"


def encoded(value: Any) -> str:
    """Return a part of a token."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@cache
def made_key(number: int) -> rsa.RSAPrivateKey:
    """Return a key of the process: making one takes longer than a test."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Issuer:
    """Signs tokens; `asked` counts what was asked of it, tests change the rest."""

    def __init__(self) -> None:
        self.keys = {"one": made_key(1)}
        self.person: Any = {"email": "ada@example.com", "email_verified": True}
        self.userinfo_status = 200
        self.is_down = False
        self.asked: Counter[str] = Counter()
        self.address = ""

    def add_key(self, kid: str) -> None:
        """Publish one more key."""
        self.keys[kid] = made_key(len(self.keys) + 1)

    def claims(self, **more: Any) -> dict[str, Any]:
        """Return what a good token says; None leaves something out."""
        now = int(time.time())
        found = {"iss": self.address, "aud": AUDIENCE, "sub": "1", "iat": now, "exp": now + 600, **more}
        return {name: value for name, value in found.items() if value is not None}

    def token(self, *, kid: str = "one", key: Any = None, **more: Any) -> str:
        """Sign a token of a person."""
        return jwt.encode(self.claims(**more), key or self.keys[kid], algorithm="RS256", headers={"kid": kid})

    def machine(self, **more: Any) -> str:
        """Sign a token of a machine."""
        return self.token(**{"gty": "client-credentials", "azp": "builder", **more})

    def confused(self, header: Mapping[str, Any]) -> str:
        """Make a token whose header chooses how it is checked: with the public key as a secret, or not at all."""
        signed = f"{encoded({'kid': 'one', 'typ': 'JWT', **header})}.{encoded(self.claims(gty='x', azp='builder'))}"
        public = self.keys["one"].public_key()
        secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{encoded(mac) if header['alg'] != 'none' else ''}"

    def published(self) -> dict[str, Any]:
        """Return the public keys, among others that are of no use."""
        found = [
            json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig"}
            for kid, key in self.keys.items()
        ]
        for_encryption = {**found[0], "kid": "enc", "use": "enc"}
        return {"keys": [*found, for_encryption]}


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """Run an issuer for the time of a block."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = self.path.rsplit("/", 1)[1]
            issuer.asked[place] += 1
            status = 503 if issuer.is_down else 200 if place == "jwks.json" else issuer.userinfo_status
            content = json.dumps(issuer.published() if place == "jwks.json" else issuer.person).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, name="issuer")
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
