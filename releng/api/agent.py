"""What agents ask: their work, and to enact. Their credentials open nothing else."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from history import context
from history.models import ChangeSet
from releng.api import change_shapes, shapes
from releng.api.base import ApiView
from releng.api.parsing import number
from releng.api.shapes import READ, documented
from releng.changes import notices
from releng.changes.enacting import attempt
from releng.changes.models import AgentHeartbeat
from releng.changes.watch import problems, work_for

ENACT = "changes.enact_scheduledchange"
LONGEST_NAME = 100


class AgentWork(ApiView):
    """The work of one pass."""

    needed = {"POST": ENACT}

    @documented("v2_agent_work", change_shapes.Work, body=change_shapes.AgentName)
    def post(self, request: Request) -> Response:
        """Note that the agent `name` is here; answer the mails to send and the changes to enact, in this order."""
        name = self.body().get("name")
        if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
            raise ValidationError({"name": f"Give a name of at most {LONGEST_NAME} characters."})
        work = work_for(name.strip())
        return Response(
            {"mails": [asdict(mail) for mail in work.mails], "due": work.due, "pending": work.pending}
        )


class AgentMails(ApiView):
    """Mails that have been sent."""

    needed = {"POST": ENACT}

    @documented("v2_agent_mails", shapes.Nothing, body=change_shapes.MailsSent)
    def post(self, request: Request) -> Response:
        """Note which mails, by `notice_ids`, need not be sent again."""
        given: Any = self.body().get("notice_ids")
        if not isinstance(given, list):
            raise ValidationError({"notice_ids": "must be a list of numbers."})
        notices.sent([number(item, "notice_ids") for item in given])
        return Response({})


class AgentEnact(ApiView):
    """One attempt to enact, whose outcome is told and recorded rather than refused."""

    needed = {"POST": ENACT}

    @documented("v2_agent_enact", change_shapes.Attempted, body=shapes.Nothing, refusals=READ)
    def post(self, request: Request, change_id: int) -> Response:
        """Enact a change if that can be done; `outcome` is enacted, waiting, suspended or failed."""
        opened = context.require("an attempt to enact")
        opened.origin = ChangeSet.Origin.AGENT
        result = attempt(change_id, request.user)
        return Response({"outcome": result.outcome, "detail": result.detail})


class AgentStatus(ApiView):
    """Whether the agents do their work."""

    needed = {"GET": "changes.view_scheduledchange"}

    @documented("v2_agent_status", change_shapes.AgentsStatus)
    def get(self, request: Request) -> Response:
        """Who was here last, and what is wrong."""
        agents = list(AgentHeartbeat.objects.values("name", "last_pass"))
        return Response({"agents": agents, "problems": problems()})
