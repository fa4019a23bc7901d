"""What is offered: protocol.md sections 3, 4 and 15 (E6 to E9, E15)."""

import pytest

from releases.blobs.errors import BadPin, BadVersion
from releases.blobs.query import Force
from rules.engine.decide import Outcome, decide
from rules.engine.index import RuleIndex
from rules.engine.snapshot import Shutoff
from tests.releases.blobs.acme import LINUX, guardian, query
from tests.rules.engine.world import decided, desupport, full, rule, snapshot

NEW, OLD = desupport("New"), desupport("Old")


# --- Selection --------------------------------------------------------------------------------------------


def test_decide__no_rule__names_nobody():
    found = decided(snapshot([rule(1, "New", product="Other")], NEW))
    assert (found.outcome, found.rule, found.release) == (Outcome.NO_RULE, None, None)


@pytest.mark.parametrize("mapping", [None, ""])
def test_decide__rule_without_mapping__serves_nothing_but_names_the_rule(mapping):
    found = decided(snapshot([rule(1, mapping)]))
    assert (found.outcome, found.rule.rule_id) == (Outcome.NO_MAPPING, 1)


def test_decide__winner_is_no_update__does_not_fall_through():
    world = snapshot([rule(1, "A-8.0", priority=2), rule(2, "A-10.0", priority=1)], full("8.0"), full("10.0"))
    found = decided(world)
    assert (found.outcome, found.rule.rule_id, found.release) == (Outcome.NOT_AN_UPDATE, 1, None)


def test_decide__mapping_without_release__serves_nothing():
    assert decided(snapshot([rule(1, "Gone")])).outcome is Outcome.NO_RELEASE


def e9(fields, **asked):
    return decided(snapshot([rule(1, "New", **fields)], NEW), **asked).outcome is Outcome.SERVED


@pytest.mark.parametrize(
    ("fields", "asked", "matches"),
    [
        ({"os_version": "Wind && 10"}, {"os_version": "Windows 10"}, True),
        ({"os_version": "Wind && 10"}, {"os_version": "Win11"}, False),
        ({"jaws": False}, {"jaws": False}, True),
        ({"jaws": False}, {"jaws": None}, False),
        ({"jaws": False}, {"jaws": True}, False),
        ({"memory": "<2000"}, {"memory": None}, True),
        ({"memory": "<2000"}, {"memory": 1000}, True),
        ({"memory": "<2000"}, {"memory": 9000}, False),
        ({"instruction_set": "SSE3,SSE4_2"}, {"instruction_set": "SSE3"}, True),
        ({"instruction_set": "SSE3,SSE4_2"}, {"instruction_set": "NA"}, False),
        ({"instruction_set": "SSE3,SSE4_2"}, {"instruction_set": None}, False),
        ({"mig64": True}, {"mig64": True}, True),
        ({"mig64": True}, {"mig64": False}, False),
        ({"mig64": True}, {"mig64": None}, False),
        ({"channel": "r*"}, {"channel": "release"}, False),
        ({"channel": "re*"}, {"channel": "release"}, True),
        ({"channel": "release"}, {"channel": "release-cck-corp"}, True),
        ({"build_id": ">2020"}, {"build_id": "3"}, True),
        ({"version": "10.0.*"}, {"version": "10.0.2"}, True),
        ({"version": "10.0.*"}, {"version": "10.1"}, False),
        ({"version": "10.*"}, {"version": "10.1a2"}, True),
        ({"version": ">=10.*"}, {"version": "10.1"}, False),
        ({"version": "12.*"}, {"version": "12.*"}, True),
        ({"version": "12.3"}, {"version": "12.*"}, True),
        ({"version": "<12.3"}, {"version": "12.*"}, False),
        ({"version": "8.0,>=10.0,<7.0"}, {"version": "10.0a1"}, False),
        ({"version": "8.0,>=10.0a1,<7.0"}, {"version": "10.0a1"}, True),
        ({"version": "8.0, 9.0"}, {"version": "9.0"}, False),
    ],
)
def test_e9__field__matches_as_written(fields, asked, matches):
    assert e9(fields, **asked) is matches


# --- Throttle ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "dice", "force", "name"),
    [
        (0, 0, None, "Old"),  # E7
        (0, 0, Force.FALLBACK, "Old"),
        (50, 49, None, "New"),
        (50, 50, None, "Old"),
        (99, 99, None, "Old"),
    ],
)
def test_e7__throttled_rule__dice_and_force_choose(rate, dice, force, name):
    world = snapshot([rule(1, "New", background_rate=rate, fallback_mapping="Old")], NEW, OLD)
    found = decided(world, dice, force=force)
    assert (found.release.name, found.release_name, found.is_fallback) == (name, name, name == "Old")
    assert found.rates == ((rate,) if force is None else ())


