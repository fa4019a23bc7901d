"""Application releases on the wire: protocol.md sections 7 and 15 (E1 to E6, E10, E15, E15b)."""

import pytest

from releases.blobs import ClientError, Serve
from releases.blobs.errors import BadPin, BadVersion
from releases.blobs.query import Force
from tests.releases.blobs import acme
from tests.releases.blobs.acme import ALIAS, LINUX, blob, context, document_of, patch, query

E1 = """<?xml version="1.0"?>
<updates>
    <update appVersion="10.0" buildID="20240101000000" detailsURL="https://acme.example/en-US/10.0/notes?a=1&amp;b=2" displayVersion="10.0" type="minor">
        <patch type="complete" URL="https://cdn.example/?product=acme-10.0-complete&amp;os=linux64&amp;lang=en-US" hashFunction="sha512" hashValue="aa" size="5000"/>
        <patch type="partial" URL="https://cdn.example/?product=acme-10.0-partial-9.0&amp;os=linux64&amp;lang=en-US" hashFunction="sha512" hashValue="bb" size="900"/>
    </update>
</updates>"""  # noqa: E501


def answer(document, asked=None, within=None):
    """The whole text that a client gets."""
    return document_of(blob(document).render(asked or query(), within or context()))


def first_line(document, asked=None, **more):
    return blob(document).render(asked or query(), context(**more))[0]


def single(schema_version, **more):
    """A small release of versions 2 to 8, without patches; `locale` are the keys of its only locale."""
    locale = more.pop("locale", {})
    return {
        "name": "Acme-5.0",
        "schema_version": schema_version,
        "hashFunction": "sha512",
        "appVersion": "5.0",
        "platforms": {LINUX: {"buildID": "20240101000000", "locales": {"en-US": locale}}},
        **more,
    }


# --- E1 to E6 ---------------------------------------------------------------------------------------------


def test_e1__complete_and_partial__byte_for_byte():
    assert answer(acme.acme_10()) == E1
    assert len(E1.encode()) == 543


@pytest.mark.parametrize(("force", "value", "length"), [(Force.MAIN, "1", 567), (Force.FALLBACK, "-1", 569)])
def test_e2__force__is_echoed_to_special_hosts(force, value, length):
    text = answer(acme.acme_10(), within=context(force=force))
    assert text == E1.replace("lang=en-US", f"lang=en-US&amp;force={value}")
    assert len(text) == length
    assert answer(acme.acme_10(), within=context(force=force, special_force_hosts=())) == E1
    elsewhere = ("http://cdn.example", "https://other.example")
    assert answer(acme.acme_10(), within=context(force=force, special_force_hosts=elsewhere)) == E1


def test_e2__url_without_a_query__gets_a_question_mark():
    text = answer(acme.acme_10(), query(channel="beta"), context(force=Force.MAIN))
    assert 'URL="https://cdn.example/beta/linux-x86_64/en-US/acme.mar?force=1"' in text


def test_e3__conditions_of_a_group__apply_to_those_who_meet_them():
    line, complete, close = blob(acme.acme_10()).render(query(locale="de", version="8.0"), context())
    assert line == (
        '    <update actions="showURL" appVersion="10.0" buildID="20240101000001"'
        ' detailsURL="https://acme.example/de/10.0/notes?a=1&amp;b=2" displayVersion="10.0"'
        ' openURL="https://acme.example/de/new" promptWaitTime="300" showPrompt="false" type="minor">'
    )
    assert 'size="5001"' in complete
    assert close == "    </update>"


@pytest.mark.parametrize("differs", [{"version": "9.0"}, {"channel": "beta"}, {"locale": "en-US"}])
def test_e3__a_condition_that_fails__takes_the_whole_group(differs):
    asked = query(**{"locale": "de", "version": "8.0", **differs})
    assert "showURL" not in answer(acme.acme_10(), asked)


def test_e4__channel_with_a_block__does_not_fall_back_to_the_star():
    text = answer(acme.acme_10(), query(channel="beta"))
    assert 'URL="https://cdn.example/beta/linux-x86_64/en-US/acme.mar"' in text
    assert "partial" not in text


def test_e4__empty_block__is_no_block():
    document = acme.acme_10()
    document["fileUrls"]["beta"] = {}
    assert answer(document, query(channel="beta")) == E1


@pytest.mark.parametrize("asked", [query(channel="release-cck-corp"), query(build_target=ALIAS)])
def test_e5__partner_channel_and_alias__get_the_same(asked):
    assert answer(acme.acme_10(), asked) == E1


