"""Walking through the API in Chromium: read, follow, try, send; under the strict policy, by somebody signed in."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.views import VIEWS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = (
    "/api/rules",
    "/api/rules?product=Firefox&limit=2",
    "/api/rules/4",
    "/api/rules/4/revisions",
    "/api/rules/none-such",
    "/api/releases",
    "/api/v2/scheduled_changes",
    "/api/users",
    "/api/decide",
)


@pytest.mark.parametrize(("scheme", "width", "only"), VIEWS, ids=["light", "dark", "phone"])
def test_every_page__is_accessible_and_fits__without_a_complaint(
    open_page, accessible, narrow, scheme, width, only
):
    page = open_page(scheme=scheme, width=width, refused=True)
    for address in PAGES:
        page.goto(address)
        expect(page.locator("h1")).to_have_count(1)
        for summary in page.locator("main summary, #content summary").all():
            summary.click()
        accessible(page, only)
        narrow(page)


def test_rule__is_found_tried_and_sent(open_page):
    page = open_page(refused=True)
    page.goto("/api/docs/rules/")
    page.get_by_role("link", name="Open /api/rules").first.click()
    page.wait_for_url("**/api/rules")
    page.get_by_text("Arguments", exact=True).click()
    page.get_by_label("product", exact=True).fill("Firefox")
    page.get_by_role("button", name="Ask").click()
    page.wait_for_url("**/api/rules?*product=Firefox*")
    page.get_by_role("navigation", name="From here").get_by_role("link", name="4", exact=True).click()
    page.wait_for_url("**/api/rules/4")
    rule = json.loads(page.inner_text("#browse-answer"))

    write = page.locator("details.browse-write", has_text="PUT")
    write.locator("summary").first.click()
    write.get_by_label("Body").fill(json.dumps({"comment": "sent", "data_version": rule["data_version"]}))
    write.get_by_label("Why").fill("from the browser")
    write.get_by_role("button", name="Try it").click()
    answer = write.get_by_role("status")
    answer.get_by_text("X-Dry-Run: 1").wait_for()
    page.reload()
    assert json.loads(page.inner_text("#browse-answer")) == rule

    write.locator("summary").first.click()
    write.get_by_label("Body").fill(json.dumps({"comment": "sent", "data_version": 99}))
    write.get_by_role("button", name="Send PUT").click()
    answer.get_by_text("OutdatedDataError").first.wait_for()
    write.get_by_label("Body").fill(json.dumps({"comment": "sent", "data_version": rule["data_version"]}))
    write.get_by_label("Why").fill("from the browser")
    write.get_by_role("button", name="Send PUT").click()
    answer.get_by_text("new_data_version").wait_for()
    page.reload()
    assert json.loads(page.inner_text("#browse-answer"))["comment"] == "sent"
    page.goto("/admin/history/rules.rule/4/")
    assert "from the browser" in page.inner_text("#content")


def test_page__without_javascript__offers_curl(open_page):
    page = open_page(java_script_enabled=False)
    page.goto("/api/rules/4")
    page.locator("details.browse-write summary").first.click()
    text = page.inner_text("#content")
    assert "Sending from here needs JavaScript" in text
    assert page.get_by_role("button", name="Send PUT").count() == 0
