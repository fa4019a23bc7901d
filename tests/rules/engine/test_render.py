"""Whole answers, from URL to bytes: protocol.md sections 8, 10 and 15."""

import pytest

from releases.blobs import ClientError, Document, blob_for
from releases.blobs.query import Force
from rules.engine.decide import decide
from rules.engine.render import (
    EMPTY_DOCUMENT,
    NO_SPACE_BUILD_IDS,
    NO_SPACE_RELEASE,
    render_client_error,
    render_xml,
)
from rules.engine.snapshot import Release
from tests.conformance.replay import Reply, pure_responder
from tests.releases.blobs import acme
from tests.releases.blobs.acme import ALIAS, LINUX, query
from tests.rules.engine.test_decide import superblob
from tests.rules.engine.world import desupport, full, rule, snapshot

XML = "text/xml; charset=utf-8"
EMPTY = EMPTY_DOCUMENT.decode()
URL = (
    "/update/6/{product}/{version}/20230101000000/{target}/{locale}/{channel}/Linux%205/ISET:SSE4_2,MEM:8000"
    "/default/default/update.xml"
)
E1 = """<?xml version="1.0"?>
<updates>
    <update appVersion="10.0" buildID="20240101000000" detailsURL="https://acme.example/en-US/10.0/notes?a=1&amp;b=2" displayVersion="10.0" type="minor">
        <patch type="complete" URL="https://cdn.example/?product=acme-10.0-complete&amp;os=linux64&amp;lang=en-US" hashFunction="sha512" hashValue="aa" size="5000"/>
        <patch type="partial" URL="https://cdn.example/?product=acme-10.0-partial-9.0&amp;os=linux64&amp;lang=en-US" hashFunction="sha512" hashValue="bb" size="900"/>
    </update>
</updates>"""  # noqa: E501


@pytest.fixture
def respond():
    rules = [
        rule(1, "Acme-10.0-build1", product="Acme", channel="release*", version=">1.0"),
        rule(2, "Acme-10.0-build1", product="Acme", channel="beta"),
        rule(3, "Guardian-2.10.1", product="Guardian"),
        rule(4, "Plugins", product="PluginA"),
    ]
    return pure_responder(
        snapshot(
            rules,
            acme.acme_10(),
            acme.acme_9(),
            acme.guardian(),
            acme.gmp(),
            products=[("Plugins", "PluginA")],
        )
    )


def url(arguments="", **fields):
    usual = {"product": "Acme", "version": "9.0", "target": LINUX, "locale": "en-US", "channel": "release"}
    return URL.format(**{**usual, **fields}) + arguments


def test_e1__update__complete_and_partial_with_headers(respond):
    assert respond(url()) == Reply(200, XML, E1, "1", "11")
    assert len(E1) == 543


@pytest.mark.parametrize(("arguments", "echo", "length"), [("?force=1", "1", 567), ("?force=-1", "-1", 569)])
def test_e2__force__is_echoed(respond, arguments, echo, length):
    body = respond(url(arguments)).body
    assert body == E1.replace("lang=en-US", f"lang=en-US&amp;force={echo}")
    assert len(body) == length


def test_e3__older_client_of_a_locale_group__gets_the_groups_fields(respond):
    lines = respond(url(locale="de", version="8.0")).body.split("\n")
    assert lines[2] == (
        '    <update actions="showURL" appVersion="10.0" buildID="20240101000001"'
        ' detailsURL="https://acme.example/de/10.0/notes?a=1&amp;b=2" displayVersion="10.0"'
        ' openURL="https://acme.example/de/new" promptWaitTime="300" showPrompt="false" type="minor">'
    )
    assert [line.split()[1] for line in lines[3:-2]] == ['type="complete"']


def test_e4__other_channel__another_rule_and_url(respond):
    got = respond(url(channel="beta"))
    assert got.rule_id == "2"
    assert 'URL="https://cdn.example/beta/linux-x86_64/en-US/acme.mar"' in got.body
    assert "partial" not in got.body


@pytest.mark.parametrize("fields", [{"channel": "release-cck-corp"}, {"target": ALIAS}])
def test_e5__partner_channel_or_alias__is_answered_alike(respond, fields):
    assert respond(url(**fields)).body == E1


@pytest.mark.parametrize(
    ("fields", "rule_id"),
    [
        ({"locale": "fr"}, "1"),
        ({"target": "Plan9"}, "1"),
        ({"target": "Plan9", "version": "10.0"}, "1"),
        ({"product": "Nobody"}, "unknown"),
    ],
)
def test_e6__nothing_to_offer__is_the_empty_document_with_headers(respond, fields, rule_id):
    got = respond(url(**fields))
    assert (got.status, got.content_type, got.body, got.rule_id) == (200, XML, EMPTY, rule_id)
    assert len(EMPTY) == 42


def test_e6__bad_version_and_undeclared_argument__are_the_clients_error(respond):
    got = respond(url(version="<banana&\"'"))
    assert (got.status, got.content_type) == (400, "text/plain; charset=utf-8")
    assert "&lt;banana&amp;\"'" in got.body
    assert (got.rule_id, got.rule_data_version) == (None, None)
    assert respond(url("?foo=1")).status == 400


