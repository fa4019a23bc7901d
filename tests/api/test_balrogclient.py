"""Mozilla's published client library, unmodified, against the real server over TLS (protocol.md section 13)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import balrogclient.api
import pytest
import requests
from balrogclient import (
    Release,
    ReleaseState,
    Rule,
    ScheduledRuleChange,
    SingleLocale,
    balrog_request,
    get_balrog_session,
)

from tests.api.storm import Storm
from tests.api.tls import Secured, secured
from tests.factories import locale_document, release_document
from tests.servers import manage, own_postgresql

FAR_AHEAD_MS = 4_102_444_800_000
PERMISSIONS = (
    *("rule", "release", "release_locale", "release_read_only"),
    *("scheduled_change", "required_signoff", "pinnable_release"),
)


@dataclass
class Automation:
    """A script that uses the library; `sent` are the requests that it sent, in order, and how they were answered."""

    place: Secured
    secrets: dict[str, str]
    session: requests.Session
    sent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session.trust_env = False  # else a bundle of the environment counts before the session's own
        self.session.verify = str(self.place.certificate)
        self.session.hooks["response"].append(self.note)

    def note(self, answer: requests.Response, *args: Any, **kwargs: Any) -> None:
        """Keep what was asked and answered."""
        path = str(answer.request.path_url).removeprefix("/api")
        self.sent.append(f"{answer.request.method} {path} {answer.status_code}")

    @property
    def told(self) -> dict[str, Any]:
        """What every class of the library is told."""
        return {
            "auth0_secrets": self.secrets,
            "api_root": self.place.api,
            "ca_certs": str(self.place.certificate),
            "session": self.session,
        }

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """Send any request, as scripts do with the library's helper; with a body if there is one."""
        return balrog_request(
            self.session, method, f"{self.place.api}{path}", verify=self.session.verify, **body
        )

    def take_sent(self) -> list[str]:
        """Return what was sent since the last time."""
        taken, self.sent[:] = list(self.sent), []
        return taken


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    with secured(f"sqlite:///{folder}/releng.sqlite3", folder) as made:
        yield made


@pytest.fixture(scope="module")
def secrets(place: Secured) -> dict[str, str]:
    # Somebody must be able to sign what is required.
    words = ("--no-password", "--permission", "rule", "--role", "relman")
    manage(place.env, "create_account", "rita", *words)
    return place.credentials("automation", *PERMISSIONS)


@pytest.fixture
def api(place: Secured, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Automation]:
    """Automation that has its token already."""
    monkeypatch.setattr(balrogclient.api, "_token_cache", {})
    with requests.Session() as session:
        made = Automation(place, secrets, session)
        get_balrog_session(secrets, session)
        made.take_sent()
        yield made


def refusal(caught: pytest.ExceptionInfo[requests.HTTPError]) -> tuple[int, dict[str, Any]]:
    """Return the status and the body of an answer that the library raised."""
    response = caught.value.response
    return response.status_code, response.json()


def new_release(api: Automation, name: str) -> None:
    """Make a release of a whole document."""
    blob = json.dumps(release_document(name))
    api.ask("POST", "/releases", json={"name": name, "product": "Acme", "blob": blob})


def new_rule(api: Automation, **values: Any) -> int:
    """Make a rule; return its number."""
    told = {"product": "Acme", "update_type": "minor", "backgroundRate": 100, "priority": 90}
    return int(api.ask("POST", "/rules", json=told | values))


# --- Tokens -----------------------------------------------------------------------------------------------------


