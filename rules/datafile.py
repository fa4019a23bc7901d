"""Loading and dumping everything as one JSON document (docs/data-format.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.color import no_style
from django.db import connection, models

from history import bulk
from history.models import VersionedModel
from releases.blobs import Document, UnknownSchemaVersion, blob_for
from releases.blobs.allowlist import Allowlist
from releases.blobs.document import join, split
from releases.models import (
    AllowedDomain,
    Release,
    ReleasePart,
    SpecialForceHost,
    allowlisted_domains,
    stored_allowlist,
    stored_special_force_hosts,
)
from releases.validation import check_path_regex, check_prefix
from rules.models import EmergencyShutoff, PinnableRelease, Rule
from rules.wire import WIRE_NAMES, rule_to_wire

# Documents of these versions are no longer made. What another server has long served may be moved here as it is:
# where it breaks today's schema, that is a warning.
RETIRED_SCHEMA_VERSIONS = frozenset({1, 2, 3})

LOADED_TABLES: tuple[type[VersionedModel], ...] = (
    PinnableRelease,
    EmergencyShutoff,
    Rule,
    ReleasePart,
    Release,
    AllowedDomain,
    SpecialForceHost,
)
KEYS = (
    "allowlisted_domains",
    "special_force_hosts",
    "releases",
    "rules",
    "emergency_shutoffs",
    "pinnable_releases",
)
# Part of the format; people and their rights have no tables yet.
UNSUPPORTED_KEYS = ("permissions", "roles", "required_signoffs")

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]


class DataFileError(Exception):
    """A file that cannot be loaded; names the key, the index and the field, and what is wrong."""


@dataclass
class Loaded:
    """What a load did: rows by key, and warnings about rows that are legal but odd."""

    counts: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def _no_progress(rows: Iterable[Any], label: str, total: int) -> Iterable[Any]:
    return rows


def load(data: Any, *, replace: bool = False, progress: Progress = _no_progress) -> Loaded:
    """Load a document in the form of docs/data-format.md; needs an open change set.

    With `replace` the tables are emptied first; without, a row that exists already is an error. Raises
    DataFileError for the first bad row; the caller's transaction must then be rolled back.
    """
    return _Loader(progress).load(data, replace=replace)


class _Loader:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._result = Loaded()
        self._allowlist = Allowlist({})
        self._releases: dict[str, Release] = {}

    def load(self, data: Any, *, replace: bool) -> Loaded:
        self._check_keys(data)
        if replace:
            for model in LOADED_TABLES:
                bulk.delete(model._base_manager.all())
        if "allowlisted_domains" in data:
            self._load_allowlist(data["allowlisted_domains"])
        self._allowlist = stored_allowlist()
        if "special_force_hosts" in data:
            self._load_special_hosts(data["special_force_hosts"])
        self._releases = {
            release.name: release for release in Release.objects.only("name", "product", "schema_version")
        }
        self._load_releases(data.get("releases", []))
        self._load_rules(data.get("rules", []))
        self._load_plain("emergency_shutoffs", EmergencyShutoff, data.get("emergency_shutoffs", []))
        self._load_plain("pinnable_releases", PinnableRelease, data.get("pinnable_releases", []))
        return self._result

    def _check_keys(self, data: Any) -> None:
        if not isinstance(data, dict):
            raise DataFileError("The file must hold one JSON object.")
        for key, value in data.items():
            if key in UNSUPPORTED_KEYS:
                if value:
                    raise DataFileError(
                        f"{key}: this version keeps no permissions, roles or required signoffs yet; "
                        "leave the key out and give people their rights in the admin."
                    )
            elif key not in KEYS:
                raise DataFileError(f"{key}: unknown key; known are {', '.join((*KEYS, *UNSUPPORTED_KEYS))}.")
            elif not isinstance(value, dict if key == "allowlisted_domains" else list):
                raise DataFileError(
                    f"{key}: must be {'an object' if key == 'allowlisted_domains' else 'a list'}."
                )

    # --- Allow-list -----------------------------------------------------------------------------------

    def _load_allowlist(self, hosts: dict[str, Any]) -> None:
        bulk.delete(AllowedDomain._base_manager.all())
        rows = []
        for host, entry in hosts.items():
            paths = entry.items() if isinstance(entry, dict) else [("", entry)]
            for position, (path_regex, products) in enumerate(paths):
                row = AllowedDomain(host=host, path_regex=path_regex, position=position, products=products)
                where = f"allowlisted_domains[{host!r}]"
                if path_regex:
                    self._checked(where, "path_regex", partial(check_path_regex, path_regex))
                self._checked(where, "", row.clean_fields)
                if not isinstance(products, list) or not all(isinstance(item, str) for item in products):
                    raise DataFileError(f"{where}: {products!r} is not a list of product names.")
                rows.append(row)
        self._result.counts["allowlisted_domains"] = bulk.insert(rows)

    def _load_special_hosts(self, prefixes: list[Any]) -> None:
        stored = set(stored_special_force_hosts())
        rows = []
        for number, prefix in enumerate(prefixes):
            if not isinstance(prefix, str):
                raise DataFileError(f"special_force_hosts[{number}]: {prefix!r} is not a text.")
            self._checked(f"special_force_hosts[{number}]", "", partial(check_prefix, prefix))
            if prefix not in stored:
                rows.append(SpecialForceHost(prefix=prefix))
                stored.add(prefix)
        self._result.counts["special_force_hosts"] = bulk.insert(rows)

    # --- Releases -------------------------------------------------------------------------------------

    def _load_releases(self, rows: list[Any]) -> None:
        allowed = {"name", "product", "read_only", "data_version", "blob", "data_versions"}
        for number, row in enumerate(self._progress(rows, "releases", len(rows))):
            where = f"releases[{number}]"
            self._check_row(where, row, required={"name", "blob"}, allowed=allowed)
            release, parts = self._release(where, row)
            bulk.insert([release])
            for part in parts:
                part.release = release
            bulk.insert(parts)
            self._releases[release.name] = Release(
                pk=release.pk,
                name=release.name,
                product=release.product,
                schema_version=release.schema_version,
            )
            rows[number] = None  # a large file need not stay in memory whole
        self._result.counts["releases"] = len(rows)

    def _release(self, where: str, row: dict[str, Any]) -> tuple[Release, list[ReleasePart]]:
        blob = row["blob"]
        if not isinstance(blob, dict):
            raise DataFileError(f"{where}.blob: must be an object.")
        if blob.get("name") != row["name"]:
            raise DataFileError(
                f"{where}.blob.name: {blob.get('name')!r} differs from the row's name {row['name']!r}."
            )
        if row["name"] in self._releases:
            raise DataFileError(
                f"{where}.name: release {row['name']!r} exists already; use --replace to start anew."
            )
        product = row.get("product") or blob.get("product")
        try:
            typed = blob_for(Document.from_dict(blob))
        except UnknownSchemaVersion as error:
            raise DataFileError(f"{where}.blob.{error}") from error
        problems = typed.problems(self._allowlist, product)
        if problems and typed.schema_version in RETIRED_SCHEMA_VERSIONS:
            self._result.warnings += [f"{where} {row['name']}: {problem}" for problem in problems]
        elif problems:
            raise DataFileError("\n".join(f"{where}.blob.{problem}" for problem in problems))
        top, parts = split(blob)
        versions = row.get("data_versions") or {}
        release = Release(
            name=row["name"],
            product=product or "",
            schema_version=typed.schema_version,
            read_only=row.get("read_only", False),
            data_version=versions.get(".", row.get("data_version", 1)),
            document=top,
        )
        self._checked(where, "", partial(release.clean_fields, exclude={"document"}))
        platforms = versions.get("platforms", {})
        made = [
            ReleasePart(
                platform=platform,
                locale=locale,
                document=document,
                data_version=platforms.get(platform, {}).get("locales", {}).get(locale, 1),
            )
            for (platform, locale), document in parts.items()
        ]
        for part in made:
            self._checked(f"{where}.blob.platforms", "", partial(part.clean_fields, exclude={"release"}))
        return release, made

    # --- Rules ----------------------------------------------------------------------------------------

    def _load_rules(self, rows: list[Any]) -> None:
        seen: dict[str, set[Any]] = {
            "rule_id": set(Rule.objects.values_list("pk", flat=True)),
            "alias": set(Rule.objects.exclude(alias=None).values_list("alias", flat=True)),
        }
        made = []
        for number, row in enumerate(self._progress(rows, "rules", len(rows))):
            where = f"rules[{number}]"
            self._check_row(where, row, required=set(), allowed=set(WIRE_NAMES))
            made.append(self._rule(where, row, seen))
        self._result.counts["rules"] = bulk.insert(made)
        self._reset_sequence(Rule)

    def _rule(self, where: str, row: dict[str, Any], seen: dict[str, set[Any]]) -> Rule:
        rule = Rule()
        for name, attribute in WIRE_NAMES.items():
            if name not in row:
                continue
            value = row[name]
            if attribute.endswith("_id") and attribute in (
                "mapping_id",
                "fallback_mapping_id",
                "whitelist_id",
            ):
                if value in (None, ""):
                    continue
                release = self._releases.get(value) if isinstance(value, str) else None
                if release is None:
                    raise DataFileError(f"{where}.{name}: release {value!r} does not exist.")
                setattr(rule, attribute.removesuffix("_id"), release)
            else:
                setattr(rule, attribute, value)
        for name, taken in seen.items():
            value = getattr(rule, name)
            if value is not None:
                if value in taken:
                    raise DataFileError(
                        f"{where}.{name}: {value!r} exists already; use --replace to start anew."
                    )
                taken.add(value)
        exclude = {"mapping", "fallback_mapping", "whitelist"} | (
            {"rule_id"} if rule.rule_id is None else set()
        )
        self._checked(where, "", partial(rule.clean_fields, exclude=exclude))
        self._checked(where, "", rule.clean)
        self._result.warnings += [f"{where} (rule {rule}): {warning}" for warning in rule.warnings()]
        return rule

    # --- Shutoffs and pins ----------------------------------------------------------------------------

    def _load_plain(self, key: str, model: type[VersionedModel], rows: list[Any]) -> None:
        names = [item.name for item in model._meta.concrete_fields if item.name != "id"]
        unique = next(
            item.fields for item in model._meta.constraints if isinstance(item, models.UniqueConstraint)
        )
        taken = set(model._base_manager.values_list(*unique))
        made = []
        for number, row in enumerate(rows):
            where = f"{key}[{number}]"
            self._check_row(where, row, required=set(unique), allowed=set(names))
            instance = model(**{name: value for name, value in row.items() if name != "mapping"})
            if "mapping" in names:
                release = self._releases.get(row.get("mapping"))
                if release is None:
                    raise DataFileError(f"{where}.mapping: release {row.get('mapping')!r} does not exist.")
                instance.mapping = release  # type: ignore[attr-defined]
            identity = tuple(row[name] for name in unique)
            if identity in taken:
                raise DataFileError(
                    f"{where}: {' '.join(identity)} exists already; use --replace to start anew."
                )
            taken.add(identity)
            self._checked(where, "", partial(instance.clean_fields, exclude={"mapping"}))
            made.append(instance)
        self._result.counts[key] = bulk.insert(made)

    # --- Shared ---------------------------------------------------------------------------------------

    @staticmethod
    def _check_row(where: str, row: Any, *, required: set[str], allowed: set[str]) -> None:
        if not isinstance(row, dict):
            raise DataFileError(f"{where}: must be an object.")
        if unknown := sorted(row.keys() - allowed):
            raise DataFileError(
                f"{where}.{unknown[0]}: unknown field; known are {', '.join(sorted(allowed))}."
            )
        if lacking := sorted(required - row.keys()):
            raise DataFileError(f"{where}.{lacking[0]}: is missing.")

    @staticmethod
    def _checked(where: str, name: str, check: Callable[[], object]) -> None:
        try:
            check()
        except ValidationError as error:
            if hasattr(error, "error_dict"):
                name, messages = next(iter(error.message_dict.items()))
            else:
                messages = error.messages
            raise DataFileError(f"{where}{'.' if name else ''}{name}: {' '.join(messages)}") from error

    @staticmethod
    def _reset_sequence(model: type[models.Model]) -> None:
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), [model]):
                cursor.execute(statement)


# --- Dump -----------------------------------------------------------------------------------------------


def dump(write: Callable[[str], object], progress: Progress = _no_progress) -> None:
    """Hand everything to `write`, one release at a time; loading it gives the same tables."""
    write("{")
    _write_list(write, "rules", (rule_to_wire(rule) for rule in Rule.objects.order_by("pk").iterator(2_000)))
    write(",\n")
    names = list(Release.objects.order_by("name").values_list("pk", flat=True))
    _write_list(write, "releases", (_dumped_release(pk) for pk in progress(names, "releases", len(names))))
    small: dict[str, Any] = {
        "emergency_shutoffs": list(
            EmergencyShutoff.objects.order_by("product", "channel").values(
                "product", "channel", "comment", "data_version"
            )
        ),
        "pinnable_releases": list(
            PinnableRelease.objects.order_by("product", "channel", "version").values(
                "product", "channel", "version", "mapping", "data_version"
            )
        ),
        "allowlisted_domains": allowlisted_domains(),
        "special_force_hosts": stored_special_force_hosts(),
    }
    for key, value in small.items():
        write(f",\n{json.dumps(key)}: {json.dumps(value)}")
    write("}\n")


def _write_list(write: Callable[[str], object], key: str, rows: Iterator[dict[str, Any]]) -> None:
    write(f"{json.dumps(key)}: [")
    for number, row in enumerate(rows):
        write(",\n" if number else "\n")
        write(json.dumps(row))
    write("]")


def _dumped_release(pk: int) -> dict[str, Any]:
    release = Release.objects.get(pk=pk)
    parts: dict[tuple[str, str], Any] = {}
    versions: dict[str, Any] = {}
    for part in release.parts.order_by("platform", "locale").iterator(2_000):
        parts[part.platform, part.locale] = part.document
        versions.setdefault(part.platform, {"locales": {}})["locales"][part.locale] = part.data_version
    return {
        "name": release.name,
        "product": release.product,
        "read_only": release.read_only,
        "data_version": release.data_version,
        "data_versions": {".": release.data_version, **({"platforms": versions} if versions else {})},
        "blob": join(release.document, parts),
    }
