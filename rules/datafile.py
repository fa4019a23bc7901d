"""Loading rules, releases and what belongs to them from one JSON document (docs/data-format.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.color import no_style
from django.db import connection, models

from history import bulk
from history.models import VersionedModel
from releases.blobs import Document, UnknownSchemaVersion, blob_for
from releases.blobs.allowlist import Allowlist
from releases.blobs.document import split
from releases.models import AllowedDomain, Release, ReleasePart, SpecialForceHost, stored_allowlist
from releases.numbering import begin_at
from releases.storage import DataVersions
from releases.validation import shown
from rules.models import EmergencyShutoff, PinnableRelease, Rule
from rules.wire import WIRE_NAME_OF, values_from_wire

# Documents of these versions are no longer made. What another server has long served may be moved here as it is:
# where it breaks today's schema, that is a warning.
RETIRED_SCHEMA_VERSIONS = frozenset({1, 2, 3})

RELEASE_FIELDS = ("mapping", "fallback_mapping", "whitelist")

# What each key fills, in the order of loading: first what others point to.
TABLES: dict[str, tuple[type[VersionedModel], ...]] = {
    "allowlisted_domains": (AllowedDomain,),
    "special_force_hosts": (SpecialForceHost,),
    "releases": (ReleasePart, Release),
    "rules": (Rule,),
    "emergency_shutoffs": (EmergencyShutoff,),
    "pinnable_releases": (PinnableRelease,),
}
# Sections of other rooms, in the order of loading, and how each is loaded; rooms add theirs by `add_sections`.
SectionLoader = Callable[..., int]
_FURTHER: dict[str, SectionLoader] = {}

EXISTS = "there is one already; give each only once, or use --replace to start anew."

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]


def add_sections(keys: Iterable[str], loader: SectionLoader) -> None:
    """Let a file have further keys: `loader(key, rows, replace=...)` returns how many rows it has stored.

    It raises ValueError, whose message names the row, for the first that cannot be.
    """
    _FURTHER.update(dict.fromkeys(keys, loader))


class DataFileError(Exception):
    """A file that cannot be loaded; names the key, the index and the field, and what is wrong."""


@dataclass
class Loaded:
    """What a load did: rows by key, and warnings about rows that are legal but odd."""

    counts: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def no_progress(rows: Iterable[Any], label: str, total: int) -> Iterable[Any]:
    """Show nothing."""
    return rows


def load(data: Any, *, replace: bool = False, progress: Progress = no_progress) -> Loaded:
    """Load a document in the form of docs/data-format.md; needs an open change set.

    With `replace` the tables of the keys that the document has are emptied first; without, a row that exists
    already is an error. Rows of `data` are dropped once they are loaded. Raises DataFileError for the first bad
    row; the caller's transaction must then be rolled back.
    """
    return _Loader(progress).load(data, replace=replace)


class _Loader:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._result = Loaded()
        self._allowlist = Allowlist({})
        self._releases: dict[str, Release] = {}  # without their documents

    def load(self, data: Any, *, replace: bool) -> Loaded:
        _check_keys(data)
        if replace:
            for key in reversed(TABLES):
                for model in TABLES[key] if key in data else ():
                    bulk.delete(model._base_manager.all())
        if "allowlisted_domains" in data:
            bulk.delete(AllowedDomain._base_manager.all())
            self._insert("allowlisted_domains", self._domains(data["allowlisted_domains"]))
        self._allowlist = stored_allowlist()
        self._insert("special_force_hosts", self._special_hosts(data.get("special_force_hosts", [])))
        self._releases = {
            release.name: release for release in Release.objects.only("name", "product", "schema_version")
        }
        self._load_releases(data.get("releases", []))
        self._refuse_dangling()
        self._insert("rules", self._rules(data.get("rules", [])))
        _reset_sequence(Rule)
        for key, model in (("emergency_shutoffs", EmergencyShutoff), ("pinnable_releases", PinnableRelease)):
            self._insert(key, self._plain(key, model, data.get(key, [])))
        for key, loader in _FURTHER.items():
            if key in data:
                try:
                    self._result.counts[key] = loader(key, data[key], replace=replace)
                except ValueError as error:
                    raise DataFileError(str(error)) from error
        return self._result

    def _insert(self, key: str, rows: list[Any]) -> None:
        self._result.counts[key] = bulk.insert(rows)

    def _warn(self, where: str, warnings: Iterable[object]) -> None:
        self._result.warnings += [f"{where}: {warning}" for warning in warnings]

    # --- Allow-list -----------------------------------------------------------------------------------

    def _domains(self, hosts: dict[str, Any]) -> list[AllowedDomain]:
        rows = []
        for host, entry in hosts.items():
            where = f"allowlisted_domains[{host!r}]"
            if isinstance(entry, dict) and "" in entry:
                raise DataFileError(
                    f"{where}['']: an empty expression matches no path; write .* for every path."
                )
            paths = entry.items() if isinstance(entry, dict) else [("", entry)]
            for position, (path_regex, products) in enumerate(paths):
                row = AllowedDomain(host=host, path_regex=path_regex, position=position, products=products)
                _clean(where, row)
                rows.append(row)
        return rows

    def _special_hosts(self, prefixes: list[Any]) -> list[SpecialForceHost]:
        taken = set(SpecialForceHost.objects.values_list("prefix", flat=True))
        rows = []
        for number, prefix in enumerate(prefixes):
            where = f"special_force_hosts[{number}]"
            if not isinstance(prefix, str):
                raise DataFileError(f"{where}: {shown(prefix)}: must be a text.")
            row = SpecialForceHost(prefix=prefix)
            _clean(where, row)
            _take(where, prefix, taken)
            rows.append(row)
        return rows

    # --- Releases -------------------------------------------------------------------------------------

    def _load_releases(self, rows: list[Any]) -> None:
        allowed = {"name", "product", "read_only", "data_version", "blob", "data_versions", "whole_version"}
        numbers: dict[int, int] = {}
        taken = set(self._releases)
        for number, row in enumerate(self._progress(rows, "releases", len(rows))):
            where = f"releases[{number}]"
            _check_row(where, row, required=("name", "blob"), allowed=allowed)
            release, parts = self._release(f"{where} ({shown(row['name'])})", row)
            _take(f"{where}.name", release.name, taken)
            bulk.insert([release])
            bulk.insert(parts)
            numbers[release.pk] = _whole_version(where, row, release)
            self._releases[release.name] = Release(
                pk=release.pk,
                name=release.name,
                product=release.product,
                schema_version=release.schema_version,
            )
            rows[number] = None  # a large file need not stay in memory whole
        begin_at(numbers)
        self._result.counts["releases"] = len(rows)

    def _release(self, where: str, row: dict[str, Any]) -> tuple[Release, list[ReleasePart]]:
        blob, name = row["blob"], row["name"]
        if not isinstance(blob, dict):
            raise DataFileError(f"{where}.blob: {shown(blob)}: must be an object.")
        if not isinstance(name, str) or blob.get("name") != name:
            raise DataFileError(
                f"{where}.blob.name: {shown(blob.get('name'))}: differs from the row's name {shown(name)}."
            )
        product = row.get("product") or blob.get("product")
        if not isinstance(product, str):
            raise DataFileError(f"{where}.product: {shown(product)}: must be a text, here or in the blob.")
        if not isinstance(row.get("read_only", False), bool):
            raise DataFileError(f"{where}.read_only: {shown(row['read_only'])}: must be true or false.")
        try:
            typed = blob_for(Document.from_dict(blob))
        except UnknownSchemaVersion as error:
            raise DataFileError(f"{where}.blob.{error}") from error
        problems = typed.problems(self._allowlist, product)
        if problems and typed.schema_version not in RETIRED_SCHEMA_VERSIONS:
            raise DataFileError("\n".join(f"{where}.blob.{problem}" for problem in problems))
        self._warn(where, problems)
        top, documents = split(blob)
        versions = _versions(where, row, documents)
        release = Release(
            name=name,
            product=product,
            schema_version=typed.schema_version,
            read_only=row.get("read_only", False),
            data_version=versions.top,
            document=top,
        )
        _clean(where, release, exclude={"document"})
        parts = [
            ReleasePart(
                release=release,
                platform=platform,
                locale=locale,
                document=document,
                data_version=versions.places.get((platform, locale), 1),
            )
            for (platform, locale), document in documents.items()
        ]
        for part in parts:
            _clean(f"{where}.blob.platforms", part, exclude={"release", "document"})
        return release, parts

    def _refuse_dangling(self) -> None:
        """Releases that were replaced may have left others pointing to nothing: name the first one."""
        for model, names in ((Rule, RELEASE_FIELDS), (PinnableRelease, ("mapping",))):
            for name in names:
                rows = model._base_manager.exclude(**{name: None})
                lost = rows.exclude(**{f"{name}__in": Release.objects.values("name")}).order_by("pk").first()
                if lost is not None:
                    raise DataFileError(
                        f"releases: {model._meta.verbose_name} {lost} has the {name} "
                        f"{getattr(lost, f'{name}_id')!r}, which the file does not have; add that release, or "
                        "replace the rules and pins, too."
                    )

    # --- Rules ----------------------------------------------------------------------------------------

    def _rules(self, rows: list[Any]) -> list[Rule]:
        taken_ids = set(Rule.objects.values_list("pk", flat=True))
        taken_aliases = set(Rule.objects.exclude(alias=None).values_list("alias", flat=True))
        made = []
        for number, row in enumerate(self._progress(rows, "rules", len(rows))):
            _check_row(f"rules[{number}]", row)
            where = f"rules[{number}]"
            if row.get("rule_id") is not None:
                where += f" (rule {row['rule_id']})"
            rule = self._rule(where, row)
            if rule.rule_id is not None:
                _take(f"{where}.rule_id", rule.rule_id, taken_ids)
            if rule.alias is not None:
                _take(f"{where}.alias", rule.alias, taken_aliases)
            self._warn(where, rule.warnings())
            made.append(rule)
        return made

    def _rule(self, where: str, row: dict[str, Any]) -> Rule:
        rule = Rule()
        for name, value in _checked(where, lambda: values_from_wire(row)).items():
            setattr(rule, name, self._named(f"{where}.{WIRE_NAME_OF[name]}", name, value))
        _clean(where, rule, exclude=RELEASE_FIELDS, names=WIRE_NAME_OF)
        _checked(where, rule.clean, WIRE_NAME_OF)
        return rule

    def _named(self, where: str, name: str, value: Any) -> Any:
        """Return the release of that name where field `name` points to one, else the value itself."""
        if value is None or name not in RELEASE_FIELDS:
            return value
        release = self._releases.get(value) if isinstance(value, str) else None
        if release is None:
            raise DataFileError(f"{where}: {shown(value)}: there is no release of this name.")
        return release

    # --- Shutoffs and pins ----------------------------------------------------------------------------

    def _plain(self, key: str, model: type[VersionedModel], rows: list[Any]) -> list[Any]:
        names = [item.name for item in model._meta.concrete_fields if item.name != "id"]
        unique: tuple[str, ...] = model.unique_by  # type: ignore[attr-defined]  # both of these models have it
        required = [
            item.name
            for item in model._meta.concrete_fields
            if item.name == "mapping" or (item.name in unique and not item.null)
        ]
        taken = set(model._base_manager.values_list(*unique))
        made = []
        for number, row in enumerate(rows):
            where = f"{key}[{number}]"
            _check_row(where, row, required=required, allowed=set(names))
            for name, value in row.items():
                if (
                    name != "data_version"
                    and not isinstance(value, str)
                    and (name in required or value is not None)
                ):
                    raise DataFileError(f"{where}.{name}: {shown(value)}: must be a text.")
            instance: Any = model(
                **{name: self._named(f"{where}.{name}", name, value) for name, value in row.items()}
            )
            _clean(where, instance, exclude={"mapping"})
            _take(where, tuple(getattr(instance, name) for name in unique), taken)
            self._warn(where, instance.warnings() if hasattr(instance, "warnings") else ())
            made.append(instance)
        return made


def _check_keys(data: Any) -> None:
    if not isinstance(data, dict):
        raise DataFileError("The file must hold one JSON object.")
    for key, value in data.items():
        if key not in TABLES and key not in _FURTHER:
            raise DataFileError(f"{key}: unknown key; known are {', '.join((*TABLES, *_FURTHER))}.")
        if key == "allowlisted_domains" and not isinstance(value, dict):
            raise DataFileError(f"{key}: must be an object.")
        if key != "allowlisted_domains" and not isinstance(value, list):
            raise DataFileError(f"{key}: must be a list.")


def _check_row(
    where: str, row: Any, *, required: Iterable[str] = (), allowed: set[str] | None = None
) -> None:
    if not isinstance(row, dict):
        raise DataFileError(f"{where}: {shown(row)}: must be an object.")
    if allowed is not None and (unknown := sorted(row.keys() - allowed)):
        raise DataFileError(f"{where}.{unknown[0]}: unknown field; known are {', '.join(sorted(allowed))}.")
    if lacking := [name for name in required if name not in row]:
        raise DataFileError(f"{where}.{lacking[0]}: is missing.")


def _whole_version(where: str, row: dict[str, Any], release: Release) -> int:
    """Return the number from which the versions of a whole release go on."""
    found: Any = row.get("whole_version", release.data_version)
    if type(found) is not int or found < 1:
        raise DataFileError(f"{where}.whole_version: {shown(found)}: must be a whole number, at least 1.")
    return found


def _versions(where: str, row: dict[str, Any], documents: Mapping[tuple[str, str], Any]) -> DataVersions:
    """Return the versions that a release's row gives: `data_version` alone, or a whole tree of them."""
    top = row.get("data_version", 1)
    if row.get("data_versions") is None:
        return DataVersions(top)
    try:
        versions = DataVersions.from_tree(row["data_versions"])
    except ValueError as error:
        raise DataFileError(f"{where}.data_versions: {error}.") from error
    if versions.top != row.get("data_version", versions.top):
        raise DataFileError(f"{where}.data_version: {top!r}: differs from data_versions, {versions.top}.")
    if strange := sorted(versions.places.keys() - documents.keys()):
        raise DataFileError(
            f"{where}.data_versions.platforms.{strange[0][0]}.locales.{strange[0][1]}: the blob has no such locale."
        )
    return versions


def _take(where: str, identity: Any, taken: set[Any]) -> None:
    if identity in taken:
        raise DataFileError(f"{where}: {shown(identity)}: {EXISTS}")
    taken.add(identity)


def _clean(
    where: str, row: models.Model, *, exclude: Iterable[str] = (), names: Mapping[str, str] | None = None
) -> None:
    left_out = {*exclude, *(["rule_id"] if isinstance(row, Rule) and row.rule_id is None else [])}
    _checked(where, lambda: row.clean_fields(exclude=left_out), names)


def _checked(where: str, check: Callable[[], Any], names: Mapping[str, str] | None = None) -> Any:
    """Return what `check` returns; where it raises ValidationError, name the place."""
    try:
        return check()
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        name = (names or {}).get(name, name)
        raise DataFileError(f"{where}.{name}: {' '.join(messages)}") from error


def _reset_sequence(model: type[models.Model]) -> None:
    """PostgreSQL goes on counting where it was, whatever ids were given."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [model]):
            cursor.execute(statement)
