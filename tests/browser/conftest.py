"""A real server with the demo data, and a real Chromium."""

from __future__ import annotations

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

from releng.updates.management.commands.load_demo import DEMO_PASSWORD, DEMO_USER
from tests.servers import environment, free_port, granian, manage, running

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def chromium():
    """A browser for one module: while Playwright runs its event loop, Django's own database refuses to work."""
    path = shutil.which("chromium")
    if path is None:
        reason = "Chromium is not installed (Debian: apt-get install chromium)"
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
    env = environment(f"sqlite:///{folder}/site.sqlite3", DEBUG="true")
    manage(env, "migrate", "--verbosity", "0")
    manage(env, "load_demo")
    port = free_port()
    with running(granian(port, application="releng.wsgi:application"), env, port, folder / "log"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def open_page(chromium, site):
    """Return a function that opens a signed-in page; fails when a page complained on the console."""
    complaints, contexts = [], []

    def make(*, scheme="light", width=1200, **options):
        context = chromium.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}, base_url=site, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/admin/login/")
        page.fill("#id_username", DEMO_USER)
        page.fill("#id_password", DEMO_PASSWORD)
        page.click("[type=submit]")
        return page

    yield make
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)
