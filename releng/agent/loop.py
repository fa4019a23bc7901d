"""What an agent does in each pass: send the mails, then enact what is due, each by itself."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.mail import EmailMessage

from releng.agent.client import Api, ApiError

logger = logging.getLogger(__name__)

EVERYBODY = "*"
MOST_ASKED = 100  # times for work in one pass


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent. `recipients` has mail addresses by product, those under `*` get every mail."""

    name: str
    api: Api
    recipients: Mapping[str, Sequence[str]]
    sender: str
    interval_seconds: float

    def run(self, stop: threading.Event, after_pass: Callable[[], None] | None = None) -> None:
        """Make passes until `stop` is set; a change that has been begun is finished first."""
        while not stop.is_set():
            self.work_once(stop)
            if after_pass is not None:
                after_pass()
            stop.wait(self.interval_seconds)

    def work_once(self, stop: threading.Event) -> None:
        """Make one pass: ask for work and do it, until none is left that gets anywhere.

        Nothing that goes wrong with one mail or change touches another.
        """
        outcomes: Counter[str] = Counter()
        pending = 0
        for _ in range(MOST_ASKED):
            try:
                work = self.api.work(self.name)
            except ApiError as error:
                logger.error("agent.no_work: %s", error, extra={"agent": self.name})
                return
            pending = work["pending"]
            self._send(work["mails"])
            enacted = 0
            for change_id in work["due"]:
                if stop.is_set():
                    return
                outcome = self._enact(change_id)
                outcomes[outcome] += 1
                enacted += outcome == "enacted"
            if not (enacted or work["mails"]):
                break
        logger.info(
            "agent.pass: %s pending, %s",
            pending,
            dict(outcomes),
            extra={"agent": self.name, "outcomes": outcomes},
        )

    def _enact(self, change_id: int) -> str:
        try:
            result = self.api.enact(change_id)
        except ApiError as error:
            logger.error("agent.enact_refused: %s: %s", change_id, error)
            return "refused"
        outcome = str(result["outcome"])
        log = logger.info if outcome in ("enacted", "waiting") else logger.warning
        log("agent.%s: scheduled change %s %s", outcome, change_id, result.get("detail", ""))
        return outcome

    def _send(self, mails: Sequence[Mapping[str, Any]]) -> None:
        done = []
        for mail in mails:
            recipients = self._recipients(mail["products"])
            try:
                if recipients:
                    EmailMessage(mail["subject"], mail["body"], self.sender, recipients).send()
            except Exception:  # mail servers fail in many ways; the mail is offered again
                logger.exception("agent.mail_failed", extra={"notice": mail["notice_id"]})
                continue
            done.append(mail["notice_id"])
        if done:
            try:
                self.api.mails_sent(done)
            except ApiError as error:
                logger.error("agent.mails_not_noted: %s", error)

    def _recipients(self, products: Sequence[str]) -> list[str]:
        found = [
            address for product in (*products, EVERYBODY) for address in self.recipients.get(product, ())
        ]
        return list(dict.fromkeys(found))
