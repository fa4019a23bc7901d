"""The form of a rule: its fields in groups, each with one line of help; lists one item per line; releases by name."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from history.editing import VersionedForm
from history.merge import ComparedField, Outcome
from releases.models import Release
from releng.changes.examination import told
from releng.console.rule_words import LABELS, irrelevant_fields
from rules.actions import EDITABLE_FIELDS, rule_values
from rules.models import Rule

FEWEST_LINES, MOST_LINES = 3, 12

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("What is offered", ("mapping", "background_rate", "fallback_mapping", "update_type")),
    ("To whom", ("product", "channel", "version", "build_id", "locale")),
    (
        "On which machines",
        (
            *("build_target", "os_version", "header_architecture", "instruction_set", "memory"),
            *("mig64", "jaws"),
        ),
    ),
    ("Partner builds and devices", ("distribution", "dist_version", "whitelist")),
    ("Name and order", ("alias", "priority", "comment")),
)
HELP: dict[str, str] = {
    "mapping": "Name of the release; empty: whoever matches is offered nothing.",
    "background_rate": "How many of 100 background requests get it; 100: all. Who asks by hand always does.",
    "fallback_mapping": "What those get who lose the throttle; empty: nothing.",
    "update_type": "Minor for all but the rare update that changes everything.",
    "product": "As clients send it; empty: every product.",
    "channel": "A star at the end accepts whatever follows; empty: every channel.",
    "version": "Versions with commas between, 115.* for all that begin so, or one of < <= > >= and a version.",
    "build_id": "A build ID, or one of < <= > >= and a build ID.",
    "locale": "One per line; empty: every locale.",
    "build_target": "As clients send it, like WINNT_x86_64-msvc.",
    "os_version": "One per line, each a part of what clients send; && between parts means all of them.",
    "header_architecture": "Intel or PPC, from the User-Agent.",
    "instruction_set": "Values with commas between, like SSE2,SSE3.",
    "memory": "MiB: a number, or one of < <= > >= and a number.",
    "mig64": "Whether a 32-bit client may move to 64 bits.",
    "jaws": "Whether the JAWS screen reader runs.",
    "distribution": "Names of partner builds, one per line; default is everybody else.",
    "dist_version": "Exactly as the partner build sends it.",
    "whitelist": "Name of a release that lists devices; only these are offered anything.",
    "alias": "A letter, then letters, digits and hyphens; links and automation can use it.",
    "priority": "Of the rules that match, the highest decides; of two with the same, the lower number.",
    "comment": "For people: why it is as it is.",
}
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "product": {"list": "products", "autocomplete": "off", "spellcheck": "false"},
    "channel": {"list": "channels", "autocomplete": "off", "spellcheck": "false"},
    "background_rate": {"min": 0, "max": 100},
}


class LinesField(forms.CharField):
    """A list that is stored with commas, and typed one item per line; commas are read, too."""

    widget = forms.Textarea(attrs={"spellcheck": "false", "autocomplete": "off"})

    def to_python(self, value: Any) -> Any:
        items = (item.strip() for item in re.split(r"[,\n]", str(value or "")))
        return ",".join(filter(None, items)) or self.empty_value

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, str) or "\n" in value:
            return value
        return "\n".join(item.strip() for item in value.split(","))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(initial) != self.to_python(data))


class ReleaseField(forms.ModelChoiceField):
    """A release by its name, typed; where scripts run, names are suggested."""

    widget = forms.TextInput

    def __init__(self, **kwargs: Any) -> None:
        names = Release.objects.defer("document")
        super().__init__(queryset=names, to_field_name="name", **kwargs)
        self.error_messages["invalid_choice"] = "%(value)s: there is no such release."

    def widget_attrs(self, widget: Any) -> dict[str, str]:
        """Let the script suggest names."""
        return {
            "list": "releases",
            "data-releases": "mapping",
            "autocomplete": "off",
            "spellcheck": "false",
            "maxlength": str(Release._meta.get_field("name").max_length),
        }

    def to_python(self, value: Any) -> Any:
        return super().to_python(value.strip() if isinstance(value, str) else value)


class YesNoAny(forms.NullBooleanSelect):
    """A condition that may be left open."""

    def __init__(self, attrs: Any = None) -> None:
        super().__init__(attrs)
        self.choices = [("unknown", "any"), ("true", "yes"), ("false", "no")]


class RuleForm(VersionedForm):
    """A rule as people write it. `refused` is what a verb has said against what was typed."""

    refused: Exception | None = None

    mapping = ReleaseField(required=False)
    fallback_mapping = ReleaseField(required=False)
    whitelist = ReleaseField(required=False)
    locale = LinesField(required=False, empty_value=None, max_length=200)
    os_version = LinesField(required=False, empty_value=None, max_length=1000)
    distribution = LinesField(required=False, empty_value=None, max_length=2000)
    mig64 = forms.NullBooleanField(required=False, widget=YesNoAny)
    jaws = forms.NullBooleanField(required=False, widget=YesNoAny)

    class Meta:
        model = Rule
        fields = EDITABLE_FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_bound:
            self._choose()
        for name in self.fields.keys() & set(EDITABLE_FIELDS):  # none for those who may only look
            field = self.fields[name]
            field.label, field.help_text = LABELS[name], HELP[name]
            if isinstance(field, LinesField):
                lines = str(self[name].value() or "").count("\n") + 2
                field.widget.attrs["rows"] = min(max(FEWEST_LINES, lines), MOST_LINES)
            field.widget.attrs |= ATTRIBUTES.get(name, {})

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        for name, field in self.fields.items():
            # A list that nobody touched stays as it is written, spaces and all.
            if isinstance(field, LinesField) and name in self.cleaned_data and name not in self.changed_data:
                self.cleaned_data[name] = self.get_initial_for_field(field, name)
        if self.refused is not None:
            for where, text in told_by_field(self.refused, self.fields).items():
                self.add_error(where or None, text)
        return cleaned

    @property
    def groups(self) -> list[Group]:
        """The fields as they stand on the page."""
        silent = self.silent_fields
        return [
            Group(title, [Shown(self[name], name in silent) for name in names]) for title, names in GROUPS
        ]

    @property
    def silent_fields(self) -> frozenset[str]:
        """Conditions that the clients of the product never tell anything about, and that are empty here."""
        product = self["product"].value()
        silent = irrelevant_fields(product if isinstance(product, str) else None)
        empty = (name for name in silent if self[name].value() in (None, "", "unknown"))
        return frozenset(name for name in empty if name not in self.errors)

    @property
    def typed_initial(self) -> dict[str, str]:
        """What an empty form starts with, as somebody would type it."""
        return {name: self._typed(name, self[name].value()) for name in EDITABLE_FIELDS}

    @property
    def collisions(self) -> list[Collision]:
        """What either of two people changed, of a stale form: to choose from."""
        return [self._collision(compared) for compared in self.stale.changed] if self.stale else []

    def _collision(self, compared: ComparedField) -> Collision:
        stands = _plain(self.data.get(self.add_prefix(compared.name), ""))
        sides = [(side, getattr(compared, side)) for side in ("base", "theirs", "yours")]
        choices = [Choice(side, value, self._typed(compared.name, value)) for side, value in sides]
        return Collision(LABELS[compared.name], self[compared.name], compared, choices, stands)

    def _typed(self, name: str, value: Any) -> str:
        """Return a value as somebody would type it."""
        field: Any = self.fields[name]
        shown = field.widget.format_value(field.prepare_value(value))
        return str(((shown or [""])[0] if isinstance(shown, list) else shown) or "")

    def _choose(self) -> None:
        """Put what was chosen beside a stale field into it, unless something else was typed there since."""
        data: Any = self.data
        chosen = {}
        for name in EDITABLE_FIELDS:
            key = self.add_prefix(name)
            if f"choose-{key}" in data and _plain(data.get(key, "")) == _plain(data.get(f"shown-{key}", "")):
                chosen[key] = data[f"choose-{key}"]
        if chosen:
            self.data = data = data.copy()
            for key, value in chosen.items():
                data[key] = value


def facts(rule: Rule) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Return what a rule says, in the same groups, for those who may only look; what is empty is left out."""
    values, said = rule_values(rule), []
    for title, names in GROUPS:
        lines = [(LABELS[name], values[name]) for name in names if values[name] is not None]
        said.append(
            (
                title,
                [
                    (label, value.replace(",", ", ") if isinstance(value, str) else value)
                    for label, value in lines
                ],
            )
        )
    return [(title, lines) for title, lines in said if lines]


