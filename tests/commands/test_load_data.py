"""`manage.py load_data` and `dump_data`: all or nothing, bad rows named, round trips."""

import copy
import gzip
import io
import json
import sys
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from history.models import ChangeSet
from releases.actions import store, submit_locale
from releases.models import AllowedDomain, Release, ReleasePart, SpecialForceHost, allowlisted_domains
from releases.storage import DataVersions
from releng.permissions.models import Permission, PermissionRequiredSignoff, ProductRequiredSignoff
from rules.actions import create_rule
from rules.datafile import TABLES
from rules.models import EmergencyShutoff, PinnableRelease, Rule
from tests.factories import PLATFORM, ReleaseFactory, RuleFactory, locale_document, release_document

pytestmark = pytest.mark.django_db

SMALL = Path(__file__).parent.parent / "conformance" / "small-data.json.gz"
DOCUMENTATION = Path(__file__).parent.parent.parent / "docs" / "data-format.md"

DATA = {
    "allowlisted_domains": {
        "cdn.example": ["Acme"],
        "files.example": {"/acme/.*": ["Acme"], "/other/.*": ["Other"]},
    },
    "special_force_hosts": ["https://cdn.example"],
    "releases": [
        {
            "name": "R1",
            "product": "Acme",
            "read_only": True,
            "data_version": 4,
            "blob": release_document("R1"),
        },
        {
            "name": "R2",
            "product": "Acme",
            "blob": release_document("R2", "9.0"),
            "data_versions": {".": 2, "platforms": {PLATFORM: {"locales": {"de": 7}}}},
        },
        {"name": "D", "blob": {"name": "D", "product": "Acme", "schema_version": 3000, "whitelist": []}},
    ],
    "rules": [
        {
            "rule_id": 70,
            "alias": "acme-release",
            "priority": 100,
            "mapping": "R1",
            "fallbackMapping": "R2",
            "backgroundRate": 25,
            "update_type": "minor",
            "product": "Acme",
            "channel": "release*",
            "jaws": False,
            "whitelist": "D",
            "data_version": 12,
        },
        {"priority": 90, "product": "Acme", "channel": "beta", "mapping": None},
    ],
    "emergency_shutoffs": [
        {"product": "Acme", "channel": "nightly", "comment": "crashes", "data_version": 2}
    ],
    "pinnable_releases": [
        {"product": "Acme", "channel": "release", "version": "9.", "mapping": "R2", "data_version": 3}
    ],
}


@pytest.fixture
def load(tmp_path):
    """Load data through the command; return what it printed on standard output and error."""

    def run(data, *options):
        path = tmp_path / "data.json"
        path.write_text(data if isinstance(data, str) else json.dumps(data))
        out, err = io.StringIO(), io.StringIO()
        call_command("load_data", str(path), *options, stdout=out, stderr=err)
        return out.getvalue(), err.getvalue()

    return run


@pytest.fixture
def dumped(tmp_path):
    """Return what dump_data writes."""

    def run(name="dump.json"):
        call_command("dump_data", str(tmp_path / name))
        return json.loads((tmp_path / name).read_text())

    return run


def tables():
    """Return every column of every loaded table but the keys that the database makes."""
    found = {}
    for models in TABLES.values():
        for model in models:
            names = [
                field.attname for field in model._meta.concrete_fields if field.name not in ("id", "release")
            ]
            names += ["release__name"] if model is ReleasePart else []
            if model in (AllowedDomain, SpecialForceHost):
                names.remove("data_version")  # the format has none for these
            found[model._meta.label] = sorted(model._base_manager.values_list(*names), key=repr)
    return found


