"""How releases and rules look on the pages of auditors."""

import pytest
from django.urls import reverse

from history.changesets import change_set
from releases import actions
from releases.models import Release
from releases.storage import DataVersions
from rules import actions as rule_actions

pytestmark = pytest.mark.django_db


def act(reason):
    return change_set(actor_name="anna", reason=reason)


@pytest.fixture
def release():
    blob = {
        "name": "R",
        "schema_version": 9,
        "hashFunction": "sha512",
        "appVersion": "1.0",
        "displayVersion": "1.0",
        "platforms": {"Linux": {"OS_FTP": "l", "locales": {"de": {"buildID": "1"}, "fr": {"buildID": "1"}}}},
    }
    with act("created"):
        actions.create_release("R", "Firefox", blob)
    blob["platforms"]["Linux"]["OS_FTP"] = "linux"
    blob["appVersion"] = "2.0"
    with act("renamed"):
        actions.update_release("R", blob, based_on=DataVersions.of(Release.objects.get()))
    with act("submitted"):
        actions.submit_locale(
            "R", "Firefox", "Linux", "de", {"buildID": "2"}, schema_version=9, hash_function="sha512"
        )
    return Release.objects.get()


def test_release__history__groups_its_document_by_platform_and_collapses_the_rest(admin_client, release):
    text = admin_client.get(reverse("admin:releases_release_history", args=[release.pk])).content.decode()
    assert "<summary>the whole release: 1 changed" in text
    assert "<summary>Linux: 1 changed" in text
    assert "other entries are unchanged" in text
    assert "Everything that happened to R, its parts included" in text


def test_feed__by_the_release_name__has_its_parts_too(admin_client, release):
    answer = admin_client.get(reverse("history:feed"), {"name": "R"})
    assert [act.change_set.reason for act in answer.context["acts"]] == ["submitted", "renamed", "created"]
    answer = admin_client.get(
        reverse("history:feed"), {"product": "Firefox", "model": "releases.ReleasePart"}
    )
    assert [act.change_set.reason for act in answer.context["acts"]] == ["submitted", "created"]


def test_rule__lists__show_added_and_removed_items(admin_client, release):
    with act("rule"):
        rule = rule_actions.create_rule(
            {"product": "Firefox", "locale": "de,fr", "mapping": "R", "priority": 1}
        )
    with act("locales"):
        rule_actions.update_rule(rule.pk, {"locale": "fr,ja"}, based_on=1)
    text = admin_client.get(reverse("admin:rules_rule_history", args=[rule.pk])).content.decode()
    assert "<del>&minus; de</del>" in text
    assert "<ins>+ ja</ins>" in text
    assert admin_client.get(reverse("history:feed"), {"channel": "none"}).context["acts"] == []
