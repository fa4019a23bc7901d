"""An auditor is asked: who changed this, and what was served on Tuesday at 14:00?"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ASK = "/admin/ask/"
CLIENT = (
    "https://updates.example/update/6/Firefox/144.0/20251006120000/WINNT_x86_64-msvc-x64/de/release/"
    "Windows_NT%2010.0.0.0.26100.4061/ISET:SSE4_2,MEM:16384,JAWS:0/default/default/update.xml"
)


def that_day_at_two() -> str:
    """Return 14:00 of a day between the two steps in which the demo's release was raised (5 and 2 days ago)."""
    day = (datetime.now(UTC) - timedelta(days=3)).date()
    return datetime.combine(day, time(14)).strftime("%Y-%m-%d %H:%M")


def test_auditor__finds_what_was_served_then__who_changed_it__and_what_it_did(
    open_page: Any, accessible: Any
) -> None:
    page = open_page(user="otto")
    page.get_by_role("navigation").get_by_role("link", name="Who gets what").first.click()
    page.get_by_label("Update URL").fill(CLIENT)
    page.get_by_label("At (UTC)").first.fill(that_day_at_two())
    page.get_by_role("button", name="Ask", exact=True).click()
    then = page.locator(".ask-column").first
    answer = then.inner_text()
    assert "Firefox-145.0.1-build1" in answer
    assert "to 10 of 100" in answer
    assert "Who loses the throttle gets Firefox-145.0-build2." in answer
    assert "written by bob" in answer
    assert "145.0.1 fixes the crash at start-up; carefully first." in answer
    accessible(page)

    page.get_by_text("Compare with another state").click()
    page.get_by_label("Compare;").check()
    page.get_by_role("button", name="Ask", exact=True).click()
    assert "The client gets something else" in page.locator(".notice").first.inner_text()
    now = page.locator(".ask-column").nth(1)
    assert "to 25 of 100" in now.inner_text()
    assert "Crash rate as before, so more of it." in now.inner_text()
    accessible(page)
    shared, answers = page.url, page.locator(".ask-answer").all_inner_texts()

    now.get_by_role("link", name="bob").first.click()
    page.wait_for_url("**/admin/history/**")
    told = page.inner_text("#content")
    assert "Crash rate as before, so more of it." in told
    assert "rita" in told
    page.get_by_role("link", name="What did clients get before and after?").click()
    before, after = (page.locator(".ask-column").nth(number).inner_text() for number in (0, 1))
    assert "to 10 of 100" in before
    assert "to 25 of 100" in after
    assert "to 25 of 100" in page.locator("table.dense").last.inner_text()
    accessible(page)

    colleague = open_page()
    colleague.goto(shared)
    assert colleague.locator(".ask-answer").all_inner_texts() == answers, "the address is the whole question"


def test_auditor__asks_without_scripts(open_page: Any) -> None:
    page = open_page(user="otto", java_script_enabled=False)
    page.goto(ASK)
    page.get_by_label("product").fill("Firefox")
    page.get_by_label("version", exact=True).fill("144.0")
    page.get_by_label("platform").fill("WINNT_x86_64-msvc-x64")
    page.get_by_label("channel").fill("release")
    page.get_by_role("button", name="Ask", exact=True).click()
    assert "Firefox-145.0.1-build1" in page.locator(".ask-column").inner_text()
    assert "product=Firefox" in page.url
    assert "locale=" not in page.url


def test_auditor__sees_what_a_change_would_do__and_may_change_nothing(
    open_page: Any, accessible: Any
) -> None:
    page = open_page(user="otto")
    page.goto("/admin/changes/scheduledchange/")
    page.goto("/admin/rules/rule/1/change/")
    page.get_by_role("link", name="What does a client get?").first.click()
    assert "Rule 1 decides about this client." in page.locator(".ask-column").inner_text()
    page.get_by_role("link", name="Compare with change").first.click()
    expect(page.locator(".ask-column")).to_have_count(2)
    accessible(page)
    assert page.get_by_role("button", name="Save").count() == 0
