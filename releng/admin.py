"""The admin site of this project."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from history.sites import HistoryAdminSite
from releng.changes.watch import problems
from releng.console.desk import front
from releng.console.pages import bar
from releng.console.registry import BAR, PAGES
from releng.permissions import oidc


class UpdatesAdminSite(HistoryAdminSite):
    """Where release engineers work and auditors read; red while scheduled changes are late or no agent works."""

    site_header = "Update server"
    site_title = "Update server"
    site_url = None
    enable_nav_sidebar = False  # the bar leads to the pages, the front page to the rest; lists need the width

    def get_urls(self) -> list[Any]:
        return [*(page.pattern(self) for page in PAGES), *super().get_urls()]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The front page (releng.console.desk)."""
        return front(request, self.get_app_list(request))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        context["provider"] = settings.OIDC_NAME if oidc.is_configured() else ""
        if self.has_permission(request):
            context["agent_problems"] = problems()
            context["bar"] = bar(BAR, request)
        return context