@dataclass(frozen=True, slots=True)
class Shown:
    """A field on the page; `silent` when clients of the product never tell anything about it."""

    field: Any
    silent: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One side's value of a field, and how it would be typed."""

    side: str
    value: Any
    typed: str


@dataclass(frozen=True, slots=True)
class Collision:
    """A field of a stale form: what it said, what others made of it, and what was typed; `stands` is in the form."""

    label: str
    field: Any
    compared: ComparedField
    choices: list[Choice]
    stands: str

    @property
    def offered(self) -> list[tuple[Choice, bool, bool]]:
        """Each side with whether it can be chosen, and whether it is: of two equal ones, the one of a person."""
        base, theirs, yours = self.choices
        own = [base.typed not in (theirs.typed, yours.typed), True, theirs.typed != yours.typed]
        stands = [
            can and _plain(choice.typed) == self.stands for choice, can in zip(self.choices, own, strict=True)
        ]
        return list(zip(self.choices, own, stands, strict=True))

    @property
    def is_conflict(self) -> bool:
        """Whether both changed it, in different ways."""
        return self.compared.outcome is Outcome.CONFLICT


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that belong together."""

    title: str
    fields: list[Shown]

    @property
    def silent(self) -> list[str]:
        """The labels of the fields that mean nothing for the product."""
        return [shown.field.label for shown in self.fields if shown.silent]


def told_by_field(error: Exception, fields: Collection[str]) -> dict[str, str]:
    """Return what a verb has said, by the field that it is about; under an empty name what is about the whole."""
    if not isinstance(error, ValidationError) or not hasattr(error, "message_dict"):
        return {"": f"Nothing was saved. {told(error)}"}
    found: dict[str, str] = {}
    for name, messages in error.message_dict.items():
        where = name if name in fields else ""
        text = " ".join(messages) if name in (where, "__all__") else f"{name}: {' '.join(messages)}"
        found[where] = f"{found[where]} {text}" if where in found else text
    return found


def _plain(text: str) -> str:
    """Return a text as it was before a browser sent it."""
    return text.replace("\r\n", "\n").strip()
