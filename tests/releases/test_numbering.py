"""Numbers of whole releases: each release that a change set writes gets one, however often it is asked for."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from releases.actions import submit_locale
from releases.models import Release
from releases.numbering import count_version, version_of
from tests.conftest import as_command
from tests.factories import PLATFORM, ReleaseFactory, locale_document

pytestmark = pytest.mark.django_db


def submit(name: str, locale: str) -> Release:
    document = locale_document("20250101000009")
    return submit_locale(name, "Acme", PLATFORM, locale, document).release


def numbers() -> dict[str, int]:
    return {release.name: version_of(release) for release in Release.objects.all()}


def test_count__then_another_release_is_written__both_have_a_number() -> None:
    for name in ("N1", "N2"):
        ReleaseFactory(name=name)
    with as_command():
        assert count_version(submit("N1", "fr")) == 2
        submit("N2", "fr")
        submit("N1", "it")
    assert numbers() == {"N1": 2, "N2": 2}, "one change set is one version"


def test_count__in_a_savepoint_that_is_rolled_back__the_release_is_numbered_all_the_same() -> None:
    ReleaseFactory(name="N1")
    with as_command():
        release = submit("N1", "fr")
        with transaction.atomic():
            assert count_version(release) == 2
            transaction.set_rollback(True)
    assert numbers() == {"N1": 2}
    with as_command():
        assert count_version(submit("N1", "it")) == 3


def test_count__again_at_the_end__asks_once() -> None:
    ReleaseFactory(name="N1")
    with as_command():
        release = submit("N1", "fr")
        count_version(release)
        with CaptureQueriesContext(connection) as asked:
            assert count_version(release) == 2
    assert len(asked) == 1
