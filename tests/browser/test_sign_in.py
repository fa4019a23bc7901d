"""Signing in at a provider, and being asked again, in Chromium: under the CSP, and with nothing typed lost."""

import pytest

from releng.updates.management.commands.load_demo import DEMO_PASSWORD
from tests.console.provider import running_provider
from tests.servers import environment, free_port, granian, manage, running, sqlite_with

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# An hour passes for every session.
AGE = """
from importlib import import_module
from django.conf import settings
from django.contrib.sessions.models import Session
from releng.permissions.sessions import CONFIRMED
for row in Session.objects.all():
    session = import_module(settings.SESSION_ENGINE).SessionStore(row.session_key)
    if CONFIRMED in session:
        session[CONFIRMED] -= 3600
        session.save()
"""


@pytest.fixture(scope="module")
def provider():
    with running_provider() as running_one:
        yield running_one


@pytest.fixture
def signed_in():
    """Nobody: these tests let sessions grow old."""
    return {}


@pytest.fixture(scope="module")
def env(tmp_path_factory, provider):
    folder = tmp_path_factory.mktemp("sign-in-site")
    database = sqlite_with(demo=True, folder=folder)
    return environment(database, DEBUG="true", **provider.environment)


@pytest.fixture(scope="module")
def site(tmp_path_factory, env):
    """The address of a running site with the demo data, whose people can sign in at the provider."""
    port = free_port()
    log = tmp_path_factory.mktemp("sign-in-log") / "log"
    with running(granian(port, application="releng.wsgi:application"), env, port, log):
        yield f"http://127.0.0.1:{port}"


def give_bob(page, permission):
    """Fill in the form that gives bob one more permission."""
    page.goto("/admin/permissions/permission/add/?user=2")
    page.locator("#id_permission").select_option(permission)
    page.fill("#id_products", "Firefox\nThunderbird")
    page.fill("#id_reason", "for the fair")


def test_story__asked_again__goes_on_with_what_was_typed(open_page, accessible, narrow, env):
    page = open_page(width=360)
    give_bob(page, "pinnable_release")
    manage(env, "shell", "-c", AGE)
    page.click("input[name=_save]")
    page.get_by_role("heading", name="Is it still you?").wait_for()
    accessible(page)
    narrow(page)
    page.get_by_label("Password of demo").fill("not this one")
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("That is not your password").wait_for()
    page.get_by_label("Password of demo").fill(DEMO_PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/permissions/permission/")
    page.goto("/admin/people/2/")
    text = page.inner_text("#content")
    assert "may manage pins of Firefox, Thunderbird" in text
    page.goto("/admin/history/")
    assert "for the fair" in page.inner_text("#content")


def test_story__single_sign_on__and_confirmed_there(open_page, accessible, narrow, env, provider):
    provider.person = {"sub": "1", "email": "demo", "email_verified": True}
    page = open_page(user=None, width=360)
    page.goto("/admin/people/")
    accessible(page)
    narrow(page)
    page.get_by_role("link", name="Sign in with Acme ID").click()
    page.wait_for_url("**/admin/people/")
    page.goto("/admin/people/me/")
    assert "by single sign-on" in page.inner_text("#content")
    give_bob(page, "required_signoff")
    manage(env, "shell", "-c", AGE)
    page.click("input[name=_save]")
    page.get_by_role("link", name="Confirm with Acme ID").click()
    page.wait_for_url("**/people/confirmed/")
    accessible(page)
    narrow(page)
    page.get_by_role("button", name="Go on with what you were doing").click()
    page.wait_for_url("**/permissions/permission/")
    page.goto("/admin/people/2/")
    assert "may manage signoff requirements of Firefox, Thunderbird" in page.inner_text("#content")


def test_single_sign_on__of_somebody_unknown__says_why(open_page, accessible, narrow, provider):
    provider.person = {"sub": "9", "email": "stranger@example.com", "email_verified": True}
    page = open_page(user=None, width=360, refused=True)
    page.goto("/admin/login/")
    page.get_by_role("link", name="Sign in with Acme ID").click()
    page.get_by_role("heading", name="Single sign-on did not work").wait_for()
    accessible(page)
    narrow(page)


def test_locked_out__says_until_when(open_page, accessible, narrow):
    page = open_page(user=None, width=360, refused=True)
    for _ in range(5):
        page.goto("/admin/login/")
        page.get_by_label("Username").fill("quinn")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_load_state()
    page.get_by_role("heading", name="Locked for a while").wait_for()
    assert "until" in page.inner_text("#content")
    accessible(page)
    narrow(page)
