"""A real server with the demo data, and a real Chromium."""

from __future__ import annotations

import os
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from releng.updates.management.commands.load_demo import DEMO_PASSWORD, DEMO_USER
from tests.servers import environment, free_port, granian, running, sqlite_with

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def chromium():
    """A browser for one module: while Playwright runs its event loop, Django's own database refuses to work.

    Where there is the one without windows, which does the same in four fifths of the time, it is taken.
    """
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if path is None:
        reason = "Chromium is not installed (Debian: apt-get install chromium-headless-shell)"
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of a running site with the demo data; DEBUG, since the demo user exists only there."""
    folder = tmp_path_factory.mktemp("site")
    env = environment(sqlite_with(demo=True, folder=folder), DEBUG="true")
    port = free_port()
    with running(granian(port, application="releng.wsgi:application"), env, port, folder / "log"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def signed_in(site):
    """The sessions of those who have signed in on this site, by their names: a sign-in costs the time of a page."""
    return {}


@pytest.fixture
def open_page(chromium, site, signed_in):
    """Return a function that opens a signed-in page; fails when a page complained on the console.

    Violations of the Content-Security-Policy are complaints, too. `refused=True` is for pages that show an answer of
    400 or more on purpose: the browser tells these on the console.
    """
    complaints, contexts = [], []

    def make(*, user=DEMO_USER, scheme="light", width=1200, refused=False, **options):
        context = chromium.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
            base_url=site,
            storage_state=signed_in.get(user),
            **options,
        )
        contexts.append(context)
        page = context.new_page()

        def heard(said):
            status = refused and said.text.startswith("Failed to load resource: the server responded with")
            if said.type in ("error", "warning") and not status:
                complaints.append(f"{page.url}: {said.text}")

        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        if user is not None:
            page.goto("/admin/")
        if page.url.startswith(f"{site}/admin/login/"):
            page.fill("#id_username", user)
            page.fill("#id_password", DEMO_PASSWORD)
            page.click("[type=submit]")
            page.wait_for_url("**/admin/")
            signed_in[user] = context.storage_state()
        return page

    yield make
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def accessible():
    """Return a function that fails when axe finds a page hard to use for somebody, by the rules of WCAG 2.2 AA.

    Colours take axe half of its time: `only` names the rules for a page that is seen in another way once more.
    """
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

    def check(page, only=()):
        page.wait_for_load_state()  # a click does not wait for the page that it leads to
        options = {
            "runOnly": {"type": "tag", "values": tags},
            "resultTypes": ["violations"],
            "preload": False,
        }
        if only:
            options["runOnly"] = {"type": "rule", "values": list(only)}
        found = Axe().run(page, options=options).response["violations"]
        told = [
            f"{page.url}: {entry['id']}: {node['html'][:200]}: {node['failureSummary']}"
            for entry in found
            for node in entry["nodes"]
        ]
        assert not told, "\n".join(told)

    return check


@pytest.fixture
def narrow():
    """Return a function that fails when a page is wider than the window, so that it scrolls sideways."""

    def check(page):
        page.wait_for_load_state()
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{page.url} is {wider} pixels wider than the window"

    return check
