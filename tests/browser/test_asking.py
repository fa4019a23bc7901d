"""A release engineer asks what clients would get with values that are typed and not saved."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_form_of_a_rule__asks_with_what_is_typed__and_saves_nothing(open_page: Any, accessible: Any) -> None:
    page = open_page()
    page.goto("/admin/rules/rule/1/change/")
    stored = page.input_value("#id_background_rate")
    page.fill("#id_background_rate", "77")
    with page.expect_popup() as opened:
        page.get_by_role("button", name="What would a client get with these values?").click()
    asked = opened.value
    asked.wait_for_url("**/admin/ask/?draft=*")
    assert "With unsaved values of rule 1" in asked.inner_text("#content")
    assert "to 77 of 100" in asked.locator(".ask-column").nth(1).inner_text()
    accessible(asked)
    assert page.input_value("#id_background_rate") == "77", "nothing typed is lost"
    asked.goto("/admin/rules/rule/1/change/")
    assert asked.input_value("#id_background_rate") == stored
    asked.close()


def test_question__asked_on__from_an_example(open_page: Any) -> None:
    page = open_page()
    page.goto("/admin/ask/?rule=1")
    assert "Rule 1 decides about this client." in page.locator(".ask-column").inner_text()
    page.get_by_text("What the client tells, instead of what the URL says").click()
    page.get_by_label("version", exact=True).fill("71.0")
    page.get_by_role("button", name="Ask", exact=True).click()
    assert "Rule 1 is not reached" in page.locator(".ask-column").inner_text()
    assert "Firefox-72.0.2-build1" in page.locator(".ask-answer").inner_text()