def test_load__every_key__fills_the_tables(load):
    out, err = load(DATA)
    assert out.strip() == (
        "3 allowlisted_domains, 1 special_force_hosts, 3 releases, 2 rules, 1 emergency_shutoffs, "
        "1 pinnable_releases"
    )
    assert err == ""
    rule = Rule.objects.get(alias="acme-release")
    assert (rule.pk, rule.data_version, rule.background_rate, rule.jaws) == (70, 12, 25, False)
    assert (rule.mapping.name, rule.fallback_mapping.name, rule.whitelist.name) == ("R1", "R2", "D")
    first, second = Release.objects.get(name="R1"), Release.objects.get(name="R2")
    assert (first.read_only, first.data_version, first.blob()) == (True, 4, release_document("R1"))
    assert DataVersions.of(second) == DataVersions(2, {(PLATFORM, "de"): 7, (PLATFORM, "en-US"): 1})
    assert Release.objects.get(name="D").product == "Acme"
    assert EmergencyShutoff.objects.get().data_version == 2
    assert PinnableRelease.objects.get().mapping_id == "R2"
    assert allowlisted_domains() == DATA["allowlisted_domains"]


def test_load__example_of_the_documentation__loads(load):
    example = DOCUMENTATION.read_text().split("```json\n")[1].split("```")[0]
    out, err = load(example)
    assert "1 releases, 1 rules" in out
    assert err == ""


def test_load__one_file__is_one_change_set_with_a_history_row_for_each_row(load):
    load(DATA, "--reason", "move here")
    change_set = ChangeSet.objects.get()
    assert (change_set.origin, change_set.reason) == ("command", "move here")
    for models in TABLES.values():
        for model in models:
            rows = model.history.filter(change_set=change_set, history_type="+")
            assert rows.count() == model.objects.count() > 0


def test_load__given_rule_ids__new_rules_count_on_from_there(load, acting):
    load(DATA)
    with acting():
        assert create_rule({}).pk > 70


def test_load__rows_that_exist_already__are_refused_and_replace_starts_anew(load):
    load(DATA)
    before = tables()
    with pytest.raises(CommandError, match=r"'https://cdn\.example': there is one already.*--replace"):
        load(DATA)
    load(DATA, "--replace")
    after = tables()
    # The other rule has no id in the file: it gets a new one.
    rules_before, rules_after = set(before.pop("rules.Rule")), set(after.pop("rules.Rule"))
    assert len(rules_after) == 2
    assert len(rules_after & rules_before) == 1
    assert after == before
    assert Rule.history.filter(history_type="-").count() == 2


def test_load__replace_with_some_keys__leaves_the_other_tables(load):
    load(DATA)
    load({"emergency_shutoffs": []}, "--replace")
    assert not EmergencyShutoff.objects.exists()
    assert (Rule.objects.count(), Release.objects.count(), SpecialForceHost.objects.count()) == (2, 3, 1)
    load({"releases": DATA["releases"]}, "--replace")
    assert Rule.objects.get(alias="acme-release").mapping.data_version == 4


def test_load__replaced_releases_that_rules_still_need__are_named(load):
    load(DATA)
    with pytest.raises(CommandError, match=r"releases: rule 70 acme-release has the mapping 'R1'"):
        load({"releases": DATA["releases"][1:]}, "--replace")
    with pytest.raises(
        CommandError, match=r"releases: pinnable release Acme release 9\. has the mapping 'R2'"
    ):
        load({"releases": DATA["releases"][:1] + DATA["releases"][2:], "rules": []}, "--replace")
    assert Release.objects.count() == 3


def test_load__allow_list__always_replaces_the_stored_one(load):
    load(DATA)
    load({"allowlisted_domains": {"new.example": ["Acme"]}})
    assert allowlisted_domains() == {"new.example": ["Acme"]}


def test_load__legal_but_odd_rows__are_warnings(load):
    data = copy.deepcopy(DATA)
    data["rules"][0]["product"] = "Firefox"
    data["emergency_shutoffs"][0]["channel"] = "nightly*"
    _, err = load(data)
    assert "warning: rules[0] (rule 70): mapping R1 is a release of Acme, but the rule is for Firefox." in err
    assert "warning: emergency_shutoffs[0]: channel nightly*" in err
    assert Rule.objects.count() == 2


def test_load__old_document_that_breaks_todays_schema__is_a_warning(load):
    blob = {"name": "Old", "schema_version": 1, "platforms": {}}
    _, err = load({"releases": [{"name": "Old", "product": "Acme", "blob": blob}]})
    assert "warning: releases[0] ('Old'): hashFunction: None: is missing, but required." in err
    with pytest.raises(CommandError, match="hashFunction"):
        load(
            {
                "releases": [
                    {"name": "New", "product": "Acme", "blob": blob | {"name": "New", "schema_version": 9}}
                ]
            }
        )


