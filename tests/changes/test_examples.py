"""Example clients fulfil the conditions of the rules that they are examples for, whatever these say."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given

from releases.blobs.errors import ClientError
from releng.updates.asking import Question, question_of_fields
from rules.engine.examples import Client, example, examples
from rules.engine.index import RuleIndex
from rules.engine.rule import Rule
from tests.rules.engine.strategies import rule_sets

LISTED = {"Devices": "111", "listed": "imei-1", "Nobody": None}


def asked(client: Client | None) -> Question | None:
    """Return the request of a client; None for one that cannot ask, or not say all of it."""
    if client is None or not all(value.isascii() for value in client.values()):
        return None
    try:
        return question_of_fields(client)
    except ValidationError:
        return None


def accepted(rule: Rule, question: Question) -> bool:
    """Tell whether a rule, alone, decides about a client."""

    def is_listed(name: str, imei: str | None) -> bool:
        return imei is not None and LISTED.get(name) == imei

    try:
        return RuleIndex([rule]).first(question.query, is_listed) is not None
    except ClientError:
        return False


@given(rule_sets(most=5).filter(bool))
def test_examples__of_any_rules__are_accepted_by_them(found: list[Rule]) -> None:
    first, *others = found
    question = asked(example(first, listed=LISTED.get))
    assert question is None or accepted(first, question)
    for client in examples(first, others, listed=LISTED.get):
        question = asked(client)
        assert question is None or accepted(first, question)
    for other in others:
        question = asked(example(first, other, listed=LISTED.get))
        assert question is None or (accepted(first, question) and accepted(other, question))


def rule(**values: object) -> Rule:
    return Rule(**{"rule_id": 1, "data_version": 1, "priority": 1, "product": "Acme", **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        {"version": "<50.0"},
        {"version": ">=115.0"},
        {"version": "115.*"},
        {"version": "10.0,11.0"},
        {"version": "<1.0"},
        {"product": "Guardian", "version": ">2.0"},
        {"channel": "release*"},
        {"channel": "release-cck-*"},
        {"build_id": ">20240101000000"},
        {"memory": "<2048"},
        {"memory": ">2048", "instruction_set": "SSE,MMX"},
        {"os_version": "Windows_NT 6.1,Windows_NT 6.2"},
        {"os_version": "Linux && GTK 3"},
        {"locale": "de,fr", "distribution": "partner", "dist_version": "7"},
        {"jaws": True, "mig64": False},
        {"header_architecture": "Intel", "build_target": "T"},
        {"whitelist": "Devices"},
    ],
    ids=str,
)
def test_example__of_a_rule_that_can_match__is_found(values: dict[str, object]) -> None:
    question = asked(example(rule(**values), listed=LISTED.get))
    assert question is not None
    assert accepted(rule(**values), question)


@pytest.mark.parametrize(
    "values",
    [{"whitelist": "Nobody"}, {"header_architecture": "PPC"}, {"version": "<0.0"}, {"memory": "much"}],
    ids=str,
)
def test_example__of_a_rule_that_no_request_of_this_kind_matches__is_none(values: dict[str, object]) -> None:
    assert example(rule(**values), listed=LISTED.get) is None


def test_example__of_two_rules__fulfils_both_or_is_none() -> None:
    both = example(rule(version="<50.0"), rule(version=">=40.0", locale="de"), listed=LISTED.get)
    assert both is not None
    assert both["locale"] == "de"
    assert example(rule(locale="de"), rule(locale="fr"), listed=LISTED.get) is None
    assert example(rule(), rule(product="Other"), listed=LISTED.get) is None
