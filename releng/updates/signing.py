"""Content signatures: ECDSA P-384 over an answer's body, by a key of our own or by a signing service.

Wire facts: docs/protocol.md section 10. Clients check the signature of what they were offered against
a certificate chain that `x5u` names.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import requests
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.core.exceptions import ImproperlyConfigured
from mohawk import Sender
from mohawk.exc import HawkFail

logger = logging.getLogger(__name__)

PREFIX = b"Content-Signature:\x00"
COORDINATE_BYTES = 48
CACHE_ENTRIES = 2_000
CACHE_SECONDS = 24 * 3600
ATTEMPTS = 3
TIMEOUT_SECONDS = 2.0
FIRST_PAUSE_SECONDS = 0.05


class SigningError(Exception):
    """No signature could be made; the message says why, without any secret."""


class Signer(Protocol):
    """Something that signs a digest."""

    def sign(self, digest: bytes) -> tuple[str, str]:
        """Return (x5u URL, signature in URL-safe base64) for a SHA-384 digest; raise SigningError."""


@dataclass(frozen=True)
class LocalSigner:
    """Signs with a P-384 private key that this process holds."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    x5u: str

    @classmethod
    def from_pem(cls, pem: bytes, x5u: str) -> LocalSigner:
        """Read an unencrypted P-384 key; raise ImproperlyConfigured for anything else."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ImproperlyConfigured("The signing key is not an unencrypted private key in PEM.") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
            raise ImproperlyConfigured("The signing key must be an ECDSA key on curve P-384.")
        return cls(key, x5u)

    def sign(self, digest: bytes) -> tuple[str, str]:
        der = self.key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA384())))
        r, s = utils.decode_dss_signature(der)
        raw = r.to_bytes(COORDINATE_BYTES, "big") + s.to_bytes(COORDINATE_BYTES, "big")
        return self.x5u, base64.urlsafe_b64encode(raw).decode()


@dataclass(frozen=True)
class RemoteSigner:
    """Asks a signing service: `POST {url}/sign/hash` with Hawk authentication, up to three times."""

    url: str
    key_id: str
    user: str
    password: str = field(repr=False)

    def sign(self, digest: bytes) -> tuple[str, str]:
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311
            try:
                return self._ask(digest)
            except (requests.RequestException, SigningError) as error:
                problem = f"{type(error).__name__}: {error}"
        raise SigningError(f"the signing service did not sign after {ATTEMPTS} attempts ({problem})")

    def _ask(self, digest: bytes) -> tuple[str, str]:
        url = f"{self.url.rstrip('/')}/sign/hash"
        content = json.dumps([{"input": base64.b64encode(digest).decode(), "keyid": self.key_id}])
        try:
            hawk = Sender(
                {"id": self.user, "key": self.password, "algorithm": "sha256"},
                url,
                "POST",
                content=content,
                content_type="application/json",
            )
        except HawkFail as error:
            raise SigningError("the credentials of the signing service are not usable") from error
        reply = requests.post(
            url,
            data=content,
            headers={"Authorization": hawk.request_header, "Content-Type": "application/json"},
            timeout=TIMEOUT_SECONDS,
        )
        if reply.status_code not in (200, 201):
            raise SigningError(f"the signing service answered {reply.status_code}")
        try:
            (signed,) = reply.json()
            return str(signed["x5u"]), str(signed["signature"])
        except (ValueError, TypeError, KeyError) as error:
            raise SigningError("the signing service's answer cannot be read") from error


class ContentSigner:
    """Gives the `Content-Signature` of an answer; remembers the newest signatures for a day.

    `signers` maps a product, or `default`, to its signer. XML answers are signed for the products in `products`; JSON
    answers are signed whenever there is a default signer.
    """

    def __init__(self, signers: Mapping[str, Signer], products: frozenset[str]) -> None:
        self._signers = dict(signers)
        self._products = products
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[bytes, str], tuple[float, str]] = OrderedDict()

    def signs(self, product: str | None, *, is_json: bool) -> bool:
        """Tell whether answers for `product` carry a signature."""
        if is_json:
            return "default" in self._signers
        return product in self._products and self._key(product) in self._signers

    def _key(self, product: str | None) -> str:
        return product if product in self._signers else "default"

    def header(self, product: str | None, body: bytes) -> str:
        """Return the header's value for `body`; raise SigningError when it cannot be signed."""
        name = self._key(product)
        digest = hashlib.sha384(PREFIX + body).digest()
        now = time.monotonic()
        with self._lock:
            known = self._cache.get((digest, name))
            if known is not None and now - known[0] < CACHE_SECONDS:
                self._cache.move_to_end((digest, name))
                return known[1]
        x5u, signature = self._signers[name].sign(digest)
        value = f"x5u={x5u}; p384ecdsa={signature}"
        with self._lock:
            self._cache[digest, name] = (now, value)
            while len(self._cache) > CACHE_ENTRIES:
                self._cache.popitem(last=False)
        return value


def from_settings(signers: Mapping[str, Mapping[str, Any]], products: list[str]) -> ContentSigner | None:
    """Build the signer that setting SIGNERS describes, or None when it is empty.

    Each entry has either `key_file` and `x5u`, or `url`, `key_id`, `user` and `password`; what an entry leaves out
    is taken from `default`. Raises ImproperlyConfigured naming the entry and what it lacks.
    """
    if not signers:
        if products:
            raise ImproperlyConfigured("SIGNED_PRODUCTS names products, but SIGNERS has no key for them.")
        return None
    common = signers.get("default", {})
    made = {name: _make(name, {**common, **entry}) for name, entry in signers.items()}
    for product in products:
        if product not in made and "default" not in made:
            raise ImproperlyConfigured(f"SIGNED_PRODUCTS names {product}, but SIGNERS has no entry for it.")
    return ContentSigner(made, frozenset(products))


def _make(name: str, entry: Mapping[str, Any]) -> Signer:
    wanted = ("url", "key_id", "user", "password") if "url" in entry else ("key_file", "x5u")
    if lacking := [key for key in wanted if not entry.get(key)]:
        raise ImproperlyConfigured(f"SIGNERS: the entry {name} lacks {', '.join(lacking)}.")
    if "url" in entry:
        return RemoteSigner(entry["url"], entry["key_id"], entry["user"], entry["password"])
    try:
        pem = Path(entry["key_file"]).read_bytes()
    except OSError as error:
        raise ImproperlyConfigured(
            f"SIGNERS: the key file of {name} cannot be read: {error.strerror}."
        ) from error
    return LocalSigner.from_pem(pem, entry["x5u"])
