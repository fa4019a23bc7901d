"""What every test may use."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import TransactionTestCase
from hypothesis import settings

from history import triggers
from history.changesets import change_set
from tests import servers  # noqa: F401  # names what processes share before there are any others

# A shared machine may stop a test for longer than any deadline; speed is the benchmarks' business.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")

_empty_tables = TransactionTestCase._fixture_teardown


def _fixture_teardown(self: TransactionTestCase) -> None:
    """Empty the tables, which only a test may: the guards of history step aside; `flush` brings them back."""
    triggers.remove(connection)
    _empty_tables(self)
    triggers.prepare_database(connection.alias)


TransactionTestCase._fixture_teardown = _fixture_teardown  # type: ignore[method-assign]


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Mark the tests that ask the configured database: others need not run again on another one.

    Nor need those that are marked `once`: they ask the database nothing that the others do not ask.
    """
    for item in items:
        if item.get_closest_marker("once"):
            continue
        case = isinstance(getattr(item, "cls", None), type) and issubclass(item.cls, TransactionTestCase)
        if case or item.get_closest_marker("django_db") or {"db", "transactional_db"} & {*item.fixturenames}:
            item.add_marker("database")


@pytest.fixture
def acting() -> Callable[..., AbstractContextManager[Any]]:
    """`with acting("reason"):` opens a change set, as a command would."""
    return lambda reason="test": change_set(actor_name="tester", reason=reason, origin="command")


@pytest.fixture
def in_change_set(db: None, acting: Callable[..., AbstractContextManager[Any]]) -> Iterator[None]:
    """The whole test runs inside one change set."""
    with acting():
        yield


as_command = partial(change_set, actor_name="tester", reason="test", origin="command")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Fail a test that leaves a thread of the service running: it would hold a connection to the test's database."""
    before = set(threading.enumerate())
    yield
    ours = ("uptake-recorder", "snapshot-keeper")
    left = [thread for thread in set(threading.enumerate()) - before if thread.name in ours]
    for thread in left:
        thread.join(5)
    assert not [thread for thread in left if thread.is_alive()]