def change(path, value):
    """Return the sample data with one value changed; `path` is dotted."""
    data = copy.deepcopy(DATA)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    target = data
    for step in steps:
        target = target[step]
    target[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("rulez", [], "rulez: unknown key; known are allowlisted_domains"),
        ("rules", {}, "rules: must be a list"),
        ("allowlisted_domains", [], "allowlisted_domains: must be an object"),
        ("permissions", [{"username": "a"}], "permissions[0]: permission: is missing"),
        ("permissions", [{"username": "a", "permission": "moon"}], "not a valid choice"),
        ("permissions", [{"username": "a", "permission": "rule", "options": {"x": []}}], "options: must be"),
        ("permissions", [{"username": "a", "permission": "rule", "options": {"actions": ["fly"]}}], "out of"),
        ("roles", [{"username": "a", "role": "qa"}], "has no permission yet"),
        ("roles", [{"username": "a", "role": "qa", "x": 1}], "unknown field"),
        (
            "required_signoffs",
            [{"product": "A", "role": "qa", "signoffs_required": 1}],
            "only 0 active people",
        ),
        ("rules/1", "x", "rules[1]: 'x': must be an object"),
        ("rules/1/chanel", "x", "rules[1].chanel: 'x': rules have no such field"),
        ("rules/0/backgroundRate", 150, "rules[0] (rule 70).backgroundRate: 150: "),
        ("rules/0/backgroundRate", None, "rules[0] (rule 70).backgroundRate: None: "),
        ("rules/0/buildID", 5, "rules[0] (rule 70).buildID: 5: must be a text"),
        ("rules/0/buildID", "5x", "rules[0] (rule 70).buildID: '5x': must be a whole number"),
        ("rules/0/mapping", "gone", "rules[0] (rule 70).mapping: 'gone': there is no release of this name"),
        ("rules/0/mapping", {}, "rules[0] (rule 70).mapping: {}: must be a text"),
        ("rules/0/whitelist", "R1", "rules[0] (rule 70).whitelist: 'R1': is no whitelist"),
        ("rules/0/data_version", 0, "rules[0] (rule 70).data_version: 0: "),
        ("rules/0/rule_id", "x", "rules[0] (rule x).rule_id: 'x': "),
        ("rules/1/alias", "acme-release", "rules[1].alias: 'acme-release': there is one already"),
        ("rules/1/rule_id", 70, "rules[1] (rule 70).rule_id: 70: there is one already"),
        ("releases/0", [], "releases[0]: []: must be an object"),
        ("releases/0/blobb", {}, "releases[0].blobb: unknown field"),
        ("releases/0/name", "X", "releases[0] ('X').blob.name: 'R1': differs from the row's name 'X'"),
        ("releases/0/name", ["X"], "releases[0] (['X']).blob.name: 'R1': differs"),
        ("releases/0/blob", [], "releases[0] ('R1').blob: []: must be an object"),
        ("releases/0/blob/schema_version", 7, "releases[0] ('R1').blob.schema_version: 7 is not known"),
        ("releases/0/blob/appVersion", 7, "releases[0] ('R1').blob.appVersion: 7: must be of type string"),
        (
            f"releases/0/blob/platforms/{PLATFORM}/locales/de/completes/0/fileUrl",
            "https://evil.example/x",
            f"releases[0] ('R1').blob.platforms.{PLATFORM}.locales.de.completes.0.fileUrl: 'https://evil.example/x'",
        ),
        (
            f"releases/0/blob/platforms/{PLATFORM}/locales/{'l' * 51}",
            locale_document(),
            "releases[0] ('R1').blob.platforms.locale: 'lll",
        ),
        ("releases/0/product", "x" * 16, "releases[0] ('R1').product: 'xxxxxxxxxxxxxxxx': "),
        ("releases/0/product", 5, "releases[0] ('R1').product: 5: must be a text"),
        ("releases/0/read_only", "no", "releases[0] ('R1').read_only: 'no': must be true or false"),
        ("releases/0/data_version", "x", "releases[0] ('R1').data_version: 'x': "),
        ("releases/1/data_version", 3, "releases[1] ('R2').data_version: 3: differs from data_versions, 2"),
        ("releases/1/data_versions", [], "releases[1] ('R2').data_versions: must be an object"),
        (
            f"releases/1/data_versions/platforms/{PLATFORM}/locales/xx",
            1,
            f"releases[1] ('R2').data_versions.platforms.{PLATFORM}.locales.xx: the blob has no such locale",
        ),
        (
            f"releases/1/data_versions/platforms/{PLATFORM}/locales/de",
            0,
            f"releases[1] ('R2').data_versions: platforms.{PLATFORM}.locales.de: 0 must be",
        ),
        ("releases/1/name", "R1", "releases[1] ('R1').blob.name"),
        ("emergency_shutoffs/0/product", 5, "emergency_shutoffs[0].product: 5: must be a text"),
        ("emergency_shutoffs/0/channel", "", "emergency_shutoffs[0].channel: '': "),
        ("emergency_shutoffs/0/why", "", "emergency_shutoffs[0].why: unknown field"),
        ("pinnable_releases/0/version", "9", "pinnable_releases[0].version: '9': is not a pin"),
        ("pinnable_releases/0/mapping", "gone", "pinnable_releases[0].mapping: 'gone': there is no release"),
        ("pinnable_releases/0/mapping", ["R1"], "pinnable_releases[0].mapping: ['R1']: must be a text"),
        ("special_force_hosts/0", "cdn", "special_force_hosts[0].prefix: 'cdn': must begin with http"),
        ("special_force_hosts/0", 5, "special_force_hosts[0]: 5: must be a text"),
        ("allowlisted_domains/x y", ["A"], "allowlisted_domains['x y'].host: 'x y': must be a host"),
        ("allowlisted_domains/x", "A", "allowlisted_domains['x'].products: 'A': must be a list"),
        ("allowlisted_domains/x", {"(": ["A"]}, "allowlisted_domains['x'].path_regex: '(': is not a regular"),
        ("allowlisted_domains/x", {"": ["A"]}, "allowlisted_domains['x']['']: an empty expression"),
    ],
)
def test_load__one_bad_row__is_named_and_nothing_is_loaded(load, path, value, said):
    with pytest.raises(CommandError) as refused:
        load(change(path, value))
    assert "nothing was loaded" in str(refused.value)
    assert said in str(refused.value)
    assert not any(model.objects.exists() for models in TABLES.values() for model in models)
    assert not ChangeSet.objects.exists()


