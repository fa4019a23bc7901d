"""The admin and the history pages in Chromium: no complaints on the console, usable on a phone, stories end to end."""

import pytest
from playwright.sync_api import expect

from releng.console.registry import PAGES as CONSOLE
from tests.browser.views import VIEWS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Pages that say nothing without a query, with one; None for those that are not opened but sent to.
ASKED = {
    "emergency_stop": "?product=Firefox&channel=beta",
    "emergency_states": "?product=Firefox&channel=release",
    "emergency_back": "?product=Firefox&channel=release&to=2",
    "rule_check": None,
}
PAGES = (
    *("/admin/", "/admin/rules/rule/", "/admin/rules/rule/add/", "/admin/rules/rule/1/change/"),
    *("/admin/rules/rule/1/history/", "/admin/rules/rule/1/delete/", "/admin/rules/emergencyshutoff/"),
    *("/admin/rules/pinnablerelease/", "/admin/releases/release/", "/admin/releases/release/add/"),
    *(
        "/admin/releases/release/1/change/",
        "/admin/releases/release/1/history/",
        "/admin/releases/alloweddomain/",
    ),
    *("/admin/releases/release/1/edit/", "/admin/releases/release/1/read-only/"),
    *("/admin/releases/release/compare/?base=Firefox-144.0-build2&other=Firefox-145.0-build2",),
    *("/admin/releases/specialforcehost/", "/admin/history/", "/admin/history/?model=rules.Rule&person=demo"),
    *("/admin/history/as-of/", "/admin/history/as-of/?at=2000-01-01T00:00:00&everything=on"),
    *("/admin/history/rules.rule/1/", "/admin/history/releases.releasepart/1/"),
    *("/admin/history/rules.rule/1/?version=1", "/admin/history/rules.rule/1/?from=1&to=1"),
    *("/admin/rules/rule/1/revert/1/", "/admin/history/?person=nobody"),
    *("/admin/changes/scheduledchange/", "/admin/changes/scheduledchange/?show=over"),
    *(f"/admin/changes/scheduledchange/{number}/change/" for number in (1, 3, 5, 6, 8, 9, 10, 11)),
    *(
        "/admin/changes/scheduledchange/together/?change=8:1&change=10:1",
        "/admin/rollouts/plan/?rule=firefox-release",
    ),
    *(f"/admin/rollouts/?product=Firefox&channel={channel}" for channel in ("release", "esr", "aurora")),
    *("/admin/changes/scheduledchange/1/history/", "/admin/auth/user/", "/admin/auth/user/1/change/"),
    *("/admin/auth/user/add/", "/admin/permissions/permission/", "/admin/permissions/permission/add/"),
    *("/admin/permissions/role/", "/admin/permissions/productrequiredsignoff/", "/admin/password_change/"),
    *("/admin/ask/?rule=1", "/admin/ask/?change=8", "/admin/ask/?set=2"),
    *("/admin/ask/?rule=1&at=2020-01-01&at2=2099-01-01", "/admin/ask/?rule=1&every=on"),
    *("/admin/people/2/", "/admin/people/2/switch/", "/admin/people/6/"),
    *(
        f"/admin/{page.path}{ASKED.get(page.name, '')}"
        for page in CONSOLE
        if "<" not in page.path and ASKED.get(page.name, "") is not None
    ),
)


@pytest.mark.parametrize(("scheme", "width", "only"), VIEWS, ids=["light", "dark", "phone"])
def test_every_page__opens__is_accessible_and_fits__without_a_complaint(
    open_page, accessible, narrow, scheme, width, only
):
    page = open_page(scheme=scheme, width=width)
    for address in PAGES:
        answer = page.goto(address)
        assert answer.status == 200, address
        expect(page.locator("h1")).to_have_count(1)
        accessible(page, only)
        narrow(page)


def test_sign_in__is_accessible(open_page, accessible, narrow):
    page = open_page(user=None, width=360)
    page.goto("/admin/login/")
    accessible(page)
    narrow(page)


