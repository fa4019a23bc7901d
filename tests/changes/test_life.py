"""A random life of scheduled changes: whatever people do, nothing is enacted without the signoffs in force over it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from history.changesets import change_set
from history.exceptions import HistoryError
from releng.changes import actions
from releng.changes.actions import Proposal, propose
from releng.changes.enacting import enact
from releng.changes.guard import guard
from releng.changes.models import ScheduledChange
from releng.permissions.models import Role
from rules import actions as rule_actions
from rules.models import Rule
from tests.people import administrator, person, requires

pytestmark = pytest.mark.either
REFUSALS = (HistoryError, ValidationError, PermissionDenied, ScheduledChange.DoesNotExist, Rule.DoesNotExist)
PEOPLE = {"ann": ("releng",), "ben": ("relman",), "cat": ("releng", "relman"), "dan": ()}
REQUIRED = {"releng": 1, "relman": 1}
FIELDS = {
    "background_rate": st.integers(0, 3),
    "priority": st.integers(1, 3),
    "comment": st.sampled_from(["x", "y"]),
}
values = st.dictionaries(st.sampled_from(sorted(FIELDS)), st.none(), min_size=1).flatmap(
    lambda names: st.fixed_dictionaries({name: FIELDS[name] for name in names})
)
people = st.sampled_from(sorted(PEOPLE))
numbers = st.integers(0, 4)


class Lives(RuleBasedStateMachine):
    """Keeps a book of its own: who agreed to which outcome of which change, and has not taken it back."""

    @initialize()
    def start(self) -> None:
        for name, roles in PEOPLE.items():
            person(name, "rule", roles=roles)
        administrator()
        person("robot", "scheduled_change:enact", system=True)
        requires("Acme", "release", **REQUIRED)
        with change_set(actor_name="stage"):
            self.rule_id = rule_actions.create_rule(
                {"product": "Acme", "channel": "release", "priority": 1}
            ).pk
        # change id -> person -> (role, the row that this person agreed to)
        self.agreed: dict[int, dict[str, tuple[str, Any]]] = {}
        self.enacted: set[int] = set()

    def who(self, name: str) -> Any:
        return get_user_model().objects.get(username=name)

    def row(self) -> Rule | None:
        found: Rule | None = Rule.objects.filter(pk=self.rule_id).first()
        return found

    def change(self, number: int) -> ScheduledChange | None:
        found = list(ScheduledChange.objects.order_by("pk"))
        return found[number % len(found)] if found else None

    def outcome(self, scheduled: ScheduledChange) -> Any:
        """What the row would be, worked out without the code under test."""
        current = self.row()
        if current is None:
            return None
        says = {name: getattr(current, name) for name in FIELDS}
        return says | scheduled.writes.get().values

    def agree(self, scheduled: ScheduledChange) -> None:
        """Take down what each signoff that is stored now was given for, if it is not in the book yet."""
        scheduled.refresh_from_db()
        book = self.agreed.setdefault(scheduled.pk, {})
        stored = {signoff.user.username: signoff.role for signoff in scheduled.signoffs.all()}
        for name in book.keys() - stored.keys():
            del book[name]
        for name, role in stored.items():
            book.setdefault(name, (role, self.outcome(scheduled)))

    def act(self, name: str) -> Any:
        return change_set(actor=self.who(name), origin="api", guard=guard)

    def tried(self, verb: Any) -> bool:
        try:
            verb()
        except REFUSALS:
            return False
        return True

    @rule(name=people, given=values)
    def propose(self, name: str, given: dict[str, Any]) -> None:
        def verb() -> None:
            with self.act(name):
                made.append(propose(self.who(name), [Proposal("rule", "update", given, self.rule_id)]))

        made: list[ScheduledChange] = []
        if self.tried(verb):
            self.agree(made[0])

    @rule(name=people, number=numbers, given=values)
    def edit(self, name: str, number: int, given: dict[str, Any]) -> None:
        scheduled = self.change(number)
        if scheduled is None:
            return

        def verb() -> None:
            with self.act(name):
                actions.edit(scheduled.pk, self.who(name), based_on=scheduled.data_version, values={0: given})

        if self.tried(verb):
            self.agreed[
                scheduled.pk
            ] = {}  # whoever's signoff stays has agreed to the new content by writing it
            self.agree(scheduled)
            assert set(self.agreed[scheduled.pk]) <= {name}

    @rule(name=people, role=st.sampled_from(sorted(REQUIRED)), number=numbers)
    def sign(self, name: str, role: str, number: int) -> None:
        scheduled = self.change(number)
        if scheduled is None:
            return

        def verb() -> None:
            with self.act(name):
                actions.sign_off(scheduled.pk, self.who(name), role)

        if self.tried(verb):
            assert role in PEOPLE[name]
            self.agreed.setdefault(scheduled.pk, {}).pop(name, None)
            self.agree(scheduled)

    @rule(name=people, number=numbers)
    def revoke(self, name: str, number: int) -> None:
        scheduled = self.change(number)
        if scheduled is not None:

            def verb() -> None:
                with self.act(name):
                    actions.revoke_signoff(scheduled.pk, self.who(name))

            if self.tried(verb):
                self.agreed.setdefault(scheduled.pk, {}).pop(name, None)

    @rule(name=people, number=numbers, how=st.sampled_from(["reject", "cancel", "resume"]))
    def end(self, name: str, number: int, how: str) -> None:
        scheduled = self.change(number)
        if scheduled is not None:

            def verb() -> None:
                with self.act(name):
                    if how == "reject":
                        actions.reject(scheduled.pk, self.who(name), comment="no")
                    elif how == "cancel":
                        actions.cancel(scheduled.pk, self.who(name))
                    else:
                        actions.resume(scheduled.pk, self.who(name))

            self.tried(verb)

    @rule(given=values)
    def edit_the_row(self, given: dict[str, Any]) -> None:
        """An operator edits the row directly: never blocked."""
        row = self.row()
        if row is None:
            return
        with change_set(actor_name="operator"):
            rule_actions.update_rule(row.pk, given, based_on=row.data_version)
        for scheduled in ScheduledChange.objects.pending():
            # The author's signoff goes along with a merge: the book follows for this one person only.
            book = self.agreed.setdefault(scheduled.pk, {})
            author = scheduled.author.username
            if author in book:
                book[author] = (book[author][0], self.outcome(scheduled))

    @rule(name=people, role=st.sampled_from(sorted(REQUIRED)))
    def take_or_give_a_role(self, name: str, role: str) -> None:
        if role not in PEOPLE[name]:
            return
        with change_set(actor_name="operator"):
            held = Role.objects.filter(user=self.who(name), role=role).first()
            if held is None:
                Role(user=self.who(name), role=role).save()
            else:
                held.delete()

    @rule(name=people)
    def switch_an_account(self, name: str) -> None:
        user = self.who(name)
        user.is_active = not user.is_active
        user.save()

    @rule(number=numbers)
    def enact(self, number: int) -> None:
        scheduled = self.change(number)
        if scheduled is None:
            return
        expected = self.outcome(scheduled)
        author_active = scheduled.author.is_active

        def verb() -> None:
            with self.act("robot"):
                enact(scheduled.pk, self.who("robot"))

        if not self.tried(verb):
            return
        assert scheduled.pk not in self.enacted, "enacted twice"
        self.enacted.add(scheduled.pk)
        assert author_active
        row = self.row()
        assert row is not None
        written = {name: getattr(row, name) for name in FIELDS}
        assert written == expected
        counted: dict[str, int] = {}
        for name, (role, agreed_to) in self.agreed.get(scheduled.pk, {}).items():
            holds = Role.objects.filter(user=self.who(name), role=role).exists()
            if agreed_to == written and holds and self.who(name).is_active:
                counted[role] = counted.get(role, 0) + 1
        assert all(counted.get(role, 0) >= count for role, count in REQUIRED.items()), (counted, self.agreed)

    @invariant()
    def ended_changes_stay_ended(self) -> None:
        if hasattr(self, "enacted"):
            states = dict(ScheduledChange.objects.filter(pk__in=self.enacted).values_list("pk", "state"))
            assert set(states.values()) <= {"enacted"}


class LifeTests(TestCase):
    @pytest.mark.slow
    def test_any_life__nothing_is_enacted_without_agreement(self) -> None:
        from hypothesis.stateful import run_state_machine_as_test

        class Machine(Lives):
            def __init__(machine) -> None:  # noqa: N805
                super().__init__()
                self.setup_example()

            def teardown(machine) -> None:  # noqa: N805
                self.teardown_example(None)

        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=60,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
