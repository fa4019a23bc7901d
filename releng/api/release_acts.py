"""What is done with a release as a whole in the contract's v2: lock, sign, enact, pin (protocol.md section 12.6)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from releases import actions
from releases.models import Release
from releng.api import release_shapes as shapes
from releng.api.parsing import text
from releng.api.release_proposals import leaf, own_changes
from releng.api.release_states import ANY_LOCK
from releng.api.releases import found_release
from releng.api.releases_v2 import ReleaseV2View
from releng.api.shapes import DRY_RUN, IF_MATCH, ONE, REASON, VERSION_HEADERS, documented
from releng.changes import actions as changes
from releng.changes.actions import Proposal
from releng.changes.enacting import enact
from releng.changes.models import ScheduledChange
from releng.changes.policy import unlock_requirements
from rules.actions import refuse_older, set_pin
from rules.exceptions import ExistingPinIsNewerError
from rules.models import PinnableRelease

SIGN = "changes.change_scheduledchange"
ENACT = "changes.enact_scheduledchange"
SET_PINS = ("rules.add_pinnablerelease", "rules.change_pinnablerelease")
UNLOCK_AFTER = timedelta(seconds=30)  # features O11


class ReleaseV2ReadOnly(ReleaseV2View):
    """Locking a release, and unlocking it."""

    needed = {"PUT": ANY_LOCK}

    @documented(
        "v2_releases_set_read_only",
        shapes.VersionTree,
        IF_MATCH,
        DRY_RUN,
        REASON,
        *VERSION_HEADERS,
        body=shapes.ReadOnlyV2,
        refusals=ONE,
    )
    def put(self, request: Request, name: str) -> Response:
        """Lock or unlock it; unlocking is scheduled by itself where others must agree (features O11)."""
        body = self.body()
        self.give_reason(body.get("reason"))
        read_only = body.get("read_only")
        if not isinstance(read_only, bool):
            raise ValidationError({"read_only": "must be true or false."})
        release = found_release(name)
        based_on = self.told(release, name="old_data_version").top
        if not read_only and unlock_requirements(release):
            if release.data_version != based_on:
                raise release.outdated(based_on)
            proposal = Proposal("release", "update", {"read_only": False}, release.pk)
            return Response({".": leaf(self.scheduled(proposal, timezone.now() + UNLOCK_AFTER), "update")})
        release = actions.set_read_only(name, read_only, based_on=based_on)
        return self.written(release, {".": release.data_version})


class ReleaseV2Signoff(ReleaseV2View):
    """Agreeing to everything that is scheduled for a release."""

    needed = {"PUT": SIGN, "DELETE": SIGN}

    @documented("v2_releases_sign_off", None, DRY_RUN, body=shapes.SignoffV2, refusals=ONE)
    def put(self, request: Request, name: str) -> Response:
        """Sign off in `role`."""
        role = text(self.body().get("role"), "role")
        for scheduled in _scheduled(name, "signed off"):
            changes.sign_off(scheduled.pk, request.user, role)
        return Response()

    @documented("v2_releases_revoke_signoff", None, DRY_RUN, refusals=ONE)
    def delete(self, request: Request, name: str) -> Response:
        """Take one's own signoffs back."""
        for scheduled in _scheduled(name, "revoked"):
            changes.revoke_signoff(scheduled.pk, request.user)
        return Response()


class ReleaseV2Enact(ReleaseV2View):
    """Carrying out what is scheduled for a release."""

    needed = {"POST": ENACT}

    @documented("v2_releases_enact", None, DRY_RUN, REASON, refusals=ONE)
    def post(self, request: Request, name: str) -> Response:
        """Enact all of it, or nothing."""
        for scheduled in _scheduled(name, "enacted"):
            enact(scheduled.pk, request.user)
        return Response()


def _scheduled(name: str, what: str) -> list[ScheduledChange]:
    found = own_changes(Release.objects.filter(name=name).first(), name, what)
    if not found:
        raise Http404(f"nothing is scheduled for release {name}")
    return found


class ReleaseV2Pinnable(ReleaseV2View):
    """Making a release the one that those get who pinned themselves to a version."""

    needed = {"PUT": SET_PINS}

    @documented("v2_releases_set_pin", shapes.PinAnswer, DRY_RUN, REASON, body=shapes.NewPin, refusals=ONE)
    def put(self, request: Request, name: str) -> Response:
        """Set a pin; one that leads to a newer release stays, and the answer says so."""
        body = self.body()
        self.give_reason(body.get("reason"))
        key = {field: text(body.get(field), field) for field in ("product", "channel", "version")}
        release = found_release(name)
        when = self.when()
        try:
            if when is not None:
                return self._schedule(release, key, when)
            pin = set_pin(name, **key)
        except ExistingPinIsNewerError:
            return Response({"pin_not_set": True, "reason": "existing_pin_is_newer"})
        return Response({".": pin.data_version})

    def _schedule(self, release: Release, key: dict[str, str], when: Any) -> Response:
        pin = PinnableRelease.objects.select_related("mapping").filter(**key).first()
        proposal = Proposal("pinnable_release", "insert", {**key, "mapping": release.name})
        if pin is not None:
            refuse_older(pin, release)
            proposal = Proposal("pinnable_release", "update", {"mapping": release.name}, pin.pk)
        return Response({".": leaf(self.scheduled(proposal, when), proposal.change)})
