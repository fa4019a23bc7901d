"""Who must agree to a change, and who can: for forms, before anything is saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from releng.permissions.who import people_by_role


@dataclass(frozen=True, slots=True)
class Needed:
    """So many signoffs of a role, and the names of the people who hold it."""

    role: str
    count: int
    people: list[str]

    def __str__(self) -> str:
        return f"{self.count} \u00d7 {self.role} ({', '.join(self.people) or 'nobody holds this role'})"


def needed(required: Mapping[str, int]) -> list[Needed]:
    """Return the roles that must agree with those who hold them, in one query; none for no role."""
    if not required:
        return []
    people = people_by_role(required)
    return [Needed(role, count, people.get(role, [])) for role, count in sorted(required.items())]
