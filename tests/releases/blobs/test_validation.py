"""What may be stored: every refusal names the place, the value and the rule."""

import time

import pytest

from releases.blobs import BLOB_TYPES
from releases.blobs.allowlist import Allowlist
from releases.blobs.schemas import APPLICATION
from tests.releases.blobs import acme
from tests.releases.blobs.acme import ALIAS, LINUX, blob, patch
from tests.releases.blobs.strategies import replaced

HASH = acme.HASH


def problems(document, product="Acme", allowlist=acme.ALLOWLIST):
    return blob(document).problems(allowlist, product)


def only(document, product="Acme"):
    """The single problem of a document, as (path, value, message)."""
    found = problems(document, product)
    assert len(found) == 1, [str(problem) for problem in found]
    assert found[0].message.endswith(".")
    assert str(found[0]).startswith(f"{found[0].path or 'document'}: ")
    return found[0].path, found[0].value, found[0].message


def good_gmp():
    document = acme.gmp()
    del document["vendors"]["gmp-c"]
    del document["vendors"]["gmp-b"]["platforms"]["P1"]["mirrorUrls"][1]
    for vendor in document["vendors"].values():
        for file in vendor["platforms"].values():
            if "alias" not in file:
                file["hashValue"] = HASH
    return document


def application(schema_version):
    """A legal release of any version, with every patch by its own URL."""
    one = patch(
        fileUrl="https://cdn.example/x", **({"binTransInclusionProof": "p"} if schema_version == 8 else {})
    )
    patches = {"complete": one} if schema_version < 3 else {"completes": [one]}
    return {
        "name": "Acme-1",
        "schema_version": schema_version,
        "hashFunction": "sha512",
        "platforms": {LINUX: {"buildID": "1", "locales": {"de": patches}}, ALIAS: {"alias": LINUX}},
    }


GOOD = [
    *(application(version) for version in APPLICATION),
    acme.acme_10(),
    acme.acme_9(),
    good_gmp(),
    acme.addons(),
    acme.settings(),
    {"name": "A", "schema_version": 5000, "uninstall": True},
    {"name": "D", "schema_version": 50, "detailsUrl": "https://anywhere.example/", "displayVersion": "4"},
    {"name": "S", "schema_version": 4000, "blobs": ["a"]},
    {"name": "S", "schema_version": 4000, "products": ["A"]},
    {"name": "W", "schema_version": 3000, "whitelist": [{"imei": "1"}]},
]


@pytest.mark.parametrize(
    "document", GOOD, ids=lambda document: f"{document['schema_version']}-{document['name']}"
)
def test_problems__good_document__none(document):
    assert problems(document) == []


def test_problems__good_documents__are_of_every_type():
    assert {document["schema_version"] for document in [*GOOD, acme.guardian()]} == set(BLOB_TYPES)
    assert problems(acme.guardian(), "Guardian") == []


@pytest.mark.parametrize(
    "document", [*GOOD, acme.guardian()], ids=lambda document: str(document["schema_version"])
)
def test_problems__unknown_key__names_it_and_the_known_ones(document):
    path, value, message = only({**document, "displayVersoin": "x"}, document.get("product", "Acme"))
    assert (path, value) == ("displayVersoin", "x")
    assert "name" in message


@pytest.mark.parametrize("schema_version", sorted(APPLICATION))
def test_problems__application_release__needs_a_hash_function(schema_version):
    document = application(schema_version)
    del document["hashFunction"]
    assert only(document) == ("hashFunction", None, "is missing, but required.")


@pytest.mark.parametrize("name", ["", "x" * 101, 5, None])
def test_problems__name__is_a_text_of_1_to_100_characters(name):
    assert only({**acme.acme_9(), "name": name})[:2] == ("name", name)