def test_two_people_collide__neither_loses_work(open_page):
    mine, theirs = open_page(), open_page()
    for page in (mine, theirs):
        page.goto("/admin/rules/rule/7/change/")
    theirs.fill("#id_priority", "150")
    theirs.fill("#id_reason", "beta first")
    theirs.click("[name=_save]")
    theirs.wait_for_url("**/admin/rules/rule/?product=*")
    mine.fill("#id_comment", "mine")
    mine.click("[name=_save]")
    mine.locator(".errorlist.nonfield").wait_for()
    assert "demo changed priority" in mine.inner_text(".errorlist.nonfield")
    rows = mine.locator(".history-stale tbody tr").all_inner_texts()
    assert [row.split("\t")[0] for row in rows] == ["priority", "comment"]
    assert mine.input_value("#id_comment") == "mine"
    assert mine.input_value("#id_priority") == "150", "what only they changed is filled in"
    mine.click("[name=_save]")
    mine.wait_for_url("**/admin/rules/rule/?product=*")
    mine.goto("/admin/rules/rule/7/change/")
    assert (mine.input_value("#id_priority"), mine.input_value("#id_comment")) == ("150", "mine")


def test_version__is_put_back__by_keyboard_and_mouse(open_page):
    page = open_page()
    page.goto("/admin/rules/rule/8/change/")
    page.fill("#id_background_rate", "75")
    page.fill("#id_reason", "go on")
    page.click("[name=_save]")
    page.goto("/admin/rules/rule/8/history/")
    assert "go on" in page.inner_text("#content")
    page.get_by_role("link", name="Put version 1 back").click()
    assert "75" in page.inner_text("#content")
    page.fill("#reason", "too early")
    page.keyboard.press("Enter")
    page.wait_for_url("**/history/rules.rule/8/")
    text = page.inner_text("#content")
    assert "restores version 1" in text
    assert "too early" in text
    page.goto("/admin/rules/rule/8/change/")
    assert page.input_value("#id_background_rate") == "50"


def test_auditor__finds_who_changed_what__and_how_it_was(open_page):
    page = open_page()
    page.goto("/admin/rules/rule/10/change/")
    page.fill("#id_comment", "asked about on Tuesday")
    page.fill("#id_reason", "why I did it")
    page.click("[name=_save]")
    page.goto("/admin/history/")
    page.fill("#id_text", "why I did")
    page.get_by_role("button", name="Show").click()
    assert "asked about on Tuesday" in page.inner_text("#content")
    assert page.url.endswith("/admin/history/?text=why+I+did"), (
        "the address names only the filters that are set"
    )
    page.locator(".history-list").get_by_role("link", name="#").first.click()
    page.get_by_text("Where it came from").click()
    assert "Digest" in page.inner_text("#content")
    page.goto("/admin/history/as-of/?at=2000-01-01T00:00:00&model=rules.Rule")
    assert "added since" in page.inner_text("#content")


def test_comparison__of_any_two_versions__by_keyboard_alone(open_page):
    page = open_page()
    for rate in ("40", "30"):
        page.goto("/admin/rules/rule/9/change/")
        page.fill("#id_background_rate", rate)
        page.click("[name=_save]")
        page.wait_for_url("**/admin/rules/rule/?product=*")
    page.goto("/admin/rules/rule/9/history/")
    page.locator("input[name=from]").last.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_url("**from=*")
    text = page.inner_text("#content")
    assert "version 1" in text
    assert "version 3" in text
    assert "30" in page.locator("ins").all_inner_texts()[0]


def test_pages__without_javascript__do_their_work(open_page):
    page = open_page(java_script_enabled=False)
    page.goto("/admin/history/")
    page.fill("#id_text", "Demo")
    page.get_by_role("button", name="Show").click()
    assert "Demo data" in page.inner_text("#content")
    page.get_by_role("link", name="As of a moment").click()
    page.fill("#id_at", "2000-01-01 00:00")
    page.get_by_role("button", name="Show").click()
    assert "before anything was recorded" in page.inner_text("#content")


def test_page__printed__has_the_history_and_not_the_controls(open_page):
    page = open_page()
    page.goto("/admin/history/")
    page.emulate_media(media="print")
    assert page.locator(".history-list").is_visible()
    for hidden in (".history-filters", "#header", ".history-tabs"):
        assert not page.locator(hidden).is_visible()


def test_signs__stand_beside_colours(open_page):
    """Whoever sees no colours must still tell what was added from what was removed."""
    page = open_page()
    page.goto("/admin/rules/rule/10/change/")
    page.fill("#id_priority", "3")
    page.click("[name=_save]")
    page.wait_for_url("**/admin/rules/rule/?product=*")
    page.goto("/admin/rules/rule/10/history/")
    signs = {
        tag: page.evaluate(f"getComputedStyle(document.querySelector('{tag}'), '::before').content")
        for tag in ("del", "ins")
    }
    assert signs["del"].startswith('"\u2212')
    assert signs["ins"].startswith('"+')
