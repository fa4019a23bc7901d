"""The first sign-in on an empty system: the front page leads from nothing to a first rule that serves."""

import json

import pytest
from playwright.sync_api import expect

from releng.updates.management.commands.load_demo import DEMO_PASSWORD
from tests.factories import release_document
from tests.servers import environment, free_port, granian, manage, running, sqlite_with

pytestmark = [pytest.mark.browser, pytest.mark.slow]
UPDATE = (
    "/update/3/Acme/1.0/20240101000000/Linux_x86_64-gcc3/en-US/beta/Linux/default/default/update.xml?force=1"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of a running site with nothing in it but the administrator from the command line."""
    folder = tmp_path_factory.mktemp("empty-site")
    database = sqlite_with(demo=False, folder=folder)
    env = environment(database, DEBUG="true", ACCOUNT_PASSWORD=DEMO_PASSWORD)
    manage(env, "create_admin", "ada@example.com")
    port = free_port()
    with running(granian(port, application="releng.wsgi:application"), env, port, folder / "log"):
        yield f"http://127.0.0.1:{port}"


def test_story__first_sign_in__leads_to_a_rule_that_serves(open_page, accessible, narrow):
    page = open_page(user=None)
    page.goto("/")
    page.wait_for_url("**/admin/login/**")
    accessible(page)
    page.get_by_label("Username").fill("ada@example.com")
    page.get_by_label("Password").fill(DEMO_PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")
    steps = page.locator("section", has=page.get_by_role("heading", name="First steps"))
    assert steps.locator(".badge--ok").count() == 0
    accessible(page)

    steps.get_by_role("link", name="Make accounts for the others").click()
    page.wait_for_url("**/people/add/")
    accessible(page)
    page.get_by_label("Name to sign in with").fill("rita")
    page.get_by_label("First password").fill(DEMO_PASSWORD)
    page.get_by_label("The same again").fill(DEMO_PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    page.get_by_text("The account rita is made").wait_for()
    page.get_by_role("link", name="Give a permission").click()
    page.wait_for_url("**/permission/add/**")
    page.locator("#id_permission").select_option("rule")
    page.fill("#id_products", "Acme")
    page.click("input[name=_save]")
    page.wait_for_url("**/permissions/permission/")
    page.goto("/admin/people/?q=rita")
    assert "may create, modify and delete rules of Acme" in page.inner_text("#content")
    page.get_by_role("link", name="rita").click()
    page.get_by_role("link", name="Give a role").click()
    page.wait_for_url("**/role/add/**")
    page.fill("#id_role", "relman")
    page.click("input[name=_save]")
    page.wait_for_url("**/permissions/role/")

    page.locator(".console-bar").get_by_role("link", name="Home").click()
    page.wait_for_url("**/admin/")
    steps.get_by_role("link", name="Say who must agree").click()
    page.wait_for_url("**/people/requirements/")
    accessible(page)
    page.get_by_role("link", name="Require signoffs of a channel").click()
    page.wait_for_url("**/productrequiredsignoff/add/")
    for name, value in (
        ("product", "Acme"),
        ("channel", "release"),
        ("role", "relman"),
        ("signoffs_required", "1"),
    ):
        page.fill(f"#id_{name}", value)
    page.click("input[name=_save]")
    page.wait_for_url("**/permissions/productrequiredsignoff/")
    page.goto("/admin/people/requirements/")
    assert "1 can" in page.inner_text("#content")
    assert "cannot be met" not in page.inner_text("#content")

    page.goto("/admin/")
    steps.get_by_role("link", name="Allow the hosts").click()
    page.wait_for_url("**/alloweddomain/add/")
    page.fill("#id_host", "download.example.com")
    page.fill("#id_products", '["Acme"]')
    page.click("input[name=_save]")
    page.wait_for_url("**/releases/alloweddomain/")

    page.goto("/admin/")
    expect(steps.locator(".badge--ok")).to_have_count(3)
    steps.get_by_role("link", name="Add the first release").click()
    page.wait_for_url("**/releases/release/add/")
    page.fill("#name", "Acme-2.0")
    page.fill("#product", "Acme")
    page.locator("#editor .ace_gutter-cell").first.wait_for()
    document = json.dumps(release_document("Acme-2.0"), indent=2)
    page.evaluate("text => ace.edit('editor').setValue(text, -1)", document)
    page.fill("#reason", "the first build")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url(lambda address: "/add/" not in address)

    page.goto("/admin/")
    steps.get_by_role("link", name="Make the first rule").click()
    page.wait_for_url("**/rules/rule/add/")
    for name, value in (
        ("product", "Acme"),
        ("channel", "beta"),
        ("mapping", "Acme-2.0"),
        ("priority", "10"),
    ):
        page.fill(f"#id_{name}", value)
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url(lambda address: "/add/" not in address)
    page.wait_for_function(
        "async (url) => (await (await fetch(url, {cache: 'no-store'})).text()).includes('<update ')",
        arg=UPDATE,
    )

    page.locator(".console-bar").get_by_role("link", name="Home").click()
    page.wait_for_url("**/admin/")
    assert steps.count() == 0, "the first steps are done"
    accessible(page)
    page.set_viewport_size({"width": 360, "height": 800})
    narrow(page)

    rita = open_page(user="rita", width=360)
    assert "What needs you" in rita.inner_text("h1")
    rita.get_by_role("link", name="rita").click()
    rita.wait_for_url("**/people/me/")
    assert "may create, modify and delete rules of Acme" in rita.inner_text("#content")
    accessible(rita)
    narrow(rita)
