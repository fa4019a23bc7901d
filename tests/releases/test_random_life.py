"""A long random life of releases and rules, through every way of writing: afterwards history is whole."""

import io
import json
import random

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.urls import reverse

from history.actions import NothingToRevertError, revert
from history.changesets import change_set
from history.exceptions import HistoryError, OutdatedDataError
from releases import actions
from releases.models import Release
from releases.storage import DataVersions
from rules import actions as rule_actions
from rules.models import Rule

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.either]

OPERATIONS = 1_000
LOCALES = ("de", "fr", "ja")


def document(name, rng):
    return {
        "name": name,
        "schema_version": 9,
        "hashFunction": "sha512",
        "appVersion": f"{rng.randrange(100, 150)}.0",
        "platforms": {
            "Linux": {"locales": {code: {"buildID": f"{rng.randrange(10**14):014}"} for code in LOCALES}}
        },
    }


class Life:
    """One thing after the other, at random; refusals are part of life."""

    def __init__(self, rng, client, folder):
        self.rng, self.client, self.folder = rng, client, folder
        self.count, self.read = 0, {}
        self.done = dict.fromkeys(self.verbs(), 0)

    def verbs(self):
        return [name for name in dir(self) if name.startswith("do_")]

    def step(self):
        verb = self.rng.choice(self.verbs())
        try:
            with change_set(actor_name=self.rng.choice(["anna", "bert"]), reason=verb):
                getattr(self, verb)()
            self.done[verb] += 1
        except (HistoryError, ValidationError, Release.DoesNotExist):
            pass  # nothing of this change set was written

    def release(self):
        found = list(Release.objects.order_by("?")[:1])
        if not found:
            raise Release.DoesNotExist
        return found[0]

    def do_create(self):
        self.count += 1
        name = f"release-{self.count}"
        actions.create_release(name, "Firefox", document(name, self.rng))

    def do_read(self):
        release = self.release()
        self.read[release.name] = (release.blob(), DataVersions.of(release))

    def do_merge_stale_document(self):
        name = self.rng.choice(list(self.read) or ["nothing"])
        blob, versions = self.read.get(name, (document(name, self.rng), DataVersions(1, {})))
        blob = json.loads(json.dumps(blob))
        locale = self.rng.choice(LOCALES)
        locales = blob.setdefault("platforms", {}).setdefault("Linux", {}).setdefault("locales", {})
        locales[locale] = {"buildID": f"{self.rng.randrange(10**14):014}"}
        actions.update_release(name, blob, based_on=versions)

    def do_submit(self):
        name = self.release().name if self.rng.random() < 0.8 else f"submitted-{self.rng.randrange(5)}"
        locale = {"buildID": f"{self.rng.randrange(10**14):014}"}
        place = (self.rng.choice(["Linux", "Windows"]), self.rng.choice(LOCALES))
        actions.submit_locale(name, "Firefox", *place, locale, schema_version=9, hash_function="sha512")

    def do_delete(self):
        actions.delete_release(self.release().name)

    def do_lock(self):
        release = self.release()
        actions.set_read_only(release.name, self.rng.random() < 0.3, based_on=release.data_version)

    def do_rule(self):
        rule_actions.create_rule({"product": "Firefox", "priority": 1, "mapping": self.release().name})

    def do_rule_in_the_admin(self):
        rule = Rule.objects.order_by("?").first()
        if rule is None:
            raise OutdatedDataError(Rule(), 1, None, None, ())
        url = reverse("admin:rules_rule_change", args=[rule.pk])
        form = self.client.get(url).context["adminform"].form
        typed = {name: "" if form[name].value() is None else form[name].value() for name in form.fields}
        answer = self.client.post(url, {**typed, "priority": self.rng.randrange(1_000), "reason": "admin"})
        assert answer.status_code == 302, answer.context["adminform"].form.errors

    def do_revert(self):
        release = self.release()
        row = self.rng.choice(list(release.parts.model.history.filter(release_id=release.pk)))
        live = release.parts.filter(pk=row.id).first()
        try:
            revert(row, based_on=live.data_version if live is not None else None)
        except NothingToRevertError:
            return

    def do_load(self):
        self.count += 1
        name = f"loaded-{self.count}"
        row = {"name": name, "product": "Firefox", "data_version": 3, "blob": document(name, self.rng)}
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps({"releases": [row]}))
        call_command("load_data", str(file), stdout=io.StringIO(), stderr=io.StringIO())


def test_random_life__every_way_of_writing__history_replays_to_the_live_tables(admin_client, tmp_path):
    life = Life(random.Random(5), admin_client, tmp_path)
    for _ in range(OPERATIONS):
        life.step()
    assert all(life.done.values()), f"some verb never got through: {life.done}"
    out = io.StringIO()
    call_command("verify_history", "--all", stdout=out)
    assert "whole" in out.getvalue()