@pytest.mark.parametrize("asked", [query(locale="fr"), query(build_target="Plan9")])
def test_e6__unknown_locale_or_platform__gets_nothing(asked):
    release = blob(acme.acme_10())
    assert release.serve(query(build_target="Plan9")) is Serve.NO
    assert release.render(asked, context()) == []
    equal = {"version": "10.0", "build_id": "1"}
    assert release.serve(query(**equal, locale=asked.locale, build_target=asked.build_target)) is Serve.NO


def test_e6__unreadable_version__is_the_clients_error():
    with pytest.raises(BadVersion):
        blob(acme.acme_10()).serve(query(version="banana"))


# --- The gate (7.1) ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "build_id", "expected"),
    [
        ("9.0", "20990101000000", Serve.YES),
        ("10.0", "20231231235959", Serve.YES),
        ("10.0", "20240101000000", Serve.NO),
        ("10.0", "3", Serve.NO),
        ("10.0.1", "1", Serve.NO),
        ("10.0a1", "3", Serve.YES),
        ("9.*", "1", Serve.NO),
    ],
)
def test_gate__version_and_build_id__decide(version, build_id, expected):
    assert blob(acme.acme_10()).serve(query(version=version, build_id=build_id)) is expected


@pytest.mark.parametrize("absent", ["locale", "build_id"])
def test_gate__query_without_a_field__is_never_served(absent):
    assert blob(acme.acme_10()).serve(query(**{absent: None})) is Serve.NO


def test_gate__numeric_build_id__compares_as_text():
    document = acme.acme_10()
    document["platforms"][LINUX]["buildID"] = 20240101000000
    assert blob(document).serve(query(version="10.0", build_id="20230101000000")) is Serve.YES
    assert blob(document).serve(query(version="10.0", build_id="20240101000000")) is Serve.NO
    assert 'buildID="20240101000000"' in answer(document)


@pytest.mark.parametrize("stored", [None, "banana", "11.*", 10, ["10.0"], ""])
def test_gate__release_without_a_readable_version__is_never_served(stored):
    document = {**acme.acme_10(), "appVersion": stored}
    assert blob(document).serve(query()) is Serve.NO


def test_gate__version_of_a_locale__wins_over_the_top():
    document = acme.acme_10()
    document["platforms"][LINUX]["locales"]["de"]["appVersion"] = "8.0"
    assert blob(document).serve(query(locale="de")) is Serve.NO
    assert blob(document).serve(query()) is Serve.YES


def test_gate__second_hop_of_an_alias__is_not_followed():
    document = acme.acme_10()
    document["platforms"]["Second"] = {"alias": ALIAS}
    assert blob(document).render(query(build_target="Second"), context()) == []


@pytest.mark.parametrize(
    ("pin", "expected"),
    [
        ("10.", Serve.YES),
        ("10.0.", Serve.YES),
        ("9.", Serve.MAYBE),
        ("9.9.", Serve.MAYBE),
        ("11.", Serve.YES),
    ],
)
def test_gate__pin__says_maybe_beyond_it(pin, expected):
    assert blob(acme.acme_10()).serve(query(pin=pin)) is expected


def test_gate__malformed_pin__matters_only_where_something_was_to_be_served():
    release = blob(acme.acme_10())
    assert release.serve(query(pin="22", version="11.0")) is Serve.NO
    with pytest.raises(BadPin):
        release.serve(query(pin="22"))


def test_e15__watersheds_and_pins__each_release_answers_for_itself():
    def at(version):
        document = {**acme.acme_10(), "name": f"A-{version}", "appVersion": version}
        return blob(document)

    assert at("23.0").serve(query(version="21.0", pin="25.")) is Serve.YES
    assert at("23.0").serve(query(version="21.0", pin="22.")) is Serve.MAYBE
    assert at("22.4").serve(query(version="21.0", pin="22.")) is Serve.YES
    assert at("25.0").serve(query(version="23.0", pin="24.1.")) is Serve.MAYBE
    assert at("21.0").serve(query(version="23.0", pin="21.")) is Serve.NO


# --- Patches (7.3, 7.4) -----------------------------------------------------------------------------------


def test_partial__other_build__gets_the_complete_alone():
    text = answer(acme.acme_10(), query(build_id="20230101000001"))
    assert "complete" in text
    assert "partial" not in text


