"""People, what they may do in words, requirements that can be met, and credentials of machines."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from oauth2_provider.models import get_access_token_model, get_application_model

from history.changesets import change_set
from releng.permissions.actions import deactivate
from releng.permissions.models import Account, Permission, Role
from rules.actions import create_rule
from tests.factories import ReleaseFactory
from tests.people import administrator, again, auditor, grant, permissions_require, person, requires

pytestmark = pytest.mark.django_db
PEOPLE, ME, ADD = "/admin/people/", "/admin/people/me/", "/admin/people/add/"
REQUIREMENTS, CLIENTS = "/admin/people/requirements/", "/admin/people/clients/"


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", answer.content.decode())))


def main(answer: Any) -> str:
    """Return the text of a page without its head and bar."""
    found = re.search(r"<main.*</main>", answer.content.decode(), re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", found.group(0)))) if found else ""


def names(answer: Any) -> list[str]:
    return re.findall(r'<a href="/admin/people/\d+/">([^<]+)</a>', answer.content.decode())


@pytest.fixture
def ada(client: Any) -> Any:
    user = administrator("ada")
    client.force_login(user)
    return user


# --- The list -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permission", "products", "words"),
    [
        ("rule:modify", ["Firefox"], "may modify rules of Firefox"),
        ("rule", None, "may create, modify and delete rules of every product"),
        ("release_read_only", ["Acme", "Firefox"], "may lock and unlock releases of Acme, Firefox"),
        ("emergency_shutoff:create", ["Firefox"], "may stop updates of Firefox"),
        ("release_locale", ["Firefox"], "may submit locales of Firefox"),
        ("pinnable_release", ["Firefox"], "may manage pins of Firefox"),
        ("required_signoff", None, "may manage signoff requirements of every product"),
        ("permission:view", None, "may view permissions and roles of others"),
        ("scheduled_change", None, "may enact scheduled changes"),
        ("admin", ["Acme"], "may do everything with Acme"),
    ],
    ids=lambda value: str(value),
)
def test_list__says_in_words_what_each_may(
    client: Any, ada: Any, permission: str, products: list[str] | None, words: str
) -> None:
    person("bob", permission, products=products)
    assert words in text(client.get(PEOPLE))


def test_list__machines_and_deactivated__are_told_apart(client: Any, ada: Any) -> None:
    person("robot", "release", system=True)
    gone = person("gone", "rule")
    with change_set(actor_name="factory"):
        deactivate(gone)
    said = text(client.get(PEOPLE))
    assert "robot machine" in said
    assert "gone deactivated" in said
    assert names(client.get(PEOPLE))[-1] == "gone", "those who are here come first"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=BOB", ["bob"]),
        ("role=qa", ["quinn"]),
        ("product=Acme", ["ada", "bob"]),
        ("kind=machines", ["robot"]),
        ("kind=people", ["ada", "bob", "quinn"]),
        ("kind=off", []),
        ("q=rule", ["bob", "quinn"]),
        ("kind=nonsense", ["ada", "bob", "quinn", "robot"]),
    ],
)
def test_list__filters(client: Any, ada: Any, query: str, found: list[str]) -> None:
    person("bob", "rule", products=["Acme"])
    person("quinn", "rule", products=["Firefox"], roles=["qa"])
    person("robot", "release", products=["Other"], system=True)
    assert names(client.get(f"{PEOPLE}?{query}")) == found


def test_list__row_beside_admin__is_said_not_to_be_asked(client: Any, ada: Any) -> None:
    grant(ada, "rule", ["Acme"])
    assert "rules of Acme (not asked" in text(client.get(PEOPLE))


@pytest.mark.parametrize("address", [PEOPLE, CLIENTS, "/admin/people/sessions/", ADD])
def test_pages__without_permission__are_refused_and_not_shown(client: Any, address: str) -> None:
    administrator("ada")
    client.force_login(person("bob", "rule"))
    answer = client.get(address)
    assert answer.status_code == 403
    assert "ada" in text(answer)
    assert f'href="{address}"' not in client.get(ME).content.decode()


def test_auditor__sees_people_and_clients__and_nothing_to_do(client: Any) -> None:
    bob = person("bob", "rule")
    client.force_login(auditor())
    for address in (PEOPLE, CLIENTS, REQUIREMENTS, f"/admin/people/{bob.pk}/"):
        answer = client.get(address)
        assert answer.status_code == 200, address
        for word in ("Give a", "Deactivate", "New account", "Make the client", "Require signoffs of"):
            assert word not in main(answer), (address, word)


# --- One person -----------------------------------------------------------------------------------------------


def test_own_page__without_any_permission__is_there(client: Any) -> None:
    administrator("ada")
    client.force_login(person("nobody"))
    said = text(client.get(ME))
    assert "What you may do Nothing" in said
    assert "ada can give permissions" in said


def test_own_page__and_person_page__are_the_same_for_oneself(client: Any) -> None:
    bob = person("bob", "rule:modify", products=["Acme"], roles=["qa"])
    client.force_login(bob)
    for address in (ME, f"/admin/people/{bob.pk}/"):
        said = text(client.get(address))
        assert "may modify rules of Acme" in said
        assert "Signs off as qa" in said


def test_others_page__needs_the_permission(client: Any) -> None:
    ada = administrator("ada")
    client.force_login(person("bob", "rule"))
    assert client.get(f"/admin/people/{ada.pk}/").status_code == 403
    client.force_login(person("vera", "permission:view"))
    assert client.get(f"/admin/people/{ada.pk}/").status_code == 200
    assert client.get("/admin/people/999999/").status_code == 404


def test_page__shows_what_was_done_lately__as_far_as_the_viewer_may(client: Any) -> None:
    bob, ada = person("bob", "rule"), administrator("ada")
    ReleaseFactory(name="Acme-1", product="Acme")
    with change_set(actor=ada, reason="a rule"):
        create_rule({"product": "Acme", "channel": "beta", "mapping": "Acme-1"})
    with change_set(actor=ada, reason="a secret role"):
        Role(user=bob, role="qa").save()
    client.force_login(ada)
    said = text(client.get(ME))
    assert "1 rule \u2013 a rule" in said
    assert "a secret role" in said


def test_header__leads_to_the_own_page(client: Any) -> None:
    client.force_login(person("bob", "rule"))
    assert f'Welcome, <a href="{ME}"><strong>bob</strong></a>' in client.get("/admin/").content.decode()


# --- Accounts -------------------------------------------------------------------------------------------------


def test_add__person__can_sign_in(client: Any, ada: Any) -> None:
    sent = {"kind": "person", "name": "rita", "password": "a long enough one", "again": "a long enough one"}
    answer = client.post(ADD, sent | {"reason": "joins on Monday"}, follow=True)
    assert "The account rita is made" in text(answer)
    rita = get_user_model().objects.get(username="rita")
    assert rita.is_staff
    assert rita.check_password("a long enough one")
    assert Account.history.get(user=rita).change_set.reason == "joins on Monday"


def test_add__machine__has_no_password_and_no_pages(client: Any, ada: Any) -> None:
    client.post(ADD, {"kind": "machine", "name": "build-bot"})
    robot = get_user_model().objects.get(username="build-bot")
    assert not robot.has_usable_password()
    assert not robot.is_staff
    assert robot.account.kind == Account.Kind.SYSTEM


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ({"name": " "}, "Give a name"),
        ({"name": "ada"}, "There is an account ada already"),
        ({"name": "rita", "password": "short", "again": "short"}, "too short"),
        ({"name": "rita", "password": "a long enough one", "again": "another"}, "differ"),
        ({"name": "bot", "kind": "machine", "password": "x"}, "Machines have no password"),
        ({"name": "no spaces"}, "valid username"),
    ],
    ids=["no-name", "taken", "weak", "differ", "machine", "bad-name"],
)
def test_add__refused__keeps_what_was_typed_but_passwords(
    client: Any, ada: Any, sent: dict[str, str], problem: str
) -> None:
    answer = client.post(ADD, sent | {"email": "kept@example.com"})
    assert answer.status_code == 400
    assert problem in text(answer)
    assert "kept@example.com" in answer.content.decode()
    assert "a long enough one" not in answer.content.decode()
    assert get_user_model().objects.count() == 1


def test_deactivate__with_a_reason__ends_everything_and_is_kept(client: Any, ada: Any) -> None:
    bob = person("bob", "rule")
    page = f"/admin/people/{bob.pk}/switch/"
    assert "can do nothing any more" in text(client.get(page))
    answer = client.post(page, {"is_active": "1", "reason": "left"}, follow=True)
    assert "The account bob is deactivated" in text(answer)
    assert not again(bob).is_active
    assert Account.history.filter(user=bob).latest("history_id").change_set.reason == "left"
    client.post(page, {"is_active": "0", "reason": "back"})
    assert again(bob).is_active


def test_deactivate__page__names_requirements_that_nobody_could_meet(client: Any, ada: Any) -> None:
    quinn = person("quinn", "rule", roles=["qa", "relman"])
    person("rita", "rule", roles=["relman"])
    requires("Acme", "release", qa=1, relman=1)
    said = text(client.get(f"/admin/people/{quinn.pk}/switch/"))
    assert "1 \u00d7 qa for Acme release: nobody would be left who holds the role" in said
    assert "relman for Acme" not in said, "rita still can"


def test_deactivate__without_a_reason_or_on_an_old_page__does_nothing(client: Any, ada: Any) -> None:
    bob = person("bob", "rule")
    page = f"/admin/people/{bob.pk}/switch/"
    assert "Say why" in text(client.post(page, {"is_active": "1", "reason": " "}))
    assert "Somebody else has switched" in text(client.post(page, {"is_active": "0", "reason": "left"}))
    assert again(bob).is_active


def test_deactivate__the_last_administrator_or_oneself__is_refused(client: Any, ada: Any) -> None:
    assert (
        client.post(f"/admin/people/{ada.pk}/switch/", {"is_active": "1", "reason": "x"}).status_code == 403
    )
    client.force_login(person("perry", "permission"))
    answer = client.post(f"/admin/people/{ada.pk}/switch/", {"is_active": "1", "reason": "x"})
    assert "Nobody else administrates everything" in text(answer)
    assert again(ada).is_active


def test_deactivate__by_others__is_refused(client: Any) -> None:
    bob = person("bob", "rule")
    client.force_login(auditor())
    assert (
        client.post(f"/admin/people/{bob.pk}/switch/", {"is_active": "1", "reason": "x"}).status_code == 403
    )
    assert again(bob).is_active


# --- Requirements ---------------------------------------------------------------------------------------------


def test_requirements__say_how_many_can_fulfil_them(client: Any, ada: Any) -> None:
    person("quinn", "rule", roles=["qa"])
    requires("Acme", "release", qa=1)
    permissions_require("Acme", qa=1)
    said = text(client.get(REQUIREMENTS))
    assert "release1 \u00d7 qa1 can quinn" in said
    assert "permissions that reach Acme1 \u00d7 qa" in said
    assert "cannot be met" not in said


def test_requirements__nobody_left__is_red(client: Any, ada: Any) -> None:
    quinn = person("quinn", "rule", roles=["qa"])
    requires("Acme", "release", qa=1)
    with change_set(actor_name="factory"):
        deactivate(quinn)
    page = client.get(REQUIREMENTS)
    assert "1 requirement cannot be met" in text(page)
    assert '<span class="badge badge--stop">cannot be met</span>' in page.content.decode()
    assert "0 of the 1 needed: nobody" in text(page)


def test_requirements__none__says_what_to_do_first(client: Any, ada: Any) -> None:
    assert "Give people their roles first" in text(client.get(REQUIREMENTS))


def test_requirements__are_seen_by_those_who_work__with_who_can_change_them(client: Any) -> None:
    administrator("ada")
    client.force_login(person("bob", "rule"))
    said = text(client.get(REQUIREMENTS))
    assert "ada can change requirements" in said
    assert "Require signoffs of a channel" not in said


# --- OAuth clients --------------------------------------------------------------------------------------------


def secret_on(answer: Any) -> str:
    return re.search(r'id="client-secret">([^<]+)<', answer.content.decode()).group(1)  # type: ignore[union-attr]


def token(client: Any, application: Any, secret: str) -> Any:
    sent = {"grant_type": "client_credentials", "client_id": application.client_id, "client_secret": secret}
    return client.post("/oauth/token", sent)


def test_client__made__shows_a_secret_once_that_works(client: Any, ada: Any) -> None:
    robot = person("robot", "release", system=True)
    answer = client.post(CLIENTS, {"name": "builds", "account": "robot"})
    secret = secret_on(answer)
    assert "no-store" in answer["Cache-Control"]
    application = get_application_model().objects.get(name="builds", user=robot)
    assert token(client, application, secret).status_code == 200
    for address in (CLIENTS, f"/admin/people/{robot.pk}/"):
        page = client.get(address).content.decode()
        assert secret not in page
        assert "builds" in page
    assert "1 live" in text(client.get(CLIENTS))


def test_client__new_secret__ends_the_old_one_and_its_tokens(client: Any, ada: Any) -> None:
    person("robot", "release", system=True)
    old = secret_on(client.post(CLIENTS, {"name": "builds", "account": "robot"}))
    application = get_application_model().objects.get(name="builds")
    token(client, application, old)
    page = f"/admin/people/clients/{application.pk}/rotate/"
    assert "refused until it has the new secret" in text(client.get(page))
    new = secret_on(client.post(page))
    assert not get_access_token_model().objects.exists()
    application.refresh_from_db()
    assert token(client, application, old).status_code == 401
    assert token(client, application, new).status_code == 200


def test_client__revoked__is_refused_and_its_account_stays(client: Any, ada: Any) -> None:
    robot = person("robot", "release", system=True)
    secret = secret_on(client.post(CLIENTS, {"name": "builds", "account": "robot"}))
    application = get_application_model().objects.get(name="builds")
    token(client, application, secret)
    page = f"/admin/people/clients/{application.pk}/revoke/"
    assert "end at once" in text(client.get(page))
    assert "builds is revoked" in text(client.post(page, follow=True))
    assert token(client, application, secret).status_code == 401
    assert again(robot).is_active


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ({"name": "", "account": "robot"}, "Give the client a name"),
        ({"name": "taken", "account": "robot"}, "There is a client taken already"),
        ({"name": "x", "account": "ada"}, "Choose the machine's account"),
        ({"name": "x", "account": ""}, "Choose the machine's account"),
    ],
    ids=["no-name", "taken", "person", "no-account"],
)
def test_client__refused__says_why(client: Any, ada: Any, sent: dict[str, str], problem: str) -> None:
    person("robot", "release", system=True)
    client.post(CLIENTS, {"name": "taken", "account": "robot"})
    answer = client.post(CLIENTS, sent)
    assert answer.status_code == 400
    assert problem in text(answer)
    assert get_application_model().objects.count() == 1


@pytest.mark.parametrize("who", ["auditor", "permission", "limited"])
def test_client__others_than_administrators__cannot_make_change_or_revoke(
    client: Any, ada: Any, who: str
) -> None:
    person("robot", "release", system=True)
    client.post(CLIENTS, {"name": "builds", "account": "robot"})
    application = get_application_model().objects.get()
    others = {
        "auditor": lambda: auditor(),
        "permission": lambda: person("perry", "permission"),
        "limited": lambda: person("lim", "admin", products=["Acme"]),
    }
    client.force_login(others[who]())
    for address in (CLIENTS, f"{CLIENTS}{application.pk}/rotate/", f"{CLIENTS}{application.pk}/revoke/"):
        assert client.post(address, {"name": "mine", "account": "robot"}).status_code == 403, address
    assert get_application_model().objects.get().client_secret == application.client_secret


def test_clients__no_machine__says_what_to_do_first(client: Any, ada: Any) -> None:
    assert "First make an account of a machine" in text(client.get(CLIENTS))
    assert Permission.objects.count() == 1
