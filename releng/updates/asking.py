"""Asking as a client would: from an update URL, or from what a client tells, to the answer and why it is that one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from django.core.exceptions import ValidationError

from releases.blobs.errors import ClientError
from releases.blobs.query import UpdateQuery
from releases.blobs.versions import LOOSE_PRODUCTS
from releases.validation import shown
from releng.updates.request import Kind, parse_request
from rules.engine.decide import Outcome
from rules.engine.explain import Explanation, explain
from rules.engine.render import EMPTY_DOCUMENT, Answer, render_client_error, render_json, render_xml
from rules.engine.snapshot import Snapshot

ALWAYS_WINS, ALWAYS_LOSES = 0, 99
LONGEST_URL = 8_000
LONGEST_FIELD = 500

REQUIRED = ("product", "version", "build_target", "channel")
# What is told where a client of the query needs to tell something.
DEFAULTS: dict[str, str] = {
    "build_id": "20000101000000",
    "locale": "en-US",
    "os_version": "default",
    "distribution": "default",
    "dist_version": "default",
}
CAPABILITIES = ("instruction_set", "memory", "jaws")
FLAGS = ("jaws", "mig64")
ARGUMENTS = ("mig64", "force", "pin")
# Every field in the order in which forms show them.
FIELDS = (*REQUIRED, *DEFAULTS, *CAPABILITIES, *ARGUMENTS, "imei")
SENT_AS_JSON = frozenset({*REQUIRED, "os_version", "force"})
_FORCES = {"1": "the mapping", "-1": "the fallback mapping"}
_YES, _NO = ("1", "true", "yes"), ("0", "false", "no")


@dataclass(frozen=True, slots=True)
class Question:
    """One client's request: `url` is its path and arguments, `kind` XML or JSON, `query` how it is understood."""

    url: str
    kind: Kind
    query: UpdateQuery
    user_agent: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """What the client tells, by field, as texts; what it does not tell is left out."""
        found = {}
        for name in FIELDS:
            value = getattr(self.query, name)
            if name == "force":
                value = value.value if value is not None else None
            if value is not None and value != "":
                found[name] = str(int(value)) if isinstance(value, bool) else str(value)
        return found


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question is answered, and why. `answer` is what the public service sends."""

    question: Question
    explanation: Explanation
    answer: Answer

    @property
    def outcome(self) -> Outcome | None:
        """How the decision ended; None for a question that could not be read."""
        return self.explanation.decision.outcome if self.explanation.decision is not None else None

    @property
    def release_name(self) -> str | None:
        """The release that is served; None when nothing is."""
        decision = self.explanation.decision
        return decision.release_name if decision is not None and decision.release is not None else None

    @property
    def is_empty(self) -> bool:
        """Whether a release is served, and yet nothing of it is in the answer: no payload is at an allowed place."""
        return self.release_name is not None and self.answer.body in (EMPTY_DOCUMENT, b"")

    @property
    def rates(self) -> tuple[int, ...]:
        """The background rates for which the dice were asked: empty when every such request is answered alike."""
        return self.explanation.decision.rates if self.explanation.decision is not None else ()

    @property
    def products(self) -> frozenset[str]:
        """The products for which rules were asked: those of a superblob's children are among them."""
        decision = self.explanation.decision
        children = decision.children if decision is not None else ()
        return frozenset({self.question.query.product, *(child.query.product for child in children)})

    @property
    def body(self) -> str:
        """The body as text."""
        return self.answer.body.decode(errors="replace")

    def same_as(self, other: Asked) -> bool:
        """Tell whether a client would see no difference."""
        return (self.answer.status, self.answer.body) == (other.answer.status, other.answer.body)


def ask(question: Question, snapshot: Snapshot, dice: int = ALWAYS_WINS) -> Asked:
    """Answer a question from a snapshot as the public service does; `dice` (0..99) fall as told."""
    explanation = explain(question.query, snapshot, lambda: dice)
    if explanation.decision is None:
        return Asked(question, explanation, render_client_error(ClientError(explanation.error or "")))
    render = render_xml if question.kind is Kind.XML else render_json
    try:
        answer = render(explanation.decision, snapshot)
    except ClientError as error:
        answer = render_client_error(error)
    return Asked(question, explanation, answer)


@dataclass(frozen=True, slots=True)
class Answers:
    """What clients that ask the same are answered: `loses` is what those get who lose a throttle, None without one."""

    wins: Asked
    loses: Asked | None = None

    @property
    def rate(self) -> int | None:
        """How many of 100 such requests win; None where no dice fall, or several."""
        return self.wins.rates[0] if len(self.wins.rates) == 1 else None

    @property
    def said(self) -> str:
        """The answers in one sentence without its full stop."""
        first = _served(self.wins)
        if self.loses is None:
            return first
        share = f"{self.rate} of 100" if self.rate is not None else "some"
        return f"{first}, to {share}; the others: {_served(self.loses)}"

    def same_as(self, other: Answers) -> bool:
        """Tell whether clients would see no difference."""
        if (self.loses is None) != (other.loses is None) or self.wins.rates != other.wins.rates:
            return False
        lost = self.loses is None or other.loses is None or self.loses.same_as(other.loses)
        return lost and self.wins.same_as(other.wins)


def ask_all(question: Question, snapshot: Snapshot) -> Answers:
    """Answer a question for those who win every throttle, and for those who lose it where there is one."""
    wins = ask(question, snapshot, ALWAYS_WINS)
    return Answers(wins, ask(question, snapshot, ALWAYS_LOSES) if wins.rates else None)