def test_partial__unknown_from_release__is_left_out():
    assert "partial" not in answer(acme.acme_10(), within=context(release=lambda name: None))


@pytest.mark.parametrize(
    "platforms", [{}, {LINUX: {"locales": {}}}, {LINUX: {"alias": "P"}}, {LINUX: 5}, "junk"]
)
def test_partial__from_release_without_the_platform_or_locale__is_left_out(platforms):
    old = {**acme.acme_9(), "platforms": platforms}
    text = answer(acme.acme_10(), within=context(old))
    assert "complete" in text
    assert "partial" not in text


def test_partial__from_release_of_another_kind__is_left_out():
    assert "partial" not in answer(acme.acme_10(), within=context({**acme.gmp(), "name": "Acme-9.0-build2"}))


def test_e15b__aliases__partials_follow_every_name_of_the_platform():
    old = {**acme.acme_9(), "name": "B1", "platforms": {"Q": {"buildID": "7", "locales": {"en-US": {}}}}}
    new = {
        **acme.acme_10(),
        "name": "B2",
        "platforms": {
            "Q2": {
                "buildID": "8",
                "locales": {
                    "en-US": {
                        "completes": [patch(fileUrl="https://cdn.example/c")],
                        "partials": [patch(source="B1", fileUrl="https://cdn.example/p")],
                    }
                },
            },
            "Q": {"alias": "Q2"},
            "New": {"alias": "Q2"},
        },
    }
    for target in ("Q", "New", "Q2"):
        for version in ("1.0", "0.5"):
            asked = query(build_target=target, build_id="7", version=version)
            assert answer(new, asked, context(old)).count("<patch") == 2, target
        assert answer(new, query(build_target=target, build_id="6"), context(old)).count("<patch") == 1


def test_patches__several_listed__the_first_usable_is_taken():
    document = acme.acme_10()
    document["platforms"][LINUX]["locales"]["en-US"]["completes"] = [
        patch(1, "forbidden", fileUrl="https://evil.example/x"),
        patch(2, "other", "Unknown"),
        patch(3, "good", fileUrl="https://cdn.example/%LOCALE%"),
        patch(4, "late"),
    ]
    text = answer(document)
    assert text.count('type="complete"') == 1
    assert 'URL="https://cdn.example/%LOCALE%" hashFunction="sha512" hashValue="good" size="3"' in text


def test_patches__all_forbidden__leave_an_empty_element():
    lines = blob(acme.acme_10()).render(query(product="Nobody"), context())
    assert len(lines) == 2
    assert lines[-1] == "    </update>"


def test_patches__complete_without_a_url__the_partial_alone_or_nothing():
    document = acme.acme_10()
    del document["fileUrls"]["*"]["completes"]
    text = answer(document)
    assert "complete" not in text
    assert "partial" in text
    assert blob(document).render(query(build_id="1"), context()) == []


@pytest.mark.parametrize("missing", ["hashValue", "filesize", "from"])
def test_patches__without_what_clients_need__are_left_out(missing):
    document = acme.acme_10()
    del document["platforms"][LINUX]["locales"]["en-US"]["completes"][0][missing]
    assert "complete" not in answer(document)
    assert blob(document).render(query(build_id="1"), context()) == []


def test_patches__platform_without_a_token_that_is_used__is_left_out():
    document = acme.acme_10()
    del document["platforms"][LINUX]["OS_BOUNCER"]
    assert blob(document).render(query(), context()) == []
    assert "linux-x86_64" in answer(document, query(channel="beta"))


def test_patches__partial_without_a_template__is_no_error():
    document = acme.acme_10()
    locale = document["platforms"][LINUX]["locales"]["en-US"]
    del locale["completes"]
    del document["fileUrls"]["*"]["partials"]
    assert len(blob(document).render(query(), context())) == 2


def test_render__many_times__is_always_the_same():
    release = blob(acme.acme_10())
    within = context()
    for _ in range(3):
        assert document_of(release.render(query(), within)) == E1
        assert "force=1" in document_of(release.render(query(), context(force=Force.MAIN)))
        assert "beta" in document_of(release.render(query(channel="beta"), within))


def test_render__update_type_of_the_rule__is_not_remembered_for_another():
    document = {**acme.acme_10(), "updateLine": []}
    release = blob(document)
    for update_type in ("minor", "major", "minor"):
        assert f'type="{update_type}"' in release.render(query(), context(update_type=update_type))[0]


