"""The real server over TLS, as automation meets it: a certificate of the test's own, an account, credentials."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers import environment, free_port, granian, manage, started, wait_until

HOST = "localhost"


@dataclass(frozen=True)
class Secured:
    """A server that answers over TLS only; clients trust `certificate`. `env` is that of its processes."""

    port: int
    certificate: Path
    env: dict[str, str]

    @property
    def domain(self) -> str:
        """Host and port, as the published client wants them for tokens."""
        return f"{HOST}:{self.port}"

    @property
    def api(self) -> str:
        """The base URL of the API."""
        return f"https://{self.domain}/api"

    def credentials(self, client: str, *permissions: str, products: tuple[str, ...] = ()) -> dict[str, str]:
        """Make a system account with permissions, and a client that acts as it; return what the client is given."""
        account = f"{client}-account"
        chosen = [word for name in permissions for word in ("--permission", name)]
        chosen += [word for name in products for word in ("--product", name)]
        manage(self.env, "create_account", account, "--system", *chosen)
        printed = manage(self.env, "create_client", client, "--user", account)
        made = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
        return {
            "domain": self.domain,
            "client_id": made["CLIENT_ID"],
            "client_secret": made["CLIENT_SECRET"],
            "audience": "https://releng.example",  # of an issuer that is no longer asked
        }


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for localhost, valid for a day, and its key in PKCS#8; return both files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_file, key_file


@contextmanager
def secured(
    database_url: str, folder: Path, *, workers: int = 1, pages: bool = False, **settings: str
) -> Iterator[Secured]:
    """Migrate a database and run admin, API and update service on it with production settings, over TLS.

    `pages` collects the files that the admin's pages need; the API does without.
    """
    certificate, key = make_certificate(folder)
    settings = {
        "SECURE_SSL_REDIRECT": "true",
        "LOG_FORMAT": "plain",
        "STATIC_ROOT": str(folder / "static"),
        **settings,
    }
    place = Secured(free_port(), certificate, environment(database_url, **settings))
    manage(place.env, "migrate", "--verbosity", "0")
    if pages:
        manage(place.env, "collectstatic", "--noinput", "--verbosity", "0")
    command = [
        *granian(place.port, workers, "releng.wsgi:application"),
        *("--ssl-certificate", str(certificate), "--ssl-keyfile", str(key)),
    ]
    log = folder / "server.log"
    trust = ssl.create_default_context(cafile=certificate)
    with started(command, place.env, log) as process:

        def ready() -> bool:
            if process.poll() is not None:
                pytest.fail(f"The server ended with {process.returncode}:\n{log.read_text()[-3000:]}")
            return _answers(place, trust)

        wait_until(ready, "the server answers over TLS")
        yield place


def _answers(place: Secured, trust: ssl.SSLContext) -> bool:
    connection = http.client.HTTPSConnection(HOST, place.port, timeout=5, context=trust)
    try:
        connection.request("GET", "/__lbheartbeat__")
        return connection.getresponse().status < 500
    except OSError:
        return False
    finally:
        connection.close()
