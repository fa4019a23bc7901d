"""All pages of the console, and the bar of links on every page of the admin."""

from __future__ import annotations

from releng.console import (
    asking,
    change_batches,
    change_calendar,
    clients,
    confirming,
    emergency,
    people,
    releases,
    requirements,
    rollout_form,
    rollout_page,
    rule_moves,
    rules,
    sessions,
)
from releng.console.pages import Link, Page

PAGES: tuple[Page, ...] = (
    *change_batches.PAGES,
    *change_calendar.PAGES,
    *rollout_page.PAGES,
    *rollout_form.PAGES,
    *asking.PAGES,
    *emergency.PAGES,
    *rules.PAGES,
    *rule_moves.PAGES,
    *releases.PAGES,
    *people.PAGES,
    *requirements.PAGES,
    *clients.PAGES,
    *sessions.PAGES,
    *confirming.PAGES,
)

# In the order of a working day: what needs me, what is decided, what is offered, what happens next, who did what.
BAR: tuple[Link, ...] = (
    Link("Home", "admin:index"),
    Link("Rules", "admin:rules_rule_changelist", ("rules.view_rule",)),
    Link("Releases", "admin:releases_release_changelist", ("releases.view_release",)),
    Link("Scheduled", "admin:changes_scheduledchange_changelist", ("changes.view_scheduledchange",)),
    *(page.link for page in PAGES if page.label),
    Link("History", "history:feed", ("history.view_changeset",)),
)
