"""People and their permissions on the pages of the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from releng.permissions.models import Account, Permission, ProductRequiredSignoff, Role
from tests.pages import delete
from tests.people import administrator, auditor, grant, person

pytestmark = pytest.mark.django_db


def at(model: Any, what: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{what}", args=args)


def told(answer: Any) -> str:
    return " ".join(map(str, answer.context["messages"]))


@pytest.fixture
def admin(client: Any) -> Any:
    client.force_login(administrator())
    return client


def test_permission__given_changed_and_taken_on_its_pages(admin: Any) -> None:
    bob = person("bob", "release")
    data = {
        "user": bob.pk,
        "permission": "rule",
        "products": "Firefox\n\nAcme",
        "actions": "create",
        "reason": "new",
    }
    assert admin.post(at(Permission, "add"), data).status_code == 302
    row = Permission.objects.get(permission="rule")
    assert (row.products, row.actions) == (["Acme", "Firefox"], ["create"])
    assert row.in_words() == "may create rules of Acme, Firefox"
    page = at(Permission, "change", row.pk)
    assert admin.post(page, {"products": "", "actions": "", "based_on": 1}).status_code == 302
    row.refresh_from_db()
    assert (row.products, row.actions, row.data_version) == (None, None, 2)
    bad = admin.post(page, {"products": "", "actions": "fly", "based_on": 2})
    assert "must be a list out of" in bad.content.decode()
    assert delete(admin, at(Permission, "delete", row.pk)).status_code == 302
    assert not Permission.objects.filter(pk=row.pk).exists()


def test_last_administrator__cannot_be_taken_away(admin: Any) -> None:
    row = Permission.objects.get(permission="admin")
    assert "Nobody else administrates" in told(delete(admin, at(Permission, "delete", row.pk), follow=True))
    assert Permission.objects.filter(pk=row.pk).exists()


def test_role_and_requirement__feasibility_is_told(admin: Any) -> None:
    bob = person("bob", "rule")
    requirement = {"product": "Acme", "channel": "release", "role": "qa", "signoffs_required": 1}
    assert "only 0 active people hold the role qa" in told(
        admin.post(at(ProductRequiredSignoff, "add"), requirement, follow=True)
    )
    assert admin.post(at(Role, "add"), {"user": bob.pk, "role": "qa"}).status_code == 302
    assert admin.post(at(ProductRequiredSignoff, "add"), requirement).status_code == 302
    answer = delete(admin, at(Role, "delete", Role.objects.get(user=bob).pk), follow=True)
    assert "only 0 would be left" in told(answer)


def test_accounts__deactivated_never_deleted(admin: Any, client: Any) -> None:
    bob = person("bob", "rule")
    user = get_user_model()
    assert admin.get(at(user, "delete", bob.pk)).status_code == 403
    data = {"action": "deactivate", "_selected_action": [bob.pk]}
    assert admin.post(at(user, "changelist"), data).status_code == 302
    bob.refresh_from_db()
    assert not bob.is_active
    assert Account.history.get(user=bob).is_active is False
    text = admin.get(at(user, "change", bob.pk)).content.decode()
    assert "may create, modify and delete rules of every product" in text
    assert "superuser" not in text.lower()


@pytest.mark.parametrize("who", ["auditor", "permission"])
def test_accounts__only_administrators_change_them(client: Any, who: str) -> None:
    client.force_login(auditor() if who == "auditor" else person("perry", "permission"))
    bob, user = person("bob"), get_user_model()
    assert client.get(at(user, "changelist")).status_code == 200
    assert client.post(at(user, "change", bob.pk), {"username": "eve"}).status_code == 403
    assert client.get(reverse("admin:auth_user_password_change", args=[bob.pk])).status_code == 403
    assert client.get(at(user, "add")).status_code == 403


def test_permissions__of_others__are_private(client: Any) -> None:
    client.force_login(person("bob", "rule"))
    assert client.get(at(Permission, "changelist")).status_code == 403
    grant(get_user_model().objects.get(username="bob"), "permission:view")
    assert client.get(at(Permission, "changelist")).status_code == 200


def test_accounts__made_in_the_list__may_open_the_pages(admin: Any) -> None:
    data = {
        "username": "rita",
        "usable_password": "true",
        "password1": "a-long-one-x",
        "password2": "a-long-one-x",
    }
    assert admin.post(at(get_user_model(), "add"), data).status_code == 302
    assert get_user_model().objects.get(username="rita").is_staff


def test_clients__pages_of_the_library__are_not_there(admin: Any) -> None:
    assert admin.get("/admin/oauth2_provider/application/").status_code == 404