def _served(asked: Asked) -> str:
    if asked.release_name is not None:
        return f"{asked.release_name}, but the answer is empty" if asked.is_empty else asked.release_name
    if asked.outcome is None:
        return f"status 400, {asked.explanation.error}"
    return f"nothing, {asked.outcome.value}"


# --- From what was given to a question ----------------------------------------------------------------------


def question_of_url(url: str, user_agent: str = "") -> Question:
    """Read an update URL, with or without scheme and host; raise ValidationError naming `url`."""
    text = url.strip()
    if not text:
        raise ValidationError({"url": "Give an update URL, or the fields of a client."})
    if len(text) > LONGEST_URL:
        raise ValidationError({"url": f"It is longer than {LONGEST_URL} characters."})
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise ValidationError({"url": f"{shown(text)}: is no URL."}) from error
    path, arguments = _native(parts.path), _native(parts.query)
    request = parse_request(path, arguments, user_agent)
    if request.kind is Kind.BAD_ARGUMENT:
        raise ValidationError({"url": f"The service refuses this with status 400: {request.problem[1]}."})
    if request.query is None:
        raise ValidationError(
            {
                "url": f"{shown(text)}: is no update URL of any version; these begin with /update/1/ to /update/6/, "
                "/json/1/ or /json/2/, and every part of them has a value."
            }
        )
    found = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return Question(found, request.kind, request.query, user_agent)


def question_of_fields(fields: Mapping[str, Any], user_agent: str = "") -> Question:
    """Make the request of a client that tells these `fields`; raise ValidationError naming them.

    Clients of some products ask for JSON; all others ask by query version 6, or 5 when they tell an IMEI. What is not
    given is told as DEFAULTS has it.
    """
    errors: dict[str, str] = {}
    given: dict[str, str] = {}
    for name, value in fields.items():
        if name not in FIELDS:
            errors[name] = f"is no field; known are {', '.join(FIELDS)}."
            continue
        try:
            text = _checked(name, value)
        except ValueError as error:
            errors[name] = str(error)
            continue
        if text:
            given[name] = text
    errors |= {name: "is needed." for name in REQUIRED if name not in given and name not in errors}
    is_json = given.get("product") in LOOSE_PRODUCTS
    if is_json:
        unsaid, why = given.keys() - SENT_AS_JSON, f"Clients of {given['product']} do not tell this."
    elif "imei" in given:
        unsaid, why = given.keys() & set(CAPABILITIES), "A client that tells an IMEI does not tell this."
    else:
        unsaid, why = set(), ""
    errors |= {name: why for name in sorted(unsaid) if name not in errors}
    if errors:
        raise ValidationError(errors)
    return question_of_url(_json_url(given) if is_json else _xml_url(given), user_agent)


def _checked(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in FLAGS:
        return _flag(value)
    if name == "memory" and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)}: must be a text.")
    text = value.strip()
    if len(text) > LONGEST_FIELD:
        raise ValueError(f"It is longer than {LONGEST_FIELD} characters.")
    if "/" in text:
        raise ValueError(f"{shown(text)}: a slash cannot be told in an update URL.")
    if any(ord(character) < 32 for character in text):
        raise ValueError("It has a control character.")
    if name == "memory" and text and not (text.isascii() and text.isdigit()):
        raise ValueError(f"{shown(text)}: must be a whole number of MiB.")
    if name == "instruction_set" and "," in text:
        raise ValueError(f"{shown(text)}: a comma cannot be told there.")
    if name == "force" and text and text not in _FORCES:
        known = ", ".join(f"{number} for {what}" for number, what in _FORCES.items())
        raise ValueError(f"{shown(text)}: must be {known}, or empty.")
    return text


def _flag(value: Any) -> str:
    text = str(int(value)) if isinstance(value, bool) else str(value).strip().lower()
    if text and text not in (*_YES, *_NO):
        raise ValueError(f"{shown(value)}: must be 1 or 0, or empty when the client does not tell it.")
    return "" if not text else "1" if text in _YES else "0"


def _json_url(given: Mapping[str, str]) -> str:
    names = ["product", "version", "build_target", "channel"] + ["os_version"] * ("os_version" in given)
    version = "2" if "os_version" in given else "1"
    return _url(["json", version, *(given[name] for name in names), "update.json"], given)


def _xml_url(given: Mapping[str, str]) -> str:
    told = {**DEFAULTS, **given}
    first = ("product", "version", "build_id", "build_target", "locale", "channel", "os_version")
    parts = [told[name] for name in first]
    if "imei" in given:
        parts = ["update", "5", *parts, told["distribution"], told["dist_version"], given["imei"]]
    else:
        parts = ["update", "6", *parts, _capabilities(given), told["distribution"], told["dist_version"]]
    return _url([*parts, "update.xml"], given)


def _capabilities(given: Mapping[str, str]) -> str:
    names = {"instruction_set": "ISET", "memory": "MEM", "jaws": "JAWS"}
    said = {"instruction_set": "", **given}
    return ",".join(f"{names[name]}:{said[name]}" for name in CAPABILITIES if name in said)


def _url(parts: list[str], given: Mapping[str, str]) -> str:
    path = "/" + "/".join(quote(part, safe=":,", errors="replace") for part in parts)
    asked = "&".join(
        f"{name}={quote(given[name], safe='', errors='replace')}" for name in ARGUMENTS if name in given
    )
    return f"{path}?{asked}" if asked else path


def _native(text: str) -> str:
    """Return a text as a server hands it on: each byte one character."""
    return text.encode("utf-8", "replace").decode("latin-1")
