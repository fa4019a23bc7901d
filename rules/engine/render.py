"""From a decision to the bytes of an answer (protocol.md sections 7, 8 and 10)."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass

from releases.blobs import ClientError, RenderContext
from rules.engine.decide import Decision
from rules.engine.rule import Rule
from rules.engine.snapshot import Snapshot

XML_TYPE = "text/xml; charset=utf-8"
JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"
EMPTY_DOCUMENT = b'<?xml version="1.0"?>\n<updates>\n</updates>'
UNKNOWN_RULE = "unknown"

# The parser of these two historical builds fails on white space between elements.
NO_SPACE_RELEASE = "Firefox-mozilla-central-nightly-latest"
NO_SPACE_BUILD_IDS = frozenset({"20190103220533", "20190104093221"})
_SPACE = re.compile(rb"\n|(?: {4})+")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer but for the headers that every answer has.

    `rule_id` and `rule_data_version` are None where the answer names no rule.
    """

    status: int
    content_type: str
    body: bytes
    rule_id: str | None = None
    rule_data_version: str | None = None


EMPTY_ANSWER = Answer(200, XML_TYPE, EMPTY_DOCUMENT, UNKNOWN_RULE, UNKNOWN_RULE)
JSON_NOTHING = Answer(404, HTML_TYPE, b"")


def render_xml(decision: Decision, snapshot: Snapshot) -> Answer:
    """Return the XML answer; the empty document when nothing is offered, or nothing that XML can carry."""
    lines = _lines(decision, snapshot)
    if lines:
        body = "\n".join(['<?xml version="1.0"?>', "<updates>", *lines, "</updates>"]).encode(
            "utf-8", "ignore"
        )
        if decision.release_name == NO_SPACE_RELEASE and decision.query.build_id in NO_SPACE_BUILD_IDS:
            body = _SPACE.sub(b"", body)
    else:
        body = EMPTY_DOCUMENT
    return Answer(200, XML_TYPE, body, *_rule_headers(decision.rule))


def _lines(decision: Decision, snapshot: Snapshot) -> list[str]:
    release = decision.release
    if release is None:
        return []
    context = _context(decision, snapshot)
    if not decision.children:
        return release.render(decision.query, context)
    inner = [
        line
        for child in decision.children
        if child.release is not None
        for line in child.release.inner(child.query, _context(child, snapshot))
    ]
    return [*release.header(decision.query, context), *inner, *release.footer(decision.query, context)]


def _context(decision: Decision, snapshot: Snapshot) -> RenderContext:
    return RenderContext(
        update_type=decision.rule.update_type if decision.rule is not None else "minor",
        allowlist=snapshot.allowlist,
        force=decision.force,
        release=snapshot.blob,
        special_force_hosts=snapshot.special_force_hosts,
    )


def render_json(decision: Decision, snapshot: Snapshot) -> Answer:
    """Return the JSON answer; status 404 without a body when there is nothing to offer."""
    if decision.release is None:
        return JSON_NOTHING
    body = decision.release.render_json(decision.query, _context(decision, snapshot))
    if body is None:
        return JSON_NOTHING
    return Answer(200, JSON_TYPE, json.dumps(body).encode(), *_rule_headers(decision.rule))


def render_client_error(error: ClientError) -> Answer:
    """Return the answer to a question that cannot be read; only `&`, `<` and `>` are escaped."""
    return Answer(400, TEXT_TYPE, html.escape(str(error), quote=False).encode("utf-8", "replace"))


def _rule_headers(rule: Rule | None) -> tuple[str, str]:
    return (str(rule.rule_id), str(rule.data_version)) if rule is not None else (UNKNOWN_RULE, UNKNOWN_RULE)