@pytest.mark.parametrize(
    ("rate", "force"), [(0, Force.MAIN), (100, None), (100, Force.FALLBACK), (50, Force.FALLBACK)]
)
def test_decide__nothing_to_throw_for__dice_are_not_asked(rate, force):
    world = snapshot([rule(1, "New", background_rate=rate, fallback_mapping="Old")], NEW, OLD)
    found = decided(world, force=force)
    assert found.release.name == ("Old" if rate == 50 else "New")


@pytest.mark.parametrize("fallback", [None, ""])
def test_decide__throttled_without_fallback_mapping__serves_nothing(fallback):
    world = snapshot([rule(1, "New", background_rate=10, fallback_mapping=fallback)], NEW)
    found = decided(world, 10)
    assert (found.outcome, found.rule.rule_id, found.rates) == (Outcome.THROTTLED, 1, (10,))


@pytest.mark.parametrize("force", [None, *Force])
def test_decide__rule_without_background_rate__serves_nothing(force):
    found = decided(snapshot([rule(1, "New", background_rate=None)], NEW), force=force)
    assert (found.outcome, found.release) == (Outcome.NO_RATE, None)


# --- Shutoffs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shutoff", "asked", "stops"),
    [
        (("Acme", "release"), {}, True),
        (("Acme", "release"), {"force": Force.MAIN}, True),
        (("Acme", "release"), {"channel": "release-cck-corp"}, True),
        (("Acme", "release-cck-corp"), {"channel": "release-cck-corp"}, True),
        (("Acme", "release-cck-corp"), {"channel": "release"}, False),
        (("Acme", "release*"), {}, False),
        (("Acme", "beta"), {}, False),
        (("Other", "release"), {}, False),
        (Shutoff("Acme", "release", build_target=LINUX), {}, True),
        (Shutoff("Acme", "release", build_target="Other"), {}, False),
        (Shutoff("Acme", "release", locale="de"), {"locale": "de"}, True),
        (Shutoff("Acme", "release", locale="de"), {}, False),
        (Shutoff("Acme", "release", build_target=LINUX, locale="de"), {"locale": "de"}, True),
        (Shutoff("Acme", "release", build_target="Other", locale="de"), {"locale": "de"}, False),
    ],
)
def test_decide__shutoff__comes_before_all_rules(shutoff, asked, stops):
    found = decided(snapshot([rule(1, "New")], NEW, shutoffs=[("Acme", "nightly"), shutoff]), **asked)
    assert (found.outcome is Outcome.SHUT_OFF) is stops
    assert (found.rule is None) is stops


def test_decide__shutoff_and_unreadable_version__is_no_error():
    world = snapshot([rule(1, "New", version=">1.0")], NEW, shutoffs=[("Acme", "release")])
    assert decided(world, version="banana").outcome is Outcome.SHUT_OFF
    with pytest.raises(BadVersion):
        decided(world, version="banana", channel="beta")


# --- Pins (E15) -------------------------------------------------------------------------------------------

PINS = {"22.": "A-22.4", "24.": "A-24.1", "24.1.": "A-24.1", "21.": "A-21.0"}


def pinning(pins=PINS):
    return snapshot(
        [rule(1, "A-23.0", priority=20, version="<23.0"), rule(2, "A-25.0", priority=10)],
        *(full(version) for version in ("21.0", "22.4", "23.0", "24.1", "25.0")),
        pins={("Acme", "release", pin): name for pin, name in pins.items()},
    )


@pytest.mark.parametrize(
    ("version", "pin", "name"),
    [
        ("21.0", None, "A-23.0"),
        ("21.0", "25.", "A-23.0"),
        ("21.0", "22.", "A-22.4"),
        ("21.0", "22.9.", "A-23.0"),
        ("23.0", None, "A-25.0"),
        ("23.0", "24.", "A-24.1"),
        ("23.0", "24.1.", "A-24.1"),
        ("23.0", "024.", "A-24.1"),
        ("23.0", "21.", None),
        ("23.0", "99.", "A-25.0"),
    ],
)
@pytest.mark.parametrize("channel", ["release", "release-cck-q"])
def test_e15__pin__leads_to_the_pinned_release(version, pin, name, channel):
    found = decided(pinning(), version=version, pin=pin, channel=channel)
    assert (found.release.name if found.release else None) == name
    assert found.pinned is (found.release_name in PINS.values())
    if name is None:
        assert found.outcome is Outcome.PIN_NOT_AN_UPDATE


def test_e15__malformed_pin__is_the_clients_error_where_something_would_be_served():
    with pytest.raises(BadPin):
        decided(pinning(), version="21.0", pin="22")
    assert decided(pinning(), version="26.0", pin="22").outcome is Outcome.NOT_AN_UPDATE


def test_decide__pin_whose_release_is_gone__serves_nothing():
    found = decided(pinning({"24.": "Gone"}), version="23.0", pin="24.")
    assert (found.outcome, found.release_name, found.release) == (Outcome.NO_RELEASE, "Gone", None)


# --- Whitelists -------------------------------------------------------------------------------------------

