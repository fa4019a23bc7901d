"""What the page "What would this client get?" can be asked: a client, and one state of the rules or two."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone

from history.forms import MomentField
from releng.changes.drafting import Proposal
from releng.changes.examination import told
from releng.changes.kinds import TARGETS
from releng.changes.trials import Moment
from releng.console.rule_form import RuleForm
from releng.console.rule_words import LABELS
from releng.updates.asking import (
    DEFAULTS,
    FIELDS,
    LONGEST_FIELD,
    LONGEST_URL,
    Question,
    question_of_fields,
    question_of_url,
)
from rules.models import Rule

CLIENT_LABELS = {
    **LABELS,
    "force": "throttling, as the client wishes",
    "pin": "pinned to",
    "imei": "IMEI",
}
PLACEHOLDERS = {
    **DEFAULTS,
    "product": "Firefox",
    "version": "145.0",
    "build_target": "WINNT_x86_64-msvc",
    "channel": "release",
    "memory": "MiB",
    "pin": "128.",
}
ANY_YES_NO = [("", "not told"), ("1", "yes"), ("0", "no")]
FORCES = [("", "none: dice"), ("1", "the mapping"), ("-1", "the fallback mapping")]
LONGEST_DRAFT = 20_000


class StateField(MomentField):
    """A moment, or `#` and the number of a change set: the state after it."""

    default_error_messages = {
        "invalid": "Write a moment like 2026-11-20 18:30, in UTC, or # and the number of a change set."
    }

    def to_python(self, value: Any) -> Any:
        text = str(value or "").strip()
        if text.startswith("#"):
            number = text[1:]
            if not (number.isascii() and number.isdigit() and len(number) < 19):
                raise ValidationError(f"{text[:30]}: is no number of a change set.")
            return int(number)
        return super().to_python(value)


class IdsField(forms.CharField):
    """Ids, separated by commas or spaces, as a tuple of numbers."""

    def to_python(self, value: Any) -> Any:
        found = []
        for part in str(value or "").replace(",", " ").split():
            text = part.removeprefix("#")
            if not (text.isascii() and text.isdigit() and len(text) < 19):
                raise ValidationError(f"{part}: is no number of a scheduled change.")
            found.append(int(text))
        return tuple(found)

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, tuple) else value


class AskForm(forms.Form):
    """A client, by URL or by what it tells; the first state, and perhaps a second one.

    What is filled in beside a URL replaces what the URL tells.
    """

    url = forms.CharField(required=False, max_length=LONGEST_URL, label="Update URL")
    user_agent = forms.CharField(required=False, max_length=LONGEST_FIELD, label="User-Agent")
    at = StateField(required=False, label="At (UTC), or # and a change set", help_text="Empty: now.")
    changes = IdsField(required=False, label="With scheduled changes", help_text="Their numbers.")
    compare = forms.BooleanField(required=False, label="Compare with another state")
    at2 = StateField(required=False, label="At (UTC), or # and a change set", help_text="Empty: now.")
    changes2 = IdsField(required=False, label="With scheduled changes", help_text="Their numbers.")
    draft = forms.CharField(required=False, max_length=LONGEST_DRAFT, widget=forms.HiddenInput)
    rule = forms.IntegerField(required=False, min_value=0, max_value=2**63 - 1, widget=forms.HiddenInput)
    every = forms.BooleanField(required=False, label="List every rule")

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, label_suffix="")
        self.proposal: Proposal | None = None
        for name in FIELDS:
            self.fields[name] = _field(name)
        for name in ("url", "changes", "changes2", "user_agent"):
            self.fields[name].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}
        self.fields["url"].widget.attrs["placeholder"] = "/update/6/Firefox/145.0/…/update.xml"

    @property
    def client_fields(self) -> list[Any]:
        """The fields of the client, as they are shown."""
        return [self[name] for name in (*FIELDS, "user_agent")]

    def clean_draft(self) -> str:
        """Read unsaved values of a rule."""
        text: str = self.cleaned_data["draft"]
        if text:
            self.proposal = _draft(text)
        return text

    def question(self) -> Question | None:
        """Return the request of a valid form, None when no client is told; add what is wrong to the form."""
        given = {name: self.cleaned_data[name] for name in FIELDS if self.cleaned_data[name]}
        url, user_agent = self.cleaned_data["url"], self.cleaned_data["user_agent"]
        try:
            if not url:
                return question_of_fields(given, user_agent) if given else None
            asked = question_of_url(url, user_agent)
            return question_of_fields({**asked.fields, **given}, user_agent) if given else asked
        except ValidationError as error:
            self.add_error(None, error)
            return None

    def moments(self) -> tuple[Moment, Moment | None]:
        """Return the first state of a valid form, and the second one if there is one.

        A second state without a moment of its own is at the moment of the first, unless that is over.
        """
        asked = self.cleaned_data
        first = _moment(asked["at"], asked["changes"])
        drafts = (self.proposal,) if self.proposal is not None else ()
        if not (asked["compare"] or asked["at2"] is not None or asked["changes2"] or drafts):
            return first, None
        is_ahead = first.at is not None and first.at > timezone.now()
        at = asked["at2"]
        if at is None and is_ahead and (asked["changes2"] or drafts):
            at = first.at
        changes = tuple(dict.fromkeys((*(first.changes if drafts else ()), *asked["changes2"])))
        return first, _moment(at, changes, drafts)

    def refuse(self, error: ValidationError, *, second: bool) -> None:
        """Say at the right place why a state cannot be had."""
        messages = error.message_dict if hasattr(error, "error_dict") else {}
        for name in ("at", "changes"):
            if name in messages:
                self.add_error(f"{name}2" if second else name, messages[name])
                return
        self.add_error(None, f"The unsaved values cannot be stored: {told(error)}" if second else told(error))


def _moment(at: datetime | int | None, changes: tuple[int, ...], drafts: tuple[Proposal, ...] = ()) -> Moment:
    if isinstance(at, int):
        return Moment(None, changes, drafts, sequence=at)
    return Moment(at, changes, drafts)


def _field(name: str) -> forms.Field:
    label = CLIENT_LABELS[name]
    if name in ("jaws", "mig64"):
        return forms.ChoiceField(required=False, choices=ANY_YES_NO, label=label)
    if name == "force":
        return forms.ChoiceField(required=False, choices=FORCES, label=label)
    attrs = {"placeholder": PLACEHOLDERS.get(name, ""), "autocomplete": "off", "spellcheck": "false"}
    return forms.CharField(
        required=False, max_length=LONGEST_FIELD, label=label, widget=forms.TextInput(attrs=attrs)
    )


# --- Unsaved values of a rule -------------------------------------------------------------------------------


def draft_of(data: QueryDict) -> str:
    """Return the unsaved values of a rule's form as text for `AskForm.draft`.

    `draft_rule` in the data names the rule, or says `new`. Raises ValidationError for values that are none.
    """
    text = data.get("draft_rule", "")
    key = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
    stored = Rule.objects.filter(pk=key).first() if key is not None else None
    if text != "new" and stored is None:
        raise ValidationError(f"Rule {text[:20]} is not there any more.")
    before = TARGETS["rule"].values_of(stored) if stored is not None else {}
    form = RuleForm(data, instance=stored)
    if not form.is_valid():
        raise ValidationError({LABELS.get(name, name): found for name, found in form.errors.items()})
    values = {
        name: value
        for name, value in TARGETS["rule"].values_of(form.instance).items()
        if (before[name] != value if stored is not None else value not in (None, ""))
    }
    return json.dumps({"rule": stored.pk if stored is not None else None, "values": values})


def _draft(text: str) -> Proposal:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    values = found.get("values") if isinstance(found, dict) else None
    key = found.get("rule") if isinstance(found, dict) else None
    if not isinstance(values, dict) or (key is not None and type(key) is not int) or (key or 0) >= 2**63:
        raise ValidationError("The unsaved values in this address cannot be read.")
    return Proposal("rule", "insert" if key is None else "update", values, key)
