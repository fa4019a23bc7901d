"""The public service over WSGI: envelope, memory of answers, failures."""

import base64
import hashlib
import json
import logging
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext

from history.changesets import change_set
from releases.models import Release
from releng.updates import signing
from releng.updates.management.commands.load_demo import DEMO_URL
from releng.updates.service import ANSWERS_REMEMBERED
from rules.engine.render import EMPTY_DOCUMENT
from rules.models import EmergencyShutoff, Rule
from tests.updates.client import call

pytestmark = pytest.mark.django_db

THROTTLED = DEMO_URL.split("?")[0]
GMP = "/update/3/GMP/145.0/20251103120000/Linux_x86_64-gcc3/de/release/Linux/default/default/update.xml"
VPN = "/json/1/FirefoxVPN/2.20.0/WINNT_x86_64/release/update.json"


def act():
    return change_set(actor_name="tester", reason="test")


def test_update__every_answer__has_the_public_headers_in_order(demo, make_service):
    got = call(make_service(), DEMO_URL)
    assert got.status == 200
    assert list(got.headers.items()) == [
        ("Content-Type", "text/xml; charset=utf-8"),
        ("Content-Length", str(len(got.body))),
        ("Strict-Transport-Security", "max-age=31536000;"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "public, max-age=90"),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
        ("Rule-ID", "1"),
        ("Rule-Data-Version", "1"),
    ]


