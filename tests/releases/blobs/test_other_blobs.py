"""All documents that are not application releases: protocol.md sections 8 and 15 (E11 to E14)."""

import pytest

from releases.blobs import BLOB_TYPES, Document, Serve, UnknownSchemaVersion, Whitelist, blob_for
from releases.blobs.query import Force
from tests.releases.blobs import acme
from tests.releases.blobs.acme import blob, context, document_of, query

E11 = """<?xml version="1.0"?>
<updates>
    <addons>
        <addon id="gmp-a" URL="https://cdn.example/a" hashFunction="sha512" hashValue="h3" size="12" version="1.0"/>
        <addon id="gmp-b" URL="https://cdn.example/b" hashFunction="sha512" hashValue="h1" size="10" version="1.2">
            <mirror URL="https://cdn.example/b2"/>
        </addon>
    </addons>
</updates>"""


def lines(document, **asked):
    return blob(document).render(query(**asked), context())


# --- GMP --------------------------------------------------------------------------------------------------


def test_e11__plug_ins__byte_for_byte():
    release = blob(acme.gmp())
    assert release.serve(query(version="banana")) is Serve.YES
    assert document_of(release.render(query(build_target="P1"), context())) == E11
    assert document_of(release.render(query(build_target="P1"), context(force=Force.MAIN))) == E11


def test_gmp__alias__is_one_hop():
    assert 'hashValue="h3"' in lines(acme.gmp(), build_target="P2")[1]


def test_gmp__platform_that_is_not_listed__gets_the_default():
    assert lines(acme.gmp(), build_target="P9") == [
        "    <addons>",
        '        <addon id="gmp-a" URL="https://cdn.example/any" hashFunction="sha512" hashValue="h4" size="13"'
        ' version="1.0"/>',
        "    </addons>",
    ]


def test_gmp__nothing_for_the_product__is_an_empty_element():
    assert lines(acme.gmp(), build_target="P1", product="Nobody") == ["    <addons>", "    </addons>"]


def test_gmp__mirrors_all_forbidden__the_element_closes_itself():
    document = acme.gmp()
    document["vendors"]["gmp-b"]["platforms"]["P1"]["mirrorUrls"] = ["https://evil.example/x", 5]
    assert lines(document, build_target="P1")[2].endswith('version="1.2"/>')


@pytest.mark.parametrize("key", ["fileUrl", "hashValue", "filesize"])
def test_gmp__file_without_what_clients_need__is_left_out(key):
    document = acme.gmp()
    del document["vendors"]["gmp-a"]["platforms"]["P1"][key]
    text = document_of(lines(document, build_target="P1"))
    assert "gmp-a" not in text
    assert "gmp-b" in text


# --- System add-ons ---------------------------------------------------------------------------------------


def test_e13__addon__is_listed():
    assert lines(acme.addons(), build_target="P1") == [
        "    <addons>",
        f'        <addon id="a@example" URL="https://cdn.example/x.xpi" hashFunction="sha512" hashValue="{acme.HASH}"'
        ' size="7" version="1"/>',
        "    </addons>",
    ]


def test_e13__uninstall__is_an_empty_element():
    document = {"name": "Away", "schema_version": 5000, "uninstall": True}
    assert lines(document) == ["    <addons>", "    </addons>"]


@pytest.mark.parametrize("more", [{"uninstall": False}, {"addons": {}}, {"addons": "junk"}, {}])
def test_e13__nothing_to_serve__is_two_empty_lines(more):
    assert lines({"name": "None", "schema_version": 5000, **more}) == ["", ""]


def test_e13__forbidden_for_the_product__is_two_empty_lines():
    assert lines(acme.addons(), product="Nobody") == ["", ""]


# --- Desupport --------------------------------------------------------------------------------------------

DESUPPORT = {
    "name": "Old",
    "schema_version": 50,
    "detailsUrl": "https://d.example/%LOCALE%/%VERSION%/%OS%",
    "displayVersion": "4.0",
}


def test_e12__desupport__fills_tokens_from_the_request():
    asked = {"version": "1.0", "build_target": "WINNT_x86-msvc", "pin": "1."}
    assert blob(DESUPPORT).serve(query(**asked)) is Serve.YES
    assert lines(DESUPPORT, **asked) == [
        "",
        '    <update type="minor" unsupported="true" detailsURL="https://d.example/en-US/1.0/WINNT"'
        ' displayVersion="4.0">',
        "</update>",
    ]


def test_e12__lower_case_tokens__are_filled_too():
    document = {**DESUPPORT, "detailsUrl": "%locale%-%version%-%os%"}
    assert 'detailsURL="en-US-9.0-Linux"' in lines(document)[1]


@pytest.mark.parametrize("key", ["detailsUrl", "displayVersion"])
def test_desupport__document_without_a_value__offers_nothing(key):
    assert lines({name: value for name, value in DESUPPORT.items() if name != key}) == []


# --- Guardian ---------------------------------------------------------------------------------------------


def vpn(**fields):
    return query(
        **{
            "product": "Guardian",
            "version": "2.9.0",
            "build_target": "WINNT_x86_64",
            "locale": None,
            **fields,
        }
    )


