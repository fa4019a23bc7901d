"""Whatever is stored and whatever clients send: nothing is raised, and the XML is well formed."""

import json
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from releases.blobs import BLOB_TYPES, ClientError, Document, RenderContext, blob_for
from releases.blobs.allowlist import Allowlist
from releases.blobs.apprelease.prepared import PREPARED, PREPARED_LOCALES
from releases.blobs.base import attribute
from releases.blobs.query import Force, UpdateQuery
from tests.releases.blobs import acme
from tests.releases.blobs.acme import ALIAS, LINUX, blob, context, document_of, patch, query
from tests.releases.blobs.strategies import HOSTILE_TEXT, JUNK, paths_of, replaced


class AllowEverything(Allowlist):
    """No payload is forbidden, so that hostile URLs are really printed."""

    def __init__(self):
        super().__init__({})
        self.allows = lambda url, product: True


OPEN = AllowEverything()


def old_release(schema_version):
    pair = {"complete": patch(), "partial": patch(source="Acme-9.0-build2")}
    return {
        "name": "Old",
        "schema_version": schema_version,
        "hashFunction": "sha512",
        "appv": "10.0",
        "extv": "10.0",
        "appVersion": "10.0",
        "oldVersionSpecialCases": True,
        "detailsUrl": "https://d.example/%LOCALE%",
        "openURL": "https://o.example",
        "showPrompt": True,
        "fileUrls": {"release": "https://cdn.example/%FILENAME%/%OS_FTP%"},
        "ftpFilenames": {"complete": "c", "completes": {"*": "c"}},
        "platforms": {
            LINUX: {
                "buildID": "20240101000000",
                "OS_FTP": "f",
                "locales": {"en-US": {**pair, **{f"{kind}s": [one] for kind, one in pair.items()}}},
            },
            ALIAS: {"alias": LINUX},
        },
    }


DOCUMENTS = [
    *(old_release(version) for version in (1, 2, 3)),
    *({**acme.acme_10(), "schema_version": version} for version in (4, 5, 6, 8, 9)),
    acme.gmp(),
    acme.addons(),
    acme.guardian(),
    acme.settings(),
    {"name": "D", "schema_version": 50, "detailsUrl": "https://d.example/%OS%", "displayVersion": "4"},
    {"name": "S", "schema_version": 4000, "blobs": ["a"], "products": ["b"]},
    {"name": "W", "schema_version": 3000, "whitelist": [{"imei": "1"}]},
]
QUERIES = [
    query(),
    query(version="10.0", build_id="1", pin="9."),
    query(build_target=ALIAS, channel="release-cck-x", locale="de", version="3.5"),
    query(build_target="P1"),
    query(product="Guardian", version="2.9", build_target="WINNT_x86_64", locale=None, build_id=None),
]


def ask(release, asked, within):
    """Ask a release everything that the engine may; return the XML document."""
    try:
        release.serve(asked)
        text = document_of(release.render(asked, within))
    except ClientError:
        return None
    body = release.render_json(asked, within)
    assert body is None or json.loads(json.dumps(body)) == body
    return text.encode("utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document["schema_version"]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_stored_junk__anywhere_in_a_document__never_raises(document, data):
    places = [path for path in paths_of(document) if path and path != ("schema_version",)]
    changed = document
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(places))
        if path in set(paths_of(changed)):
            changed = replaced(changed, path, data.draw(JUNK))
    release = blob(changed)
    others = {"Acme-9.0-build2": release}
    for allowlist in (OPEN, acme.ALLOWLIST):
        within = RenderContext("minor", allowlist, Force.MAIN, others.get, ("https://cdn.example",))
        for asked in QUERIES:
            text = ask(release, asked, within)
            if text is not None:
                ElementTree.fromstring(text)
    assert isinstance(release.name, str)
    assert isinstance(release.referenced_releases(), frozenset)
    release.problems(acme.ALLOWLIST, "Acme")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document["schema_version"]))
