"""Releases in Chromium: found, read as tables, edited with marks at the line, uploaded, compared, locked."""

import json
import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LIST = "/admin/releases/release/"
NAME = "Firefox-146.0b4-build1"  # no rule offers it, so that it can be saved at once
RULED = "Firefox-145.0.1-build1"


def open_release(page, name):
    page.goto(f"{LIST}?q={name}")
    page.get_by_role("link", name=name, exact=True).click()
    page.wait_for_url("**/change/")


def text_of(page):
    page.locator("#editor .ace_gutter-cell").first.wait_for()
    return page.evaluate("ace.edit('editor').getValue()")


def typed(page, text):
    page.locator("#editor .ace_gutter-cell").first.wait_for()
    page.evaluate("text => ace.edit('editor').setValue(text, -1)", text)


def test_list__many_words_and_filters__find_releases_by_keyboard(open_page, accessible, narrow):
    page = open_page()
    page.goto(LIST)
    page.keyboard.press("/")
    page.keyboard.type("firefox 145.0")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=firefox+145.0**")
    names = page.locator("table.releases tbody th a").all_inner_texts()
    assert "Firefox-145.0-build2" in names
    assert "Firefox-144.0-build2" not in names
    page.select_option("#id_use", "active")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**use=active**")
    active = page.locator("table.releases a.badge--ok").first
    assert active.inner_text().startswith("\u25cf"), "a sign beside the colour"
    active.click()
    page.wait_for_url("**/admin/rules/rule/**")


def test_release__gaps_stand_out__and_can_be_filtered(open_page, accessible, narrow):
    page = open_page()
    open_release(page, NAME)
    page.get_by_role("link", name="Edit or upload").click()
    document = json.loads(text_of(page))
    linux = document["platforms"]["Linux_x86_64-gcc3"]["locales"]
    del linux["fr"]
    linux["de"]["buildID"] = "20990101000000"
    typed(page, json.dumps(document, indent=2))
    page.get_by_role("button", name="Check only").click()
    page.get_by_role("heading", name="this would change").wait_for()
    accessible(page)
    page.fill("#reason", "for the test")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/change/")
    text = page.inner_text(".release-gaps")
    assert "Linux_x86_64-gcc3 fr: missing" in text
    assert "Linux_x86_64-gcc3 de: other build ID than its siblings" in text
    accessible(page)
    narrow(page)
    page.get_by_role("link", name=re.compile("Show only")).click()
    page.wait_for_url("**?gaps*")
    expect(page.locator(".release-table tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Compare the two").click()
    page.wait_for_url("**/compare/**")
    assert "20990101000000" in page.inner_text("#content")
    accessible(page)


def test_editor__marks_the_line_of_an_error__and_goes_there(open_page, accessible):
    page = open_page(refused=True)
    open_release(page, NAME)
    page.get_by_role("link", name="Edit or upload").click()
    text = text_of(page).replace('"hashFunction": "sha512"', '"hashFunction": 5')
    line = 1 + text[: text.index('"hashFunction": 5')].count("\n")
    typed(page, text)
    page.get_by_role("button", name="Save").click()
    page.locator("#troubles").wait_for()
    assert text_of(page) == text, "nothing typed is lost"
    page.get_by_role("link", name=f"Line {line}").click()
    assert page.evaluate("ace.edit('editor').getCursorPosition().row") == line - 1
    mark = page.locator(".ace_gutter-cell.ace_error")
    assert mark.inner_text().split()[0] == str(line)
    accessible(page)


def test_editor__a_slip_while_typing__is_marked(open_page):
    page = open_page()
    page.goto("/admin/releases/release/add/")
    typed(page, '{\n"name": "x",\n}')
    page.locator(".ace_gutter-cell.ace_error").wait_for()


def test_editor__can_be_left_by_keyboard(open_page):
    """Tab indents in the editor, so there must be another way out (WCAG 2.1.2)."""
    page = open_page()
    page.goto("/admin/releases/release/add/")
    page.locator(".ace_text-input").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#editor .ace_text-input') === null")


def test_editor__without_javascript__is_a_text_area_with_lines(open_page, accessible, narrow):
    page = open_page(java_script_enabled=False, refused=True)
    page.goto("/admin/releases/release/add/")
    page.fill("#blob", '{"name": "Plain-1",\n "schema_version": 9,\n "hashFunction": 5}')
    page.fill("#product", "Firefox")
    page.get_by_role("button", name="Save").click()
    link = page.get_by_role("link", name="Line 3")
    assert link.get_attribute("href") == "#line-1"
    assert '"hashFunction": 5' in page.inner_text("#line-1")
    page.fill("#blob", '{"name": "Plain-1", "schema_version": 9, "hashFunction": "sha512"}')
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/change/")
    assert "Plain-1" in page.inner_text("h1")


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
def test_upload__makes_a_release(open_page, tmp_path, script):
    page = open_page(java_script_enabled=script)
    name = f"Uploaded-{'script' if script else 'plain'}"
    file = tmp_path / "release.json"
    document = {"name": name, "product": "Firefox", "schema_version": 9, "hashFunction": "sha512"}
    file.write_text(json.dumps(document, indent=1))
    page.goto("/admin/releases/release/add/")
    page.set_input_files("#upload", str(file))
    if script:
        page.wait_for_function("ace.edit('editor').getValue().includes('Uploaded')")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/change/")
    assert name in page.inner_text("h1")


def test_two_people__edit_one_release__neither_loses_work(open_page, accessible):
    mine, theirs = open_page(refused=True), open_page()
    for page in (mine, theirs):
        open_release(page, "Firefox-144.0-build2")
        page.get_by_role("link", name="Edit or upload").click()
    for page, shown, app in ((theirs, "theirs", "144.0"), (mine, "mine", "144.9")):
        document = json.loads(text_of(page)) | {"displayVersion": shown, "appVersion": app}
        typed(page, json.dumps(document))
        page.get_by_role("button", name="Save").click()
    row = mine.locator(".release-conflicts tbody tr")
    row.wait_for()
    assert row.inner_text().split("\t")[:4] == ["displayVersion", "144.0", "theirs", "mine"]
    accessible(mine)
    row.get_by_label("theirs").check()
    mine.get_by_role("button", name="Save").click()
    mine.wait_for_url("**/change/")
    text = mine.inner_text(".release-facts")
    assert "theirs" in text
    assert "144.9" in text


def test_release_in_use__is_scheduled__and_unlocked_with_signoffs(open_page, accessible, narrow):
    page = open_page(width=360)
    open_release(page, RULED)
    assert "Offered now" in page.inner_text("#content")
    page.get_by_role("link", name="Edit or upload").click()
    assert page.get_by_role("button", name="Save").count() == 0
    accessible(page)
    narrow(page)
    open_release(page, RULED)
    page.get_by_role("link", name=re.compile("Make (read-only|writable)")).click()
    accessible(page)
    narrow(page)


def test_pages__other_people__see_only_what_they_may(open_page):
    page = open_page(user="otto", refused=True)
    open_release(page, NAME)
    assert page.get_by_role("link", name="Edit or upload").count() == 0
    assert page.goto(page.url.replace("/change/", "/edit/")).status == 403


def test_release__printed__has_the_table_and_not_the_controls(open_page):
    page = open_page()
    open_release(page, RULED)
    page.emulate_media(media="print")
    assert page.locator(".release-table").is_visible()
    assert not page.get_by_role("link", name="Edit or upload").is_visible()