def test_e14__guardian__answers_json_in_order():
    release = blob(acme.guardian())
    body = release.render_json(vpn(), context())
    assert list(body.items()) == [
        ("version", "2.10.1"),
        ("url", "https://vpn.example/x.msi"),
        ("required", True),
        ("hashFunction", "sha256"),
        ("hashValue", "hh"),
    ]
    assert release.render(vpn(), context()) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Serve.YES),
        ({"version": "2.10.1"}, Serve.NO),
        ({"version": "2.10"}, Serve.YES),
        ({"version": "2.11"}, Serve.NO),
        ({"version": "2.x"}, Serve.NO),
        ({"build_target": "Plan9"}, Serve.NO),
    ],
)
def test_guardian__gate__compares_loosely(fields, expected):
    assert blob(acme.guardian()).serve(vpn(**fields)) is expected


def test_guardian__required_is_absent__means_not_required():
    document = acme.guardian()
    del document["required"]
    assert blob(document).render_json(vpn(), context())["required"] is False


def test_guardian__forbidden_or_missing_url__is_an_empty_object():
    document = acme.guardian()
    assert blob(document).render_json(vpn(product="Acme"), context()) == {}
    del document["platforms"]["WINNT_x86_64"]["fileUrl"]
    assert blob(document).render_json(vpn(), context()) == {}


@pytest.mark.parametrize("key", ["hashValue", "hashFunction"])
def test_guardian__file_that_cannot_be_verified__is_not_offered(key):
    document = acme.guardian()
    document.pop(key, None)
    document["platforms"]["WINNT_x86_64"].pop(key, None)
    assert blob(document).render_json(vpn(), context()) is None


def test_render_json__documents_that_speak_xml__have_nothing_to_say():
    assert blob(acme.acme_10()).render_json(query(), context()) is None


# --- Superblob --------------------------------------------------------------------------------------------


def test_superblob__children__are_named_in_order():
    document = {"name": "S", "schema_version": 4000, "blobs": ["b", "a", 5]}
    release = blob(document)
    assert release.serve(query()) is Serve.YES
    assert release.blobs == ["b", "a"]
    assert release.products == []
    assert release.referenced_releases() == {"a", "b"}
    assert release.render(query(), context()) == ["    <addons>", "    </addons>"]


# --- Settings ---------------------------------------------------------------------------------------------


def test_settings__no_condition__is_for_everybody():
    assert lines(acme.settings()) == [
        "    <settings>",
        '        <setting id="security" lastModified="129386427328"/>',
        "    </settings>",
    ]


def test_settings__conditions_met__ids_in_ascending_order():
    assert lines(acme.settings(), locale="de", channel="beta-cck-x") == [
        "    <settings>",
        '        <setting id="beta-only" lastModified="3"/>',
        '        <setting id="hyphenation-de" lastModified="2"/>',
        '        <setting id="security" lastModified="129386427328"/>',
        "    </settings>",
    ]


@pytest.mark.parametrize("settings", [{}, "junk", {"a": {}}, {"a": {"lastModified": 1, "locales": ["fr"]}}])
def test_settings__nothing_matches__is_the_empty_document(settings):
    assert lines({"name": "S", "schema_version": 6000, "settings": settings}) == []


# --- Whitelist --------------------------------------------------------------------------------------------


def whitelist(entries):
    found = blob({"name": "W", "schema_version": 3000, "whitelist": entries})
    assert isinstance(found, Whitelist)
    return found


def test_whitelist__listed_imei__is_found():
    listed = whitelist([{"imei": "one"}, {"imei": "two"}])
    assert listed.lists("two")
    assert not listed.lists("three")
    assert not listed.lists(None)
    assert not listed.lists("")
    assert listed.serve(query()) is Serve.NO
    assert listed.render(query(), context()) == []


@pytest.mark.parametrize(
    "entries", [None, "one", {"imei": "one"}, ["one"], [{"imei": 5}, {"imei": ["one"]}, {}, None]]
)
def test_whitelist__broken_list__lists_nobody(entries):
    assert not whitelist(entries).lists("one")


def test_whitelist__a_hundred_thousand_entries__each_is_found_by_one_look():
    listed = whitelist([{"imei": f"{number:064x}"} for number in range(100_000)])
    assert all(listed.lists(f"{number:064x}") for number in range(0, 200_000, 1_000) if number < 100_000)
    assert not listed.lists(f"{100_000:064x}")


# --- The table --------------------------------------------------------------------------------------------


def test_blob_types__all_versions__are_known():
    assert sorted(BLOB_TYPES) == [1, 2, 3, 4, 5, 6, 8, 9, 50, 1000, 3000, 4000, 5000, 6000, 10000]


@pytest.mark.parametrize("version", [7, 0, -1, None, "9", 9.0, True, [9], {"a": 1}])
def test_blob_for__unknown_schema_version__is_refused(version):
    with pytest.raises(UnknownSchemaVersion):
        blob_for(Document.from_dict({"name": "x", "schema_version": version}))
