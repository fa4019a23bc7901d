"""The service on stored data."""

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from history.changesets import change_set
from releng.updates.demo import demo_data
from releng.updates.keeper import SnapshotKeeper
from releng.updates.service import UpdateService
from rules.datafile import load


class QuietKeeper(SnapshotKeeper):
    """Looks at the database only when the test says so: no thread beside it."""

    def ensure_watching(self) -> None:
        pass


@pytest.fixture
def keep_connection():
    """Let Django's requests leave the test's own transaction open, as Django's test client does."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


@pytest.fixture
def make_service(db, keep_connection):
    """Return a function that puts the service in front of Django, on what is stored now."""

    def make(**kwargs):
        keeper = QuietKeeper()
        keeper.refresh()
        kwargs.setdefault("dice", lambda: 0)
        return UpdateService(keeper, WSGIHandler(), **kwargs)

    return make


@pytest.fixture
def demo(db):
    """The demo data are loaded."""
    with change_set(actor_name="tester", reason="demo"):
        load(demo_data())
