"""`manage.py uptake`: shares of versions for people."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from releng.uptake.clients import Client
from releng.uptake.rows import Level, add

pytestmark = pytest.mark.django_db


def run(*arguments, **options):
    out = io.StringIO()
    call_command("uptake", *arguments, stdout=out, **options)
    return out.getvalue().splitlines()


@pytest.fixture
def traffic(settings):
    settings.UPTAKE_LEAST_REQUESTS = 1_000
    now = timezone.now()
    for version, requests, minutes_ago in (("145.0", 250, 1), ("144.0.1", 750, 30), ("100.0", 9_000, 90)):
        start = now - timedelta(minutes=minutes_ago)
        add(Level.MINUTE, {(start, Client("Firefox", "release", version, "Linux")): requests})


def test_uptake__counted_requests__are_shown_by_version(traffic):
    assert run("Firefox", "release") == [
        "version  requests     share",
        "144.0.1       750   75.00 %",
        "145.0         250   25.00 %",
    ]
    assert run("Firefox", "release", minutes=100)[1] == "100.0        9000   90.00 %"


def test_uptake__of_a_version__is_what_a_condition_reads(traffic):
    [line] = run("Firefox", "release", of="145.0")
    assert line.startswith("25.00 % (")
    with pytest.raises(CommandError, match="unknown: no requests in the last 60 minutes"):
        run("Firefox", "beta", of="145.0")


def test_uptake__nothing_counted__is_an_error(traffic):
    with pytest.raises(
        CommandError, match="No requests of Firefox on nightly were counted in the last 60 minutes"
    ):
        run("Firefox", "nightly")
