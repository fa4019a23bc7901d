"""The admin site of this project."""

from typing import Any

from django.http import HttpRequest

from history.sites import HistoryAdminSite
from releng.changes.watch import problems


class UpdatesAdminSite(HistoryAdminSite):
    """Where release engineers work and auditors read; red while scheduled changes are late or no agent works."""

    site_header = "Update server"
    site_title = "Update server"
    index_title = "Rules and releases"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        if self.has_permission(request):
            context["agent_problems"] = problems()
        return context
