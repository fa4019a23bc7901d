"""Signing in a real browser: a round with two roles, a rejection, what was suspended, a batch, a planned rollout."""

import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]
INBOX = "/admin/changes/scheduledchange/"


def scheduled_by(page, rule, values, why):
    """Schedule a change of a rule in its form; return the address of the change's page."""
    page.goto(f"/admin/rules/rule/{rule}/change/")
    for name, value in values.items():
        page.fill(f"#id_{name}", value)
    page.fill("#id_reason", why)
    page.locator("[name=_schedule]").first.click()
    page.wait_for_url("**/changes/scheduledchange/*/change/")
    return re.sub(r"^https?://[^/]+", "", page.url)


def test_signoff_round__two_roles__each_in_their_own_browser(open_page, accessible, narrow):
    bob, rita = open_page(user="bob"), open_page(user="rita", width=360, scheme="dark")
    address = scheduled_by(bob, 2, {"priority": "305"}, "Before the new one")
    assert "bob as releng" in bob.inner_text("#content"), "who proposes in the only role that fits has signed"
    assert bob.get_by_role("button", name="Sign off").count() == 0
    accessible(bob)

    rita.goto(INBOX)
    mine = rita.locator("section", has=rita.get_by_role("heading", name="Mine to sign"))
    assert "Before the new one" in mine.inner_text()
    accessible(rita)
    narrow(rita)
    mine.locator("tr", has_text="Before the new one").get_by_role("link", name="Look and sign").click()
    rita.wait_for_url(f"**{address}*")
    text = rita.inner_text("#content")
    for said in ("priority", "305", "What clients get instead", "You sign as relman"):
        assert said in text
    accessible(rita)
    narrow(rita)
    rita.get_by_label("Comment (may stay empty)").fill("Looks right")
    rita.get_by_role("button", name="Sign off").click()
    rita.locator(".messagelist").wait_for()
    assert "You have signed it off" in rita.inner_text(".messagelist")

    demo = open_page()
    demo.goto(address)
    assert "Looks right" in demo.inner_text("#content")
    demo.get_by_role("button", name="Enact it now").click()
    demo.locator(".messagelist").wait_for()
    assert "It is enacted" in demo.inner_text(".messagelist")
    demo.goto("/admin/rules/rule/2/change/")
    assert demo.input_value("#id_priority") == "305"


def test_rejection__with_a_comment__reaches_the_author(open_page, accessible, narrow):
    bob, rita = open_page(user="bob"), open_page(user="rita")
    address = scheduled_by(bob, 4, {"comment": "no certificates"}, "Simplify")
    rita.goto(address)
    rita.get_by_text("Reject it").click()
    rita.get_by_label("Why not (the author reads it)").fill("The store still needs it")
    rita.get_by_role("button", name="Reject", exact=True).click()
    rita.locator(".messagelist").wait_for()
    assert "It is rejected" in rita.inner_text(".messagelist")
    bob.goto(address)
    assert "The store still needs it" in bob.inner_text("#content")
    assert bob.get_by_role("button", name="Save the edit").count() == 0
    accessible(bob)
    bob.goto(f"{INBOX}?show=over")
    assert "The store still needs it" in bob.inner_text("#content")


def test_suspended__is_explained_and_put_right__on_a_phone(open_page, accessible, narrow):
    bob = open_page(user="bob", width=360)
    bob.goto(f"{INBOX}?show=suspended")
    narrow(bob)
    bob.locator("table.changes tbody th a").first.click()
    text = bob.inner_text("#content")
    for said in (
        "It is suspended",
        "Beta goes to everybody",
        "Before the press embargo.",
        "After the press embargo.",
    ):
        assert said in text
    accessible(bob)
    narrow(bob)
    bob.get_by_label("comment", exact=True).fill("Around the press embargo.")
    bob.get_by_role("button", name="Save the edit").click()
    bob.locator(".messagelist").wait_for()
    assert "It is edited" in bob.inner_text(".messagelist")
    assert "Around the press embargo." in bob.inner_text("#content")
    assert "It is suspended" not in bob.inner_text("#content")


def test_batch__is_put_together_and_taken_apart(open_page, accessible, narrow):
    bob = open_page(user="bob")
    for rule, why in ((9, "first half"), (10, "second half")):
        scheduled_by(bob, rule, {"comment": f"{why} of a pair"}, why)
    bob.goto(INBOX)
    for why in ("first half", "second half"):
        bob.locator("tr", has_text=why).get_by_role("checkbox").check()
    bob.get_by_role("button", name="Put the chosen together").click()
    bob.wait_for_url("**/changes/scheduledchange/together/**")
    accessible(bob)
    assert "first half of a pair" in bob.inner_text("#content")
    bob.get_by_label("Why", exact=True).fill("as one")
    bob.get_by_role("button", name="Put together").click()
    bob.wait_for_url("**/changes/scheduledchange/*/change/")
    assert "2 writes, all or none" in bob.inner_text("#content")
    accessible(bob)
    bob.get_by_role("button", name="Take apart").click()
    bob.locator(".messagelist").wait_for()
    assert "one change for each" in bob.inner_text(".messagelist")


def test_rollout__is_previewed_then_scheduled__and_stands_in_the_calendar(open_page, accessible, narrow):
    bob = open_page(user="bob")
    bob.goto("/admin/rollouts/?product=Firefox&channel=esr")
    bob.get_by_role("link", name="Plan a throttled rollout").click()
    bob.get_by_label("Rule", exact=True).fill("firefox-esr")
    bob.get_by_label("Release to offer").fill("Firefox-140.6.0esr-build2")
    bob.get_by_label("To so many of 100").fill("60")
    bob.get_by_role("button", name="Preview the steps").click()
    bob.get_by_role("heading", name="What would be scheduled: 3 steps").wait_for()
    accessible(bob)
    bob.set_viewport_size({"width": 360, "height": 800})
    narrow(bob)
    bob.get_by_role("button", name="Schedule these 3 steps").click()
    bob.wait_for_url("**/changes/scheduledchange/*/change/")
    bob.goto("/admin/changes/calendar/?channel=esr*")
    assert "firefox-esr" in bob.inner_text("#content")
    narrow(bob)
    accessible(bob)


def test_auditor__reads_all_of_it_and_can_do_nothing(open_page, accessible):
    otto = open_page(user="otto", refused=True)
    for address in (INBOX, f"{INBOX}5/change/", "/admin/changes/calendar/", "/admin/rollouts/"):
        assert otto.goto(address).status == 200
        assert otto.locator("#content form[method=post]").count() == 0
        assert otto.locator("#content input[type=checkbox]").count() == 0
        accessible(otto)
    assert otto.goto("/admin/rollouts/plan/").status == 403


def test_pages__without_javascript__are_read_and_signed(open_page):
    rita = open_page(user="rita", java_script_enabled=False)
    rita.goto(f"{INBOX}5/change/")
    rita.get_by_role("button", name="Sign off").click()
    assert "You have signed it off" in rita.inner_text(".messagelist")
    rita.goto(f"{INBOX}7/change/")
    assert "rita as relman" in rita.inner_text("#content"), "what follows was signed with it"