def test_render__two_releases_alike_but_for_their_top__do_not_mix():
    other = {**acme.acme_10(), "hashFunction": "sha384", "displayVersion": "other"}
    assert answer(acme.acme_10()) == E1
    assert answer(other) == E1.replace("sha512", "sha384").replace(
        'displayVersion="10.0"', 'displayVersion="other"'
    )


# --- Update lines (7.2) -----------------------------------------------------------------------------------

EVERYTHING = {
    "detailsUrl": "https://d.example/%LOCALE%",
    "licenseUrl": "https://l.example/%locale%",
    "billboardURL": "https://b.example/%LOCALE%",
    "showPrompt": True,
    "showNeverForVersion": False,
    "actions": "showURL silent",
    "openURL": "https://o.example/%LOCALE%",
    "notificationURL": "https://n.example/%LOCALE%",
    "alertURL": "https://a.example/%locale%",
    "promptWaitTime": 60,
    "binTransMerkleRoot": "root",
    "binTransCertificate": "cert",
    "binTransSCTList": "list",
}
E10 = (
    '    <update type="minor" displayVersion="5.0 (x)" appVersion="5.0" platformVersion="5.0"'
    ' buildID="20240101000000" detailsURL="https://d.example/en-US" licenseURL="https://l.example/en-US"'
    ' isOSUpdate="true" billboardURL="https://b.example/en-US" showPrompt="true" showNeverForVersion="false"'
    ' actions="showURL silent" openURL="https://o.example/en-US" notificationURL="https://n.example/en-US"'
    ' alertURL="https://a.example/en-US"'
)


def everything(schema_version):
    return single(
        schema_version,
        platformVersion="5.0",
        locale={"displayVersion": "5.0 (x)", "isOSUpdate": True},
        **EVERYTHING,
    )


@pytest.mark.parametrize("schema_version", [2, 3, 4])
def test_e10__versions_2_to_4_with_everything__byte_for_byte(schema_version):
    assert first_line(everything(schema_version)) == f"{E10}>"


def test_line__version_5__adds_the_time_to_wait():
    assert first_line(everything(5)) == f'{E10} promptWaitTime="60">'


def test_line__version_6__has_no_billboard():
    without = E10.replace(' billboardURL="https://b.example/en-US"', "")
    assert first_line(everything(6)) == f'{without} promptWaitTime="60">'


def test_line__version_8__adds_the_transparency_values():
    without = E10.replace(' billboardURL="https://b.example/en-US"', "")
    assert first_line(everything(8)) == (
        f'{without} promptWaitTime="60" binTransMerkleRoot="root" binTransCertificate="cert" binTransSCTList="list">'
    )


@pytest.mark.parametrize("schema_version", [2, 3, 4, 5, 6, 8])
def test_line__missing_values__print_none(schema_version):
    assert first_line(single(schema_version)) == (
        '    <update type="minor" displayVersion="None" appVersion="5.0" platformVersion="None"'
        ' buildID="20240101000000">'
    )


def test_line__version_9__never_prints_transparency_values_of_the_top():
    assert "binTrans" not in first_line({**acme.acme_10(), "binTransMerkleRoot": "root"})


def test_line__version_9__later_groups_overwrite_even_the_type():
    document = acme.acme_10()
    document["updateLine"].append({"for": {"buildIDs": ["<2024"]}, "fields": {"type": "major"}})
    assert 'type="major"' in first_line(document)
    assert 'type="minor"' in first_line(document, query(build_id="2025"))


def test_line__version_9__group_without_conditions_or_fields_is_skipped():
    document = {**acme.acme_10(), "updateLine": [{"fields": {"actions": "x"}}, {"for": {}}, 5, None]}
    assert "actions" not in first_line(document)


@pytest.mark.parametrize("schema_version", [8, 9])
def test_patch__proof__is_printed_at_the_end(schema_version):
    document = single(schema_version, locale={"completes": [patch(fileUrl="https://cdn.example/c")]})
    patches = document["platforms"][LINUX]["locales"]["en-US"]["completes"]
    patches[0]["binTransInclusionProof"] = "proof"
    assert ' size="5000" binTransInclusionProof="proof"/>' in answer(document, query(version="4.0"))
    assert "Proof" not in answer({**document, "schema_version": 6}, query(version="4.0"))


# --- Version 1, and the templates of versions 1 to 3 ------------------------------------------------------