def test_problems__several__all_are_returned():
    document = acme.acme_10()
    locales = document["platforms"][LINUX]["locales"]
    for number in range(100):
        locales[f"l{number}"] = {"completes": [patch(size="many")]}
    document["oops"] = 1
    found = problems(document)
    assert len(found) == 101
    assert f"platforms.{LINUX}.locales.l42.completes.0.filesize" in {problem.path for problem in found}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("platforms", LINUX, "buildID"), "2024a"),
        (("platforms", LINUX, "buildID"), 1.5),
        (("platforms", LINUX, "locales", "de", "completes", 0, "filesize"), -1),
        (("platforms", LINUX, "locales", "de", "completes", 0, "filesize"), True),
        (("platforms", LINUX, "locales", "de", "completes", 0, "hashValue"), 5),
        (("platforms", LINUX, "locales", "de", "completes"), {}),
        (("platforms", LINUX, "locales", "de"), []),
        (("platforms", LINUX), "junk"),
        (("platforms", ALIAS, "alias"), 5),
        (("fileUrls", "*", "completes", "*"), 5),
        (("fileUrls", "*"), "https://cdn.example/"),
        (("updateLine", 1, "fields", "promptWaitTime"), "300"),
        (("updateLine", 1, "fields", "showPrompt"), "false"),
        (("updateLine", 0, "fields", "type"), "huge"),
        (("updateLine", 1, "for", "locales"), []),
        (("updateLine", 1, "for", "locales"), "de"),
        (("appVersion",), 10),
    ],
)
def test_problems__wrong_value_in_version_9__is_named(path, value):
    found = problems(replaced(acme.acme_10(), path, value))
    assert [(problem.path, problem.value) for problem in found] == [(".".join(map(str, path)), value)]


def test_problems__group_without_conditions_or_fields__is_refused():
    assert only({**acme.acme_9(), "updateLine": [{"for": {}}]})[0] == "updateLine.0.fields"
    assert only({**acme.acme_9(), "updateLine": [{"fields": {}}]})[0] == "updateLine.0.for"


@pytest.mark.parametrize("field", ["disableBITS", "disableBackgroundUpdates"])
def test_problems__switches__can_only_be_true(field):
    document = {**acme.acme_9(), "updateLine": [{"for": {}, "fields": {field: False}}]}
    assert only(document) == (f"updateLine.0.fields.{field}", False, "must be True.")


def test_problems__old_complete__must_be_from_anything():
    document = application(2)
    document["platforms"][LINUX]["locales"]["de"]["complete"]["from"] = "Acme-0"
    assert only(document)[2] == "must be '*'."


def test_problems__version_8__needs_a_proof_with_each_patch():
    document = application(8)
    del document["platforms"][LINUX]["locales"]["de"]["completes"][0]["binTransInclusionProof"]
    assert only(document)[0].endswith("completes.0.binTransInclusionProof")


@pytest.mark.parametrize(
    ("schema_version", "key"),
    [
        (1, "appVersion"),
        (2, "appv"),
        (4, "promptWaitTime"),
        (6, "licenseUrl"),
        (6, "billboardURL"),
        (9, "detailsUrl"),
    ],
)
def test_problems__key_of_another_version__is_unknown(schema_version, key):
    assert only({**application(schema_version), key: "x"})[0] == key


# --- Aliases, hashes, allow-list --------------------------------------------------------------------------


def test_problems__alias__must_name_a_real_platform():
    missing = replaced(acme.acme_10(), ("platforms", ALIAS, "alias"), "Nowhere")
    assert only(missing)[:2] == (f"platforms.{ALIAS}.alias", "Nowhere")
    document = acme.acme_10()
    document["platforms"]["Second"] = {"alias": ALIAS}
    path, value, message = only(document)
    assert (path, value) == ("platforms.Second.alias", ALIAS)
    assert LINUX in message
    addons = acme.addons()
    addons["addons"]["a@example"]["platforms"]["P1"]["alias"] = "P1"
    assert only(addons)[0] == "addons.a@example.platforms.P1.alias"


