"""Show what one client would be answered."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from releng.updates.asking import ask, question_of_url
from releng.updates.loader import current_snapshot
from releng.updates.request import Kind, parse_request
from rules.engine.explain import Explanation
from rules.engine.render import EMPTY_DOCUMENT, Answer
from rules.models import Rule


class Command(BaseCommand):
    help = "Print the answer for one update URL, and with --explain how it comes about."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url", help="an update URL, with or without scheme and host")
        parser.add_argument(
            "--explain", action="store_true", help="tell each rule that was considered, and what rejected it"
        )
        parser.add_argument("--user-agent", default="", help="the client's User-Agent (tells PPC from Intel)")
        parser.add_argument(
            "--dice",
            type=int,
            choices=range(100),
            metavar="0..99",
            default=settings.UPDATE_DICE if settings.UPDATE_DICE is not None else 0,
            help="the throttle's number: 0 always wins, 99 loses at any rate below 100 (default: 0)",
        )

    def handle(self, *args: Any, url: str, dice: int, user_agent: str, **options: Any) -> None:
        parts = urlsplit(url)
        request = parse_request(parts.path, parts.query, user_agent)
        if request.kind is Kind.BAD_ARGUMENT:
            raise CommandError(f"status 400: {request.problem[1]}")
        if request.kind is Kind.UNKNOWN_UPDATE:
            self.stdout.write("No route: the empty document, without rule headers.")
            self.stdout.write(EMPTY_DOCUMENT.decode())
            return
        if request.query is None:
            raise CommandError(f"{parts.path} is not an update URL; it begins with /update/ or /json/.")
        asked = ask(question_of_url(url, user_agent), current_snapshot(), dice)
        if options["explain"]:
            self._show(asked.explanation)
        self._print(asked.answer)

    def _print(self, answer: Answer) -> None:
        self.stdout.write(f"Status: {answer.status}")
        if answer.rule_id is not None:
            self.stdout.write(f"Rule-ID: {answer.rule_id}\nRule-Data-Version: {answer.rule_data_version}")
        self.stdout.write(f"\n{answer.body.decode()}")

    def _show(self, explanation: Explanation) -> None:
        self.stdout.write(f"Rules considered, in order ({len(explanation.considered)}):")
        for item in explanation.considered:
            rule = item.rule
            name = f"{rule.rule_id:>6} {rule.alias or '-':<30} priority {rule.priority:>5}"
            if item.rejected_by is None:
                self.stdout.write(self.style.SUCCESS(f"{name}  matches"))
            else:
                said = f"the rule wants {item.rule_value!r}, the client has {item.client_value!r}"
                self.stdout.write(f"{name}  {item.rejected_by}: {said}")
        self.stdout.write("")
        for step in explanation.steps:
            self.stdout.write(step.text)
        winner = explanation.winner
        stored = Rule.objects.filter(pk=winner.rule_id).first() if winner is not None else None
        for warning in stored.warnings() if stored is not None else ():
            self.stdout.write(self.style.WARNING(f"Warning: {warning}"))
        self.stdout.write("")
