"""What can be done with rules, shutoffs and pins: every change of one goes through a verb of this module.

A verb first guards (state, version, contents), then writes; history records. All need an open change set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from history.merge import compare_fields
from releases.blobs import AppRelease, Document, blob_for
from releases.blobs.errors import BadVersion
from releases.blobs.versions import MozVersion, parse_version
from releases.models import Release
from releases.validation import shown
from rules.exceptions import ExistingPinIsNewerError, ShutoffExistsError, StaleRuleError
from rules.models import EmergencyShutoff, PinnableRelease, Rule

RELEASE_FIELDS = frozenset({"mapping", "fallback_mapping", "whitelist"})
EDITABLE_FIELDS = tuple(
    field.name for field in Rule._meta.concrete_fields if field.name not in ("rule_id", "data_version")
)

# --- Rules --------------------------------------------------------------------------------------------------


def create_rule(values: Mapping[str, Any]) -> Rule:
    """Store a new rule; `values` by field name, releases by their name. Raises ValidationError."""
    rule = Rule()
    _assign(rule, values)
    _check(rule)
    rule.save()
    return rule


def update_rule(rule_id: int, values: Mapping[str, Any], *, based_on: int) -> Rule:
    """Change some fields of a rule whose version `based_on` the caller has read.

    Raises Rule.DoesNotExist, StaleRuleError (an OutdatedDataError) with a comparison of all fields when the rule has
    changed since, and ValidationError.
    """
    rule = Rule.objects.select_for_update(of=("self",)).get(pk=rule_id)
    if rule.data_version != based_on:
        raise _stale(rule, values, based_on)
    _assign(rule, values)
    _check(rule)
    rule.save()
    return rule


def delete_rule(rule_id: int, *, based_on: int) -> None:
    """Delete a rule whose version `based_on` the caller has read.

    Raises Rule.DoesNotExist and OutdatedDataError.
    """
    rule = Rule.objects.select_for_update(of=("self",)).get(pk=rule_id)
    if rule.data_version != based_on:
        raise rule.outdated(based_on)
    rule.delete()


def rule_values(row: Any) -> dict[str, Any]:
    """Return the editable fields of a rule, or of a history row of one; releases by their name."""
    return {name: getattr(row, f"{name}_id" if name in RELEASE_FIELDS else name) for name in EDITABLE_FIELDS}


def _check(rule: Rule) -> None:
    # Each check constraint would be a query of its own; what they say, fields and `clean` have checked already.
    rule.full_clean(validate_constraints=False)


def _assign(rule: Rule, values: Mapping[str, Any]) -> None:
    if unknown := sorted(values.keys() - set(EDITABLE_FIELDS)):
        raise ValidationError({name: f"{shown(values[name])}: rules have no such field." for name in unknown})
    for name, value in values.items():
        if name in RELEASE_FIELDS:
            release = value.name if isinstance(value, Release) else value
            setattr(rule, f"{name}_id", release or None)
        else:
            setattr(rule, name, value)


def _stale(rule: Rule, values: Mapping[str, Any], based_on: int) -> Exception:
    refusal = rule.outdated(based_on)
    rows = Rule.history.filter(rule_id=rule.pk, data_version=based_on).exclude(history_type="-")
    base = rows.first()
    if base is None:
        return refusal
    wanted = Rule()
    _assign(wanted, rule_values(base) | dict(values))
    wanted.normalise()
    return StaleRuleError(
        object=rule,
        expected=refusal.expected,
        current=refusal.current,
        changed_by=refusal.changed_by,
        changed_fields=refusal.changed_fields,
        comparison=compare_fields(rule_values(base), rule_values(rule), rule_values(wanted)),
    )


# --- Emergency shutoffs -------------------------------------------------------------------------------------


def shut_off(
    product: str,
    channel: str,
    comment: str | None = None,
    *,
    build_target: str | None = None,
    locale: str | None = None,
) -> EmergencyShutoff:
    """Stop updates of a product on a channel: all, or those of one platform or locale. `comment` says why.

    Raises ShutoffExistsError and ValidationError.
    """
    shutoff = EmergencyShutoff(
        product=product, channel=channel, build_target=build_target, locale=locale, comment=comment
    )
    shutoff.clean_fields()
    if not shutoff.comment:
        raise ValidationError({"comment": "Say why updates are stopped; everybody on call will ask."})
    try:
        with transaction.atomic():
            shutoff.save()
    except IntegrityError as error:
        raise ShutoffExistsError(shutoff) from error
    return shutoff


def lift_shutoff(
    product: str,
    channel: str,
    *,
    based_on: int,
    build_target: str | None = None,
    locale: str | None = None,
) -> None:
    """Let updates go on that `shut_off` with the same arguments has stopped.

    Raises EmergencyShutoff.DoesNotExist and OutdatedDataError.
    """
    shutoff = EmergencyShutoff.objects.select_for_update().get(
        product=product, channel=channel, build_target=build_target, locale=locale
    )
    if shutoff.data_version != based_on:
        raise shutoff.outdated(based_on)
    shutoff.delete()


# --- Pins ---------------------------------------------------------------------------------------------------


def set_pin(release_name: str, product: str, channel: str, version: str) -> PinnableRelease:
    """Make a release the one that clients get who pinned themselves to `version` (features K07).

    A pin that points to the release already stays as it is. Raises Release.DoesNotExist,
    ExistingPinIsNewerError when the pin points to a newer release, and ValidationError.
    """
    release = Release.objects.get(name=release_name)
    wanted = application_version(release)
    if wanted is None:
        raise ValidationError(
            {"mapping": f"{shown(release_name)}: has no application version, so nobody can be pinned to it."}
        )
    fresh = PinnableRelease(product=product, channel=channel, version=version, mapping=release)
    fresh.clean_fields()
    pin = _pin(product, channel, version)
    if pin is None:
        try:
            with transaction.atomic():
                fresh.save()
        except IntegrityError:
            pin = _pin(product, channel, version)  # somebody else was faster
            if pin is None:
                raise
        else:
            return fresh
    if pin.mapping_id == release_name:
        return pin
    refuse_older(pin, release)
    pin.mapping = release
    pin.save()
    return pin


def refuse_older(pin: PinnableRelease, release: Release) -> None:
    """Raise ExistingPinIsNewerError when a pin points to a newer release than this one (features K08)."""
    current, wanted = application_version(pin.mapping), application_version(release)
    if current is not None and wanted is not None and current.key > wanted.key:
        raise ExistingPinIsNewerError(str(pin), str(pin.mapping_id), release.name)


def delete_pin(product: str, channel: str, version: str, *, based_on: int) -> None:
    """Delete a pin: who is pinned to that version gets the newest release again.

    Raises PinnableRelease.DoesNotExist and OutdatedDataError.
    """
    pin = PinnableRelease.objects.select_for_update(of=("self",)).get(
        product=product, channel=channel, version=version
    )
    if pin.data_version != based_on:
        raise pin.outdated(based_on)
    pin.delete()


def application_version(release: Release) -> MozVersion | None:
    """Return the version that an application release brings, None for others and for unusable texts."""
    blob = blob_for(Document(release.document, {}))
    if not isinstance(blob, AppRelease):
        return None
    text = blob.value(None, blob.version_key)
    try:
        found = parse_version(text) if isinstance(text, str) else None
    except BadVersion:
        return None
    return found if isinstance(found, MozVersion) else None


def _pin(product: str, channel: str, version: str) -> PinnableRelease | None:
    rows = PinnableRelease.objects.select_for_update(of=("self",))
    found: PinnableRelease | None = rows.filter(product=product, channel=channel, version=version).first()
    return found
