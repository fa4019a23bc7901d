"""The index finds what a search rule by rule finds."""

import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from releases.blobs.errors import BadVersion
from rules.engine.index import RuleIndex
from rules.engine.rule import Rule
from rules.engine.tables import LONGEST_REMEMBERED, VALUES_REMEMBERED
from tests.releases.blobs.acme import query
from tests.rules.engine import naive
from tests.rules.engine.strategies import queries, rule_sets

WHITELISTS = {"listed": {"imei-1"}, "missing": set(), "broken": set()}
RULE_SETS, QUERIES_EACH = 250, 45  # more than 10,000 requests in all


def is_listed(name, imei):
    return imei is not None and imei in WHITELISTS[name]


def found_by_index(index, asked):
    try:
        return index.first(asked, is_listed)
    except BadVersion:
        return "bad version"


def found_by_search(rules, asked):
    try:
        return naive.winner(rules, asked, WHITELISTS)
    except naive.Unreadable:
        return "bad version"


@settings(max_examples=RULE_SETS, deadline=None, suppress_health_check=list(HealthCheck))
@given(rules=rule_sets(), asked=st.lists(queries, min_size=QUERIES_EACH, max_size=QUERIES_EACH))
def test_first__any_rules_and_queries__finds_what_a_search_finds(rules, asked):
    index = RuleIndex(rules)
    for one in [*asked, *asked[:5]]:  # some twice: from what the tables remember
        assert found_by_index(index, one) == found_by_search(rules, one)


def rule(rule_id, priority=10, **fields):
    return Rule(rule_id=rule_id, data_version=1, priority=priority, **fields)


def first_id(rules, **fields):
    found = RuleIndex(rules).first(query(**fields), is_listed)
    return found.rule_id if found is not None else None


def test_first__equal_priorities__lowest_id_wins():
    assert first_id([rule(4, 50), rule(3, 50), rule(1, 49)]) == 3  # E8


def test_first__version_nobody_reads__is_the_clients_error_only_where_a_rule_must_look_at_it():
    rules = [rule(1, 20, version="<9.0", channel="beta", product="Acme"), rule(2)]
    assert first_id(rules, version="banana") == 2
    assert found_by_index(RuleIndex(rules), query(version="banana", channel="beta")) == "bad version"
    assert first_id(rules, version="banana", channel="beta", product="Other") == 2


def test_first__loose_product__compares_versions_part_by_part():
    rules = [rule(1, version="<2.10"), rule(2, 5)]
    assert first_id(rules, product="Guardian", version="2.9") == 1
    assert first_id(rules, product="FirefoxVPN", version="2.10.1") == 2
    assert first_id(rules, product="Guardian", version="banana") == 2


def test_index__junk_in_a_rule__matches_nobody_and_never_raises():
    junk = [
        rule(1, 99, version=5),
        rule(2, 99, channel=["release"]),
        rule(3, 99, product={}),
        rule(4, "high"),
        rule(5, None),
        rule(6, 99, jaws="yes"),
        rule(7, 99, mapping=7),
        rule(8, 99, background_rate="half"),
        rule(9, 99, update_type=None),
        rule("ten", 99),
    ]
    index = RuleIndex([*junk, rule(11)])
    assert index.first(query(), is_listed).rule_id == 11
    assert [name for _, name in index.unusable] == [
        "version", "channel", "product", "priority", "priority", "jaws", "mapping", "background_rate",
        "update_type", "rule_id",
    ]  # fmt: skip


def every_table(index):
    return [
        entry[-1] for group in (*index._groups.values(), *index._other.values()) for entry in group._tables
    ]


def test_index__hostile_values__are_remembered_up_to_a_bound():
    fields = {
        "channel": "release*",
        "version": ">9.0",
        "build_id": ">2",
        "os_version": "Linux",
        "memory": ">5",
    }
    index = RuleIndex([rule(1, locale="en-US,de", distribution="a", build_target="T", **fields)])
    for number in range(3 * VALUES_REMEMBERED):
        index.first(
            query(
                channel=f"release-{number}",
                version=f"10.{number}",
                build_id=str(number),
                os_version=f"Linux {number}",
                locale=f"l{number}",
                distribution=f"d{number}",
                build_target="T",
                memory=number,
            ),
            is_listed,
        )
    index.first(query(channel="release" * LONGEST_REMEMBERED, build_target="T"), is_listed)
    remembered = [len(table.known) for table in every_table(index)]
    assert max(remembered) <= VALUES_REMEMBERED
    assert any(size > 100 for size in remembered)
    assert all(len(str(value)) <= LONGEST_REMEMBERED for table in every_table(index) for value in table.known)


def test_index__ten_thousand_rules__are_indexed_and_asked_fast():
    rules = [
        rule(
            number,
            number % 500,
            product="Acme",
            channel=f"channel{number % 40}*",
            version=f"<{number % 150}.{number % 7}",
            build_id=f">{20_200_000 + number}" if number % 3 else None,
            os_version=f"Windows {number % 30}" if number % 5 == 0 else None,
            locale=f"l{number % 90},m{number % 50}" if number % 2 else None,
        )
        for number in range(10_000)
    ]
    started = time.process_time()
    index = RuleIndex(rules)
    built = time.process_time()
    for number in range(1_000):
        index.first(
            query(
                channel=f"channel{number}",
                version=f"8.{number}",
                build_id=f"2020{number}",
                locale=f"l{number}",
            ),
            is_listed,
        )
    asked = time.process_time()
    assert built - started < 1.0  # seconds
    assert (asked - built) / 1_000 < 0.001  # seconds for a request of which every value is new
