"""What would this client get? Now, at a moment that is over or ahead, with changes that are only proposed; and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse

from history.models import ChangeSet
from releases.reading import consistent_read
from releng.changes.effects import Effects, client_of, effects_between
from releng.changes.examination import told
from releng.changes.models import ScheduledChange
from releng.changes.trials import Considered, Moment, Trial, trial
from releng.console.asking_form import CLIENT_LABELS, AskForm, draft_of
from releng.console.pages import Page, render_page
from releng.console.rule_words import LABELS, client_words
from releng.updates.asking import Answers, Question, ask_all
from rules.engine import explain
from rules.engine.explain import Stage
from rules.engine.rule import Rule as EngineRule
from rules.models import Rule

# Of many rejected rules the nearest to the decision are shown; "every" shows more.
NEAREST, MOST = 60, 2_000
# Rules for other channels are counted, not shown, until all are asked for.
ELSEWHERE = "channel"
LONGEST_ADDRESS = 3_000
OPEN_CHANGES = 10
STEPS = {
    Stage.SHUTOFF: "Stopped",
    Stage.RULE: "Rule",
    Stage.THROTTLE: "Throttle",
    Stage.PIN: "Pin",
    Stage.GATE: "Release",
    Stage.CHILD: "Part",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A rule that was tested; `label` names the field that rejected it, empty for the one that decides.

    `url` is the rule's page, of one that is over its history; empty for one that is not stored.
    """

    rule: EngineRule
    url: str = ""
    label: str = ""
    rule_value: Any = None
    client_value: Any = None


@dataclass(slots=True)
class Column:
    """One state, and what it answers. `tally` counts the rejected rules by field, `unshown` those not listed."""

    moment: Moment
    state: Trial
    answers: Answers
    lines: list[Line] = field(default_factory=list)
    tally: list[tuple[str, int]] = field(default_factory=list)
    unshown: int = 0
    version: Any = None  # the history row of the rule that decides, or of what a trial made it from
    applied: list[Considered] = field(default_factory=list)
    left_out: list[Considered] = field(default_factory=list)
    verdict: str = ""
    change_set: ChangeSet | None = None  # of a state that is over: the last one that it includes

    @property
    def winner(self) -> EngineRule | None:
        """The rule that decides."""
        return self.answers.wins.explanation.winner

    @property
    def winner_url(self) -> str:
        """The page of the rule that decides, or its history."""
        return _rule_url(self.winner, self.state) if self.winner is not None else ""

    @property
    def is_proposed(self) -> bool:
        """Whether the rule that decides is nowhere stored as it is here."""
        winner = self.winner
        if winner is None:
            return False
        return self.version is None or self.version.data_version != winner.data_version

    @property
    def steps(self) -> list[tuple[str, str]]:
        """What each stage came to, with its name."""
        return [(STEPS[step.stage], step.text) for step in self.answers.wins.explanation.steps]


def ask_page(request: HttpRequest) -> HttpResponse:
    """Ask as a client; everything that is asked stands in the address. A rule's form may be sent here: a read, too."""
    if request.method == "POST":
        return _from_rule_form(request)
    if request.GET and "" in request.GET.values():
        kept = [(name, value) for name, values in request.GET.lists() for value in values if value != ""]
        return HttpResponseRedirect(f"{request.path}?{urlencode(kept)}")
    return _shown(request, request.GET)


def _from_rule_form(request: HttpRequest) -> HttpResponse:
    """Lead to the address that asks with the unsaved values of a rule."""
    try:
        draft = draft_of(request.POST)
    except ValidationError as error:
        form = AskForm({})
        form.is_valid()
        form.add_error(None, f"The unsaved values cannot be stored: {told(error)}")
        return _rendered(request, form, status=400)
    asked = QueryDict(mutable=True)
    asked["draft"] = draft
    if len(asked.urlencode()) <= LONGEST_ADDRESS:
        return HttpResponseRedirect(f"{request.path}?{asked.urlencode()}")
    return _shown(request, asked)


