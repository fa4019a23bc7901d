"""Schema version 9: the update line is composed of groups of fields, each with conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from releases.blobs.apprelease.base import LOCALIZED_URLS, Attributes
from releases.blobs.apprelease.overlap import CONDITIONS, can_both_match
from releases.blobs.apprelease.shapes import SourceTemplates
from releases.blobs.base import RenderContext, as_dict, as_list, is_printable, with_tokens
from releases.blobs.errors import Problem
from releases.blobs.expressions import (
    channel_matches,
    check_channel,
    check_number,
    check_version,
    compile_string,
    compile_version,
)
from releases.blobs.query import UpdateQuery
from releases.blobs.schemas import APPLICATION
from releases.blobs.versions import parse_version

Test = Callable[[UpdateQuery], bool]

_ATTRIBUTE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")


@dataclass(frozen=True, slots=True)
class _Group:
    """The fields of one group, and the tests that a client must pass to get them."""

    tests: tuple[Test, ...]
    fields: tuple[tuple[str, Any], ...]


def _channels(values: list[str]) -> Test:
    return lambda query: any(
        channel_matches(value, query.channel) or channel_matches(value, query.fallback_channel)
        for value in values
    )


def _locales(values: list[str]) -> Test:
    wanted = frozenset(values)
    return lambda query: query.locale in wanted


def _versions(values: list[str]) -> Test:
    expressions = [compile_version(value, loose=False) for value in values]
    return lambda query: any(item.matches(parse_version(query.version)) for item in expressions)


def _build_ids(values: list[str]) -> Test:
    expressions = [compile_string(value) for value in values]
    return lambda query: any(item.matches(query.build_id or "") for item in expressions)


_TESTS = {"channels": _channels, "locales": _locales, "versions": _versions, "buildIDs": _build_ids}


class AppReleaseV9(SourceTemplates):
    """Later groups overwrite earlier ones; attributes stand in the order of their names."""

    schema_version = 9
    schema = APPLICATION[9]
    proofs = True
    set_lists = frozenset(f"updateLine.*.for.{condition}" for condition in CONDITIONS)

    @cached_property
    def _groups(self) -> tuple[_Group, ...]:
        groups = []
        for entry in as_list(self.top.get("updateLine")):
            conditions = as_dict(entry).get("for")
            fields = as_dict(entry).get("fields")
            if not isinstance(conditions, dict) or not isinstance(fields, dict):
                continue
            tests = tuple(
                _TESTS[name]([value for value in as_list(values) if isinstance(value, str)])
                for name, values in conditions.items()
                if name in _TESTS
            )
            usable = ((name, value) for name, value in fields.items() if _ATTRIBUTE_NAME.fullmatch(name))
            groups.append(
                _Group(tests, tuple((name, value) for name, value in usable if is_printable(value)))
            )
        return tuple(groups)

    def variant(self, query: UpdateQuery) -> Hashable:
        """Return which groups match, as numbers."""
        return tuple(
            number for number, group in enumerate(self._groups) if all(test(query) for test in group.tests)
        )

    def update_line(
        self, query: UpdateQuery, data: dict[str, Any], build_id: str, context: RenderContext
    ) -> Attributes:
        values: dict[str, Any] = {
            "appVersion": self.value(data, "appVersion"),
            "buildID": build_id,
            "displayVersion": self.value(data, "displayVersion"),
            "type": context.update_type,
        }
        for group in self._groups:
            if all(test(query) for test in group.tests):
                values.update(group.fields)
        tokens = {"LOCALE": query.locale or ""}
        for name in LOCALIZED_URLS & values.keys():
            values[name] = with_tokens(str(values[name]), tokens)
        return [(name, values[name]) for name in sorted(values)]

    def own_problems(self) -> list[Problem]:
        return [*super().own_problems(), *self._condition_problems(), *self._overlap_problems()]

    def _condition_problems(self) -> list[Problem]:
        found = []
        for number, group in enumerate(self.top.get("updateLine", [])):
            checks: dict[str, Callable[[str], str | None]] = {
                "channels": check_channel,
                "versions": lambda text: check_version(text, loose=False),
                "buildIDs": check_number,
            }
            for condition, check in checks.items():
                for place, text in enumerate(group["for"].get(condition, [])):
                    if message := check(text):
                        found.append(Problem(f"updateLine.{number}.for.{condition}.{place}", text, message))
        return found

    def _overlap_problems(self) -> list[Problem]:
        """Two groups that could both match one client must not set the same field (features H23)."""
        found = []
        for (first, one), (second, other) in combinations(enumerate(self.top.get("updateLine", [])), 2):
            shared = sorted(one["fields"].keys() & other["fields"].keys())
            if shared and can_both_match(one["for"], other["for"]):
                found.append(
                    Problem(
                        f"updateLine.{second}",
                        other["for"],
                        f"could match the same client as group {first}, and both set {', '.join(shared)}; "
                        "give them conditions that exclude each other.",
                    )
                )
        return found