@pytest.mark.parametrize(
    ("function", "length"), [("sha256", 64), ("sha384", 96), ("sha512", 128), ("SHA512", 128)]
)
def test_problems__plug_in_hash__has_the_length_of_its_function(function, length):
    document = {**good_gmp(), "hashFunction": function}
    for vendor in document["vendors"].values():
        for file in vendor["platforms"].values():
            if "alias" not in file:
                file["hashValue"] = "f" * length
    assert problems(document) == []
    document["vendors"]["gmp-b"]["platforms"]["P1"]["hashValue"] = "f" * (length - 1)
    path, _, message = only(document)
    assert path == "vendors.gmp-b.platforms.P1.hashValue"
    assert str(length) in message


def test_problems__hash_function__must_be_known():
    assert only({**acme.acme_10(), "hashFunction": "sha-512"})[:2] == ("hashFunction", "sha-512")
    assert problems({**acme.acme_10(), "hashFunction": "sha1"}) == []


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (acme.acme_10(), ("fileUrls", "beta", "completes", "*")),
        (acme.acme_10(), ("fileUrls", "*", "partials", "Acme-9.0-build2")),
        ({**application(1), "fileUrls": {"release": ""}}, ("fileUrls", "release")),
        (application(2), ("platforms", LINUX, "locales", "de", "complete", "fileUrl")),
        (application(9), ("platforms", LINUX, "locales", "de", "completes", 0, "fileUrl")),
        (good_gmp(), ("vendors", "gmp-b", "platforms", "P1", "fileUrl")),
        (good_gmp(), ("vendors", "gmp-b", "platforms", "P1", "mirrorUrls", 0)),
        (acme.addons(), ("addons", "a@example", "platforms", "default", "fileUrl")),
        (
            {**acme.guardian(), "platforms": {"P": {"fileUrl": "", "hashValue": "h"}}},
            ("platforms", "P", "fileUrl"),
        ),
    ],
)
def test_problems__forbidden_payload__is_named_wherever_it_stands(document, path):
    url = "https://evil.example/x"
    found = only(replaced(document, path, url))
    assert found[:2] == (".".join(map(str, path)), url)
    assert "Acme" in found[2]
    assert problems(replaced(document, path, "https://any.example/"), allowlist=Allowlist({})) != []


# --- Version 9 conditions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("versions", "banana"),
        ("versions", ">=80.*"),
        ("buildIDs", "2024*"),
        ("channels", "r*"),
        ("channels", "a,b"),
    ],
)
def test_problems__condition_that_cannot_be_read__is_named(condition, value):
    document = {**acme.acme_9(), "updateLine": [{"for": {condition: ["5.0", value]}, "fields": {}}]}
    if condition == "buildIDs":
        document["updateLine"][0]["for"][condition][0] = "5"
    assert only(document)[:2] == (f"updateLine.0.for.{condition}.1", value)


def groups(*given):
    return {
        **acme.acme_9(),
        "updateLine": [
            {"for": conditions, "fields": dict.fromkeys(fields, "x")} for conditions, fields in given
        ],
    }


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ({}, {}, True),
        ({"locales": ["de"]}, {"locales": ["fr"]}, False),
        ({"locales": ["de"]}, {"versions": ["<9.0"]}, True),
        ({"versions": ["<9.0"]}, {"versions": [">=9.0"]}, False),
        ({"versions": ["<9.0"], "locales": ["de"]}, {"versions": [">=9.0"], "locales": ["de"]}, False),
        ({"channels": ["release"]}, {"channels": ["release-cck-*"]}, True),
        ({"buildIDs": ["<20240101"]}, {"buildIDs": [">20240101"]}, False),
    ],
)
def test_problems__groups_with_a_shared_field__must_exclude_each_other(one, other, overlap):
    document = groups((one, ["actions", "openURL"]), (other, ["actions"]))
    if overlap:
        path, value, message = only(document)
        assert (path, value) == ("updateLine.1", other)
        assert "group 0" in message
        assert "actions" in message
    else:
        assert problems(document) == []
    assert problems(groups((one, ["actions"]), (other, ["openURL"]))) == []


