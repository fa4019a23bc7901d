"""A small OpenID Connect provider in a thread: whoever comes is told who they are by `provider.person`."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET, KEY_ID = "admin-client", "only-for-tests", "key-1"


class Provider:
    """What the provider says; tests change it to lie."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.published = self.key
        self.algorithm = "RS256"
        self.person = {"sub": "1", "email": "ada@example.com", "email_verified": True}
        self.token_claims: dict[str, Any] = {}
        self.signs_in_again = True
        self.is_down = False
        self.asked: list[dict[str, str]] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.address = ""

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings that make us use this provider."""
        return {
            "OIDC_RP_CLIENT_ID": CLIENT,
            "OIDC_RP_CLIENT_SECRET": SECRET,
            "OIDC_ISSUER": self.address,
            "OIDC_OP_AUTHORIZATION_ENDPOINT": f"{self.address}/authorize",
            "OIDC_OP_TOKEN_ENDPOINT": f"{self.address}/token",
            "OIDC_OP_USER_ENDPOINT": f"{self.address}/userinfo",
            "OIDC_OP_JWKS_ENDPOINT": f"{self.address}/jwks",
            "OIDC_NAME": "Acme ID",
        }

    @property
    def environment(self) -> dict[str, str]:
        """Return the same as environment of a process."""
        names = {
            "OIDC_RP_CLIENT_ID": "OIDC_CLIENT_ID",
            "OIDC_RP_CLIENT_SECRET": "OIDC_CLIENT_SECRET",
            "OIDC_OP_AUTHORIZATION_ENDPOINT": "OIDC_AUTHORIZATION_URL",
            "OIDC_OP_TOKEN_ENDPOINT": "OIDC_TOKEN_URL",
            "OIDC_OP_USER_ENDPOINT": "OIDC_USERINFO_URL",
            "OIDC_OP_JWKS_ENDPOINT": "OIDC_JWKS_URL",
        }
        return {names.get(name, name): value for name, value in self.settings.items()}

    def authorize(self, asked: dict[str, str]) -> str:
        """Sign the person in, and return where the browser goes."""
        self.asked.append(asked)
        code = f"code-{len(self.asked)}"
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str]) -> dict[str, Any] | None:
        """Give a token for a code, once, to whoever has the secret and the verifier."""
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or form.get("client_secret") != SECRET:
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return None
        now = int(time.time())
        claims = {"iss": self.address, "aud": CLIENT, "sub": self.person["sub"], "nonce": asked["nonce"]}
        claims |= {"iat": now, "exp": now + 300, "auth_time": now if self.signs_in_again else now - 90_000}
        key: Any = self.key if self.algorithm == "RS256" else "0" * 64
        said = {name: value for name, value in (claims | self.token_claims).items() if value is not None}
        signed = jwt.encode(said, key, algorithm=self.algorithm, headers={"kid": KEY_ID})
        return {"access_token": "for-userinfo", "token_type": "Bearer", "id_token": signed}

    def keys(self) -> dict[str, Any]:
        """Return the public keys."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.published.public_key()))
        return {"keys": [public | {"kid": KEY_ID, "alg": "RS256", "use": "sig"}]}


@contextmanager
def running_provider() -> Iterator[Provider]:
    """Run a provider for the time of a block."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(place.query).items()}
            if provider.is_down:
                self.send_error(503)
            elif place.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(asked))
                self.end_headers()
            else:
                self._json(provider.keys() if place.path == "/jwks" else provider.person)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            answer = provider.token({name: values[0] for name, values in parse_qs(body).items()})
            self._json(answer or {"error": "invalid_grant"}, 200 if answer else 400)

        def _json(self, body: Any, status: int = 200) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, name="oidc-provider")
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