LISTED = {"name": "Listed", "schema_version": 3000, "whitelist": [{"imei": "hash-1"}, {"imei": 5}, "junk"]}


@pytest.mark.parametrize(
    ("name", "imei", "matches"),
    [
        ("Listed", "hash-1", True),
        ("Listed", "hash-2", False),
        ("Listed", None, False),
        ("Missing", "hash-1", False),
        ("New", "hash-1", False),
        ("Broken", "hash-1", False),
        ("", "hash-1", False),
    ],
)
def test_decide__rule_with_whitelist__matches_listed_devices_only(name, imei, matches):
    broken = {"name": "Broken", "schema_version": 3000, "whitelist": {"imei": "hash-1"}}
    world = snapshot([rule(1, "New", whitelist=name), rule(2, "Old", priority=1)], NEW, OLD, LISTED, broken)
    assert decided(world, imei=imei).rule.rule_id == (1 if matches else 2)


def test_decide__whitelist_as_mapping__is_never_served():
    assert decided(snapshot([rule(1, "Listed")], LISTED), imei="hash-1").release is None


# --- Superblobs -------------------------------------------------------------------------------------------


def superblob(**what):
    return {"name": "Super", "schema_version": 4000, **what}


def children_of(found):
    return [(child.release_name, child.query.product, child.rule.rule_id) for child in found.children]


def test_decide__superblob_of_products__decides_for_each_in_order():
    rules = [
        rule(1, "Super", product="Acme"),
        rule(2, "New", product="PluginB"),
        rule(3, "Old", product="PluginA", background_rate=10, fallback_mapping="New"),
        rule(4, "Gone", product="PluginC"),
    ]
    world = snapshot(rules, superblob(products=["PluginB", "Nobody", "PluginC", "PluginA"]), NEW, OLD)
    found = decided(world, 5)
    assert children_of(found) == [("New", "PluginB", 2), ("Old", "PluginA", 3)]
    assert found.rule.rule_id == 1
    assert found.rates == (10,)
    assert children_of(decided(world, 10)) == [("New", "PluginB", 2), ("New", "PluginA", 3)]


def test_decide__superblobs_child_is_shut_off__is_left_out():
    rules = [
        rule(1, "Super", product="Acme"),
        rule(2, "New", product="PluginA"),
        rule(3, "Old", product="PluginB"),
    ]
    world = snapshot(
        rules, superblob(products=["PluginA", "PluginB"]), NEW, OLD, shutoffs=[("PluginA", "release")]
    )
    assert children_of(decided(world)) == [("Old", "PluginB", 3)]


def test_decide__superblob_of_releases__takes_each_with_its_product():
    world = snapshot(
        [rule(1, "Super")],
        superblob(blobs=["New", "Gone", "Old"]),
        NEW,
        OLD,
        products=[("New", "PluginA"), ("Old", "PluginB")],
    )
    assert children_of(decided(world)) == [("New", "PluginA", 1), ("Old", "PluginB", 1)]


@pytest.mark.parametrize("what", [{"blobs": []}, {"blobs": ["Gone"]}, {}, {"blobs": "junk", "products": 5}])
def test_decide__superblob_of_nothing__serves_nothing(what):
    found = decided(snapshot([rule(1, "Super")], superblob(**what)))
    assert (found.outcome, found.rule.rule_id, found.release) == (Outcome.NO_CHILDREN, 1, None)


def test_decide__superblobs_in_a_circle__end():
    world = snapshot(
        [rule(1, "Super"), rule(2, "New", product="PluginA", priority=200)],
        superblob(products=["Acme", "PluginA", "Super"], blobs=["Super"]),
        NEW,
    )
    assert children_of(decided(world)) == [("New", "PluginA", 2)]


# --- Snapshots --------------------------------------------------------------------------------------------


def test_snapshot__index_handed_on__is_reused():
    index = RuleIndex([rule(1, "New")])
    assert snapshot(index, NEW).index is index


def test_snapshot__what_it_was_built_from_changes__stays_as_it_was():
    releases, pins, shutoffs = {}, {}, [("Acme", "beta")]
    world = snapshot([], shutoffs=shutoffs, pins=pins).build(
        rules=[], releases=releases, pins=pins, shutoffs=shutoffs
    )
    releases["New"] = pins["Acme", "release", "1."] = "New"
    shutoffs.append(("Acme", "release"))
    assert (dict(world.releases), dict(world.pins)) == ({}, {})
    assert world.shutoff_for(query()) is None
    with pytest.raises(TypeError):
        world.releases["New"] = NEW


def test_decide__guardian__is_compared_loosely():
    world = snapshot(
        [rule(1, "Guardian-2.10.1", version="<2.10")], guardian(), products=[("Guardian-2.10.1", "Guardian")]
    )
    asked = query(product="Guardian", version="2.9.0", build_target="WINNT_x86_64")
    assert decide(asked, world, lambda: 0).outcome is Outcome.SERVED
