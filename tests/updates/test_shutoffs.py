"""A shutoff of one platform or locale: what it stops, and how it is stored, shown, dumped and proven."""

from __future__ import annotations

import hashlib
import io
import json

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, transaction

from history import verify
from history.canonical import canonical_json
from history.changesets import change_set
from releng.updates.demo import demo_data
from releng.updates.management.commands.load_demo import DEMO_URL
from rules import actions
from rules.engine.render import EMPTY_DOCUMENT
from rules.models import EmergencyShutoff
from tests.factories import ShutoffFactory
from tests.servers import environment, fetch, free_port, granian, manage, running, sqlite_with, wait_until
from tests.updates.client import call

WINDOWS = DEMO_URL
LINUX = DEMO_URL.replace("WINNT_x86_64-msvc-x64", "Linux_x86_64-gcc3")
WINDOWS_IN_FRENCH = DEMO_URL.replace("/de/", "/fr/")
PARTNER = DEMO_URL.replace("/release/", "/release-cck-partner/")
SHUT_OFF = """
from history.changesets import change_set
from rules.actions import shut_off
with change_set(actor_name="night shift", reason="crashes"):
    shut_off("Firefox", "release", "crashes", build_target="WINNT_x86_64-msvc-x64")
"""
LIFT = """
from history.changesets import change_set
from rules.actions import lift_shutoff
with change_set(actor_name="night shift", reason="fixed"):
    lift_shutoff("Firefox", "release", build_target="WINNT_x86_64-msvc-x64", based_on=1)
"""


def act():
    return change_set(actor_name="tester", reason="test")


@pytest.mark.slow
def test_shutoff__of_one_platform__stops_and_frees_only_that_platform_over_http(tmp_path):
    env = environment(sqlite_with(demo=False, folder=tmp_path))
    manage(env, "load_data", "-", stdin=json.dumps(demo_data()))
    port = free_port()

    def stopped():
        return [fetch(port, target).body == EMPTY_DOCUMENT for target in (WINDOWS, WINDOWS_IN_FRENCH, LINUX)]

    with running(granian(port), env, port, tmp_path / "log"):
        wait_until(lambda: stopped() == [False] * 3, "everybody is offered the update")
        manage(env, "shell", "-c", SHUT_OFF)
        wait_until(lambda: stopped() == [True, True, False], "Windows alone is stopped")
        [row] = json.loads(fetch(port, "/api/v1/emergency_shutoff").body)["shutoffs"][1:]
        assert row["build_target"] == "WINNT_x86_64-msvc-x64"
        manage(env, "shell", "-c", LIFT)
        wait_until(lambda: stopped() == [False] * 3, "Windows goes on")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("limits", "stopped"),
    [
        ({}, {WINDOWS, LINUX, WINDOWS_IN_FRENCH, PARTNER}),
        ({"build_target": "WINNT_x86_64-msvc-x64"}, {WINDOWS, WINDOWS_IN_FRENCH, PARTNER}),
        ({"build_target": "WINNT_x86_64-msvc"}, set()),
        ({"locale": "de"}, {WINDOWS, LINUX, PARTNER}),
        ({"build_target": "WINNT_x86_64-msvc-x64", "locale": "fr"}, {WINDOWS_IN_FRENCH}),
    ],
)
def test_shutoff__with_limits__stops_exactly_those_clients(demo, make_service, limits, stopped):
    with act():
        actions.shut_off("Firefox", "release", "crashes", **limits)
    service = make_service()
    targets = [WINDOWS, LINUX, WINDOWS_IN_FRENCH, PARTNER]
    assert {target for target in targets if call(service, target).body == EMPTY_DOCUMENT} == stopped


@pytest.mark.django_db
def test_read_api__shutoffs__limits_are_shown_only_where_there_are_some(demo, make_service):
    with act():
        actions.shut_off("Acme", "release", "crashes")
        actions.shut_off("Acme", "release", "crashes", build_target="Linux")
        actions.shut_off("Acme", "beta", "crashes", locale="de")
    service = make_service()
    found = json.loads(call(service, "/api/v1/emergency_shutoff").body)
    plain = {"product": "Acme", "channel": "release", "comment": "crashes", "data_version": 1}
    mine = [row for row in found["shutoffs"] if row["product"] == "Acme"]
    expected = [plain, plain | {"build_target": "Linux"}, plain | {"channel": "beta", "locale": "de"}]
    assert sorted(mine, key=canonical_json) == sorted(expected, key=canonical_json)
    assert json.loads(call(service, "/api/v1/emergency_shutoff/Acme/release").body) == plain
    assert call(service, "/api/v1/emergency_shutoff/Acme/beta").status == 404


@pytest.mark.django_db
@pytest.mark.parametrize("limits", [{}, {"build_target": "Linux"}, {"locale": "de"}])
def test_shutoff__same_place_twice__is_refused_by_the_database_and_explained_by_the_model(limits):
    ShutoffFactory(**limits)
    twin = EmergencyShutoff(product="Acme", channel="release", comment="again", **limits)
    with pytest.raises(ValidationError, match="shut off there already"):
        twin.full_clean()
    with pytest.raises(IntegrityError), transaction.atomic(), act():
        twin.save()


@pytest.mark.django_db
def test_shutoff__blank_limits__are_none():
    shutoff = ShutoffFactory(build_target=" ", locale="")
    assert (shutoff.build_target, shutoff.locale) == (None, None)


@pytest.mark.django_db
def test_data_file__shutoffs_with_limits__come_back_as_they_were(tmp_path):
    for limits in (
        {},
        {"build_target": "Linux"},
        {"locale": "de"},
        {"build_target": "Linux", "locale": "de"},
    ):
        ShutoffFactory(**limits)
    before, after = io.StringIO(), io.StringIO()
    call_command("dump_data", stdout=before)
    file = tmp_path / "data.json"
    file.write_text(before.getvalue())
    call_command("load_data", str(file), "--replace")
    call_command("dump_data", stdout=after)
    assert json.loads(before.getvalue()) == json.loads(after.getvalue())
    assert EmergencyShutoff.objects.filter(build_target="Linux", locale="de").count() == 1


@pytest.mark.django_db
def test_digest__row_without_limits__is_that_of_rows_from_before_there_were_any():
    shutoff = ShutoffFactory()
    row = shutoff.history.get()
    values = {"id": shutoff.pk, "data_version": 1, "product": "Acme", "channel": "release"}
    said = [
        "rules.emergencyshutoff",
        str(row.change_set_id),
        "+",
        row.history_change_reason,
        values | {"comment": "crashes at start"},
    ]
    assert row.digest == hashlib.sha256(canonical_json(said).encode()).hexdigest()


@pytest.mark.django_db(transaction=True)
def test_verify__limits_and_none__history_is_whole():
    ShutoffFactory()
    ShutoffFactory(build_target="Linux")
    assert list(verify.differences()) == []
