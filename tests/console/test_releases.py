"""The list of releases and the page of one: what is found, what stands out, and who may do what."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from history.changesets import change_set
from releases.actions import set_read_only, submit_locale
from releases.models import Release
from releng.changes.actions import Proposal, propose
from releng.changes.models import ScheduledChange
from releng.console import release_list
from tests.factories import (
    PLATFORM,
    ReleaseFactory,
    RuleFactory,
    ShutoffFactory,
    locale_document,
)
from tests.pages import act, hidden_fields
from tests.people import administrator, auditor, person, requires

pytestmark = pytest.mark.django_db
LIST = "/admin/releases/release/"


@pytest.fixture
def ada(client: Any) -> Any:
    user = administrator()
    client.force_login(user)
    return user


def at(release: Release) -> str:
    return reverse("admin:releases_release_change", args=[release.pk])


def shown(client: Any, **asked: Any) -> list[str]:
    return [row.release.name for row in client.get(LIST, asked).context["releases"].rows]


def text_of(client: Any, address: str, **asked: Any) -> str:
    return str(client.get(address, asked).content.decode())


# --- The list -----------------------------------------------------------------------------------------------


def test_list__words__must_all_fit_in_name_product_version_or_type(client: Any, ada: Any) -> None:
    ReleaseFactory(name="Acme-1", version="10.0")
    ReleaseFactory(name="Acme-2", version="11.5")
    ReleaseFactory(name="Bcme-2", product="Bcme", version="11.5")
    ReleaseFactory.whitelist("123", name="Devices-of-Acme")
    assert shown(client, q="acme 11.5") == ["Acme-2"]
    assert shown(client, q="11.") == ["Acme-2", "Bcme-2"]
    assert shown(client, q="devices acme") == ["Devices-of-Acme"]
    assert shown(client, q="bcme application") == ["Bcme-2"]
    assert shown(client, q='10.0" %_') == []
    assert shown(client, q="acme " * 500) == ["Acme-1", "Acme-2", "Devices-of-Acme"]
    assert client.get(LIST, {"q": "\0", "product": "\0", "page": "9" * 40}).status_code == 200
    RuleFactory(mapping=Release.objects.get(name="Acme-1"), alias="live-one")
    RuleFactory(mapping=None, fallback_mapping=Release.objects.get(name="Acme-2"), alias="live-two")
    assert shown(client, q="live") == ["Acme-1", "Acme-2"]


def test_list__filters__by_product_type_read_only_and_order(client: Any, ada: Any) -> None:
    ReleaseFactory(name="B")
    ReleaseFactory.locked(name="A")
    ReleaseFactory.whitelist("1", name="C", product="Bcme")
    assert shown(client, read_only="yes") == ["A"]
    assert shown(client, read_only="no") == ["B", "C"]
    assert shown(client, type="3000") == ["C"]
    assert shown(client, product="Bcme") == ["C"]
    assert shown(client, order="new") == ["C", "A", "B"]
    assert shown(client, type="nonsense") == ["A", "B", "C"]


def test_list__uses__tell_offered_named_pinned_and_unused(client: Any, ada: Any) -> None:
    mapped, pinned, free = ReleaseFactory.mapped(name="A"), ReleaseFactory.pinned(name="B"), "C"
    ReleaseFactory(name=free)
    RuleFactory(mapping=ReleaseFactory(name="D"), background_rate=0)
    assert shown(client, use="active") == [mapped.name]
    assert shown(client, use="rules") == [mapped.name, "D"]
    assert shown(client, use="pins") == [pinned.name]
    assert shown(client, use="used") == ["A", "B", "D"]
    assert shown(client, use="unused") == [free]


def test_list__rules__are_linked_and_those_that_offer_it_now_stand_out(client: Any, ada: Any) -> None:
    release = ReleaseFactory(name="A")
    active = RuleFactory(mapping=release, alias="live", background_rate=25)
    RuleFactory(mapping=release, alias="silent", background_rate=0, channel="beta")
    RuleFactory(mapping=release, alias="halted", channel="nightly")
    RuleFactory(mapping=None, fallback_mapping=release, background_rate=75, alias="falls", channel="esr")
    ShutoffFactory(channel="nightly")
    row = client.get(LIST).context["releases"].rows[0]
    assert {use.rule.alias for use in row.uses.active} == {"live", "falls"}
    text = text_of(client, LIST)
    assert reverse("admin:rules_rule_change", args=[active.pk]) in text
    for said in (f"rule {active} 25 %", "(stopped)", "(fallback) 25 %", " 0 %"):
        assert said in " ".join(text.split()), said


def test_list__superblob__its_rules_are_those_of_its_parts(client: Any, ada: Any) -> None:
    ReleaseFactory(name="Part")
    whole = ReleaseFactory(
        name="Whole", document={"name": "Whole", "schema_version": 4000, "blobs": ["Part"]}
    )
    rule = RuleFactory(mapping=whole)
    rows = {row.release.name: row.uses for row in client.get(LIST).context["releases"].rows}
    assert [(use.rule, use.through) for use in rows["Part"].rules] == [(rule, "Whole")]
    assert rows["Part"].parts_of == ["Whole"]
    assert "Made of <a" in text_of(client, at(whole))
    assert "Whole" in text_of(client, at(Release.objects.get(name="Part")))


def test_list__scheduled_changes__are_linked(client: Any, ada: Any) -> None:
    release = ReleaseFactory.mapped(name="A")
    with change_set(actor=ada):
        propose(ada, [Proposal("release", "update", {"read_only": True}, release.pk)])
    change = ScheduledChange.objects.get()
    assert reverse("admin:changes_scheduledchange_change", args=[change.pk]) in text_of(client, LIST)


def test_list__pages__keep_the_filters(client: Any, ada: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(release_list, "RELEASES_ON_A_PAGE", 2)
    for name in "ABC":
        ReleaseFactory(name=name)
    first = client.get(LIST, {"product": "Acme", "page": "0"}).context["releases"]
    assert ([row.release.name for row in first.rows], first.before) == (["A", "B"], "")
    last = client.get(LIST + first.after).context["releases"]
    assert ([row.release.name for row in last.rows], last.count, last.after) == (["C"], 3, "")


def test_list__empty__says_what_to_do_first(client: Any, ada: Any) -> None:
    assert "There are no releases yet" in text_of(client, LIST)
    ReleaseFactory()
    assert "No release fits these filters" in text_of(client, LIST, q="nothing")


def test_list__documents__are_never_read(client: Any, ada: Any, django_assert_max_num_queries: Any) -> None:
    for _ in range(3):
        ReleaseFactory.mapped()
    client.get(LIST)
    with django_assert_max_num_queries(12) as asked:
        client.get(LIST)
    whole = [
        query["sql"] for query in asked.captured_queries if '"releases_release"."document",' in query["sql"]
    ]
    assert not [sql for sql in whole if "4000" not in sql], "only superblobs, to find their parts"


@pytest.mark.parametrize(
    ("permission", "offered"),
    [
        ("release", {"delete_selected"}),
        ("release_read_only", {"lock", "unlock"}),
        ("release_read_only:set", {"lock"}),
        ("rule", set()),
    ],
    ids=["release", "read-only", "set", "rule"],
)
def test_actions__offered__to_those_who_may(client: Any, permission: str, offered: set[str]) -> None:
    release = ReleaseFactory()
    client.force_login(person("rita", permission))
    assert {name for name, _ in client.get(LIST).context["actions"]} == offered
    act(client, LIST, "lock", release)
    assert Release.objects.get().read_only is ("lock" in offered)


def test_list__nobody__is_refused(client: Any) -> None:
    client.force_login(person("nina"))
    assert client.get(LIST).status_code == 403


# --- One release --------------------------------------------------------------------------------------------


def test_page__table__has_build_ids_aliases_and_no_gap_where_there_is_none(client: Any, ada: Any) -> None:
    release = ReleaseFactory(name="A")
    answer = client.get(at(release))
    text = answer.content.decode()
    for said in ("20250101000000", PLATFORM, "= Linux_x86_64-alias", "Every locale is on the platforms"):
        assert said in text, said
    assert answer.context["gaps_count"] == 0


def test_page__gaps__are_named_with_their_places(client: Any, ada: Any) -> None:
    release = ReleaseFactory(name="A", locales=("de", "en-US", "fr"))
    with change_set(actor_name="build"):
        submit_locale("A", "Acme", PLATFORM, "fr", locale_document("20250202000000"))
    text = text_of(client, at(release))
    assert "other build ID than its siblings" in text
    assert f"{PLATFORM} fr" in text
    rows = client.get(at(release), {"gaps": ""}).context["rows"]
    assert [row.name for row in rows] == ["fr"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (ReleaseFactory, "no rule names it"),
        (ReleaseFactory.mapped, "Offered now by 1 rule."),
        (ReleaseFactory.pinned, "clients that pinned themselves: 1 pin."),
    ],
    ids=["unused", "mapped", "pinned"],
)
def test_page__says_whether_anybody_is_offered_it(client: Any, ada: Any, make: Any, said: str) -> None:
    assert said in text_of(client, at(make()))


def test_page__rules_that_give_it_to_nobody__are_told(client: Any, ada: Any) -> None:
    release = ReleaseFactory()
    rule = RuleFactory(mapping=release, background_rate=0)
    assert "the rules that name it give it to 0 %" in text_of(client, at(release))
    RuleFactory(mapping=release, channel="beta")
    ShutoffFactory(channel="beta")
    assert "updates are stopped where rules would offer it" in text_of(client, at(release))
    devices = ReleaseFactory.whitelist("1")
    RuleFactory(whitelist=devices, channel="esr", mapping=rule.mapping)
    assert "it lists the devices" in text_of(client, at(devices))


def test_page__signoffs_plans_and_versions__are_told(client: Any, ada: Any) -> None:
    requires("Acme", "release", qa=1)
    release = ReleaseFactory.mapped(name="A")
    with change_set(actor_name="bert", reason="rebuilt"):
        submit_locale("A", "Acme", PLATFORM, "de", locale_document("20250202000000"))
    with change_set(actor=ada):
        propose(ada, [Proposal("release", "update", {"read_only": True}, release.pk)])
    text = " ".join(text_of(client, at(release)).split())
    for said in (
        "1 \u00d7 qa",
        "nobody holds this role",
        f"Scheduled change {ScheduledChange.objects.get()}",
        "rebuilt",
        "bert",
        "version 2",
    ):
        assert said in text, said
    assert [item.number for item in client.get(at(release)).context["versions"]] == [2, 1]


def test_page__many_versions__are_paged(client: Any, ada: Any) -> None:
    release = ReleaseFactory.growing(24)
    first = client.get(at(release))
    numbers = [item.number for item in first.context["versions"]]
    assert (numbers[0], numbers[-1], first.context["older"]) == (24, 5, 5)
    last = client.get(at(release), {"before": "5"})
    assert [item.number for item in last.context["versions"]] == [4, 3, 2, 1]
    assert last.context["older"] is None


def test_page__cells__lead_to_the_history_of_their_locale(client: Any, ada: Any) -> None:
    release = ReleaseFactory()
    part = release.parts.get(locale="de")
    assert f"/admin/history/releases.releasepart/{part.pk}/" in text_of(client, at(release))


def test_page__other_kinds__show_their_document_or_their_files(client: Any, ada: Any) -> None:
    devices = ReleaseFactory.whitelist("4711")
    assert "4711" in text_of(client, at(devices))
    files = {"filesize": 5, "hashValue": "ab", "fileUrl": "https://x"}
    document = {"name": "G", "schema_version": 1000, "hashFunction": "sha512", "vendors": {}}
    document["vendors"] = {
        "gmp-a": {
            "version": "1",
            "platforms": {"Linux": {**files, "hashValue": "ab" * 64}, "Mac": {"alias": "Linux"}},
        },
        "gmp-b": {"version": "2", "platforms": {"Linux": {**files, "hashValue": "ab" * 64}}},
    }
    gmp = Release(name="G", product="GMP", schema_version=1000, document=document)
    with change_set(actor_name="factory"):
        gmp.save()
    text = text_of(client, at(gmp))
    for said in ("gmp-a", "5 bytes", "as Linux", "missing"):
        assert said in text, said


def test_page__reader__sees_no_way_to_change_it(client: Any, ada: Any) -> None:
    release = ReleaseFactory()
    client.force_login(auditor())
    text = text_of(client, at(release))
    assert "Changing it is allowed to ada. Making it read-only is allowed to ada." in text
    for verb in ("edit", "read-only", "delete"):
        assert f"/{release.pk}/{verb}/" not in text
    for name in ("console_release_edit", "console_release_lock"):
        assert client.get(reverse(f"admin:{name}", args=[release.pk])).status_code == 403
    assert client.post(at(release), {}).status_code == 405
    assert client.get(reverse("admin:console_release_document", args=[release.pk])).json() == release.blob()


def test_page__no_such_release__is_not_found(client: Any, ada: Any) -> None:
    assert client.get("/admin/releases/release/77/change/").status_code == 404
    assert client.get("/admin/releases/release/x/change/").status_code == 404
    assert client.get(f"/admin/releases/release/{'9' * 30}/change/").status_code == 404
    assert client.get(f"/admin/releases/release/{'9' * 30}/edit/").status_code == 404


# --- Read-only ----------------------------------------------------------------------------------------------


def lock_page(release: Release) -> str:
    return reverse("admin:console_release_lock", args=[release.pk])


def confirmed(client: Any, release: Release, **more: str) -> dict[str, Any]:
    return {**hidden_fields(client.get(lock_page(release))), "reason": "shipped", **more}


def test_lock__and_unlock__where_nobody_must_agree(client: Any, ada: Any) -> None:
    release = ReleaseFactory()
    for expected in (True, False):
        answer = client.post(lock_page(release), confirmed(client, release, _save=""))
        assert answer.status_code == 302
        release = Release.objects.get()
        assert release.read_only is expected
    assert Release.history.first().change_set.reason == "shipped"


def test_unlock__signoffs_needed__is_refused_and_scheduled(client: Any, ada: Any) -> None:
    requires("Acme", "release", qa=1)
    person("quinn", roles=["qa"])
    release = ReleaseFactory.locked(name="A")
    RuleFactory(mapping=release)
    page = text_of(client, lock_page(release))
    assert "quinn" in page
    assert 'name="_save"' not in page
    answer = client.post(lock_page(release), confirmed(client, release, _save=""))
    assert answer.status_code == 409
    assert "needs signoffs" in answer.content.decode()
    answer = client.post(lock_page(release), confirmed(client, release, _schedule="", schedule_when=""))
    assert answer.url == reverse(
        "admin:changes_scheduledchange_change", args=[ScheduledChange.objects.get().pk]
    )
    assert ScheduledChange.objects.get().writes.get().values == {"read_only": False}
    assert Release.objects.get().read_only


@pytest.mark.parametrize("button", ["_save", "_schedule"])
def test_lock__changed_since_the_page_was_shown__is_refused(client: Any, ada: Any, button: str) -> None:
    release = ReleaseFactory(name="A")
    sent = confirmed(client, release, **{button: ""})
    with change_set(actor_name="bert"):
        set_read_only("A", True, based_on=1)
    answer = client.post(lock_page(release), sent)
    assert "Somebody was faster" in answer.content.decode()
    with change_set(actor_name="bert"):
        set_read_only("A", False, based_on=2)
    answer = client.post(lock_page(release), sent)
    assert "bert changed" in answer.content.decode()
    assert client.post(lock_page(release), {}).status_code == 409
    assert not ScheduledChange.objects.exists()


def test_lock__other_product__is_refused(client: Any) -> None:
    release = ReleaseFactory()
    client.force_login(person("rita", "release_read_only", products=["Other"]))
    assert client.get(lock_page(release)).status_code == 403
    assert client.delete(lock_page(release)).status_code in (403, 405)