def _shown(request: HttpRequest, data: QueryDict) -> HttpResponse:
    data = _with_shortcuts(data)
    form = AskForm(data)
    if not form.is_valid():
        return _rendered(request, form, status=400)
    question = form.question()
    if form.errors:
        return _rendered(request, form, status=400)
    columns: list[Column] = []
    effects: Effects | None = None
    with consistent_read():
        states = _states(form)
        if form.errors:
            return _rendered(request, form, status=400)
        key = form.cleaned_data["rule"]
        if question is None and key is not None:
            with_it = [state for state in reversed(states) if key in state.material.rules]
            if not with_it:
                form.add_error(None, f"Rule {key} is not there.")
                return _rendered(request, form, status=404)
            question = client_of(key, with_it[0])
            if question is None:
                form.add_error(None, f"No client was found that fulfils the conditions of rule {key}.")
        elif question is None and len(states) > 1:
            effects = effects_between(states[0], states[1])
            question = next((effect.question for effect in effects), None)
        if question is not None:
            columns = [_column(question, state, form) for state in states]
    return _rendered(request, form, question=question, columns=columns, effects=effects)


def _with_shortcuts(data: QueryDict) -> QueryDict:
    """How other pages link here: `change` compares now with a scheduled change, `set` before and after a change set."""
    found = data.copy()
    if "change" in found:
        found["changes2"] = found.pop("change")[-1]
    if "set" in found:
        text = found.pop("set")[-1]
        if text.isascii() and text.isdigit() and 0 < len(text) < 19:
            found["at"], found["at2"] = f"#{max(0, int(text) - 1)}", f"#{int(text)}"
    return found


def _states(form: AskForm) -> list[Trial]:
    found = []
    for number, moment in enumerate(form.moments()):
        if moment is None:
            continue
        try:
            found.append(trial(moment))
        except ValidationError as error:
            form.refuse(error, second=number == 1)
    return found


# --- One state ----------------------------------------------------------------------------------------------


def _column(question: Question, state: Trial, form: AskForm) -> Column:
    answers = ask_all(question, state.snapshot)
    applied, left_out = state.concerning(answers.wins.products)
    column = Column(state.moment, state, answers, applied=applied, left_out=left_out)
    tested = answers.wins.explanation.considered
    rejected = [item for item in tested if item.rejected_by is not None]
    counted = Counter(LABELS.get(item.rejected_by or "", item.rejected_by or "") for item in rejected)
    column.tally = counted.most_common()
    every = form.cleaned_data["every"]
    listed = [item for item in tested if every or item.rejected_by != ELSEWHERE]
    listed = listed[-(MOST if every else NEAREST) :]
    column.lines = [_line(item, state) for item in listed]
    column.unshown = len(tested) - len(listed)
    winner = column.winner
    if winner is not None:
        rows = Rule.history.filter(rule_id=winner.rule_id, data_version__lte=winner.data_version)
        kept = rows.exclude(history_type="-").select_related("change_set")
        column.version = kept.order_by("-history_id").first()
    if state.is_past:
        column.change_set = ChangeSet.objects.filter(sequence=state.sequence).first()
    if form.cleaned_data["rule"] is not None:
        column.verdict = _verdict(form.cleaned_data["rule"], column)
    return column


def _line(item: explain.Considered, state: Trial) -> Line:
    url = _rule_url(item.rule, state)
    if item.rejected_by is None:
        return Line(item.rule, url)
    label = LABELS.get(item.rejected_by, item.rejected_by)
    return Line(item.rule, url, label, item.rule_value, item.client_value)


def _rule_url(rule: EngineRule, state: Trial) -> str:
    if state.is_past:
        return reverse("history:object", args=["rules.rule", rule.rule_id])
    return reverse("admin:rules_rule_change", args=[rule.rule_id]) if state.stores(rule.rule_id) else ""