@pytest.mark.parametrize(
    "key", ["rules", "releases", "emergency_shutoffs", "pinnable_releases", "special_force_hosts"]
)
def test_load__the_same_row_twice__is_named(load, key):
    data = copy.deepcopy(DATA)
    data[key].append(data[key][0])
    with pytest.raises(CommandError, match=rf"{key}\[\d\].*there is one already; give each only once"):
        load(data)


def test_load__missing_field__is_named(load):
    for key, name in (
        ("pinnable_releases", "mapping"),
        ("emergency_shutoffs", "channel"),
        ("releases", "blob"),
    ):
        data = copy.deepcopy(DATA)
        del data[key][0][name]
        with pytest.raises(CommandError, match=rf"{key}\[0\]\.{name}: is missing"):
            load(data)


def test_load__people__get_accounts_permissions_roles_and_requirements(load):
    data = {
        "permissions": [
            {"username": "bob@example.com", "permission": "rule", "options": {"products": ["Acme"]}},
            {"username": "bot", "permission": "release", "options": '{"actions": ["modify"]}'},
        ],
        "roles": [{"username": "bob@example.com", "role": "qa"}],
        "required_signoffs": [
            {"product": "Acme", "channel": "release", "role": "qa", "signoffs_required": 1},
            {"product": "Acme", "role": "qa", "signoffs_required": 1},
        ],
    }
    for options in ((), ("--replace",)):
        load(data, *options)
        rows = Permission.objects.values_list("user__username", "permission", "products", "actions")
        assert sorted(rows) == [
            ("bob@example.com", "rule", ["Acme"], None),
            ("bot", "release", None, ["modify"]),
        ]
        assert ProductRequiredSignoff.objects.get().channel == "release"
        assert PermissionRequiredSignoff.objects.get().role == "qa"
        assert not get_user_model().objects.get(username="bot").has_usable_password()
    with pytest.raises(CommandError, match="already"):
        load({"roles": data["roles"]})


