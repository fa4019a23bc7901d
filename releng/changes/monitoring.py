"""`/__metrics__` of the admin process: scheduled changes and agents in numbers, for alarms (Prometheus' format)."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views import View
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from releng.changes.models import AgentHeartbeat, ScheduledChange
from releng.changes.watch import overdue
from rules.models import EmergencyShutoff

OPEN = (ScheduledChange.State.PENDING, ScheduledChange.State.SUSPENDED)


class Numbers(Collector):
    """What the database says now; every reading asks it anew."""

    def collect(self) -> Iterator[Metric]:
        """Yield the numbers."""
        passes = GaugeMetricFamily(
            "releng_agent_last_pass_timestamp_seconds", "When an agent last asked for work.", labels=["agent"]
        )
        for name, moment in AgentHeartbeat.objects.values_list("name", "last_pass"):
            passes.add_metric([name], moment.timestamp())
        yield passes

        counts = ScheduledChange.objects.filter(state__in=OPEN).order_by().values_list("state")
        by_state = dict(counts.annotate(count=Count("pk")))
        changes = GaugeMetricFamily(
            "releng_scheduled_changes", "Scheduled changes that are not over.", labels=["state"]
        )
        for state in OPEN:
            changes.add_metric([state], by_state.get(state, 0))
        yield changes

        yield GaugeMetricFamily(
            "releng_scheduled_changes_overdue",
            "Scheduled changes whose moment is over by OVERDUE_MINUTES.",
            len(overdue()),
        )
        yield GaugeMetricFamily(
            "releng_emergency_shutoffs", "Updates that are stopped.", EmergencyShutoff.objects.count()
        )


class Metrics(View):
    """The numbers, for whoever has METRICS_TOKEN; without that setting there is no such page."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Answer them as text; 401 without the token."""
        if not settings.METRICS_TOKEN:
            raise Http404("METRICS_TOKEN is not set.")
        if not constant_time_compare(
            request.headers.get("Authorization", ""), f"Bearer {settings.METRICS_TOKEN}"
        ):
            return HttpResponse(
                "METRICS_TOKEN is wanted as bearer token.\n",
                status=401,
                content_type="text/plain",
                headers={"WWW-Authenticate": "Bearer"},
            )
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Numbers())
        return HttpResponse(
            generate_latest(registry),
            content_type=CONTENT_TYPE_LATEST,
            headers={"Cache-Control": "private, no-store"},
        )