def _verdict(rule_id: int, column: Column) -> str:
    """Return what became of one rule, in a sentence."""
    rule, winner = column.state.material.rules.get(rule_id), column.winner
    if rule is None:
        return f"Rule {rule_id} is not there."
    if winner is not None and winner.rule_id == rule_id:
        return f"Rule {rule_id} decides about this client."
    product = column.answers.wins.question.query.product
    for item in column.answers.wins.explanation.considered:
        if item.rule.rule_id == rule_id:
            label = LABELS.get(item.rejected_by or "", item.rejected_by)
            return f"Rule {rule_id} does not match this client: {label}."
    if rule.product not in (None, product):
        return f"Rule {rule_id} is for {rule.product}, not for {product}."
    return f"Rule {rule_id} is not reached: rule {winner.rule_id if winner else '?'} decides before it."


# --- The page -----------------------------------------------------------------------------------------------


def _rendered(
    request: HttpRequest,
    form: AskForm,
    *,
    question: Question | None = None,
    columns: list[Column] | None = None,
    effects: Effects | None = None,
    status: int = 200,
) -> HttpResponse:
    columns = columns or []
    chosen = form.cleaned_data if form.is_bound and form.is_valid() else {}
    told_client = question.fields if question is not None else {}
    if question is not None and not any(form[name].value() for name in ("url", *told_client)):
        # The client was found, not told: its URL is filled in, to ask on from there.
        form.data = QueryDict(f"{urlencode({'url': question.url})}&{form.data.urlencode()}")  # type: ignore[attr-defined]
    for name, value in told_client.items():
        if not form[name].value():
            form.fields[name].widget.attrs["placeholder"] = value
    address = _address(form, question)
    return render_page(
        request,
        "console/asking.html",
        "What would this client get?",
        status=status,
        form=form,
        question=question,
        client=[(CLIENT_LABELS[name], value) for name, value in told_client.items()],
        columns=columns,
        is_same=len(columns) == 2 and columns[0].answers.same_as(columns[1].answers),
        effects=[(client_words(one.client), one, _address(form, one.question)) for one in effects or ()],
        more=effects.more if effects is not None else 0,
        has_effects=effects is not None,
        address=address,
        origin=request.build_absolute_uri("/").rstrip("/"),
        every=None if chosen.get("every") else _address(form, question, every="1"),
        draft=form.proposal,
        fields_open=any(form[name.name].value() for name in form.client_fields) or not form["url"].value(),
        open_changes=_open_changes(form, question),
    )


def _address(form: AskForm, question: Question | None, **more: Any) -> str:
    """Return the address of this page that asks as `question` in the states of the form."""
    chosen = form.cleaned_data if form.is_bound and form.is_valid() else {}
    found: dict[str, Any] = {"url": question.url} if question is not None else {}
    for name in ("user_agent", "draft", "rule"):
        if chosen.get(name) not in (None, ""):
            found[name] = chosen[name]
    for name in ("at", "at2"):
        at = chosen.get(name)
        if at is not None:
            found[name] = f"#{at}" if isinstance(at, int) else at.strftime("%Y-%m-%d %H:%M:%S")
    for name in ("changes", "changes2"):
        if chosen.get(name):
            found[name] = ",".join(map(str, chosen[name]))
    found |= {name: "on" for name in ("compare", "every") if chosen.get(name)}
    found = {name: value for name, value in (found | more).items() if value is not None}
    return f"{reverse('admin:console_asking')}?{urlencode(found)}"


def _open_changes(form: AskForm, question: Question | None) -> list[tuple[ScheduledChange, str]]:
    """Return open changes about the client's product, each with the address that compares with it, now."""
    if question is None:
        return []
    rows = ScheduledChange.objects.open().about(question.query.product).order_by("when", "pk")
    asked = form.cleaned_data["changes2"]
    return [
        (row, _address(form, question, changes2=row.pk, at2=None))
        for row in rows.select_related("author")[:OPEN_CHANGES]
        if row.pk not in asked
    ]


PAGES = (Page("ask/", "asking", ask_page, needs=("rules.view_rule",), label="Who gets what"),)
