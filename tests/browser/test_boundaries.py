"""Permission boundaries: what somebody may not do is neither shown nor reachable, by address or by POST."""

import re

import pytest

from releng.console.registry import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# What each of the demo's people may open, of the pages that need a permission.
FORBIDDEN = {
    "otto": {"emergency/stop/", "people/add/", "people/sessions/"},
    "quinn": {"emergency/stop/", "people/", "people/add/", "people/clients/", "people/sessions/"},
    "rita": {"people/", "people/add/", "people/clients/", "people/sessions/"},
}
WRITES = (
    ("people/add/", {"kind": "machine", "name": "mine"}),
    ("people/1/switch/", {"is_active": "1", "reason": "mine now"}),
    ("people/1/unlock/", {}),
    ("people/clients/", {"name": "mine", "account": "agent"}),
    ("people/sessions/", {"session": "1"}),
    ("permissions/permission/add/", {"user": "2", "permission": "admin"}),
    ("permissions/role/add/", {"user": "2", "role": "relman"}),
    ("permissions/productrequiredsignoff/1/delete/", {"post": "yes"}),
    ("auth/user/1/password/", {"password1": "mine-mine-mine", "password2": "mine-mine-mine"}),
    ("releases/alloweddomain/add/", {"host": "evil.example", "products": '["Firefox"]'}),
    ("emergency/stop/", {"product": "FirefoxVPN", "channel": "release", "reason": "not mine"}),
)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_pages__not_allowed__are_neither_shown_nor_opened(open_page, accessible, name):
    page = open_page(user=name, refused=True)
    page.goto("/admin/people/me/")
    shown = page.eval_on_selector_all("a[href^='/admin/']", "links => links.map(link => link.pathname)")
    page.goto("/admin/")
    shown += page.eval_on_selector_all("a[href^='/admin/']", "links => links.map(link => link.pathname)")
    for path in sorted(FORBIDDEN[name]):
        assert f"/admin/{path}" not in shown, path
        answer = page.goto(f"/admin/{path}?product=Firefox&channel=release")
        assert answer.status == 403, path
        assert "demo" in page.inner_text("#content"), "it says who can help"
        accessible(page)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_writes__not_allowed__are_refused_and_change_nothing(open_page, name):
    admin, page = open_page(), open_page(user=name, refused=True)
    admin.goto("/admin/history/")
    before = admin.locator(".history-list").inner_text()
    page.goto("/admin/people/me/")
    token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    for path, fields in WRITES:
        answer = page.request.post(f"/admin/{path}", form=fields | {"csrfmiddlewaretoken": token})
        assert answer.status == 403, path
        assert "Nothing was changed" in answer.text(), path
    admin.goto("/admin/history/")
    assert without_times(admin.locator(".history-list").inner_text()) == without_times(before)


def test_pages__signed_out__lead_to_the_sign_in(open_page):
    page = open_page(user=None)
    for one in PAGES:
        address = re.sub("<[^>]+>", "1", one.path)
        assert page.goto(f"/admin/{address}").status == 200, address
        assert "/admin/login/" in page.url, address


def without_times(text):
    """Return a text without what goes on by itself."""
    return re.sub(r"\([^)]* ago\)|\(just now\)", "", text)
