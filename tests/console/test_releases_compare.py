"""Comparing any two versions, and any two releases, by an address."""

from __future__ import annotations

from typing import Any

import pytest

from history.changesets import change_set
from releases.actions import submit_locale, update_release
from releases.models import Release
from releases.storage import DataVersions
from tests.factories import PLATFORM, ReleaseFactory, locale_document
from tests.people import auditor

pytestmark = [pytest.mark.django_db, pytest.mark.once]
COMPARE = "/admin/releases/release/compare/"


@pytest.fixture
def release(client: Any) -> Release:
    client.force_login(auditor())
    made: Release = ReleaseFactory(name="Acme-1")
    with change_set(actor_name="build"):
        submit_locale("Acme-1", "Acme", PLATFORM, "fr", locale_document())
    with change_set(actor_name="bert"):
        update_release("Acme-1", made.blob() | {"displayVersion": "ten"}, based_on=DataVersions.of(made))
    return made


def test_compare__without_an_answer__asks(client: Any, release: Release) -> None:
    text = client.get(COMPARE).content.decode()
    assert "Name one release" in text
    assert '<option value="Acme-1">' in text


def test_compare__two_versions_of_one__by_platform_and_locale(client: Any, release: Release) -> None:
    answer = client.get(COMPARE, {"base": "Acme-1", "base_version": 1, "other_version": 3})
    text = answer.content.decode()
    groups = {group.key for group in answer.context["comparison"].groups}
    assert groups == {"the whole release", f"{PLATFORM} fr"}
    for said in ("at version 1", "at version 3 (now)", "displayVersion", "ten"):
        assert said in text, said
    swapped = client.get(COMPARE + answer.context["form"].swapped.replace("&amp;", "&"))
    assert swapped.context["base"].version == 3
    only = client.get(COMPARE, {"base": "Acme-1", "base_version": 1, "place": "FR"})
    assert [group.key for group in only.context["comparison"].groups] == [f"{PLATFORM} fr"]
    nothing = client.get(COMPARE, {"base": "Acme-1", "base_version": 1, "place": "xx"})
    assert "Nothing differs where" in nothing.content.decode()


def test_compare__two_releases(client: Any, release: Release) -> None:
    ReleaseFactory(name="Acme-2", version="11.0")
    answer = client.get(COMPARE, {"base": "Acme-1", "other": "Acme-2"})
    assert "11.0" in answer.content.decode()
    assert answer.context["form"].address == {"base": "Acme-1", "other": "Acme-2"}


def test_compare__the_same__says_so(client: Any, release: Release) -> None:
    assert "say the same" in client.get(COMPARE, {"base": "Acme-1"}).content.decode()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"base": "Nobody"}, "there is no release of this name"),
        ({"base": "Acme-1", "base_version": "9"}, "history has no version 9; the newest is 3"),
        ({"base": "Acme-1", "other": "Acme-1", "other_version": "x"}, "Enter a whole number"),
        ({"base": "Acme-1", "base_version": "9" * 30}, "less than or equal"),
    ],
    ids=["name", "version", "letter", "large"],
)
def test_compare__what_is_not_there__is_told(
    client: Any, release: Release, asked: dict[str, str], said: str
) -> None:
    answer = client.get(COMPARE, asked)
    assert answer.status_code == 200
    assert said in answer.content.decode()


def test_compare__many_places__are_paged(client: Any, release: Release) -> None:
    document = release.blob() | {"name": "Acme-3"}
    locales = document["platforms"][PLATFORM]["locales"]
    for number in range(60):
        locales[f"x{number}"] = locale_document()
    ReleaseFactory(name="Acme-3", document=document)
    first = client.get(COMPARE, {"base": "Acme-1", "other": "Acme-3"})
    assert first.context["comparison"].pages == 2
    last = client.get(COMPARE + first.context["later"])
    assert (len(last.context["comparison"].shown) > 0, last.context["later"]) == (True, "")
    assert client.get(COMPARE + last.context["earlier"]).status_code == 200
