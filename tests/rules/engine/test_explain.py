"""The explanation tells what the decision did."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from releases.blobs import ClientError
from rules.engine.decide import Outcome, decide
from rules.engine.explain import Stage, explain
from rules.engine.render import render_json, render_xml
from tests.releases.blobs.acme import LINUX, gmp, guardian, query
from tests.rules.engine import naive
from tests.rules.engine.strategies import queries, rule_sets
from tests.rules.engine.test_decide import LISTED, NEW, OLD, pinning, superblob
from tests.rules.engine.world import full, rule, snapshot

DOCUMENTS = (
    NEW,
    OLD,
    full("9.5"),
    full("10.0"),
    full("12.0"),
    gmp(),
    guardian(),
    superblob(products=["Acme", "Other"]),
)
NAMES = [*(document["name"] for document in DOCUMENTS), None, "Gone"]

extra = st.fixed_dictionaries(
    {
        "mapping": st.sampled_from(NAMES),
        "fallback_mapping": st.sampled_from(NAMES),
        "background_rate": st.sampled_from([100, 100, 50, 0, None]),
    }
)
listed = {**LISTED, "name": "listed", "whitelist": [{"imei": "imei-1"}]}
broken = {**LISTED, "name": "broken", "whitelist": 7}
WHITELISTS = {"listed": {"imei-1"}, "missing": set(), "broken": set()}


def worlds(rules):
    return snapshot(
        rules,
        *DOCUMENTS,
        listed,
        broken,
        pins={("Acme", "release", "9."): "A-9.5", ("Other", "beta", "9."): "Gone"},
        shutoffs=[("Acme", "nightly"), ("Other", "beta", "T1"), ("Guardian", "beta", None, "a")],
    )


def outcome_of(asked, world, dice):
    try:
        return decide(asked, world, lambda: dice), None
    except ClientError as error:
        return None, str(error)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(rules=rule_sets(extra, 12), asked=st.lists(queries, min_size=15, max_size=15), dice=st.integers(0, 99))
def test_explain__any_rules_and_queries__agrees_with_the_decision(rules, asked, dice):
    world = worlds(rules)
    for one in asked:
        told = explain(one, world, lambda: dice)
        decision, error = outcome_of(one, world, dice)
        assert (decision, error) == outcome_of(one, world, dice)  # nothing but the dice is random
        assert (told.decision, told.error) == (decision, error)
        if decision is None:
            continue
        passed = [item.rule for item in told.considered if item.rejected_by is None]
        rejected = [item.rule for item in told.considered if item.rejected_by is not None]
        if decision.outcome is not Outcome.SHUT_OFF:
            assert passed == ([decision.rule] if decision.rule else [])
            assert not any(naive.matches(item, one, WHITELISTS) for item in rejected)
        served = any(step.stage is Stage.GATE and "is offered" in step.text for step in told.steps)
        assert served is (decision.outcome is Outcome.SERVED)
        assert told.steps
        for render in (render_xml, render_json):
            assert render(decision, world).status in (200, 404)


def texts(told):
    return [(step.stage.value, step.text) for step in told.steps]


def test_explain__rejected_rules__name_the_first_field_and_both_values():
    rules = [
        rule(1, "New", priority=9, channel="beta*"),
        rule(2, "New", priority=8, product="Other"),
        rule(3, "New", priority=7, version="<9.0", alias="old"),
        rule(4, "New", priority=6, whitelist="Nobody"),
        rule(5, "New", priority=5, locale="de,fr", os_version="Windows"),
        rule(6, "New", priority=4),
        rule(7, "New", priority=3),
    ]
    told = explain(query(), snapshot(rules, NEW), lambda: 0)
    assert [(i.rule.rule_id, i.rejected_by, i.rule_value, i.client_value) for i in told.considered] == [
        (1, "channel", "beta*", "release"),
        (3, "version", "<9.0", "9.0"),
        (4, "whitelist", "Nobody", None),
        (5, "os_version", "Windows", "Linux 5"),
        (6, None, None, None),
    ]
    assert told.winner.rule_id == 6


def test_explain__rule_that_cannot_be_used__is_told_with_its_field():
    told = explain(query(), snapshot([rule(1, "New"), rule(2, "New", priority="high")], NEW), lambda: 0)
    assert [(i.rule.rule_id, i.rejected_by, i.rule_value) for i in told.considered] == [
        (2, "priority", "high"),
        (1, None, None),
    ]


def test_explain__throttle__tells_who_decided():
    world = snapshot([rule(1, "New", background_rate=25, fallback_mapping="Old", alias="canary")], NEW, OLD)
    assert texts(explain(query(), world, lambda: 25)) == [
        ("rule", "Rule 1 (canary) matches, with priority 100; its mapping is New."),
        ("throttle", "Throttled to 25 %: the dice decide; this client is given the fallback mapping Old."),
        ("gate", "Old is offered, as a minor update."),
    ]
    without = snapshot([rule(1, "New", background_rate=25)], NEW)
    assert texts(explain(query(), without, lambda: 25))[1:] == [
        ("throttle", "Throttled to 25 %: the dice decide; this client is given nothing."),
    ]


def test_explain__shutoff__tells_where_it_stands():
    world = snapshot([rule(1, "New")], NEW, shutoffs=[("Acme", "release", LINUX)])
    told = explain(query(channel="release-cck-x"), world, lambda: 0)
    assert texts(told) == [
        ("shutoff", f"Updates are stopped for Acme release {LINUX}, whatever the rules say.")
    ]
    assert told.considered[0].rejected_by is None


def test_explain__pin__tells_where_it_leads():
    told = explain(query(version="23.0", pin="24."), pinning(), lambda: 0)
    assert texts(told)[1:] == [
        ("pin", "That is beyond the client's pin 24., which leads to A-24.1."),
        ("gate", "A-24.1 is offered, as a minor update."),
    ]
    told = explain(query(version="23.0", pin="21."), pinning(), lambda: 0)
    assert texts(told)[-1] == (
        "gate",
        "A-21.0 is not offered: the release of the client's pin is no update for it.",
    )


def test_explain__superblob__lists_its_children():
    rules = [rule(1, "Super", product="Acme"), rule(2, "New", product="PluginA")]
    told = explain(query(), snapshot(rules, superblob(products=["PluginA"]), NEW), lambda: 0)
    assert texts(told)[-1] == ("child", "With New, for PluginA.")


def test_explain__version_nobody_reads__says_so_instead_of_deciding():
    told = explain(query(version="banana"), snapshot([rule(1, "New", version=">1.0")], NEW), lambda: 0)
    assert (told.decision, told.winner, told.steps) == (None, None, ())
    assert "banana" in told.error
    assert told.considered[0].rejected_by == "version"
