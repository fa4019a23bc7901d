"""Rules in Chromium: the list by keyboard, the form while one types, and two people on one rule."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LIST = "/admin/rules/rule/"


def test_list__by_keyboard_alone(open_page, accessible):
    page = open_page()
    page.goto(LIST)
    page.keyboard.press("/")
    page.keyboard.type("watershed")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/rules/rule/?q=watershed")
    expect(page.locator("tr[id^=rule-]")).to_have_count(2)
    page.locator("body").press("j")
    page.locator("body").press("j")
    assert page.locator(".console-here").get_attribute("id") == "rule-2"
    accessible(page)
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/rules/rule/2/change/")
    assert page.locator("h1").inner_text() == "Rule 2 firefox-release-watershed-128"


def test_list__copies_and_leads_to_what_can_be_done(open_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(LIST)
    row = page.locator("#rule-1")
    row.get_by_text("More", exact=False).first.click()
    row.get_by_role("button", name="Copy as JSON").click()
    row.get_by_role("button", name="Copied").wait_for()
    assert '"alias": "firefox-release"' in page.evaluate("navigator.clipboard.readText()")
    row.get_by_role("button", name="Copy update URL").click()
    page.wait_for_function(
        "async () => (await navigator.clipboard.readText()).includes('/update/6/Firefox/')"
    )
    row.get_by_role("link", name="Permalink").click()
    page.wait_for_url("**/admin/rules/rule/1/change/")


def test_form__tells_while_one_types__what_is_wrong_and_who_must_agree(open_page, accessible, narrow):
    page = open_page()
    page.goto(f"{LIST}add/")
    save, schedule = page.get_by_role("button", name="Save"), page.get_by_role("button", name="Schedule")
    page.fill("#id_product", "Firefox")
    page.fill("#id_channel", "release")
    page.get_by_text("before these have signed").wait_for()
    assert "rita" in page.inner_text("[data-who]")
    save.wait_for(state="hidden")
    assert schedule.is_visible()
    page.fill("#id_channel", "nightly")
    save.wait_for(state="visible")
    page.fill("#id_version", "<")
    page.locator("[data-field=version] .errorlist").wait_for()
    assert page.get_attribute("#id_version", "aria-invalid") == "true"
    accessible(page)
    page.set_viewport_size({"width": 360, "height": 800})
    narrow(page)
    page.fill("#id_version", "<100.0")
    page.locator("[data-field=version] .errorlist").wait_for(state="detached")
    page.fill("#id_background_rate", "10")
    page.get_by_text("There is no mapping that it could throttle").wait_for()
    assert "background rate" in page.inner_text("[data-changes]")
    page.fill("#id_product", "FirefoxVPN")
    page.locator("#id_locale").wait_for(state="hidden")
    page.fill("#id_product", "Firefox")
    page.locator("#id_locale").wait_for(state="visible")


def test_form__suggests_releases_while_one_types(open_page):
    page = open_page()
    page.goto(f"{LIST}10/change/")
    page.fill("#id_mapping", "Firefox-146")
    page.locator("#releases option[value='Firefox-146.0b5-build1']").wait_for(state="attached")


def test_form__without_javascript__is_checked_at_saving(open_page):
    page = open_page(java_script_enabled=False)
    page.goto(f"{LIST}10/change/")
    page.fill("#id_locale", "de\nfr")
    page.fill("#id_version", "<")
    page.click("[name=_save]")
    expect(page.locator("[data-field=version] .errorlist")).to_have_count(1)
    assert page.input_value("#id_locale") == "de\nfr"


def test_two_people_collide_on_a_rule__and_neither_loses_work(open_page, accessible, narrow):
    """Theirs, yours or something third: field by field, with all that was typed still there."""
    mine, theirs = open_page(), open_page(user="rita")
    for page in (mine, theirs):
        page.goto(f"{LIST}9/change/")
    theirs.fill("#id_comment", "theirs")
    theirs.fill("#id_priority", "450")
    theirs.fill("#id_locale", "de\nfr")
    theirs.click("[name=_save]")
    theirs.wait_for_url("**/admin/rules/rule/?product=*")

    mine.fill("#id_comment", "mine")
    mine.fill("#id_background_rate", "75")
    mine.fill("#id_reason", "slower")
    mine.get_by_text("rita changed").wait_for()  # told while one types
    mine.click("[name=_save]")
    mine.get_by_role("heading", name="What both of you changed").wait_for()
    assert "both changed it" in mine.locator(".rule-conflict").inner_text()
    assert mine.input_value("#id_comment") == "mine"
    assert mine.input_value("#id_priority") == "450"
    assert mine.input_value("#id_locale") == "de\nfr"
    accessible(mine)
    mine.get_by_label("comment, theirs").check()
    assert mine.input_value("#id_comment") == "theirs"
    mine.get_by_label("comment, yours").check()
    mine.get_by_label("priority, yours").check()
    assert mine.input_value("#id_priority") == "400"
    mine.set_viewport_size({"width": 360, "height": 800})
    narrow(mine)
    mine.click("[name=_save]")
    mine.wait_for_url("**/admin/rules/rule/?product=*")
    mine.goto(f"{LIST}9/change/")
    found = {
        name: mine.input_value(f"#id_{name}") for name in ("comment", "priority", "background_rate", "locale")
    }
    assert found == {"comment": "mine", "priority": "400", "background_rate": "75", "locale": "de\nfr"}
    mine.goto(f"{LIST}9/history/")
    text = mine.inner_text("#content")
    assert "slower" in text
    assert "rita" in text, "both are in the history"


def test_rule__is_moved_before_another__as_one_batch(open_page, accessible):
    page = open_page()
    page.goto(LIST)
    row = page.locator("#rule-15")
    row.get_by_text("More", exact=False).first.click()
    row.get_by_role("link", name="Move before or after").click()
    page.get_by_label("the rule").fill("16")
    page.get_by_role("button", name="Show what changes").click()
    assert "will be written" in page.inner_text("#content")
    accessible(page)
    page.get_by_role("button", name="Move it").click()
    page.wait_for_url("**/admin/rules/rule/?product=SystemAddons#rule-15")
    assert [one.get_attribute("id") for one in page.locator("tr[id^=rule-]").all()] == ["rule-15", "rule-16"]


def test_form__asks_what_a_client_would_get__and_stays_as_it_is(open_page):
    page = open_page()
    page.goto(f"{LIST}10/change/")
    page.fill("#id_mapping", "Firefox-146.0b5-build1")
    with page.expect_popup() as opened:
        page.get_by_role("button", name="What would a client get with these values?").click()
    opened.value.wait_for_load_state()
    expect(opened.value.locator("h1")).to_have_count(1)
    assert "Firefox-146.0b5-build1" in opened.value.inner_text("#content")
    page.fill("#id_reason", "asked first")
    page.click("[name=_save]")
    page.wait_for_url("**/admin/rules/rule/?product=*")
    assert "Firefox-146.0b5-build1" in page.inner_text("#rule-10")


def test_deleting__says_what_clients_get_instead(open_page, accessible, narrow):
    page = open_page(width=360)
    page.goto(f"{LIST}5/delete/")
    assert "Firefox-desupport-Windows-7" in page.inner_text("del")
    assert "firefox-release-watershed-128" in page.inner_text("#content")
    accessible(page)
    narrow(page)
    page.get_by_label("Why").fill("nobody left")
    page.get_by_role("button", name="Schedule the deletion").click()
    page.wait_for_url("**/changes/scheduledchange/*/change/")
    page.goto(f"{LIST}5/change/")
    assert "This rule would be deleted" in page.inner_text("#content")