def test_load__no_json_or_no_file__is_told(load, tmp_path):
    with pytest.raises(CommandError, match="this is not JSON"):
        load("{")
    with pytest.raises(CommandError, match="must hold one JSON object"):
        load([])
    with pytest.raises(CommandError, match="No such file"):
        call_command("load_data", str(tmp_path / "gone.json"))
    (tmp_path / "data.json.gz").write_text("{}")
    with pytest.raises(CommandError, match="Not a gzipped file"):
        call_command("load_data", str(tmp_path / "data.json.gz"))


def test_load__standard_input_and_gz__are_read(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"special_force_hosts": ["https://a.example"]})))
    call_command("load_data", "-", stdout=io.StringIO())
    with gzip.open(tmp_path / "data.json.gz", "wt") as out:
        json.dump({"special_force_hosts": ["https://b.example"]}, out)
    call_command("load_data", str(tmp_path / "data.json.gz"), stdout=io.StringIO())
    assert SpecialForceHost.objects.count() == 2


def test_load__no_terminal__shows_no_progress_bar(load, capfd):
    load(DATA)
    assert capfd.readouterr().err == ""


# --- Dump ---------------------------------------------------------------------------------------------------


def test_dump__after_changes__loads_to_the_same_tables_with_all_versions(load, dumped, acting):
    load(DATA)
    with acting():
        submit_locale("R2", "Acme", PLATFORM, "de", locale_document("20250202000000"))
        submit_locale("R2", "Acme", "P2", "fr", locale_document(), aliases=["P3"])
        store(AllowedDomain(host="more.example", products=[]))
    ReleaseFactory.whitelist("a", "b")
    RuleFactory.throttled(comment="two\nlines", locale="de,fr")
    before = tables()
    first = dumped()
    versions = {row["name"]: row["data_versions"] for row in first["releases"]}
    assert versions["R2"] == {
        ".": 3,
        "platforms": {PLATFORM: {"locales": {"de": 8, "en-US": 1}}, "P2": {"locales": {"fr": 1}}},
    }
    load(first, "--replace")
    assert tables() == before
    assert dumped() == first


@pytest.mark.slow
def test_dump__recorded_data__load_and_dump_give_what_was_recorded(dumped):
    call_command("load_data", str(SMALL), stdout=io.StringIO(), stderr=io.StringIO())
    with gzip.open(SMALL, "rt") as source:
        recorded = json.load(source)
    found = dumped()
    assert found["rules"] == [row | {"whitelist": None} for row in recorded["rules"]]
    by_name = {row["name"]: row for row in recorded["releases"]}
    assert len(found["releases"]) == len(by_name)
    for row in found["releases"]:
        versions = row.pop("data_versions")
        assert row == by_name[row["name"]]
        assert versions["."] == row["data_version"]
    for key in ("emergency_shutoffs", "pinnable_releases"):
        assert sorted(found[key], key=repr) == sorted(recorded[key], key=repr)
    for key in ("allowlisted_domains", "special_force_hosts"):
        assert found[key] == recorded[key]


def test_dump__standard_output_and_gz__are_written(load, tmp_path):
    load(DATA)
    out = io.StringIO()
    call_command("dump_data", stdout=out)
    call_command("dump_data", str(tmp_path / "dump.json.gz"))
    with gzip.open(tmp_path / "dump.json.gz", "rt") as source:
        assert json.load(source) == json.loads(out.getvalue())
    assert not list(tmp_path.glob("*.part"))


def test_dump__folder_that_does_not_exist__is_told(tmp_path):
    with pytest.raises(CommandError, match="No such file or directory"):
        call_command("dump_data", str(tmp_path / "gone" / "dump.json"))


def test_dump__many_releases__two_queries_each(load, tmp_path, django_assert_max_num_queries):
    load(DATA)
    with django_assert_max_num_queries(8 + 2 * 3):
        call_command("dump_data", str(tmp_path / "dump.json"))