def old(schema_version, **more):
    """A release with channel templates and both patches."""
    pair = {"complete": patch(5, "cc"), "partial": patch(2, "pp", "Acme-9.0-build2")}
    lists = {f"{kind}s": [one] for kind, one in pair.items()}
    names = {"complete": "all.mar", "partial": "some.mar"}
    by_from = {"completes": {"*": "all.mar"}, "partials": {"Acme-9.0-build2": "some.mar"}}
    document = {
        "name": "Acme-10",
        "schema_version": schema_version,
        "hashFunction": "sha512",
        "appv": "10.0",
        "extv": "10.0",
        "appVersion": "10.0",
        "fileUrls": {"release": "https://cdn.example/%FILENAME%/%product%/%OS_FTP%/%os_bouncer%/%LOCALE%"},
        "ftpFilenames": by_from if schema_version == 3 else names,
        "bouncerProducts": by_from if schema_version == 3 else {},
        "platforms": {
            LINUX: {
                "buildID": "20240101000000",
                "OS_FTP": "ftp",
                "OS_BOUNCER": "bouncer",
                "locales": {"en-US": lists if schema_version == 3 else pair},
            }
        },
    }
    return {**document, **more}


@pytest.mark.parametrize(("schema_version", "product"), [(1, ""), (2, ""), (3, "all.mar")])
def test_template__versions_1_to_3__tokens_are_filled_from_tables(schema_version, product):
    text = answer(old(schema_version))
    assert f'type="complete" URL="https://cdn.example/all.mar/{product}/ftp/bouncer/en-US"' in text
    assert 'type="partial" URL="https://cdn.example/some.mar/' in text
    assert text == answer(old(schema_version), query(channel="release-cck-x"))


@pytest.mark.parametrize("schema_version", [1, 2, 3])
def test_template__versions_1_to_3__channel_without_a_template_is_offered_nothing(schema_version):
    assert blob(old(schema_version)).render(query(channel="beta"), context()) == []
    star = old(schema_version, fileUrls={"*": "https://cdn.example/x"})
    assert blob(star).render(query(), context()) == []


def test_version_1__line__has_names_of_its_own():
    document = old(1, detailsUrl="https://d.example/%LOCALE%", licenseUrl="https://l.example/%LOCALE%")
    assert first_line(document) == (
        '    <update type="minor" version="10.0" extensionVersion="10.0" buildID="20240101000000"'
        ' detailsURL="https://d.example/en-US" licenseURL="https://l.example/en-US">'
    )


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("1.5", 'version="10.0" extensionVersion="10.0"'),
        ("2.0b1", 'version="10.0" extensionVersion="10.0"'),
        ("2.0", 'version="2.0"'),
        ("3.0.0.5", 'version="3.0.0.5"'),
        ("3.5b4", 'version="3.5b4"'),
        ("3.5", 'version="10.0"'),
        ("3.5.9", 'version="10.0"'),
        ("3.6b1", 'version="10.0"'),
        ("3.6", 'version="10.0" extensionVersion="3.6"'),
        ("4.0b2", 'version="10.0" extensionVersion="4.0b2"'),
        ("4.0", 'version="10.0" extensionVersion="10.0"'),
    ],
)
def test_version_1__special_cases__rewrite_what_old_clients_see(client, expected):
    line = first_line(old(1, oldVersionSpecialCases=True), query(version=client))
    assert line == f'    <update type="minor" {expected} buildID="20240101000000">'
    usual = first_line(old(1), query(version=client))
    assert 'version="10.0" extensionVersion="10.0"' in usual


def test_version_1__special_cases__one_client_does_not_see_what_another_was_told():
    release = blob(old(1, oldVersionSpecialCases=True))
    for client in ("2.0", "3.0", "2.0"):
        assert f'version="{client}" buildID' in release.render(query(version=client), context())[0]


def test_gate__version_1__looks_at_extv():
    assert blob(old(1, appv="1.0")).serve(query()) is Serve.YES
    assert blob(old(1, extv="1.0")).serve(query()) is Serve.NO


# --- What it refers to ------------------------------------------------------------------------------------


def test_referenced_releases__partials__are_found():
    assert blob(acme.acme_10()).referenced_releases() == {"Acme-9.0-build2"}
    assert blob(old(1)).referenced_releases() == {"Acme-9.0-build2"}


def test_errors__of_clients__are_one_family():
    assert issubclass(BadVersion, ClientError)
    assert issubclass(BadPin, ClientError)