@settings(max_examples=40)
@given(data=st.data())
def test_stored_texts__hostile_in_every_value__are_well_formed(document, data):
    kept = {
        "schema_version",
        "platforms",
        "locales",
        "version",
        "appVersion",
        "extv",
        "from",
        "alias",
        "buildID",
    }
    texts = [
        path
        for path in paths_of(document)
        if path and path[-1] not in kept and isinstance(dict(_leaves(document)).get(path), str)
    ]
    changed = document
    for path in texts:
        if data.draw(st.booleans()):
            changed = replaced(changed, path, data.draw(HOSTILE_TEXT))
    within = RenderContext("minor", OPEN, Force.FALLBACK, lambda name: None, ("",))
    for asked in QUERIES:
        text = ask(blob(changed), asked, within)
        assert text is not None
        ElementTree.fromstring(text)


def _leaves(value, path=()):
    for place in paths_of(value, path):
        found = value
        for step in place:
            found = found[step]
        if not isinstance(found, (dict, list)):
            yield place, found


@given(HOSTILE_TEXT, HOSTILE_TEXT, HOSTILE_TEXT)
def test_attribute__any_text__is_well_formed_and_keeps_what_xml_has(one, two, three):
    text = one + two + three
    parsed = ElementTree.fromstring(f'<x a="{attribute(text)}"/>'.encode()).get("a")
    legal = "".join(
        character
        for character in text
        if character in "\t\n\r"
        or (" " <= character < "\ud800")
        or "\ue000" <= character <= "\ufffd"
        or character > "\uffff"
    )
    expected = legal.replace("&amp;", "&").translate(str.maketrans("\t\n\r", "   "))
    assert parsed == expected


@given(st.from_regex(r"[ -!#-;=?-~]*", fullmatch=True))
def test_attribute__printable_text_without_markup__changes_ampersands_only(text):
    assert attribute(text).replace("&amp;", "&") == text.replace("&amp;", "&")
    if "&" not in text:
        assert attribute(text) == text


QUERY_TEXT = HOSTILE_TEXT | st.text(st.sampled_from(list("0123456789.*abx")), max_size=12)


@given(st.builds(
    UpdateQuery,
    product=st.sampled_from(["Acme", "Guardian"]) | QUERY_TEXT,
    version=st.sampled_from(["9.0", "2.9.0", "3.5", "10.*", "9" * 9_000]) | QUERY_TEXT,
    channel=st.sampled_from(["release", "beta-cck-x"]) | QUERY_TEXT,
    build_target=st.sampled_from([LINUX, ALIAS, "P1", "WINNT_x86_64"]) | QUERY_TEXT,
    build_id=st.none() | QUERY_TEXT,
    locale=st.sampled_from([None, "en-US", "de"]) | QUERY_TEXT,
    pin=st.none() | QUERY_TEXT,
    imei=st.none() | QUERY_TEXT,
    force=st.sampled_from([None, *Force]),
))  # fmt: skip
def test_queries__whatever_clients_send__never_raise_and_are_well_formed(asked):
    within = context()
    for document in DOCUMENTS:
        text = ask(blob(document), asked, within)
        if text is not None:
            ElementTree.fromstring(text)


def test_deeply_nested_values__are_left_out():
    deep: list = []
    for _ in range(5_000):
        deep = [deep]
    for document in DOCUMENTS:
        for key in document.keys() - {"schema_version", "platforms", "vendors", "addons"}:
            release = blob_for(Document({**document, key: deep}, {}))
            for asked in QUERIES:
                assert ask(release, asked, context()) is not None


def test_prepared_locales__many_releases__stay_bounded():
    locales = {f"l{number}": {"completes": [patch()]} for number in range(500)}
    document = {
        **acme.acme_10(),
        "platforms": {LINUX: {"buildID": "2", "OS_BOUNCER": "x", "locales": locales}},
    }
    for _ in range(30):
        release = blob(document)
        for locale in locales:
            release.render(query(locale=locale, build_id="1"), context())
    assert len(PREPARED) <= 2 * PREPARED_LOCALES


def test_blob_types__every_type__is_in_this_fuzz():
    assert {document["schema_version"] for document in DOCUMENTS} == set(BLOB_TYPES)
