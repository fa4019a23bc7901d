"""How documents are cut into parts, kept and put together."""

import copy
import json

from hypothesis import given
from hypothesis import strategies as st

from releases.blobs.document import Document, join, split
from tests.releases.blobs import acme
from tests.releases.blobs.strategies import JUNK

KEYS = st.text(max_size=5)
PLATFORM = JUNK | st.fixed_dictionaries(
    {}, optional={"alias": JUNK, "OS_FTP": JUNK, "locales": JUNK | st.dictionaries(KEYS, JUNK, max_size=3)}
)
BLOBS = st.fixed_dictionaries(
    {},
    optional={
        "schema_version": st.sampled_from([1, 2, 3, 4, 5, 6, 8, 9, 50, 1000, 4000, 9.0, True]) | JUNK,
        "name": JUNK,
        "platforms": JUNK | st.dictionaries(KEYS, PLATFORM, max_size=3),
        "fileUrls": JUNK,
    },
)


@given(BLOBS)
def test_join__what_split_cut__is_the_same_document(blob):
    before = copy.deepcopy(blob)
    top, parts = split(blob)
    assert join(top, parts) == before
    assert blob == before


@given(BLOBS)
def test_document__any_blob__comes_back_whole(blob):
    assert Document.from_dict(blob).to_dict() == blob


def test_split__application_release__every_locale_is_a_part():
    top, parts = split(acme.acme_10())
    assert set(parts) == {(acme.LINUX, "en-US"), (acme.LINUX, "de")}
    assert top["platforms"][acme.LINUX]["locales"] == {}
    assert top["platforms"][acme.ALIAS] == {"alias": acme.LINUX}


def test_split__other_document__is_all_top():
    assert split(acme.gmp()) == (acme.gmp(), {})


def test_join__first_locale_of_a_platform__does_not_change_the_top():
    top = {"schema_version": 9, "platforms": {"P": {"OS_FTP": "p"}}}
    before = copy.deepcopy(top)
    whole = join(top, {("P", "de"): {"buildID": "1"}, ("Q", "de"): {}})
    assert top == before
    assert whole["platforms"] == {
        "P": {"OS_FTP": "p", "locales": {"de": {"buildID": "1"}}},
        "Q": {"locales": {"de": {}}},
    }


def test_join__top_of_an_unusable_shape__keeps_what_was_submitted():
    for platforms in ("junk", None, [], {"P": "junk"}, {"P": {"locales": 5}}):
        whole = join({"platforms": platforms}, {("P", "de"): {"buildID": "1"}})
        assert whole["platforms"]["P"]["locales"] == {"de": {"buildID": "1"}}


def test_locale__stored_text_that_is_no_object__is_not_there():
    deep = b"[" * 100_000 + b"]" * 100_000
    texts = {("P", str(number)): text for number, text in enumerate((b"", b"{", b"[]", b"\xff", b"5", deep))}
    document = Document({"schema_version": 9}, texts)
    assert all(document.locale(*place) is None for place in document.places())
    assert document.locale("P", "unknown") is None


def test_from_releases__partials__are_named_without_parsing():
    texts = {
        ("P", "de"): b'{"completes":[{"from":"*"}],"partials":[{"from":"One"},{"from": "Two \\"2\\""}]}',
        ("P", "fr"): json.dumps({"partials": [{"from": "Drei \u00fc"}, {"from": "One"}]}).encode(),
        ("P", "it"): b'{"from":"\xff"',
    }
    found = Document({}, texts).from_releases()
    assert found == {"One", 'Two "2"', "Drei \u00fc"}
