"""Pins: the release for those who pinned themselves to a version (features group K)."""

from __future__ import annotations

from typing import Any

import django_filters
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releng.api.base import ContractView
from releng.api.conditional import versioned
from releng.api.listing import ListView, list_parameters
from releng.api.shapes import (
    DATA_VERSION,
    DRY_RUN,
    IF_MATCH,
    PRETTY,
    READ,
    REASON,
    VERSION_HEADERS,
    Shape,
    documented,
)
from rules import actions
from rules.models import PinnableRelease

VIEW = "rules.view_pinnablerelease"
DELETE = "rules.delete_pinnablerelease"
COLUMNS = ("product", "channel", "version", "mapping")


class PinShape(Shape):
    """The release that a pin leads to."""

    product = serializers.CharField()
    channel = serializers.CharField()
    version = serializers.CharField(
        help_text="As clients say it, with the dot at its end: `128.` or `128.5.`."
    )
    mapping = serializers.CharField()
    data_version = serializers.IntegerField()

    class Meta:
        ref_name = "ReleaseOfPin"


class PinsShape(Shape):
    """Pins, and how many there are."""

    count = serializers.IntegerField()
    pins = PinShape(many=True)


class PinFilters(django_filters.FilterSet):
    """What the list can be asked for."""

    product = django_filters.CharFilter()
    channel = django_filters.CharFilter()
    version = django_filters.CharFilter()
    mapping = django_filters.CharFilter("mapping_id")


def pin_to_wire(pin: PinnableRelease) -> dict[str, Any]:
    """Return a pin as the wire has it."""
    return {
        "product": pin.product,
        "channel": pin.channel,
        "version": pin.version,
        "mapping": pin.mapping_id,
        "data_version": pin.data_version,
    }


class PinList(ListView, ContractView):
    """All pins; `PUT /api/v2/releases/{name}/pinnable` sets one."""

    needed = {"GET": VIEW}
    open_reads = True
    filters = PinFilters
    orderings = {"product": "product", "channel": "channel", "version": "version", "mapping": "mapping_id"}

    @documented("v2_pins_list", PinsShape, *list_parameters(PinFilters, *COLUMNS))
    def get(self, request: Request) -> Response:
        """Pins by product, channel and version."""
        page, count = self.page(self.chosen(PinnableRelease.objects.all(), *PinnableRelease.unique_by))
        return Response({"count": count, "pins": [pin_to_wire(pin) for pin in page]})


class PinDetail(ContractView):
    """One pin: read it, delete it."""

    needed = {"GET": VIEW, "DELETE": DELETE}
    open_reads = True

    def declared_arguments(self) -> frozenset[str]:
        return frozenset({"data_version" if self.request.method == "DELETE" else "pretty"})

    @documented("v2_pins_pin", PinShape, PRETTY, *VERSION_HEADERS, refusals=READ)
    def get(self, request: Request, product: str, channel: str, version: str) -> Response:
        """The release that it leads to."""
        pin = PinnableRelease.objects.get(product=product, channel=channel, version=version)
        return versioned(pin_to_wire(pin), pin.data_version)

    @documented("v2_pins_delete", None, DATA_VERSION, IF_MATCH, DRY_RUN, REASON, refusals=READ)
    def delete(self, request: Request, product: str, channel: str, version: str) -> Response:
        """Delete it: who is pinned to that version gets the newest release again."""
        actions.delete_pin(product, channel, version, based_on=self.based_on(self.argument("data_version")))
        return Response()
