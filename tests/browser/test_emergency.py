"""Stop and resume at night, on a phone."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]
UPDATE = (
    "/update/6/Firefox/144.0/20251006120000/WINNT_x86_64-msvc-x64/de/release/Windows_NT%2010.0.0.0.26100/"
    "ISET:SSE4_2,MEM:16384/default/default/update.xml?force=1"
)


def test_story__stop_and_resume_at_night__on_a_phone(open_page, accessible, narrow):
    rita, bob = (
        open_page(user="rita", width=360, scheme="dark"),
        open_page(user="bob", width=360, scheme="dark"),
    )
    for page in (rita, bob):
        page.goto("/admin/rules/rule/")  # wherever one is
    bob.locator(".console-bar").get_by_role("link", name="Emergency").click()
    bob.wait_for_url("**/admin/emergency/")
    accessible(bob)
    narrow(bob)
    bob.get_by_role("link", name="Stop Firefox release", exact=True).click()
    bob.wait_for_url("**/admin/emergency/stop/*")
    assert "at most 91 seconds" in bob.inner_text("#content")
    assert "firefox-release" in bob.inner_text("#content")
    accessible(bob)
    narrow(bob)
    bob.get_by_label("Why").fill("Crashes at start on Windows")
    bob.get_by_role("button", name="Stop updates now").click()
    bob.wait_for_url("**/admin/emergency/")
    assert "Updates of Firefox release are stopped" in bob.inner_text(".messagelist")
    assert "Old answers live until" in bob.inner_text("#content")
    # Every process has seen it after a second; until then this page keeps asking.
    bob.wait_for_function(
        "async (url) => !(await (await fetch(url, {cache: 'no-store'})).text()).includes('<update ')",
        arg=UPDATE,
    )

    bob.get_by_role("link", name="Resume Firefox release").click()
    bob.wait_for_url("**/admin/emergency/resume/*/")
    assert "rita" in bob.inner_text("#content"), "it says who must sign off"
    accessible(bob)
    narrow(bob)
    bob.get_by_label("Why updates may go on").fill("The bad release is off the rules")
    bob.get_by_role("button", name="Schedule resuming").click()
    bob.wait_for_url("**/changes/scheduledchange/*/change/")
    narrow(bob)
    rita.goto("/admin/emergency/")
    rita.get_by_role("link", name="Resuming is scheduled").click()
    rita.wait_for_url("**/changes/scheduledchange/*/change/")
    assert "The bad release is off the rules" in rita.inner_text("#content")
    accessible(rita)
    narrow(rita)
    rita.get_by_role("button", name="Sign off").click()
    rita.get_by_text("You have signed it off").first.wait_for()
    chief = open_page()
    chief.goto(rita.url)
    chief.get_by_role("button", name="Enact it now").click()
    chief.get_by_text("It is enacted").first.wait_for()
    bob.wait_for_function(
        "async (url) => (await (await fetch(url, {cache: 'no-store'})).text()).includes('<update ')",
        arg=UPDATE,
    )
    bob.goto("/admin/emergency/")
    assert bob.get_by_role("link", name="Stop Firefox release", exact=True).is_visible()


def test_good_state__is_marked_and_gone_back_to(open_page, accessible, narrow):
    page = open_page(user="bob")
    page.goto("/admin/emergency/")
    page.get_by_role("link", name="Last good state of Firefox esr").click()
    page.wait_for_url("**/admin/emergency/states/*")
    accessible(page)
    page.get_by_text("Mark as good").first.click()
    page.get_by_label("How you know that it is good").first.fill("A month without a crash")
    page.get_by_role("button", name="Mark as good").first.click()
    page.get_by_text("A month without a crash").wait_for()
    page.goto("/admin/rules/rule/")
    page.goto("/admin/rules/rule/8/change/")
    page.fill("#id_background_rate", "10")
    page.click("[name=_save]")
    page.wait_for_url("**/admin/rules/rule/?product=*")
    page.goto("/admin/emergency/states/?product=Firefox&channel=esr")
    accessible(page)
    page.get_by_role("link", name="Show what going back would write").click()
    page.wait_for_url("**/admin/emergency/back/*")
    assert "background_rate" in page.inner_text("#content")
    accessible(page)
    page.set_viewport_size({"width": 360, "height": 800})
    narrow(page)
    page.get_by_label("Why", exact=True).fill("esr looked bad")
    page.get_by_role("button", name="Schedule going back").click()
    page.wait_for_url("**/changes/scheduledchange/*/change/")
    assert "background_rate" in page.inner_text("#content")


def test_auditor__sees_and_cannot_stop(open_page, accessible):
    page = open_page(user="otto", refused=True)
    page.goto("/admin/emergency/")
    assert page.get_by_role("link", name="Stop").count() == 0
    assert "These people may" in page.inner_text("#content")
    accessible(page)
    assert page.goto("/admin/emergency/stop/?product=Firefox&channel=release").status == 403