# --- Other documents --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        {"name": "S", "schema_version": 4000},
        {"name": "S", "schema_version": 4000, "blobs": [], "products": []},
        {"name": "A", "schema_version": 5000},
        {"name": "A", "schema_version": 5000, "uninstall": True, "addons": {}},
    ],
)
def test_problems__either_or__exactly_one_must_be_given(document):
    assert "exactly one of" in only(document)[2]


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"a": {}}, "settings.a.lastModified"),
        ({"a": {"lastModified": "1"}}, "settings.a.lastModified"),
        ({"a": {"lastModified": 1, "locales": []}}, "settings.a.locales"),
        ({"a": {"lastModified": 1, "channels": ["r*"]}}, "settings.a.channels.0"),
        ({"a": {"lastModified": 1, "since": 5}}, "settings.a.since"),
        ([], "settings"),
    ],
)
def test_problems__settings__are_named(settings, path):
    assert only({"name": "S", "schema_version": 6000, "settings": settings})[0] == path


@pytest.mark.parametrize(("entry", "path"), [({}, ".imei"), ({"imei": 5}, ".imei"), ("x", "")])
def test_problems__whitelist_entry__needs_an_imei(entry, path):
    assert only({"name": "W", "schema_version": 3000, "whitelist": [entry]})[0] == f"whitelist.0{path}"


def test_problems__guardian__needs_a_product():
    document = acme.guardian()
    del document["product"]
    assert only(document, "Guardian")[0] == "product"


# --- Texts that no database can hold ----------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a\0b", "half \ud800 pair", "\\\0"])
def test_problems__text_that_cannot_be_stored__is_refused(text):
    assert "cannot be stored" in only({**acme.acme_9(), "displayVersion": text})[2]
    document = application(9)
    document["platforms"][LINUX]["locales"]["de"]["completes"][0]["hashValue"] = text
    assert "cannot be stored" in only(document)[2]


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "\U0001f600", "tab\tand\nline"])
def test_problems__text_that_only_looks_so__is_stored(text):
    assert problems({**acme.acme_9(), "displayVersion": text}) == []


def test_problems__not_a_number__is_no_json():
    document = {**application(6), "promptWaitTime": float("nan")}
    assert "NaN" in only(document)[2]


# --- One locale by itself ---------------------------------------------------------------------------------


def locale_problems(data, schema_version=9):
    release = blob(application(schema_version))
    return [(p.path, p.value) for p in release.locale_problems("P", "de", data, acme.ALLOWLIST, "Acme")]


@pytest.mark.parametrize("schema_version", sorted(APPLICATION))
def test_locale_problems__good_locale__none(schema_version):
    data = application(schema_version)["platforms"][LINUX]["locales"]["de"]
    assert locale_problems(data, schema_version) == []


def test_locale_problems__bad_locale__is_named_by_its_place_in_the_document():
    start = "platforms.P.locales.de"
    assert locale_problems({"oops": 1}) == [(f"{start}.oops", 1)]
    assert locale_problems([]) == [(start, [])]
    assert locale_problems({"completes": [patch("x")]}) == [(f"{start}.completes.0.filesize", "x")]
    evil = patch(fileUrl="https://evil.example/")
    assert locale_problems({"completes": [evil]}) == [(f"{start}.completes.0.fileUrl", evil["fileUrl"])]
    assert locale_problems({"complete": evil}, 2) == [(f"{start}.complete.fileUrl", evil["fileUrl"])]
    assert len(locale_problems({"completes": [patch(value="\0")]})) == 1


def test_locale_problems__one_locale__costs_nothing_like_the_whole():
    locales = {
        f"l{number}": {"completes": [patch()], "partials": [patch(source=f"Acme-{n}") for n in range(4)]}
        for number in range(600)
    }
    document = {**acme.acme_10(), "platforms": {LINUX: {"locales": locales}, ALIAS: {"alias": LINUX}}}
    release = blob(document)
    started = time.process_time()
    assert release.problems(acme.ALLOWLIST, "Acme") == []
    whole = time.process_time() - started
    started = time.process_time()
    release.locale_problems(LINUX, "l1", locales["l1"], acme.ALLOWLIST, "Acme")
    assert time.process_time() - started < whole / 10
    assert whole < 2  # seconds; some tenths on an idle machine
