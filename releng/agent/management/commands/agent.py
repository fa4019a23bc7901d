"""The agent as a process: it knows the address of the API and its own credentials, and no database."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import Any

from django.conf import settings
from django.core.management import CommandError, CommandParser
from django.core.management.base import BaseCommand

from releng.agent.client import Api, Credentials
from releng.agent.loop import Agent


class Command(BaseCommand):
    help = (
        "Enact scheduled changes that are due and signed off, and send mail about them. Settings come from the "
        "environment: AGENT_API_URL, AGENT_CLIENT_ID, AGENT_CLIENT_SECRET (docs/agent.md). Any number may run."
    )
    requires_system_checks: list[str] = []  # these ask the database, which the agent must not need

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--interval",
            type=float,
            default=30.0,
            metavar="SECONDS",
            help="pause between passes (default: 30)",
        )
        parser.add_argument("--once", action="store_true", help="make one pass and end")
        parser.add_argument("--name", default="", help="default: the name of the host and the process id")

    def handle(self, *args: Any, interval: float, once: bool, name: str, **options: Any) -> None:
        if not 0.05 <= interval <= 3600:
            raise CommandError(f"--interval {interval}: must be from 0.05 to 3600 seconds.")
        agent = Agent(
            name=name or f"{socket.gethostname()}-{os.getpid()}",
            api=Api(settings.AGENT_API_URL, self._credentials()),
            recipients=settings.MAIL_RECIPIENTS,
            sender=settings.DEFAULT_FROM_EMAIL,
            interval_seconds=interval,
        )
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if once:
            agent.work_once(stop)
        else:
            agent.run(stop)

    def _credentials(self) -> Credentials:
        missing = [
            name
            for name in ("AGENT_API_URL", "AGENT_CLIENT_ID", "AGENT_CLIENT_SECRET")
            if not getattr(settings, name)
        ]
        if missing:
            raise CommandError(
                f"{', '.join(missing)} is not set; `manage.py create_client` prints id and secret."
            )
        token_url = (
            settings.AGENT_TOKEN_URL
            or settings.AGENT_API_URL.rstrip("/").removesuffix("/api") + "/oauth/token"
        )
        return Credentials(token_url, settings.AGENT_CLIENT_ID, settings.AGENT_CLIENT_SECRET)