def test_token__fetched_once__kept_until_five_minutes_before_its_end(
    place: Secured, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache: dict[str, Any] = {}
    monkeypatch.setattr(balrogclient.api, "_token_cache", cache)
    with requests.Session() as session:
        api = Automation(place, secrets, session)
        release = Release("Acme-token", **api.told)
        for _ in range(2):
            with pytest.raises(requests.HTTPError, match="404"):
                release.get_data()
        (entry,) = cache.values()
        assert api.take_sent() == [
            "POST /oauth/token 200",
            "GET /releases/Acme-token 404",
            "GET /releases/Acme-token 404",
        ]
        first = entry["access_token"]
        assert 3000 < entry["exp"] - time.time() <= 3600
        entry["exp"] = time.time() + 299
        with pytest.raises(requests.HTTPError, match="404"):
            release.get_data()
        assert api.take_sent() == ["POST /oauth/token 200", "GET /releases/Acme-token 404"]
        (entry,) = cache.values()
        assert entry["access_token"] != first


def test_token__wrong_secret__is_refused(
    place: Secured, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(balrogclient.api, "_token_cache", {})
    with requests.Session() as session:
        api = Automation(place, secrets | {"client_secret": "guessed"}, session)
        with pytest.raises(requests.HTTPError, match="401"):
            Rule("1", **api.told).get_data()
        assert api.take_sent() == ["POST /oauth/token 401"]


def test_session__made_by_the_helper__speaks_to_v2(
    place: Secured, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(balrogclient.api, "_token_cache", {})
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(place.certificate))
    with get_balrog_session(secrets) as session:
        root = f"{place.api}/v2/releases/Acme-helper"
        versions = balrog_request(
            session, "PUT", root, json={"product": "Acme", "blob": release_document("Acme-helper")}
        )
        assert versions["."] == 1
        found = balrog_request(session, "get", root)
        assert found["blob"] == release_document("Acme-helper")
        assert found["data_versions"] == versions


# --- Builds -----------------------------------------------------------------------------------------------------


def test_single_locale__first_creation__makes_the_release(api: Automation) -> None:
    build = json.dumps(locale_document())

    def submit(platform: str, locale: str, **more: Any) -> Any:
        made = SingleLocale("Acme-first", platform, locale, **api.told)
        return made.update_build("Acme", "sha512", build, schemaVersion=9, **more).json()

    assert SingleLocale("Acme-first", "P1", "de", **api.told).get_data() == ({}, None)
    api.take_sent()
    assert submit("P1", "en-US", alias='["P2"]') == {"new_data_version": 2}
    assert submit("P1", "de") == {"new_data_version": 3}
    assert submit("P2", "de") == {"new_data_version": 4}
    assert submit("P1", "de") == {"new_data_version": 5}
    root = "/releases/Acme-first"
    assert api.take_sent() == [
        f"HEAD {root} 404", f"PUT {root}/builds/P1/en-US 201",
        f"HEAD {root} 200", f"PUT {root}/builds/P1/de 201",
        f"HEAD {root} 200", f"PUT {root}/builds/P2/de 201",
        f"HEAD {root} 200", f"PUT {root}/builds/P1/de 200",
    ]  # fmt: skip
    assert SingleLocale("Acme-first", "P2", "de", **api.told).get_data() == (locale_document(), 5)
    assert SingleLocale("Acme-first", "P1", "fr", **api.told).get_data() == ({}, 5)
    document, version = Release("Acme-first", **api.told).get_data()
    assert version == 5
    assert document["platforms"]["P2"] == {"alias": "P1"}
    assert sorted(document["platforms"]["P1"]["locales"]) == ["de", "en-US"]


def test_single_locale__old_version_of_the_caller__counts_for_that_locale_alone(api: Automation) -> None:
    new_release(api, "Acme-stale")

    def submit(locale: str, build_id: str, **more: Any) -> Any:
        made = SingleLocale("Acme-stale", "Linux_x86_64-gcc3", locale, **api.told)
        return made.update_build("Acme", "sha512", json.dumps(locale_document(build_id)), **more)

    assert submit("de", "20250101000001", data_version=1).json() == {"new_data_version": 2}
    assert submit("en-US", "20250101000001", data_version=1).json() == {"new_data_version": 3}
    with pytest.raises(requests.HTTPError) as caught:
        submit("de", "20250101000002", data_version=1)
    status, body = refusal(caught)
    assert (status, body["detail"]) == (400, "OutdatedDataError")
    assert "buildID" in json.dumps(body["conflicts"])


def test_single_locale__exceptions_switched_off__refusals_are_answers(api: Automation) -> None:
    new_release(api, "Acme-quiet")
    made = SingleLocale("Acme-quiet", "P1", "de", **api.told | {"raise_exceptions": False})
    answer = made.update_build("Other", "sha512", json.dumps(locale_document()))
    assert (answer.status_code, answer.json()["status"]) == (400, 400)
    assert "product" in answer.text


# --- Releases ---------------------------------------------------------------------------------------------------


def test_release__made_and_merged(api: Automation) -> None:
    release = Release("Acme-whole", **api.told)
    made = release.update_release("Acme", "sha512", json.dumps({"appVersion": "10.0"}), schemaVersion=9)
    assert (made.status_code, made.json()) == (201, {"new_data_version": 2})
    changed = release.update_release("Acme", "sha512", json.dumps({"displayVersion": "ten"}))
    assert (changed.status_code, changed.json()) == (200, {"new_data_version": 3})
    stale = release.update_release("Acme", "sha512", json.dumps({"binTransMerkleRoot": "x"}), data_version=2)
    assert stale.json() == {"new_data_version": 4}
    root = "/releases/Acme-whole"
    assert api.take_sent() == [
        f"HEAD {root} 404", f"POST {root} 201",
        f"HEAD {root} 200", f"POST {root} 200",
        f"HEAD {root} 200", f"POST {root} 200",
    ]  # fmt: skip
    document = {
        "name": "Acme-whole", "schema_version": 9, "hashFunction": "sha512",
        "appVersion": "10.0", "displayVersion": "ten", "binTransMerkleRoot": "x",
    }  # fmt: skip
    assert release.get_data() == (document, 4)


def test_release__refused_document__says_why(api: Automation) -> None:
    with pytest.raises(requests.HTTPError) as caught:
        Release("Acme-bad", **api.told).update_release("Acme", "sha512", '{"appVersion": 7}', schemaVersion=9)
    status, body = refusal(caught)
    assert status == 400
    assert "appVersion" in json.dumps(body)
    with pytest.raises(requests.HTTPError, match="404"):
        Release("Acme-bad", **api.told).get_data()


def test_release_state__locked__refuses_builds_until_it_is_unlocked(api: Automation) -> None:
    new_release(api, "Acme-locked")
    state = ReleaseState("Acme-locked", **api.told)
    api.take_sent()
    assert (state.set_readonly().status_code, state.set_readonly().json()) == (201, {"new_data_version": 2})
    root = "/releases/Acme-locked"
    assert api.take_sent() == [f"HEAD {root} 200", f"PUT {root}/read_only 201"] * 2
    with pytest.raises(requests.HTTPError) as caught:
        SingleLocale("Acme-locked", "P1", "de", **api.told).update_build("Acme", "sha512", "{}")
    status, body = refusal(caught)
    assert (status, body["title"]) == (403, "Read only")
    assert state.set_modifiable().json() == {"new_data_version": 3}
    build = json.dumps(locale_document())
    made = SingleLocale("Acme-locked", "P1", "de", **api.told).update_build("Acme", "sha512", build)
    assert made.status_code == 201


def test_release_state__missing_release__is_404(api: Automation) -> None:
    with pytest.raises(requests.HTTPError, match="404"):
        ReleaseState("Acme-none", **api.told).set_readonly()
    root = "/releases/Acme-none"
    assert api.take_sent() == [f"HEAD {root} 404", f"PUT {root}/read_only 404"]


# --- Rules ------------------------------------------------------------------------------------------------------


def test_rule__changed_by_number_and_by_alias(api: Automation) -> None:
    new_release(api, "Acme-rule-1")
    new_release(api, "Acme-rule-2")
    number = new_rule(api, mapping="Acme-rule-1", channel="nightly", alias="acme-nightly")
    api.take_sent()
    found, version = Rule(number, **api.told).get_data()
    assert (found["mapping"], found["rule_id"], version) == ("Acme-rule-1", number, 1)
    changed = Rule("acme-nightly", **api.told).update_rule(mapping="Acme-rule-2")
    assert (changed.status_code, changed.json()) == (200, {"new_data_version": 2})
    assert api.take_sent() == [
        f"GET /rules/{number} 200", "HEAD /rules/acme-nightly 200", "POST /rules/acme-nightly 200",
    ]  # fmt: skip
    with pytest.raises(requests.HTTPError) as caught:
        Rule(number, **api.told).update_rule(mapping="Acme-rule-1", data_version=1)
    status, body = refusal(caught)
    assert (status, body["detail"]) == (400, "OutdatedDataError")
    found, version = Rule("acme-nightly", **api.told).get_data()
    assert (found["mapping"], found["backgroundRate"], version) == ("Acme-rule-2", 100, 2)


def test_scheduled_rule_change__whole_row_and_a_moment__is_proposed(api: Automation) -> None:
    new_release(api, "Acme-now")
    new_release(api, "Acme-next")
    number = new_rule(api, mapping="Acme-now", channel="beta")
    roles = {"product": "Acme", "channel": "beta", "role": "relman", "signoffs_required": 1}
    api.ask("POST", "/required_signoffs/product", json=roles)
    with pytest.raises(requests.HTTPError) as caught:
        Rule(number, **api.told).update_rule(mapping="Acme-next")
    status, body = refusal(caught)
    assert (status, body["required_signoffs"]) == (400, {"relman": 1})

    # As Mozilla's scheduling script does it: the row that it read, with a key misspelt, and what is to be different.
    row, version = Rule(number, **api.told).get_data()
    row |= {"fallbackMapping": row["mapping"], "mapping": "Acme-next", "backgroundRate": 25}
    row |= {"data_verison": version, "rule_id": number, "change_type": "update", "when": FAR_AHEAD_MS}
    api.take_sent()
    made = ScheduledRuleChange(number, **api.told).add_scheduled_rule_change(**row)
    assert made.status_code == 200
    assert made.json()["signoffs"] == {}
    assert api.take_sent() == [f"HEAD /rules/{number} 200", "POST /scheduled_changes/rules 200"]

    found = api.ask("GET", f"/scheduled_changes/rules?rule_id={number}")["scheduled_changes"]
    expected = {
        "sc_id": made.json()["sc_id"], "scheduled_by": "automation-account",
        "change_type": "update", "complete": False, "when": FAR_AHEAD_MS, "data_version": 1,
        "mapping": "Acme-next", "fallbackMapping": "Acme-now", "backgroundRate": 25,
        "required_signoffs": {"relman": 1}, "signoffs": {},
    }  # fmt: skip
    assert [{key: row[key] for key in expected} for row in found] == [expected]


# --- Anything else, by the helper -------------------------------------------------------------------------------


def test_helper__parts_locks_pins_and_deletion_in_v2(api: Automation) -> None:
    root = "/v2/releases/Acme-parts"
    document = release_document("Acme-parts", locales=("de",))
    versions = api.ask("PUT", root, json={"product": "Acme", "blob": document})
    platform = next(iter(versions["platforms"]))
    part = {"platforms": {platform: {"locales": {"de": locale_document("20250101000001")}}}}
    changed = api.ask("POST", root, json={"blob": part, "old_data_versions": versions})
    assert changed == {"platforms": {platform: {"locales": {"de": 2}}}}
    found = api.ask("GET", root)
    assert found["blob"]["platforms"][platform]["locales"]["de"]["buildID"] == "20250101000001"
    pin = {"product": "Acme", "channel": "release", "version": "10."}
    assert api.ask("PUT", f"{root}/pinnable", json=pin) == {".": 1}
    assert api.ask("GET", "/v2/pins/Acme/release/10.")["mapping"] == "Acme-parts"
    assert api.ask("PUT", f"{root}/read_only", json={"read_only": True, "old_data_version": 1}) == {".": 2}
    with pytest.raises(requests.HTTPError, match="400"):
        api.ask("POST", root, json={"blob": part, "old_data_versions": changed | {".": 2}})

    new_release(api, "Acme-gone")
    assert api.ask("DELETE", "/v2/releases/Acme-gone") is None
    with pytest.raises(requests.HTTPError, match="404"):
        api.ask("GET", "/v2/releases/Acme-gone")


# --- A storm of locales -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_storm__16_processes__no_locale_is_lost_and_none_is_refused(tmp_path: Path) -> None:
    with own_postgresql() as server, secured(server.url, tmp_path, workers=2) as place:
        secrets = place.credentials("builds", "release", "release_locale", products=("Acme",))
        storm = Storm(
            place.api, secrets, place.certificate, "Acme-storm", processes=16, locales=100, platforms=5
        )
        outcome = storm.rage()
        assert outcome.refused == []
        assert len(outcome.seconds) == storm.size
        with requests.Session() as session:
            api = Automation(place, secrets, session)
            document, version = Release("Acme-storm", **api.told).get_data()
    platforms: dict[str, Any] = {}
    for at in range(storm.size):
        platform, locale = storm.place(at)
        platforms.setdefault(platform, {"locales": {}})["locales"][locale] = storm.build(at)
    aliases = {f"{name}-alias": {"alias": name} for name in platforms}
    assert document["platforms"] == platforms | aliases
    assert version == storm.size + 1, "each submission is a version of its own"
