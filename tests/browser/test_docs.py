"""The pages that describe the API, in Chromium: under the strict Content-Security-Policy, for everybody."""

import pytest
from playwright.sync_api import expect

from tests.browser.views import VIEWS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = (
    "/api/docs/",
    "/api/docs/?q=signoffs",
    "/api/docs/?q=nothing-like-it",
    "/api/docs/rules/",
    "/api/docs/tokens/",
)


@pytest.mark.parametrize(("scheme", "width", "only"), VIEWS, ids=["light", "dark", "phone"])
def test_every_page__signed_out__is_accessible_and_fits__without_a_complaint(
    open_page, accessible, narrow, scheme, width, only
):
    page = open_page(user=None, scheme=scheme, width=width)
    for address in PAGES:
        assert page.goto(address).status == 200
        expect(page.locator("h1")).to_have_count(1)
        accessible(page, only)
        narrow(page)


def test_operation__is_found_by_the_keyboard_alone(open_page):
    page = open_page(user=None)
    page.goto("/api/docs/")
    page.keyboard.press("/")
    page.keyboard.type("backgroundRate POST")
    page.keyboard.press("Enter")
    page.wait_for_url("**/api/docs/?q=backgroundRate+POST")
    page.get_by_role("link", name="POST /api/rules", exact=True).click()
    page.wait_for_url("**/api/docs/rules/#rules_create")
    section = page.locator("section", has=page.locator("#rules_create"))
    section.get_by_text("With curl").click()
    assert 'curl -X POST "$SERVER/api/rules"' in section.inner_text()


def test_pages__without_javascript__say_the_same(open_page):
    page = open_page(user=None, java_script_enabled=False)
    page.goto("/api/docs/rules/")
    assert "Make a rule; the answer is its number." in page.inner_text("#content")
