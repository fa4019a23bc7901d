"""Every list of the API: filters that are declared, pages, an order; anything else is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.described import parameters_of, sent, told_of
from tests.api.operation import Operation
from tests.api.operations import OPERATIONS
from tests.api.test_contract import resolved
from tests.api.world import World, make_world
from tests.people import administrator

pytestmark = [pytest.mark.django_db, pytest.mark.either]

READS = [
    operation
    for operation in OPERATIONS
    if operation.method == "GET" and not operation.address.startswith("/api/v1/")
]
LISTS = [operation for operation in READS if "page" in parameters_of(operation)]
ODD = {"integer": "x", "boolean": "perhaps", "number": "x"}
# Text in the description, but of a kind of its own.
NOT_WORDS = frozenset({"names_only", "all", "ordering"})


@pytest.fixture
def world(client: Any) -> World:
    """One row of everything."""
    client.force_login(administrator())
    return make_world()


def rows_in(body: Any) -> int:
    """Return how many rows an answer has: in its one list, or by name."""
    if isinstance(body, list):
        return len(body)
    lists = [value for value in body.values() if isinstance(value, list)]
    return len(lists[0]) if lists else len(body)


def test_every_answer_with_a_count__is_that_of_a_list_with_pages() -> None:
    counted = set()
    for operation in READS:
        shape = told_of(operation)["responses"]["200"].get("content", {}).get("application/json")
        if shape is not None and "count" in resolved(shape["schema"]).get("properties", {}):
            counted.add(operation.address)
    columns = {operation.address for operation in READS if "/columns/" in operation.address}
    assert not counted - columns - {operation.address for operation in LISTS}
    assert len(LISTS) > 25


@pytest.mark.parametrize("operation", LISTS, ids=lambda one: one.address)
def test_list__page_by_page__has_every_row_once(client: Any, world: World, operation: Operation) -> None:
    first = sent(client, world, operation, query="limit=1").json()
    grouped = all(isinstance(value, dict) and "revisions" in value for value in first.values())
    assert grouped or rows_in(first) <= 1
    whole = sent(client, world, operation, query="limit=1000").json()
    pages = [
        sent(client, world, operation, query=f"limit=1&page={number}").json()
        for number in range(1, rows_in(whole) + 2)
    ]
    if not grouped:
        assert [rows_in(page) for page in pages] == [1] * rows_in(whole) + [0]
    beyond = sent(client, world, operation, query=f"limit=1000&page={10**15}")
    assert beyond.status_code == 200


@pytest.mark.parametrize("operation", LISTS, ids=lambda one: one.address)
def test_list__argument_that_is_not_declared_or_no_value__is_400_and_named(
    client: Any, world: World, operation: Operation
) -> None:
    wrong = {
        "nonsense": "1",
        **{name: value for name in ("page", "limit") for value in ("0", "-1", "x", "1.5", "")},
        "ordering": "nonsense",
    }
    for name, given in parameters_of(operation).items():
        if given["in"] == "query" and name not in ("page", "limit", "ordering"):
            kind = given["schema"].get("type", "string")
            if "enum" in given["schema"] or kind in ODD:
                wrong[name] = ODD.get(kind, "nonsense")
    for name, value in wrong.items():
        answer = sent(client, world, operation, query=f"{name}={value}")
        assert answer.status_code == 400, (name, value, answer.content)
        assert name in str(answer.json()), (name, answer.content)


@pytest.mark.parametrize("operation", LISTS, ids=lambda one: one.address)
def test_list__every_text_filter__leaves_out_what_has_another_value(
    client: Any, world: World, operation: Operation
) -> None:
    for name, given in parameters_of(operation).items():
        is_text = given["schema"] == {"type": "string"} and given["in"] == "query"
        if is_text and name not in NOT_WORDS and f"{name}=" not in operation.query:
            answer = sent(client, world, operation, query=f"{name}=no-such-value")
            assert answer.status_code in (200, 404) or (answer.status_code == 400 and name == "rule_id"), name
            if answer.status_code == 200:
                body = answer.json()
                found = [value["count"] for value in body.values() if isinstance(value, dict)] or [
                    rows_in(body)
                ]
                assert not any(found), (name, body)


@pytest.mark.parametrize(
    "operation", [one for one in LISTS if "ordering" in parameters_of(one)], ids=lambda one: one.address
)
def test_list__every_order__up_and_down__has_the_same_rows(
    client: Any, world: World, operation: Operation
) -> None:
    text = parameters_of(operation)["ordering"]["description"]
    names = text.removeprefix("Names out of ").partition(", separated")[0].split(", ")
    whole = rows_in(sent(client, world, operation).json())
    for name in (*names, *(f"-{name}" for name in names), ",".join(names[:2])):
        answer = sent(client, world, operation, query=f"ordering={name}")
        assert answer.status_code == 200, (name, answer.content)
        assert rows_in(answer.json()) == whole


def test_order__of_rules__is_as_asked(client: Any, world: World) -> None:
    def priorities(order: str) -> list[int]:
        rules = client.get(f"/api/rules?ordering={order}").json()["rules"]
        return [rule["rule_id"] for rule in rules]

    up = priorities("rule_id")
    assert up == sorted(up)
    assert priorities("-rule_id") == up[::-1]
    assert client.get("/api/rules?ordering=rule_id&page=2&limit=1").json()["rules"][0]["rule_id"] == up[1]
