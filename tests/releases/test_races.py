"""Submissions at the same time: real threads, real transactions."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, connections

from history.changesets import change_set
from history.exceptions import OutdatedDataError
from history.models import ChangeSet
from releases import actions
from releases.exceptions import ReleaseReadOnlyError
from releases.models import Release, ReleasePart
from releases.storage import DataVersions
from tests.factories import PLATFORM, ReleaseFactory, locale_document, release_document

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 8
NAME = "Acme-nightly"


def at_once(*acts):
    """Call each act in a thread and transaction of its own, all starting together; return results or errors."""
    barrier = Barrier(len(acts), timeout=30)

    def run(act):
        try:
            connection.ensure_connection()
            barrier.wait()
            with change_set(actor_name="build", reason="race"):
                return act()
        except Exception as error:  # each thread's outcome is looked at by the test
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def submission(locale, platform=PLATFORM, size=1000, **kwargs):
    return lambda: actions.submit_locale(
        NAME,
        "Acme",
        platform,
        locale,
        locale_document(size=size),
        schema_version=9,
        hash_function="sha512",
        **kwargs,
    )


def failures(results):
    return [result for result in results if isinstance(result, Exception)]


def test_race__very_first_locales__release_and_platforms_are_made_once_and_nobody_fails():
    acts = [
        submission(f"l{number}", f"P{number % 3}", aliases=[f"A{number % 3}", f"B{number}"])
        for number in range(THREADS)
    ]
    assert failures(at_once(*acts)) == []
    release = Release.objects.get()
    platforms = release.blob()["platforms"]
    found = {
        (platform, locale) for platform, entry in platforms.items() for locale in entry.get("locales", ())
    }
    assert found == {(f"P{number % 3}", f"l{number}") for number in range(THREADS)}
    assert {name: platforms[name]["alias"] for name in platforms if name[0] == "B"} == {
        f"B{number}": f"P{number % 3}" for number in range(THREADS)
    }
    assert ReleasePart.history.count() == ChangeSet.objects.count() == THREADS
    assert Release.history.count() == release.data_version


def test_race__different_locales_of_one_platform__leave_the_release_row():
    ReleaseFactory(name=NAME, locales=())
    rounds = 5
    for turn in range(rounds):
        acts = [submission(f"l{turn}-{number}") for number in range(THREADS)]
        assert failures(at_once(*acts)) == []
    assert ReleasePart.objects.count() == ReleasePart.history.count() == rounds * THREADS
    assert Release.objects.get().data_version == 1


def test_race__same_locale_without_base__last_one_stays_and_nobody_fails():
    results = at_once(*[submission("de", size=number) for number in range(THREADS)])
    assert failures(results) == []
    part = ReleasePart.objects.get()
    assert part.data_version == THREADS
    assert sorted(row.document["completes"][0]["filesize"] for row in ReleasePart.history.all()) == list(
        range(THREADS)
    )
    assert sum(result.created for result in results) == 1


def test_race__same_locale_with_one_base__one_wins_and_the_others_are_told():
    ReleaseFactory(name=NAME, locales=("de",))
    results = at_once(*[submission("de", size=number, base_version=1) for number in range(THREADS)])
    assert len(failures(results)) == THREADS - 1
    assert all(isinstance(error, OutdatedDataError) for error in failures(results))
    assert ReleasePart.objects.get().data_version == 2


def test_race__submissions_and_whole_updates__nothing_is_lost():
    release = ReleaseFactory(name=NAME, document=release_document(NAME, locales=("de",)))
    read = DataVersions.of(release)

    def edit(key):
        return lambda: actions.update_release(NAME, release.blob() | {key: key}, based_on=read)

    acts = [submission(f"l{number}", f"P{number % 2}") for number in range(5)]
    keys = ("displayVersion", "appVersion", "binTransMerkleRoot")
    documents = [edit(key) for key in keys]
    assert failures(at_once(*acts, *documents)) == []
    stored = Release.objects.get().blob()
    assert [stored[key] for key in keys] == list(keys)
    assert ReleasePart.objects.count() == 6


def test_race__lock_and_submissions__nothing_is_written_after_the_lock():
    ReleaseFactory(name=NAME, locales=())
    results = at_once(
        lambda: actions.set_read_only(NAME, True, based_on=1),
        *[submission(f"l{number}") for number in range(THREADS - 1)],
    )
    assert all(isinstance(error, ReleaseReadOnlyError) for error in failures(results))
    locked_by = Release.history.get(read_only=True).change_set.sequence
    assert all(
        row.change_set.sequence < locked_by for row in ReleasePart.history.select_related("change_set")
    )


def test_race__several_create_one_release__one_wins():
    document = release_document(NAME)
    results = at_once(*[lambda: actions.create_release(NAME, "Acme", document)] * THREADS)
    assert len(failures(results)) == THREADS - 1
    assert {error.code for error in failures(results)} == {"release_exists"}
    assert Release.objects.count() == 1
