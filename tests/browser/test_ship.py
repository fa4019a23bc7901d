"""A release engineer ships a throttled release: from finding the rule to what clients are offered."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OLD, NEW = "Firefox-128.0-build2", "Firefox-145.0.1-build1"
CLIENT = (
    "/update/6/Firefox/127.0/20240601000000/WINNT_x86_64-msvc-x64/de/release/Windows_NT%2010.0.0.0.26100/"
    "ISET:SSE4_2,MEM:16384/default/default/update.xml?force=1"
)
OFFERED = """async (url) => (await (await fetch(url, {cache: "no-store"})).text())"""


def test_throttled_release__is_shipped_end_to_end(open_page, accessible, narrow):
    bob, rita, chief = open_page(user="bob"), open_page(user="rita", width=360), open_page()
    assert 'displayVersion="128.0"' in bob.evaluate(OFFERED, CLIENT)

    # The rule is found, and the form says what the change would mean before anything is saved.
    bob.locator(".console-bar").get_by_role("link", name="Rules").click()
    bob.keyboard.press("/")
    bob.keyboard.type("watershed-128")
    bob.keyboard.press("Enter")
    bob.get_by_role("link", name="2 firefox-release-watershed-128", exact=True).click()
    bob.wait_for_url("**/admin/rules/rule/2/change/")
    bob.get_by_label("Mapping", exact=True).fill(NEW)
    bob.get_by_label("Background rate").fill("25")
    bob.get_by_text("75 of 100 are offered nothing").wait_for()
    bob.get_by_label("Fallback mapping").fill(OLD)
    bob.get_by_text("75 of 100 are offered nothing").wait_for(state="detached")
    changes = bob.locator("[data-changes] li")
    changes.nth(2).wait_for()
    assert [text.split()[0] for text in changes.all_inner_texts()] == ["mapping", "fallback", "background"]
    assert "rita" in bob.inner_text("[data-needed]")
    assert bob.get_by_role("button", name="Save", exact=True).count() == 0
    bob.get_by_label("Why").fill("145.0.1 for old profiles, slowly")
    accessible(bob)
    bob.get_by_role("button", name="Schedule").click()
    bob.wait_for_url("**/changes/scheduledchange/*/change/")
    change = bob.url

    # It stands under its rule in the list, where the one who must agree finds it; on a phone, too.
    rita.goto("/admin/rules/rule/?pending=on")
    proposal = rita.locator("#rule-2 + tr.rule-proposal")
    assert NEW in proposal.inner_text()
    narrow(rita)
    proposal.get_by_role("link", name="Look and sign").click()
    rita.wait_for_url(change)
    assert "145.0.1 for old profiles, slowly" in rita.inner_text("#content")
    rita.get_by_role("button", name="Sign off").click()
    rita.get_by_text("You have signed it off").first.wait_for()
    assert 'displayVersion="128.0"' in bob.evaluate(OFFERED, CLIENT), "nothing has happened yet"

    # It is made; here by hand, on other days by the agent.
    chief.goto(change)
    chief.get_by_role("button", name="Enact it now").click()
    chief.get_by_text("It is enacted").first.wait_for()
    bob.goto("/admin/rules/rule/?product=Firefox&channel=release")
    row = bob.locator("#rule-2").inner_text()
    for said in (NEW, "throttled 25 %", "fallback", OLD):
        assert said in row
    accessible(bob)
    bob.wait_for_function(
        """async (url) => (await (await fetch(url, {cache: "no-store"})).text()).includes('"145.0.1"')""",
        arg=CLIENT,
    )
    bob.goto("/admin/rules/rule/2/history/")
    text = bob.inner_text("#content")
    assert "145.0.1 for old profiles, slowly" in text
    assert "bob" in text
