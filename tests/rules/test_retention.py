"""`prune_history` on releases: old nightlies go, what anybody refers to stays, and the chain still verifies."""

import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

from history.changesets import change_set
from history.models import ChangeSet, PrunedRow
from releases.models import Release, ReleasePart
from rules.models import PinnableRelease, Rule

pytestmark = pytest.mark.django_db

OLD = "Firefox-mozilla-central-nightly-2025"


def act(reason="test"):
    return change_set(actor_name="anna", reason=reason)


def nightly(name, **document):
    release = Release(
        name=name,
        product="Firefox",
        schema_version=9,
        document={"name": name, "schema_version": 9, **document},
    )
    release.save()
    for locale in ("de", "fr"):
        part = ReleasePart(release=release, platform="Linux", locale=locale, document={"buildID": "1"})
        part.save()
        part.document = {"buildID": "2"}
        part.save()
    return release


def prune(*arguments):
    out = io.StringIO()
    call_command("prune_history", "--older-than", "30", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def later(monkeypatch):
    """Let the command think that it is so many days later."""

    now = timezone.now()

    def go(days):
        monkeypatch.setattr(
            "history.management.commands.prune_history.timezone.now", lambda: now + timedelta(days=days)
        )

    return go


def test_prune__old_unused_nightlies__go_with_their_history_and_the_chain_verifies(later):
    with act():
        for number in range(3):
            nightly(f"{OLD}{number}")
        nightly("Firefox-145.0-build1")
    before = ChangeSet.objects.count()
    later(31)
    printed = prune("--dry-run")
    assert "Would remove: 3 objects, 9 rows, 15 history rows." in printed
    assert Release.objects.count() == 4
    assert ChangeSet.objects.count() == before
    printed = prune("--product", "Firefox")
    assert f"Removed release {OLD}0" in printed
    assert "Removed: 3 objects, 9 rows, 15 history rows." in printed
    assert list(Release.objects.values_list("name", flat=True)) == ["Firefox-145.0-build1"]
    assert set(Release.history.filter(name__startswith=OLD).values_list("history_type", flat=True)) == {"-"}
    assert PrunedRow.objects.count() == 15
    assert ChangeSet.objects.count() == before + 1
    call_command("verify_history")


def test_prune__young_read_only_other_product_or_name__stay(later):
    with act():
        nightly(f"{OLD}a")
        locked = nightly(f"{OLD}b")
        locked.read_only = True
        locked.save()
    assert "0 objects" in prune(), "too young"
    later(31)
    assert "0 objects" in prune("--product", "Thunderbird")
    assert "0 objects" in prune("--name-glob", "*-beta-*")
    assert "1 objects" in prune("--dry-run"), "the read-only one stays"


@pytest.mark.parametrize("how", ["mapping", "fallback_mapping", "pin", "partial"])
def test_prune__referred_to__stays(later, how):
    with act():
        used = nightly(f"{OLD}used")
        if how == "pin":
            PinnableRelease(product="Firefox", channel="nightly", version="1.", mapping=used).save()
        elif how == "partial":
            newer = nightly("newer")
            patch = {"from": used.name, "filesize": 1, "hashValue": "a"}
            ReleasePart(release=newer, platform="Linux", locale="ja", document={"partials": [patch]}).save()
            Rule(product="Firefox", mapping=newer, priority=1).save()
        else:
            Rule(product="Firefox", priority=1, **{how: used}).save()
    later(31)
    assert "0 objects" in prune()


def test_prune__change_since__keeps_it(later):
    with act():
        release = nightly(f"{OLD}x")
    later(31)
    assert "1 objects" in prune("--dry-run")
    later(29)
    assert "0 objects" in prune()
    assert Release.objects.get() == release


def test_pruned_row__smuggled_in_beside_the_verb__is_found(later):
    with act():
        nightly(f"{OLD}x")
    later(31)
    prune()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO history_prunedrow (change_set_id, pruned_by_id, table_name, history_id, object_id, "
            "data_version, digest) SELECT change_set_id, change_set_id, 'releases_historicalrelease', history_id, id, "
            "1, digest FROM releases_historicalrelease"
        )
        cursor.execute("DELETE FROM releases_historicalrelease")
    with pytest.raises(CommandError, match="digest does not fit"):
        call_command("verify_history")


def test_prune__nonsense__is_refused():
    with pytest.raises(CommandError, match="at least 1 day"):
        call_command("prune_history", "--older-than", "0")
