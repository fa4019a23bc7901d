"""The keys, and what all pages share, in Chromium."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_keys__move_search_open_and_help(open_page):
    page = open_page()
    page.goto("/admin/releases/release/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator(".console-here")).to_have_count(1)
    first = page.locator("[data-row] a[href]").first
    assert page.evaluate("document.activeElement.href") == first.evaluate("link => link.href")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.matches('[data-search], #searchbar')")
    page.keyboard.type("j?/")
    assert page.evaluate("document.activeElement.value").endswith("j?/"), "keys are text in a field"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("#console-help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#console-help").is_visible()
    page.keyboard.press("g")
    page.keyboard.press("2")
    page.wait_for_url("**/admin/rules/rule/**")


def test_refused_page__says_who_can_help(open_page, accessible, narrow):
    page = open_page(user="otto", width=360, refused=True)
    answer = page.goto("/admin/rules/rule/add/")
    assert answer.status == 403
    assert "demo" in page.inner_text("#content")
    accessible(page)
    narrow(page)


def test_page_without_javascript__is_read(open_page):
    page = open_page(java_script_enabled=False)
    page.goto("/admin/rules/rule/")
    assert "firefox-release" in page.inner_text("#content")
