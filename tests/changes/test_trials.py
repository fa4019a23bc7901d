"""Trials: the state of now, of a moment that is over, of one ahead, and with changes that are only proposed."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from history.changesets import change_set
from history.models import ChangeSet
from releases.actions import set_read_only, submit_locale
from releases.models import AllowedDomain, Release, ReleasePart, SpecialForceHost
from releases.reading import consistent_read
from releng.changes import enacting
from releng.changes.actions import Proposal, cancel, propose, sign_off
from releng.changes.models import ScheduledChange
from releng.changes.trials import Moment, trial
from releng.permissions.models import Permission
from releng.updates.asking import Asked, ask, question_of_fields, question_of_url
from releng.updates.service import UpdateService
from rules.actions import delete_rule, lift_shutoff, shut_off, update_rule
from rules.engine.decide import Outcome
from rules.models import EmergencyShutoff, PinnableRelease, Rule
from tests.factories import (
    PLATFORM,
    AllowedDomainFactory,
    PinFactory,
    ReleaseFactory,
    RuleFactory,
    ShutoffFactory,
    SpecialForceHostFactory,
    locale_document,
    release_document,
)
from tests.people import person, requires
from tests.updates.client import Got, call
from tests.updates.conftest import QuietKeeper

pytestmark = pytest.mark.django_db

CLIENT = {"product": "Acme", "version": "8.0", "build_target": PLATFORM, "channel": "release"}
HOUR = timedelta(hours=1)


class Public:
    """The public service as it answers now; `dice` fall as told."""

    def __init__(self) -> None:
        self.dice = 0
        keeper = QuietKeeper()
        keeper.refresh()
        self.service = UpdateService(keeper, lambda environ, start: [], dice=lambda: self.dice)

    def __call__(self, url: str, dice: int = 0) -> Got:
        self.dice = dice
        return call(self.service, url)


def tried(moment: Moment | None = None, url: str = "", dice: int = 0, **fields: str) -> Asked:
    """Return what a client would be answered."""
    question = question_of_url(url) if url else question_of_fields(CLIENT | fields)
    with consistent_read():
        return ask(question, trial(moment or Moment()).snapshot, dice)


def scheduled(*proposals: Proposal, author: Any = None, **options: Any) -> ScheduledChange:
    """Schedule something as an administrator, or as `author`."""
    author = author or person(f"author{ScheduledChange.objects.count()}", "admin")
    with change_set(actor=author, reason="schedule"):
        return propose(author, list(proposals), **options)


def agent() -> Any:
    return person("agent", "scheduled_change:enact", system=True)


# --- Now is what the public service answers -----------------------------------------------------------------


def a_world(dice: random.Random) -> None:
    """Make rules of all sorts, chosen by `dice`."""
    AllowedDomainFactory()
    names = [ReleaseFactory.served(f"Acme-{number}", f"{number}.0").name for number in range(9, 14)]
    devices = ReleaseFactory.whitelist("111", "222", name="Devices").name
    choices: dict[str, list[Any]] = {
        "priority": [10, 20, 30, 40, 50],
        "mapping": [*names, None],
        "fallback_mapping": [*names, None],
        "background_rate": [100, 100, 25, 0],
        "channel": ["release", "rel*", "beta", None],
        "version": [None, None, "<10.0", ">=9.0", "8.0,9.0"],
        "locale": [None, None, "de", "de,fr"],
        "build_id": [None, None, ">20200101000000"],
        "memory": [None, None, ">4096"],
        "os_version": [None, None, "Windows", "Linux && 5"],
        "mig64": [None, None, True],
        "whitelist": [None, None, None, devices],
    }
    for _ in range(12):
        RuleFactory(**{name: dice.choice(values) for name, values in choices.items()})
    PinFactory(version="10.", mapping=Release.objects.get(name="Acme-10"))
    ShutoffFactory(channel="beta", locale="de")


def some_client(dice: random.Random) -> dict[str, str]:
    """Return what a client chosen by `dice` tells."""
    found = {
        "product": dice.choice(["Acme", "Acme", "Other"]),
        "version": dice.choice(["8.0", "9.0", "9.5", "10.0", "99.0", "broken"]),
        "build_target": dice.choice([PLATFORM, "Linux_x86_64-alias", "WINNT"]),
        "channel": dice.choice(["release", "release-cck-partner", "relay", "beta"]),
        "locale": dice.choice(["de", "en-US", "fr"]),
        "build_id": dice.choice(["20190101000000", "20240101000000"]),
        "os_version": dice.choice(["Windows_NT 10.0", "Linux 5.4", "Darwin 20"]),
    }
    for name, values in {
        "mig64": ["1", "0"],
        "force": ["1", "-1"],
        "pin": ["10.", "9.", "nonsense"],
        "jaws": ["1", "0"],
        "memory": ["2048", "8192"],
        "imei": ["111", "999"],
    }.items():
        if dice.random() < 0.3 and not (name == "imei" and found.keys() & {"jaws", "memory"}):
            found[name] = dice.choice(values)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_trial__without_changes__answers_as_the_public_service(seed: int) -> None:
    dice = random.Random(seed)
    a_world(dice)
    public = Public()
    with consistent_read():
        snapshot = trial(Moment()).snapshot
        for _ in range(60):
            question, thrown = question_of_fields(some_client(dice)), dice.choice([0, 50, 99])
            asked, got = ask(question, snapshot, thrown), public(question.url, thrown)
            assert (asked.answer.status, asked.answer.body) == (got.status, got.body), question.url
            assert asked.answer.rule_id == got.headers.get("Rule-ID")


# --- The past is what was recorded --------------------------------------------------------------------------


def test_trial__of_moments_that_are_over__answers_as_it_was_answered_then() -> None:
    AllowedDomainFactory()
    rule = RuleFactory(mapping=ReleaseFactory.served("Acme-9", "9.0"))
    newer = ReleaseFactory.served("Acme-10", "10.0")
    url = question_of_fields(CLIENT).url
    acts: list[Callable[[], Any]] = [
        lambda: update_rule(rule.pk, {"mapping": "Acme-10"}, based_on=1),
        lambda: submit_locale(
            "Acme-10", "Acme", PLATFORM, "en-US", locale_document("20260101000000", 77), base_version=1
        ),
        lambda: shut_off("Acme", "release", "crashes"),
        lambda: lift_shutoff("Acme", "release", based_on=1),
        lambda: update_rule(rule.pk, {"background_rate": 0, "fallback_mapping": "Acme-9"}, based_on=2),
        lambda: set_read_only(newer.name, True, based_on=1),
        lambda: delete_rule(rule.pk, based_on=3),
    ]
    seen = []
    for act in acts:
        seen.append((timezone.now(), Public()(url)))
        with change_set(actor_name="somebody", reason="something"):
            act()
    seen.append((timezone.now(), Public()(url)))
    assert len({got.body for _, got in seen}) == 4
    for moment, got in seen:
        asked = tried(Moment(at=moment), url)
        assert (asked.answer.body, asked.answer.rule_id) == (got.body, got.headers["Rule-ID"])
        assert asked.answer.rule_data_version == got.headers["Rule-Data-Version"]


def test_trial__before_anything_was_there__offers_nothing() -> None:
    RuleFactory()
    assert tried(Moment(at=timezone.now() - 365 * 24 * HOUR)).outcome is Outcome.NO_RULE


def test_trial__of_the_past_with_changes__is_refused() -> None:
    change = scheduled(Proposal("rule", "insert", {"product": "Acme"}))
    with pytest.raises(ValidationError) as refused:
        trial(Moment(at=timezone.now() - HOUR, changes=(change.pk,)))
    assert "changes" in refused.value.message_dict


# --- A proposed change is what enacting it makes ------------------------------------------------------------


def plans() -> dict[str, Callable[[], Proposal]]:
    """Return one proposal for each kind of row and each way to write it."""

    def rule() -> int:
        return Rule.objects.get(alias="main").pk

    def part(locale: str) -> ReleasePart:
        return ReleasePart.objects.get(release__name="Acme-9", locale=locale)

    def release(name: str) -> int:
        return Release.objects.get(name=name).pk

    def bigger() -> Any:
        document = Release.objects.get(name="Acme-9").blob()
        document["platforms"][PLATFORM]["locales"]["en-US"] = locale_document("20270101000000", 99)
        return document

    return {
        "rule update": lambda: Proposal("rule", "update", {"mapping": "Acme-10"}, rule()),
        "rule throttle": lambda: Proposal("rule", "update", {"background_rate": 50}, rule()),
        "rule insert": lambda: Proposal(
            "rule", "insert", {"product": "Acme", "priority": 999, "mapping": "Acme-10", "channel": "rel*"}
        ),
        "rule delete": lambda: Proposal("rule", "delete", object_id=rule()),
        "release update": lambda: Proposal("release", "update", {"document": bigger()}, release("Acme-9")),
        "release lock": lambda: Proposal("release", "update", {"read_only": True}, release("Acme-9")),
        "release insert": lambda: Proposal(
            "release",
            "insert",
            {"name": "Acme-99", "product": "Acme", "document": release_document("Acme-99", "99.0")},
        ),
        "release delete": lambda: Proposal("release", "delete", object_id=release("Acme-unused")),
        "part update": lambda: Proposal(
            "release_part", "update", {"document": locale_document("20280101000000", 5)}, part("en-US").pk
        ),
        "part insert": lambda: Proposal(
            "release_part",
            "insert",
            {
                "release": release("Acme-9"),
                "platform": PLATFORM,
                "locale": "fr",
                "document": locale_document("20290101000000", 6),
            },
        ),
        "part delete": lambda: Proposal("release_part", "delete", object_id=part("en-US").pk),
        "shutoff insert": lambda: Proposal(
            "emergency_shutoff", "insert", {"product": "Acme", "channel": "release", "comment": "why"}
        ),
        "shutoff delete": lambda: Proposal(
            "emergency_shutoff", "delete", object_id=EmergencyShutoff.objects.get().pk
        ),
        "pin update": lambda: Proposal(
            "pinnable_release", "update", {"mapping": "Acme-10"}, PinnableRelease.objects.get().pk
        ),
        "pin insert": lambda: Proposal(
            "pinnable_release",
            "insert",
            {"product": "Acme", "channel": "release", "version": "9.", "mapping": "Acme-9"},
        ),
        "pin delete": lambda: Proposal(
            "pinnable_release", "delete", object_id=PinnableRelease.objects.get().pk
        ),
        "domain insert": lambda: Proposal(
            "allowed_domain", "insert", {"host": "other.example", "products": ["Acme"]}
        ),
        "domain update": lambda: Proposal(
            "allowed_domain", "update", {"products": ["Zeta"]}, AllowedDomain.objects.get().pk
        ),
        "domain delete": lambda: Proposal(
            "allowed_domain", "delete", object_id=AllowedDomain.objects.get().pk
        ),
        "force host insert": lambda: Proposal(
            "special_force_host", "insert", {"prefix": "https://cdn.example"}
        ),
        "force host update": lambda: Proposal(
            "special_force_host",
            "update",
            {"prefix": "https://cdn.example"},
            SpecialForceHost.objects.get().pk,
        ),
        "force host delete": lambda: Proposal(
            "special_force_host", "delete", object_id=SpecialForceHost.objects.get().pk
        ),
    }


CLIENTS: tuple[dict[str, str], ...] = (
    {},
    {"locale": "fr"},
    {"channel": "beta"},
    {"version": "9.0", "build_id": "20260601000000"},
    {"pin": "9."},
    {"pin": "8."},
    {"force": "1"},
    {"force": "-1"},
)


def a_small_world() -> None:
    AllowedDomainFactory()
    SpecialForceHostFactory(prefix="https://elsewhere.example")
    nine = ReleaseFactory.served("Acme-9", "9.0")
    RuleFactory(alias="main", mapping=nine, fallback_mapping=ReleaseFactory.served("Acme-8", "8.5"))
    RuleFactory(channel="beta", mapping=nine, priority=10)
    ReleaseFactory.served("Acme-10", "10.0")
    ReleaseFactory.served("Acme-unused", "7.0")
    ShutoffFactory(channel="beta")
    PinFactory(version="8.", mapping=Release.objects.get(name="Acme-8"))


def answers_of(service: Public) -> list[Any]:
    return [
        (got.status, got.body, got.headers["Rule-ID"], got.headers["Rule-Data-Version"])
        for client in CLIENTS
        for dice in (0, 99)
        for got in [service(question_of_fields(CLIENT | client).url, dice)]
    ]


def tried_answers(moment: Moment) -> list[Any]:
    return [
        (asked.answer.status, asked.answer.body, asked.answer.rule_id, asked.answer.rule_data_version)
        for client in CLIENTS
        for dice in (0, 99)
        for asked in [tried(moment, dice=dice, **client)]
    ]


@pytest.mark.parametrize("name", plans())
def test_trial__with_a_proposed_change__is_what_enacting_it_makes(name: str) -> None:
    a_small_world()
    proposal = plans()[name]()
    as_draft = tried_answers(Moment(drafts=(proposal,)))
    change = scheduled(proposal)
    as_named = tried_answers(Moment(changes=(change.pk,)))
    ahead = Moment(at=timezone.now() + 2 * HOUR)
    as_future = tried_answers(ahead)
    assert [item.scheduled.pk for item in trial(ahead).applied] == [change.pk]
    enactor = agent()
    with change_set(actor=enactor, reason="enact"):
        enacting.enact(change.pk, enactor)
    expected = answers_of(Public())
    assert (as_draft, as_named, as_future) == (expected, expected, expected)


def test_trial__writes_nothing() -> None:
    a_small_world()
    change = scheduled(plans()["rule update"]())
    before = ChangeSet.objects.count(), Rule.history.count()
    tried_answers(Moment(changes=(change.pk,)))
    tried_answers(Moment(at=timezone.now() + HOUR))
    assert (ChangeSet.objects.count(), Rule.history.count()) == before
    assert Rule.objects.get(alias="main").mapping_id == "Acme-9"


# --- Which changes a moment ahead includes ------------------------------------------------------------------


def considered(moment: Moment) -> tuple[list[int], dict[int, str]]:
    """Return which changes were applied, and why others were left out."""
    found = trial(moment)
    return (
        [item.scheduled.pk for item in found.applied],
        {item.scheduled.pk: item.why for item in found.left_out},
    )


def update(rule: Rule, **values: Any) -> Proposal:
    return Proposal("rule", "update", values, rule.pk)


def test_moment_ahead__takes_what_is_due_by_then__in_order() -> None:
    first, second, third = RuleFactory(channel="a"), RuleFactory(channel="b"), RuleFactory(channel="c")
    now = timezone.now()
    late = scheduled(update(first, priority=1), conditions={"when": now + 3 * HOUR})
    soon = scheduled(update(second, priority=2), conditions={"when": now + HOUR})
    at_once = scheduled(update(third, priority=3))
    assert considered(Moment(at=now + 2 * HOUR)) == ([at_once.pk, soon.pk], {})
    assert considered(Moment(at=now + 4 * HOUR)) == ([at_once.pk, soon.pk, late.pk], {})


def test_moment_ahead__without_signoffs__leaves_it_out_and_says_so() -> None:
    requires("Acme", "release", qa=1)
    rule = RuleFactory(mapping=ReleaseFactory(name="Acme-9", version="9.0"))
    change = scheduled(update(rule, mapping=None), conditions={"when": timezone.now() + HOUR})
    ahead = Moment(at=timezone.now() + 2 * HOUR)
    assert considered(ahead) == ([], {change.pk: "lacks signoffs: 1 x qa"})
    assert tried(ahead).release_name == "Acme-9"
    named = Moment(at=ahead.at, changes=(change.pk,))
    assert considered(named) == ([change.pk], {})
    assert tried(named).release_name is None
    signer = person("quinn", roles=["qa"])
    with change_set(actor=signer, reason="sign"):
        sign_off(change.pk, signer, "qa")
    assert considered(ahead) == ([change.pk], {})


def test_moment_ahead__waiting_for_uptake__is_left_out_until_its_latest_moment() -> None:
    now = timezone.now()
    uptake = {
        "uptake_product": "Acme",
        "uptake_channel": "release",
        "uptake_version": "9.0",
        "uptake_percent": 50.0,
    }
    never = scheduled(update(RuleFactory(channel="a"), priority=1), conditions=uptake)
    latest = scheduled(
        update(RuleFactory(channel="b"), priority=2), conditions=uptake | {"at_latest": now + 2 * HOUR}
    )
    why = "waits until 50 % of Acme on release run 9.0, which nobody can foresee"
    assert considered(Moment(at=now + HOUR)) == ([], {never.pk: why, latest.pk: why})
    assert considered(Moment(at=now + 3 * HOUR)) == ([latest.pk], {never.pk: why})


def test_moment_ahead__with_a_follower__takes_it_after_what_it_follows() -> None:
    rule = RuleFactory()
    now = timezone.now()
    first = scheduled(update(rule, priority=500), conditions={"when": now + 2 * HOUR})
    second = scheduled(
        update(rule, background_rate=7), author=first.author, conditions={"when": now + HOUR}, follows=first
    )
    assert considered(Moment(at=now + HOUR)) == (
        [],
        {second.pk: f"follows change {first.pk}, which is not enacted by then"},
    )
    ahead = trial(Moment(at=now + 3 * HOUR))
    assert [item.scheduled.pk for item in ahead.applied] == [first.pk, second.pk]
    assert (ahead.material.rules[rule.pk].priority, ahead.material.rules[rule.pk].background_rate) == (500, 7)
    assert considered(Moment(changes=(second.pk,))) == ([first.pk, second.pk], {})


@pytest.mark.parametrize("case", ["inactive", "not permitted"])
def test_moment_ahead__whose_author_may_not_any_more__is_left_out(case: str) -> None:
    change = scheduled(update(RuleFactory(), priority=1))
    author = change.author
    if case == "inactive":
        author.is_active = False
        author.save()
    else:
        with change_set(actor_name="factory"):
            Permission.objects.get(user=author).delete()
    _, left_out = considered(Moment(at=timezone.now() + HOUR))
    assert "any more" in left_out[change.pk]


def test_moment_ahead__with_changes_to_permissions__does_not_mention_them() -> None:
    scheduled(Proposal("role", "insert", {"user": person("sam").pk, "role": "qa"}))
    assert considered(Moment(at=timezone.now() + HOUR)) == ([], {})


def test_named_change__that_is_over_or_not_there__is_refused() -> None:
    change = scheduled(update(RuleFactory(), priority=1))
    with change_set(actor=change.author, reason="no"):
        cancel(change.pk, change.author)
    for key in (change.pk, change.pk + 1):
        with pytest.raises(ValidationError) as refused:
            trial(Moment(changes=(key,)))
        assert "changes" in refused.value.message_dict


def test_draft__that_cannot_be_stored__names_the_field() -> None:
    rule = RuleFactory()
    with pytest.raises(ValidationError) as refused:
        trial(Moment(drafts=(update(rule, background_rate=101),)))
    assert "background_rate" in refused.value.message_dict
    for draft in (
        Proposal("nonsense", "insert", {}),
        Proposal("role", "update", {}, 1),
        Proposal("rule", "update", {"priority": 1}, 999_999),
        Proposal("rule", "update", {"priority": 1}),
    ):
        with pytest.raises(ValidationError) as refused:
            trial(Moment(drafts=(draft,)))
        assert "values" in refused.value.message_dict


def test_moment_ahead__with_two_changes_of_one_release__leaves_the_second_to_people() -> None:
    a_small_world()
    first = scheduled(plans()["part update"]())
    second = scheduled(plans()["release update"]())
    ahead = considered(Moment(at=timezone.now() + HOUR))
    assert ahead[0] == [first.pk]
    assert f"writes the same release as change {first.pk}, which comes first" in ahead[1][second.pk]


def test_draft__for_a_row_that_a_named_change_deletes__is_refused() -> None:
    rule = RuleFactory()
    change = scheduled(Proposal("rule", "delete", object_id=rule.pk))
    with pytest.raises(ValidationError) as refused:
        trial(Moment(changes=(change.pk,), drafts=(update(rule, priority=5),)))
    assert "not there any more" in str(refused.value.message_dict["values"])


def test_state_after_a_change_set__is_the_one_that_it_made() -> None:
    rule = RuleFactory()
    numbers = []
    for priority in (1, 2):
        with change_set(actor_name="somebody") as opened:
            update_rule(rule.pk, {"priority": priority}, based_on=priority)
        numbers.append(ChangeSet.objects.get(pk=opened.id).sequence)
    found = [trial(Moment(sequence=number)).material.rules[rule.pk].priority for number in numbers]
    assert found == [1, 2]
    with pytest.raises(ValidationError):
        trial(Moment(sequence=numbers[-1] + 1))