def test_update__head__has_the_headers_of_get_and_no_body(demo, make_service):
    service = make_service()
    got, head = call(service, DEMO_URL), call(service, DEMO_URL, method="HEAD")
    assert (head.status, head.headers, head.body) == (got.status, got.headers, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
def test_update__other_methods__are_405_with_allow(demo, make_service, method):
    got = call(make_service(), DEMO_URL, method=method)
    assert (got.status, got.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert json.loads(got.body)["status"] == 405


def test_update__undeclared_argument__is_a_problem_document(demo, make_service):
    got = call(make_service(), f"{THROTTLED}?foo=1")
    assert (got.status, got.headers["Content-Type"]) == (400, "application/problem+json")
    problem = json.loads(got.body)
    assert problem["title"] is None
    assert "foo" in problem["detail"]


def test_update__throttled_rule__each_request_throws_the_dice_anew(demo, make_service):
    numbers = iter([24, 25, 0, 99] * 3)
    service = make_service(dice=lambda: next(numbers))
    shown = ['displayVersion="145.0.1"' in call(service, THROTTLED).body.decode() for _ in range(12)]
    assert shown == [True, False, True, False] * 3


def test_update__warm_request__asks_the_database_nothing(demo, make_service):
    service = make_service()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        for target in (DEMO_URL, THROTTLED, GMP, VPN):
            assert call(service, target).status == 200
    assert len(queries) == 0


def test_update__many_different_targets__memory_of_answers_stays_bounded(demo, make_service):
    service = make_service()
    for number in range(2 * ANSWERS_REMEMBERED + 10):
        call(service, THROTTLED.replace("MEM:16384", f"MEM:{number}"))
    _, newer, older = service._remembered
    assert len(newer) + len(older) <= 2 * ANSWERS_REMEMBERED


def test_update__ppc_user_agent__is_not_answered_from_intel_memory(demo, make_service):
    with act():
        Rule(
            product="Firefox", priority=999, channel="release", header_architecture="PPC", background_rate=100
        ).save()
    service = make_service()
    target = THROTTLED.replace("WINNT_x86_64-msvc-x64", "Darwin_x86_64-gcc3-u-i386-x86_64") + "?force=1"
    assert b"<update " in call(service, target).body
    assert call(service, target, user_agent="Mozilla PPC Mac").body == EMPTY_DOCUMENT
    assert b"<update " in call(service, target).body


def test_change__after_a_refresh__is_served_and_unchanged_releases_are_not_read_again(demo, make_service):
    service = make_service()
    kept = service.keeper.snapshot.releases["Firefox-145.0-build2"]
    assert call(service, DEMO_URL).body != EMPTY_DOCUMENT
    with act():
        EmergencyShutoff(product="Firefox", channel="release", comment="stop").save()
    assert call(service, DEMO_URL).body != EMPTY_DOCUMENT, "not before the keeper has looked"
    assert service.keeper.refresh() is True
    got = call(service, DEMO_URL)
    assert (got.body, got.headers["Rule-ID"]) == (EMPTY_DOCUMENT, "unknown")
    assert service.keeper.snapshot.releases["Firefox-145.0-build2"] is kept
    assert service.keeper.refresh() is False


def test_change__of_one_locale__reads_just_that_release_again(demo, make_service):
    service = make_service()
    before = service.keeper.snapshot.releases
    with act():
        part = Release.objects.get(name="Firefox-145.0.1-build1").parts.get(
            platform="WINNT_x86_64-msvc", locale="de"
        )
        part.document = {**part.document, "buildID": "20991231000000"}
        part.save()
    service.keeper.refresh()
    after = service.keeper.snapshot.releases
    assert b'buildID="20991231000000"' in call(service, DEMO_URL).body
    assert {name for name in after if after[name] is not before.get(name)} == {"Firefox-145.0.1-build1"}


def test_change__of_a_rule__new_rule_decides_and_deleted_one_does_not(demo, make_service):
    service = make_service()
    with act():
        rule = Rule(
            product="Firefox", channel="release", priority=5000, background_rate=100, alias="stop-all"
        )
        rule.save()
    service.keeper.refresh()
    got = call(service, DEMO_URL)
    assert (got.body, got.headers["Rule-ID"]) == (EMPTY_DOCUMENT, str(rule.pk))
    with act():
        rule.delete()
    service.keeper.refresh()
    assert call(service, DEMO_URL).headers["Rule-ID"] == "1"


def test_snapshot__unreachable_release__is_not_held(demo, make_service):
    with act():
        Release(name="Nobody-points-here", product="Firefox", schema_version=50, document={}).save()
    held = make_service().keeper.snapshot.releases
    assert "Nobody-points-here" not in held
    assert "Firefox-144.0-build2" in held, "a partial's source can be reached"


def test_failure__unexpected__is_the_empty_document_and_logged(demo, make_service, caplog, monkeypatch):
    service = make_service()
    monkeypatch.setattr("releng.updates.service.decide", lambda *args: 1 / 0)
    with caplog.at_level(logging.ERROR):
        got = call(service, DEMO_URL)
    assert (got.status, got.body) == (200, EMPTY_DOCUMENT)
    assert call(service, VPN).status == 404
    assert "updates.failed" in caplog.text


def test_nothing_loaded_yet__clients_get_the_empty_document_uncached(make_service):
    service = make_service()
    service.keeper.snapshot = None
    got = call(service, DEMO_URL)
    assert (got.status, got.body, got.headers["Cache-Control"]) == (200, EMPTY_DOCUMENT, "no-store")
    assert call(service, "/__heartbeat__").status == 502


def test_health__pages__answer(demo, make_service):
    service = make_service()
    assert call(service, "/__lbheartbeat__").body == b"OK!"
    assert call(service, "/__lbheartbeat__").headers["Cache-Control"] == "no-cache"
    assert call(service, "/__heartbeat__").body == str(Rule.objects.count()).encode()
    assert json.loads(call(service, "/__version__").body).keys() >= {"source", "version", "commit", "build"}
    assert call(service, "/robots.txt").body.startswith(b"# Per bug")
    assert json.loads(call(service, "/contribute.json").body)["name"]


# --- Signatures -------------------------------------------------------------------------------------------


@pytest.fixture
def key():
    return ec.generate_private_key(ec.SECP384R1())


def check_signature(key, header, body):
    x5u, signature = header.split("; ")
    raw = base64.urlsafe_b64decode(signature.removeprefix("p384ecdsa="))
    r, s = int.from_bytes(raw[:48], "big"), int.from_bytes(raw[48:], "big")
    digest = hashlib.sha384(b"Content-Signature:\x00" + body).digest()
    key.public_key().verify(
        utils.encode_dss_signature(r, s), digest, ec.ECDSA(utils.Prehashed(hashes.SHA384()))
    )
    return x5u.removeprefix("x5u=")


def test_signature__listed_product_and_json__verifies(demo, make_service, key):
    signer = signing.ContentSigner(
        {"default": signing.LocalSigner(key, "https://c.example/x")}, frozenset({"GMP"})
    )
    service = make_service(signer=signer)
    for target in (GMP, VPN):
        got = call(service, target)
        assert check_signature(key, got.headers["Content-Signature"], got.body) == "https://c.example/x"
        assert call(service, target).headers == got.headers, "the signature is remembered"
    assert "Content-Signature" not in call(service, DEMO_URL).headers


class Failing:
    def sign(self, digest):
        raise signing.SigningError("no signer today")


@pytest.mark.parametrize("must", [True, False])
def test_signature__signer_fails__update_is_refused_or_goes_out_unsigned(demo, make_service, must, caplog):
    signer = signing.ContentSigner({"default": Failing()}, frozenset({"GMP"}))
    service = make_service(signer=signer, signing_must_succeed=must)
    got = call(service, GMP)
    assert got.status == 200
    assert (got.body == EMPTY_DOCUMENT) is must
    assert call(service, VPN).status == (404 if must else 200)
    assert "updates.not_signed" in caplog.text


def test_signing_settings__each_mistake__is_named(tmp_path):
    with pytest.raises(ImproperlyConfigured, match="SIGNED_PRODUCTS"):
        signing.from_settings({}, ["GMP"])
    with pytest.raises(ImproperlyConfigured, match="default lacks x5u"):
        signing.from_settings({"default": {"key_file": "x"}}, [])
    with pytest.raises(ImproperlyConfigured, match="cannot be read"):
        signing.from_settings({"default": {"key_file": str(tmp_path / "no"), "x5u": "u"}}, [])
    wrong = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "wrong").write_bytes(wrong)
    with pytest.raises(ImproperlyConfigured, match="P-384"):
        signing.from_settings({"default": {"key_file": str(tmp_path / "wrong"), "x5u": "u"}}, [])
    assert signing.from_settings({}, []) is None


def test_every_demo_answer__is_well_formed(demo, make_service):
    service = make_service()
    for target in (
        DEMO_URL,
        THROTTLED,
        GMP,
        GMP.replace("GMP", "SystemAddons"),
        GMP.replace("GMP", "Settings"),
    ):
        got = call(service, target)
        assert ElementTree.fromstring(got.body).tag == "updates"
