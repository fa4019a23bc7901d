"""Emergency shutoffs (protocol.md section 12.9, features group L)."""

from __future__ import annotations

from typing import Any

import django_filters
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releng.api.base import ContractView
from releng.api.conditional import versioned
from releng.api.idempotency import idempotent
from releng.api.listing import ListView, list_parameters
from releng.api.parsing import text
from releng.api.shapes import (
    DATA_VERSION,
    DRY_RUN,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    READ,
    REASON,
    VERSION_HEADERS,
    Shape,
    documented,
)
from rules import actions
from rules.models import CHANNEL_LENGTH, COMMENT_LENGTH, PRODUCT_LENGTH, EmergencyShutoff
from rules.wire import shutoff_to_wire

VIEW = "rules.view_emergencyshutoff"
ADD = "rules.add_emergencyshutoff"
DELETE = "rules.delete_emergencyshutoff"
LIMITS = ("build_target", "locale")


class NewShutoff(Shape):
    """Updates to stop: all of a product's channel, or those of one platform or locale there."""

    product = serializers.CharField(max_length=PRODUCT_LENGTH)
    channel = serializers.CharField(max_length=CHANNEL_LENGTH)
    comment = serializers.CharField(max_length=COMMENT_LENGTH, help_text="Why.")
    build_target = serializers.CharField(required=False, allow_null=True)
    locale = serializers.CharField(required=False, allow_null=True)
    reason = serializers.CharField(required=False)


class ShutoffShape(Shape):
    """Updates that are stopped; platform and locale only where it is limited to one."""

    product = serializers.CharField()
    channel = serializers.CharField()
    comment = serializers.CharField(allow_null=True)
    data_version = serializers.IntegerField()
    build_target = serializers.CharField(required=False)
    locale = serializers.CharField(required=False)

    class Meta:
        ref_name = "StoppedUpdates"


class ShutoffsShape(Shape):
    """Shutoffs, and how many there are."""

    count = serializers.IntegerField()
    shutoffs = ShutoffShape(many=True)


class PlaceFilters(django_filters.FilterSet):
    """Which platform and locale a shutoff is limited to."""

    build_target = django_filters.CharFilter()
    locale = django_filters.CharFilter()


class ShutoffFilters(PlaceFilters):
    """What the list can be asked for."""

    product = django_filters.CharFilter()
    channel = django_filters.CharFilter()


class ShutoffList(ListView, ContractView):
    """Shutoffs: list them, stop updates."""

    needed = {"GET": VIEW, "POST": ADD}
    open_reads = True
    filters = ShutoffFilters
    orderings = {name: name for name in ("product", "channel", *LIMITS)}

    @documented("emergency_shutoff_list", ShutoffsShape, *list_parameters(ShutoffFilters, *orderings))
    def get(self, request: Request) -> Response:
        """All shutoffs, by product and channel."""
        page, count = self.page(
            self.chosen(EmergencyShutoff.objects.all(), *EmergencyShutoff.unique_by, "pk")
        )
        return Response({"count": count, "shutoffs": [shutoff_to_wire(shutoff) for shutoff in page]})

    @documented(
        "emergency_shutoff_create",
        ShutoffShape,
        DRY_RUN,
        IDEMPOTENCY_KEY,
        REASON,
        *VERSION_HEADERS,
        body=NewShutoff,
        status=201,
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Stop updates at once; that needs no signoffs, letting them go on does."""
        body = self.body()
        self.give_reason(body.get("reason"))
        names = ("product", "channel", "comment", *LIMITS)
        given: dict[str, Any] = {
            name: text(body[name], name) or None for name in names if body.get(name) is not None
        }
        shutoff = actions.shut_off(
            text(given.pop("product", None), "product"),
            text(given.pop("channel", None), "channel"),
            **given,
        )
        return versioned(shutoff_to_wire(shutoff), shutoff.data_version, status=201)


class ShutoffDetail(ContractView):
    """One shutoff; `build_target` and `locale` name one that is limited to them."""

    needed = {"GET": VIEW, "DELETE": DELETE}
    open_reads = True

    def declared_arguments(self) -> frozenset[str]:
        return frozenset({*LIMITS, *(("data_version",) if self.request.method == "DELETE" else ())})

    @documented(
        "emergency_shutoff_read",
        ShutoffShape,
        *list_parameters(PlaceFilters, paged=False),
        *VERSION_HEADERS,
        refusals=READ,
    )
    def get(self, request: Request, product: str, channel: str) -> Response:
        """The shutoff of a product's channel."""
        shutoff = EmergencyShutoff.objects.get(product=product, channel=channel, **self._limits())
        return versioned(shutoff_to_wire(shutoff), shutoff.data_version)

    @documented(
        "emergency_shutoff_delete",
        None,
        *list_parameters(PlaceFilters, paged=False),
        DATA_VERSION,
        IF_MATCH,
        DRY_RUN,
        REASON,
        refusals=READ,
    )
    def delete(self, request: Request, product: str, channel: str) -> Response:
        """Let updates go on; where signoffs are needed, schedule it instead."""
        based_on = self.based_on(self.argument("data_version"))
        actions.lift_shutoff(product, channel, based_on=based_on, **self._limits())
        return Response()

    def _limits(self) -> dict[str, str | None]:
        return {name: self.argument(name) or None for name in LIMITS}