def test_e14__guardian__speaks_json_only(respond):
    got = respond("/json/1/Guardian/2.9.0/WINNT_x86_64/release/update.json")
    assert got == Reply(
        200,
        "application/json",
        '{"version": "2.10.1", "url": "https://vpn.example/x.msi", "required": true,'
        ' "hashFunction": "sha256", "hashValue": "hh"}',
        "3",
        "13",
    )
    nothing = Reply(404, "text/html; charset=utf-8", "", None, None)
    assert respond("/json/1/Guardian/2.10.1/WINNT_x86_64/release/update.json") == nothing
    assert respond("/json/1/Acme/9.0/Linux/release/update.json") == nothing
    assert respond("/json/1/PluginA/9.0/P1/release/update.json") == nothing
    over_xml = respond(url(product="Guardian", version="2.9.0", target="WINNT_x86_64"))
    assert (over_xml.status, over_xml.body, over_xml.rule_id) == (200, EMPTY, "3")


def test_e11__plugins__are_rendered_whole(respond):
    got = respond(url(product="PluginA", target="P1"))
    assert got.body.split("\n")[2:5] == [
        "    <addons>",
        '        <addon id="gmp-a" URL="https://cdn.example/a" hashFunction="sha512" hashValue="h3" size="12"'
        ' version="1.0"/>',
        '        <addon id="gmp-b" URL="https://cdn.example/b" hashFunction="sha512" hashValue="h1" size="10"'
        ' version="1.2">',
    ]


def answered(world, **fields):
    return render_xml(decide(query(**fields), world, lambda: 0), world).body.decode()


def test_e12__desupport__has_its_odd_lines():
    world = snapshot([rule(1, "Gone")], desupport("Gone"))
    assert answered(world, version="1.0", build_target="WINNT_x86-msvc").split("\n")[2:5] == [
        "",
        '    <update type="minor" unsupported="true" detailsURL="https://d.example/en-US/1.0/WINNT"'
        ' displayVersion="4.0">',
        "</update>",
    ]


def test_superblob__children__are_spliced_with_their_own_rules_and_allow_lists():
    rules = [
        rule(1, "Super", product="Acme", update_type="major"),
        rule(2, "Plugins", product="PluginB"),
        rule(3, "Addons", product="PluginA"),
        rule(4, "Plugins", product="Stranger"),
    ]
    world = snapshot(rules, superblob(products=["PluginB", "Stranger", "PluginA"]), acme.gmp(), acme.addons())
    lines = answered(world, build_target="P1").split("\n")
    assert (lines[2], lines[-2]) == ("    <addons>", "    </addons>")
    assert [line.split('"')[1] for line in lines if "<addon " in line] == ["gmp-a", "gmp-b", "a@example"]


def test_superblob__none_of_its_products_is_offered__is_an_empty_list():
    world = snapshot([rule(1, "Super", product="Acme")], superblob(products=["PluginA"]))
    assert answered(world).split("\n")[2:] == ["    <addons>", "    </addons>", "</updates>"]


def test_superblob__throttled_rule_of_its_own__carries_the_parents_headers():
    world = snapshot(
        [rule(7, "Super", product="Acme"), rule(8, "Plugins", product="PluginA")],
        superblob(products=["PluginA"]),
        acme.gmp(),
    )
    answer = render_xml(decide(query(), world, lambda: 0), world)
    assert (answer.rule_id, answer.rule_data_version) == ("7", "17")


@pytest.mark.parametrize("build_id", sorted(NO_SPACE_BUILD_IDS))
def test_a34__two_historical_builds__get_no_white_space_between_elements(build_id):
    release = {**full("10.0"), "name": NO_SPACE_RELEASE}
    world = snapshot([rule(1, NO_SPACE_RELEASE)], release)
    usual = answered(world)
    assert answered(world, build_id=build_id) == "".join(line.strip() for line in usual.split("\n"))
    other = snapshot([rule(1, "A-10.0")], full("10.0"))
    assert "\n" in answered(other, build_id=build_id)


def test_update_type__comes_from_the_rule():
    world = snapshot([rule(1, "A-10.0", update_type="major")], full("10.0"))
    assert ' type="major">' in answered(world)


def test_force__on_the_fallback_mapping__is_echoed():
    world = snapshot([rule(1, "Gone", background_rate=0, fallback_mapping="A-10.0")], full("10.0"))
    assert "force=-1" in answered(world, force=Force.FALLBACK)


def test_client_error__text__is_escaped_but_for_quotes():
    answer = render_client_error(ClientError("<a> & \"b\" 'c'"))
    assert answer.body == b"&lt;a&gt; &amp; \"b\" 'c'"


def test_surrogates_in_a_stored_document__are_dropped():
    document = {**desupport("Odd"), "displayVersion": "4\ud800.0<&"}
    world = snapshot([rule(1, "Odd")]).build(
        rules=[rule(1, "Odd")], releases={"Odd": Release(None, blob_for(Document.from_dict(document)))}
    )
    assert 'displayVersion="4.0&lt;&amp;"' in answered(world)
