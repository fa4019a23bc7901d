"""From a raw request to a query: protocol.md sections 1 and 2."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from releases.blobs.query import Force, UpdateQuery
from releng.updates.request import Kind, parse_request

BASE = "/Acme/9.0/20230101/Linux_x86/en-US/release"
PATHS = {
    "1": f"/update/1{BASE}/update.xml",
    "2": f"/update/2{BASE}/Linux%205/update.xml",
    "3": f"/update/3{BASE}/Linux%205/dist/2.0/update.xml",
    "4": f"/update/4{BASE}/Linux%205/dist/2.0/platform/update.xml",
    "5": f"/update/5{BASE}/Linux%205/dist/2.0/imei-1/update.xml",
    "6": f"/update/6{BASE}/Linux%205/ISET:SSE3,MEM:8,JAWS:1/dist/2.0/update.xml",
}
JSON = {
    "1": "/json/1/Acme/9.0/Linux_x86/release/update.json",
    "2": "/json/2/Acme/9.0/Linux_x86/release/Linux%205/update.json",
}
COMMON = {
    "product": "Acme",
    "version": "9.0",
    "build_id": "20230101",
    "build_target": "Linux_x86",
    "locale": "en-US",
    "channel": "release",
    "header_architecture": "Intel",
}
SYSTEM = {**COMMON, "os_version": "Linux 5"}
DISTRIBUTION = {**SYSTEM, "distribution": "dist", "dist_version": "2.0"}
QUERIES = {
    "1": UpdateQuery(**COMMON, os_version=""),
    "2": UpdateQuery(**SYSTEM),
    "3": UpdateQuery(**DISTRIBUTION),
    "4": UpdateQuery(**DISTRIBUTION),
    "5": UpdateQuery(**DISTRIBUTION, imei="imei-1"),
    "6": UpdateQuery(**DISTRIBUTION, instruction_set="SSE3", memory=8, jaws=True),
}


def asked(path, arguments="", **more):
    return parse_request(path, arguments, **more).query


# --- Routes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", PATHS)
def test_xml_route__every_field__is_read(number):
    request = parse_request(PATHS[number], "")
    assert (request.kind, request.query) == (Kind.XML, QUERIES[number])
    decoded = parse_request(PATHS[number].replace("%20", " "), "", raw=False)
    assert decoded == request


@pytest.mark.parametrize(("number", "os_version"), [("1", None), ("2", "Linux 5")])
def test_json_route__every_field__is_read(number, os_version):
    request = parse_request(JSON[number], "force=1", "PPC")
    assert request.kind is Kind.JSON
    assert request.query == UpdateQuery(
        "Acme", "9.0", "release", "Linux_x86", os_version=os_version, force=Force.MAIN
    )


@pytest.mark.parametrize(
    ("version", "read"),
    [
        ("3.6esrpre", "3.6"),
        ("esrpre", "esrpre"),
        ("3.6esrpreesrpre", "3.6esrpre"),
        ("3.6esrpre1", "3.6esrpre1"),
    ],
)
def test_esrpre__at_the_end_of_query_threes_version__is_removed(version, read):
    assert asked(PATHS["3"].replace("9.0", version)).version == read
    assert asked(PATHS["4"].replace("9.0", version)).version == version


@pytest.mark.parametrize(
    "path",
    [
        "/update",
        "/updatefoo",
        "/update/",
        "/update/7" + BASE + "/update.xml",
        "/update/06" + BASE + "/update.xml",
        PATHS["1"] + "/",
        PATHS["1"].replace("update.xml", "update.json"),
        PATHS["1"].replace("/Acme", "/"),
        PATHS["1"].replace("/Acme", ""),
        PATHS["1"].replace("/release", "/release%2Fx"),
        PATHS["1"].replace("/release", "%2frelease"),
        PATHS["3"].replace("/dist/", "//"),
        PATHS["6"].replace("/6/", "/3/"),
        "/update/1",
        "/%75pdate",
        "%2Fupdate/1",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unmatched_update_path__is_known_as_one(path, method):
    assert parse_request(path, "foo=1", method=method).kind is Kind.UNKNOWN_UPDATE


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "*",
        "update/1",
        "/nope",
        "/json/1",
        "/json/3/a/b/c/d/update.json",
        "//update",
        "/api/v1/rules",
    ],
)
def test_other_path__is_not_ours(path):
    assert parse_request(path, "").kind is Kind.NOT_OURS


def test_encoded_letters_of_the_route__are_the_route():
    assert asked(PATHS["1"].replace("/update/1", "/%75pdate/%31")) == QUERIES["1"]


def test_decoded_path__percent_sign__is_itself():
    assert asked(PATHS["1"].replace("release", "re%6Cease"), raw=False).channel == "re%6Cease"
    assert asked(PATHS["1"].replace("release", "re%6Cease")).channel == "release"
    assert asked(PATHS["1"].replace("release", "re%256Cease")).channel == "re%6Cease"  # decoded once


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "get", ""])
def test_route__other_method__is_refused(method):
    assert parse_request(PATHS["6"], "", method=method).kind is Kind.BAD_METHOD


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_route__allowed_method__is_read(method):
    assert parse_request(PATHS["6"], "", method=method).query == QUERIES["6"]


# --- Texts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("caf%C3%A9", "caf?"),
        ("caf\u00c3\u00a9", "caf?"),  # unescaped, as WSGI tells bytes
        ("caf\u00c3\u00a9%20%C3%A9", "caf? ?"),
        ("%F0%9F%92%A9", "?"),
        ("%FF", "?"),
        ("a%00b", "a\x00b"),
        ("100%", "100%"),
        ("%zz", "%zz"),
        ("a+b", "a+b"),
    ],
)
def test_text__outside_ascii__is_a_question_mark_for_each_character(sent, read):
    assert asked(PATHS["1"].replace("release", sent)).channel == read


def test_decoded_path__outside_ascii__is_a_question_mark_for_each_character():
    assert asked(PATHS["1"].replace("release", "caf\u00c3\u00a9"), raw=False).channel == "caf?"


@pytest.mark.parametrize(
    ("sent", "read"), [("x86%20de", "de"), ("x86%20x86%20de", "de"), ("x86de", "x86de"), ("dex86%20", "de")]
)
def test_locale__machine_words__are_removed(sent, read):
    assert asked(PATHS["1"].replace("en-US", sent)).locale == read


@pytest.mark.parametrize(
    ("target", "user_agent", "architecture"),
    [
        ("Darwin_ppc", "x PPC y", "PPC"),
        ("Darwin_ppc", "Intel", "Intel"),
        ("Linux", "PPC", "Intel"),
        ("Darwin", "ppc", "Intel"),
    ],
)
def test_header_architecture__comes_from_target_and_user_agent(target, user_agent, architecture):
    path = PATHS["1"].replace("Linux_x86", target)
    assert asked(path, user_agent=user_agent).header_architecture == architecture


# --- Arguments --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "force"),
    [
        ("force=1", Force.MAIN),
        ("force=-1", Force.FALLBACK),
        ("force=0", None),
        ("force=", None),
        ("force", None),
        ("force=2", None),
        ("force=1&force=-1", Force.FALLBACK),
        ("force=1?avast=1", Force.MAIN),
        ("force=1%3Favast=1", Force.MAIN),
        ("force=1%253Favast=1", Force.MAIN),
        ("force=-1?avast=1", Force.FALLBACK),
        ("force=1?other=1", None),
        ("force=%31", Force.MAIN),
        ("force=+1", None),
        ("avast=1", None),
        ("&&force=1&", Force.MAIN),
    ],
)
def test_force__is_repaired_and_understood(arguments, force):
    assert asked(PATHS["6"], arguments) == UpdateQuery(
        **DISTRIBUTION, instruction_set="SSE3", memory=8, jaws=True, force=force
    )


@pytest.mark.parametrize(
    ("arguments", "value"),
    [("", None), ("mig64=1", True), ("mig64=0", False), ("mig64=true", False), ("mig64", False)],
)
def test_mig64__has_three_states(arguments, value):
    assert asked(PATHS["3"], arguments).mig64 is value


@pytest.mark.parametrize("arguments", ["pin=", "pin", "pin=1.&pin="])
def test_pin__empty__is_a_bad_argument(arguments):
    request = parse_request(PATHS["3"], arguments)
    assert (request.kind, request.query, request.problem[0]) == (Kind.BAD_ARGUMENT, None, "Bad Request")


def test_pin__text__is_kept_as_sent():
    assert asked(PATHS["3"], "pin=&pin=024.").pin == "024."
    assert asked(PATHS["3"], "pin=x+%C3%A9").pin == "x ?"


@pytest.mark.parametrize(
    ("path", "arguments", "named"),
    [
        (PATHS["1"], "foo=1", "foo"),
        (PATHS["2"], "pin=1.", "pin"),
        (PATHS["6"], "force=1&b&a=", "a, b"),
        (PATHS["6"], "Force=1", "Force"),
        (PATHS["6"], "=1", ""),
        (PATHS["6"], "force%00=1", "force\x00"),
        (JSON["1"], "mig64=1", "mig64"),
        (JSON["2"], "avast=1", "avast"),
        (JSON["2"], "pin=", "pin"),
    ],
)
def test_argument__undeclared__is_named(path, arguments, named):
    request = parse_request(path, arguments)
    assert (request.kind, request.query) == (Kind.BAD_ARGUMENT, None)
    assert request.problem == (None, f"Extra query parameter(s) {named} not in spec")


@pytest.mark.parametrize("number", [number for number in PATHS if number != "2"])
def test_argument__declared__is_accepted(number):
    query = asked(PATHS[number], "avast=1&force=1&mig64=1&pin=1.")
    assert (query.force, query.mig64, query.pin) == (Force.MAIN, True, "1.")


# --- Capabilities -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("ISET:SSE3", ("SSE3", None, None)),
        ("ISET:SSE3,MEM:8192,JAWS:0", ("SSE3", 8192, False)),
        ("ISET:SSE3,JAWS:1,MEM:5", ("SSE3", 5, True)),
        ("ISET:SSE3,JAWS:2", ("SSE3", None, True)),
        ("ISET:,MEM:,JAWS:", ("", None, None)),
        ("ISET:a:b,junk,NEW:7", ("a:b", None, None)),
        ("ISET:SSE3,MEM:lots,JAWS:yes", ("SSE3", None, None)),
        ("ISET:SSE3,MEM:1,MEM:2", ("SSE3", 2, None)),
        ("ISET:SSE3,MEM:-1", ("SSE3", -1, None)),
        ("ISET:SSE3,MEM:99999999999999999999999", ("SSE3", 99999999999999999999999, None)),
        ("ISET:SSE3,MEM:" + "9" * 5_000, ("SSE3", None, None)),
        ("MEM:5,ISET:SSE3", ("MEM:5", None, None)),
        ("SSE3", ("SSE3", None, None)),
        ("SSE3,100", ("SSE3", 100, None)),
        ("SSE3,x", ("SSE3", None, None)),
        ("SSE3,100,x", (None, None, None)),
        (",", ("", None, None)),
        (",,", (None, None, None)),
        ("NA", ("NA", None, None)),
    ],
)
def test_capabilities__new_and_old_style__are_read(sent, read):
    query = asked(PATHS["6"].replace("ISET:SSE3,MEM:8,JAWS:1", sent))
    assert (query.instruction_set, query.memory, query.jaws) == read


# --- Never a failure --------------------------------------------------------------------------------------

pieces = st.one_of(
    st.sampled_from(
        [
            "update",
            "json",
            "1",
            "2",
            "3",
            "4",
            "5",
            "6",
            "update.xml",
            "update.json",
            "Acme",
            "9.0",
            "%",
            "%2F",
        ]
    ),
    st.sampled_from(
        [
            "",
            ".",
            "..",
            "%00",
            "%C3",
            "%f0%9f",
            "ISET:",
            "ISET:,MEM:\u0661",
            "x86 ",
            "-cck-",
            "\x00",
            "\ud800%",
        ]
    ),
    st.text(max_size=12),
)
paths = st.one_of(
    st.lists(pieces, max_size=16).map(lambda found: "/" + "/".join(found)),
    st.tuples(st.sampled_from(sorted(PATHS)), st.lists(pieces, min_size=6, max_size=10)).map(
        lambda found: f"/update/{found[0]}/{'/'.join(found[1])}/update.xml"
    ),
    st.text(),
)
arguments = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(
            ["force=1", "force=%", "pin=\ud800", "mig64=%00", "avast", "&", "=", "a=b=c", "%C3=%"]
        ),
        max_size=5,
    ).map("&".join),
)


@settings(max_examples=1_500, deadline=None)
@given(path=paths, query_string=arguments, user_agent=st.text(max_size=10), raw=st.booleans())
@example(path="/update/6/" + "a" * 10_000, query_string="&" * 10_000, user_agent="", raw=True)
def test_parse__any_text__never_raises_and_reads_ascii_only(path, query_string, user_agent, raw):
    request = parse_request(path, query_string, user_agent, raw=raw)
    assert (request.query is not None) is (request.kind in (Kind.XML, Kind.JSON))
    if path.startswith("/update"):
        assert request.kind is not Kind.NOT_OURS
    if request.query is not None:
        texts = [getattr(request.query, name) for name in UpdateQuery.__slots__]
        assert all(text.isascii() for text in texts if isinstance(text, str))
        assert all([request.query.product, request.query.version, request.query.channel])


def test_parse__long_segments_and_many_arguments__stay_fast():
    path = PATHS["6"].replace("Linux%205", "%C3%A9" * 5_000).replace("ISET:SSE3", "ISET:" + ",x:y" * 5_000)
    started = time.process_time()
    for _ in range(20):
        assert parse_request(path, "force=1&" * 5_000).kind is Kind.XML
    assert (time.process_time() - started) / 20 < 0.1  # seconds
