"""Writing a release as a whole: problems at their lines, files, stale edits, signoffs; nothing typed is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from history.changesets import change_set
from history.models import ChangeSet
from history.values import ABSENT
from releases import actions
from releases.models import Release, ReleasePart
from releases.storage import DataVersions
from releng.changes.models import ScheduledChange
from releng.console.release_drafts import as_text, placed, value_at
from tests.factories import (
    CDN,
    PLATFORM,
    AllowedDomainFactory,
    ReleaseFactory,
    RuleFactory,
    locale_document,
    release_document,
)
from tests.pages import hidden_fields
from tests.people import administrator, person, requires

NAME = "Acme-10.0-build1"
ADD = "/admin/releases/release/add/"


@pytest.fixture
def ada(db: None, client: Any) -> Any:
    user = administrator()
    client.force_login(user)
    return user


@pytest.fixture
def release(db: None) -> Release:
    made: Release = ReleaseFactory(name=NAME)
    return made


def editor(release: Release) -> str:
    return reverse("admin:console_release_edit", args=[release.pk])


def typed(release: Release, document: Any, **values: Any) -> dict[str, Any]:
    """Return what the form of a release sends."""
    text = document if isinstance(document, str) else as_text(document)
    base = json.dumps(DataVersions.of(release).as_tree())
    return {"product": release.product, "blob": text, "based_on": base, "_save": ""} | values


def edited(release: Release, **top: Any) -> dict[str, Any]:
    return release.blob() | top


def stored_by(name: str, **top: Any) -> None:
    release = Release.objects.get(name=NAME)
    with change_set(actor_name=name):
        actions.update_release(NAME, edited(release, **top), based_on=DataVersions.of(release))


def text_of(answer: Any) -> str:
    return str(answer.context["sent"].text)


# --- New releases -------------------------------------------------------------------------------------------


def test_new__takes_name_and_product_from_the_document(client: Any, ada: Any) -> None:
    document = release_document(NAME) | {"product": "Acme"}
    answer = client.post(ADD, {"blob": json.dumps(document), "reason": "new beta", "_save": ""})
    release = Release.objects.get()
    assert answer.url == reverse("admin:releases_release_change", args=[release.pk])
    assert (release.name, release.product, release.blob()) == (NAME, "Acme", document)
    row = ChangeSet.objects.order_by("-sequence").first()
    assert row is not None
    assert (row.actor, row.reason, row.origin) == (ada, "new beta", "admin")


def test_new__check_only__writes_nothing(client: Any, ada: Any) -> None:
    answer = client.post(ADD, {"blob": json.dumps(release_document(NAME)), "product": "Acme", "_check": ""})
    assert "can be stored as it is" in answer.content.decode()
    assert not Release.objects.exists()


def test_new__from_a_file(client: Any, ada: Any) -> None:
    file = SimpleUploadedFile("r.json", b"\xef\xbb\xbf" + json.dumps(release_document(NAME)).encode())
    client.post(ADD, {"product": "Acme", "blob": "ignored", "upload": file, "_save": ""})
    assert Release.objects.get().blob() == release_document(NAME)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe{", "no text in UTF-8"),
        (b"{}" + b" " * 3_000, "the file has 3.0 kB; a document has at most"),
    ],
    ids=["bytes", "large"],
)
def test_new__file_that_is_none__is_refused(
    client: Any, ada: Any, settings: Any, content: bytes, said: str
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500
    answer = client.post(ADD, {"upload": SimpleUploadedFile("r.json", content), "_save": ""})
    assert answer.status_code == 400
    assert said in answer.content.decode()


def test_new__name_that_is_there__is_refused(client: Any, ada: Any, release: Release) -> None:
    answer = client.post(ADD, {"blob": as_text(release.blob()), "product": "Acme", "_save": ""})
    assert "there is a release of this name already" in answer.content.decode()


def test_new__scheduled(client: Any, ada: Any) -> None:
    sent = {"blob": json.dumps(release_document(NAME)), "product": "Acme", "_schedule": ""}
    client.post(ADD, sent | {"schedule_when": "2100-01-01 12:00"})
    scheduled = ScheduledChange.objects.get()
    assert scheduled.when is not None
    assert scheduled.writes.get().values["name"] == NAME


def test_new__other_product__is_refused_and_the_text_stays(db: None, client: Any) -> None:
    client.force_login(person("bob", "release", products=["Bcme"]))
    document = json.dumps(release_document(NAME))
    answer = client.post(ADD, {"blob": document, "product": "Acme", "_save": ""})
    assert "bob may not add release of Acme" in answer.content.decode()
    assert text_of(answer) == document
    client.force_login(person("nina", "rule"))
    assert client.get(ADD).status_code == 403


# --- Problems -----------------------------------------------------------------------------------------------


def test_problems__stand_at_their_lines__and_the_text_stays_as_it_was_typed(
    client: Any, ada: Any, release: Release
) -> None:
    text = as_text(edited(release, displayVersion=10, appversion="1"))
    answer = client.post(editor(release), typed(release, text))
    assert answer.status_code == 400
    assert text_of(answer) == text
    troubles = answer.context["draft"].troubles
    lines = text.split("\n")
    assert {(lines[trouble.line - 1].strip(), trouble.message.split(":")[0]) for trouble in troubles} == {
        ('"appversion": "1",', "appversion"),
        ('"displayVersion": 10,', "displayVersion"),
    }
    page = answer.content.decode()
    for number, trouble in enumerate(troubles, 1):
        assert f'href="#line-{number}" data-go="{trouble.line}"' in page
        assert f'id="line-{number}"' in page
        assert f'data-line="{trouble.line}"' in page
    assert Release.history.count() == 1


def test_problem__deep_in_the_document__stands_at_its_line(client: Any, ada: Any, release: Release) -> None:
    document = release.blob()
    document["platforms"][PLATFORM]["locales"]["en-US"]["completes"][0]["filesize"] = "big"
    text = as_text(document)
    trouble = client.post(editor(release), typed(release, text)).context["draft"].troubles[0]
    assert text.split("\n")[trouble.line - 1].strip() == '"filesize": "big",'
    assert (trouble.line, text.split("\n")[trouble.line - 1]) in trouble.excerpt


@pytest.mark.parametrize(
    ("text", "line"),
    [("{", 1), ('{\n"a": 1,\n}', 3), ('{"a": NaN}', 0), ("[" * 100_000, 0), ("[]", 1), ("", 1)],
    ids=["cut", "comma", "nan", "deep", "array", "empty"],
)
def test_problem__no_json__says_where(client: Any, ada: Any, release: Release, text: str, line: int) -> None:
    answer = client.post(editor(release), typed(release, text))
    assert [trouble.line for trouble in answer.context["draft"].troubles] == [line]
    assert text_of(answer) == text


@pytest.mark.parametrize("based_on", ["", "1", "{}", "x"], ids=["none", "number", "empty", "text"])
def test_problem__base_that_is_none__is_told(client: Any, ada: Any, release: Release, based_on: str) -> None:
    answer = client.post(editor(release), typed(release, release.blob(), based_on=based_on))
    assert "open the page anew" in answer.content.decode()


def test_problem__read_only__is_told_with_the_way_out(client: Any, ada: Any) -> None:
    release = ReleaseFactory.locked()
    answer = client.post(editor(release), typed(release, edited(release, appVersion="11.0")))
    page = answer.content.decode()
    assert "is read-only" in page
    assert reverse("admin:console_release_lock", args=[release.pk]) in page


@pytest.mark.parametrize("when", ["soon", "2000-01-01 12:00"], ids=["nonsense", "past"])
def test_problem__time_that_is_none__keeps_the_text(
    client: Any, ada: Any, release: Release, when: str
) -> None:
    sent = typed(release, edited(release, appVersion="11.0"), schedule_when=when)
    sent["_schedule"] = sent.pop("_save")
    answer = client.post(editor(release), sent)
    assert answer.status_code == 400
    assert text_of(answer) == sent["blob"]
    assert when in answer.content.decode()


# --- Saving -------------------------------------------------------------------------------------------------


def test_save__one_locale__writes_that_row_alone(client: Any, ada: Any, release: Release) -> None:
    document = release.blob()
    document["platforms"][PLATFORM]["locales"]["de"]["buildID"] = "20250202000000"
    assert client.post(editor(release), typed(release, document, reason="rebuilt")).status_code == 302
    assert Release.objects.get().blob() == document
    assert Release.history.count() == 1
    assert ReleasePart.history.first().change_set.reason == "rebuilt"


def test_save__form_as_the_page_gave_it__changes_nothing(client: Any, ada: Any, release: Release) -> None:
    page = client.get(editor(release))
    sent = {"blob": text_of(page), "based_on": hidden_fields(page)["based_on"][0], "_save": ""}
    assert client.post(editor(release), sent).status_code == 302
    assert Release.history.count() == 1


def test_check__shows_what_would_change__and_writes_nothing(client: Any, ada: Any, release: Release) -> None:
    sent = typed(release, edited(release, appVersion="11.0"))
    sent["_check"] = sent.pop("_save")
    answer = client.post(editor(release), sent)
    page = answer.content.decode()
    assert "this would change" in page
    assert "appVersion" in page
    assert Release.objects.get().document["appVersion"] == "10.0"
    same = client.post(editor(release), typed(release, release.blob()) | {"_check": "", "_save": ""})
    assert same.status_code == 302


def test_check__release_that_a_rule_offers__says_what_clients_would_get(
    client: Any, ada: Any, release: Release
) -> None:
    AllowedDomainFactory()
    urls = {"fileUrls": {"*": {"completes": {"*": f"https://{CDN}/%LOCALE%"}}}}
    stored_by("bert", **urls)
    rule = RuleFactory(mapping=release)
    document = Release.objects.get().blob()
    for entry in document["platforms"][PLATFORM]["locales"].values():
        entry["buildID"] = "20250202000000"
    sent = typed(Release.objects.get(), document | {"appVersion": "11.0"})
    sent["_check"] = sent.pop("_save")
    answer = client.post(editor(release), sent)
    effects = answer.context["draft"].effects
    assert {seen.effect.rule_after.rule_id for seen in effects} == {rule.pk}
    assert all(seen.is_same_release for seen in effects)
    old, new = effects[0].lines
    assert (old[0], new[0]) == ("-", "+")
    assert "20250101000000" in old[1]
    assert "20250202000000" in new[1]
    page = answer.content.decode()
    assert "What clients would get instead" in page
    assert "with another content" in page


def test_editor__from_an_earlier_version__goes_back(client: Any, ada: Any, release: Release) -> None:
    stored_by("bert", displayVersion="theirs")
    page = client.get(editor(release), {"version": "1"})
    fields = {name: values[0] for name, values in hidden_fields(page).items()}
    assert json.loads(text_of(page))["displayVersion"] == "10.0"
    client.post(editor(release), fields | {"blob": text_of(page), "_save": ""})
    assert Release.objects.get().document["displayVersion"] == "10.0"
    page = client.get(editor(release), {"version": "77"})
    assert "history has no version 77" in page.content.decode()
    assert json.loads(text_of(page)) == Release.objects.get().blob()


def test_save__signoffs_needed__is_refused_and_scheduling_is_offered(
    client: Any, ada: Any, release: Release
) -> None:
    requires("Acme", "release", qa=1)
    person("quinn", roles=["qa"])
    RuleFactory(mapping=release)
    page = client.get(editor(release)).content.decode()
    assert "quinn" in page
    assert 'name="_save"' not in page
    sent = typed(release, edited(release, appVersion="11.0"))
    answer = client.post(editor(release), sent)
    assert "needs signoffs" in answer.content.decode()
    assert text_of(answer) == sent["blob"]
    sent["_schedule"] = sent.pop("_save")
    client.post(editor(release), sent)
    write = ScheduledChange.objects.get().writes.get()
    assert write.values["document"]["appVersion"] == "11.0"
    assert Release.objects.get().document["appVersion"] == "10.0"
    again = client.post(editor(release), sent)
    assert again.status_code == 400
    assert "Scheduled change" in again.content.decode()


# --- Two people ---------------------------------------------------------------------------------------------


def test_stale__disjoint__is_merged(client: Any, ada: Any, release: Release) -> None:
    sent = typed(release, edited(release, displayVersion="mine"))
    with change_set(actor_name="build"):
        actions.submit_locale(NAME, "Acme", PLATFORM, "fr", locale_document())
    assert client.post(editor(release), sent).status_code == 302
    stored = Release.objects.get().blob()
    assert stored["displayVersion"] == "mine"
    assert "fr" in stored["platforms"][PLATFORM]["locales"]


@pytest.mark.parametrize("button", ["_save", "_schedule", "_check"])
def test_stale__overlapping__shows_three_values_and_the_rest_is_merged(
    client: Any, ada: Any, release: Release, button: str
) -> None:
    sent = typed(release, edited(release, displayVersion="mine", appVersion="11.0"))
    sent[button] = sent.pop("_save")
    stored_by("bert", displayVersion="theirs", hashFunction="sha512")
    with change_set(actor_name="build"):
        actions.submit_locale(NAME, "Acme", PLATFORM, "fr", locale_document())
    answer = client.post(editor(release), sent)
    assert answer.status_code == 409
    page = answer.content.decode()
    for said in ("bert", "displayVersion", "theirs", "mine", "10.0"):
        assert said in page, said
    shown = json.loads(text_of(answer))
    assert (shown["displayVersion"], shown["appVersion"]) == ("mine", "11.0")
    assert "fr" in shown["platforms"][PLATFORM]["locales"]
    assert Release.objects.get().document["displayVersion"] == "theirs"
    assert not ScheduledChange.objects.exists()


@pytest.mark.parametrize(("choice", "expected"), [("mine", "mine"), ("theirs", "theirs")])
def test_stale__after_choosing__what_was_chosen_is_stored(
    client: Any, ada: Any, release: Release, choice: str, expected: str
) -> None:
    sent = typed(release, edited(release, displayVersion="mine", appVersion="11.0"))
    stored_by("bert", displayVersion="theirs")
    page = client.post(editor(release), sent)
    fields = hidden_fields(page)
    again = {
        **{name: values[0] for name, values in fields.items()},
        "blob": text_of(page),
        "conflict-1": choice,
        "_save": "",
    }
    assert client.post(editor(release), again).status_code == 302
    stored = Release.objects.get().document
    assert (stored["displayVersion"], stored["appVersion"]) == (expected, "11.0")


@pytest.mark.parametrize("path", ["", "5", "[]", "[[1]]", "{", '["a", 1]'], ids=str)
def test_stale__choice_for_no_place__is_refused(client: Any, ada: Any, release: Release, path: str) -> None:
    sent = typed(release, release.blob(), **{"conflict-1": "theirs", "path-1": path})
    answer = client.post(editor(release), sent)
    assert answer.status_code == 400
    assert "which place a choice is for" in answer.content.decode()


def test_new__name_that_cannot_be__is_refused(client: Any, ada: Any) -> None:
    document = release_document("a") | {"name": "a\0b"}
    answer = client.post(ADD, {"blob": json.dumps(document), "product": "Acme", "_save": ""})
    assert answer.status_code == 400
    assert client.post(ADD, {"blob": "{}", "_save": ""}).status_code == 400


def test_stale__their_locale_is_gone__can_be_taken_over(client: Any, ada: Any, release: Release) -> None:
    document = release.blob()
    document["platforms"][PLATFORM]["locales"]["de"]["buildID"] = "20250202000000"
    sent = typed(release, document)
    with change_set(actor_name="bert"):
        actions.remove_locale(NAME, PLATFORM, "de", based_on=1)
    page = client.post(editor(release), sent)
    assert page.status_code == 409
    again = {name: values[0] for name, values in hidden_fields(page).items()}
    again |= {"blob": text_of(page), "conflict-1": "theirs", "_save": ""}
    assert client.post(editor(release), again).status_code == 302
    assert list(release.parts.values_list("locale", flat=True)) == ["en-US"]


def test_stale__changed_again_meanwhile__collides_again(client: Any, ada: Any, release: Release) -> None:
    sent = typed(release, edited(release, displayVersion="mine"))
    stored_by("bert", displayVersion="theirs")
    page = client.post(editor(release), sent)
    again = {name: values[0] for name, values in hidden_fields(page).items()}
    stored_by("cleo", displayVersion="third")
    answer = client.post(editor(release), again | {"blob": text_of(page), "_save": ""})
    assert answer.status_code == 409
    assert "cleo" in answer.content.decode()


def test_stale__history_is_gone__keeps_the_text_and_says_so(client: Any, ada: Any, release: Release) -> None:
    base = json.dumps({".": 77})
    sent = typed(release, edited(release, displayVersion="mine"), based_on=base)
    answer = client.post(editor(release), sent)
    assert answer.status_code == 409
    assert "History no longer has" in answer.content.decode()
    again = {name: values[0] for name, values in hidden_fields(answer).items()}
    assert client.post(editor(release), again | {"blob": text_of(answer), "_save": ""}).status_code == 302
    assert Release.objects.get().document["displayVersion"] == "mine"


def test_editor__other_methods__are_refused(client: Any, ada: Any, release: Release) -> None:
    assert client.delete(editor(release)).status_code == 405
    assert client.get("/admin/releases/release/77/edit/").status_code == 404


# --- Places in documents ------------------------------------------------------------------------------------

KEYS = st.sampled_from("abc")
TREES = st.recursive(st.integers(), lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=8)


@given(TREES, st.lists(KEYS, min_size=1, max_size=4).map(tuple), TREES)
def test_placed__is_found_there__and_nothing_else_changes(tree: Any, path: Any, value: Any) -> None:
    before = json.dumps(tree)
    after = placed(tree, path, value)
    assert value_at(after, path) == value
    assert json.dumps(tree) == before
    gone = placed(after, path, ABSENT)
    assert value_at(gone, path) is ABSENT
    if value_at(tree, path) is not ABSENT:
        assert placed(gone, path, value_at(tree, path)) == tree


def test_placed__the_whole() -> None:
    assert placed({"a": 1}, (), {"b": 2}) == {"b": 2}
    assert placed({"a": 1}, (), ABSENT) == {}
