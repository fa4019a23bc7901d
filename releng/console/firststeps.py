"""What to do first on an empty system, in the order in which one thing needs the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.urls import reverse

from releases.models import AllowedDomain, Release
from releng.changes.models import AgentHeartbeat
from releng.permissions.models import ProductRequiredSignoff
from releng.permissions.who import people_allowed
from rules.models import Rule


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: why, where, whether it is done, and who can, where this person cannot."""

    label: str
    why: str
    url: str
    is_done: bool
    may: bool
    who: list[str]


def first_steps(user: Any) -> list[Step]:
    """Return what a new system still needs; none once a rule offers a release."""
    if Rule.objects.exclude(mapping=None).exists():
        return []
    has_release, has_rule = Release.objects.exists(), Rule.objects.exists()
    others = get_user_model().objects.filter(is_active=True, is_staff=True).exclude(pk=user.pk)
    asked = (
        (
            "Make accounts for the others",
            "Give each the permissions and the roles of their work. Nobody shares an account: history names people.",
            ("auth.add_user", "admin:console_person_add"),
            others.exists(),
        ),
        (
            "Say who must agree",
            "Signoff requirements of each product and channel, by role. The first one needs nobody; "
            "from then on changes there are scheduled and signed off.",
            ("permissions.add_productrequiredsignoff", "admin:console_requirements"),
            ProductRequiredSignoff.objects.exists(),
        ),
        (
            "Allow the hosts that updates come from",
            "Answers never point to a host that is not on this list.",
            ("releases.add_alloweddomain", "admin:releases_alloweddomain_add"),
            AllowedDomain.objects.exists(),
        ),
        (
            "Add the first release",
            "Automation submits them through the API (docs/automation.md); one can also be added by hand.",
            ("releases.add_release", "admin:releases_release_add"),
            has_release,
        ),
        (
            "Make the first rule",
            "It says which clients are offered that release. Until then every client is told: no update.",
            ("rules.add_rule", "admin:rules_rule_add"),
            has_rule,
        ),
        (
            "Start the agent",
            "It enacts what is scheduled (docs/scheduled-changes.md). Its account and its client are made "
            "on the pages of people.",
            ("oauth2_provider.add_application", "admin:console_clients"),
            AgentHeartbeat.objects.exists(),
        ),
    )
    return [
        Step(
            label,
            why,
            reverse(url),
            is_done,
            user.has_perm(permission),
            [] if is_done or user.has_perm(permission) else people_allowed(permission),
        )
        for label, why, (permission, url), is_done in asked
    ]
