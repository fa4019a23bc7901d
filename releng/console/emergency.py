"""Stopping updates, letting them go on, and going back to what was good: for a bad night, on any screen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from history.context import require
from history.feed import as_number
from history.models import ChangeSet
from releng.changes.actions import Proposal, propose
from releng.changes.models import ScheduledChange, ScheduledWrite
from releng.changes.policy import missing_permission, required_signoffs
from releng.console.actions import mark_good
from releng.console.attempts import attempt
from releng.console.goodstates import Difference, State, differences, needed_for, states_of, suggested
from releng.console.models import GoodState
from releng.console.pages import Page, render_page
from releng.console.places import (
    Place,
    active_stops,
    known_places,
    rules_of,
    stale_seconds,
    traffic_of,
)
from releng.permissions.who import people_allowed, people_by_role
from rules.actions import lift_shutoff, shut_off
from rules.models import EmergencyShutoff, Rule

STOP, RESUME = "rules.add_emergencyshutoff", "rules.delete_emergencyshutoff"
STATES_SHOWN = 15
RULES_SHOWN = 40


def _signers(required: dict[str, int]) -> list[dict[str, Any]]:
    """Return for each role how many must agree, and who holds it."""
    held = people_by_role(required)
    return [
        {"role": role, "count": count, "people": held.get(role, [])}
        for role, count in sorted(required.items())
    ]


# --- All of it on one page ----------------------------------------------------------------------------------


def overview(request: HttpRequest) -> HttpResponse:
    """What is stopped, what can be stopped, and where one can go back to."""
    user: Any = request.user
    marks = {(mark.product, mark.channel): mark for mark in GoodState.objects.all()}
    stops = active_stops(_resuming())
    stopped = {
        (stop.shutoff.product, stop.shutoff.channel): stop
        for stop in stops
        if not stop.shutoff.build_target and not stop.shutoff.locale
    }
    products = [
        {
            "name": product,
            "may_stop": user.has_perm(STOP, EmergencyShutoff(product=product)),
            "channels": [
                {"name": name, "stop": stopped.get((product, name)), "mark": marks.get((product, name))}
                for name in channels
            ],
        }
        for product, channels in known_places().items()
    ]
    helpers = people_allowed(STOP) if not user.has_perm(STOP) else []
    return render_page(
        request,
        "console/emergency.html",
        "Emergency",
        stops=stops,
        products=[product for product in products if product["channels"]],
        nameless=[product["name"] for product in products if not product["channels"]],
        may_stop=user.has_perm(STOP),
        may_resume=[stop.shutoff.pk for stop in stops if user.has_perm(RESUME, stop.shutoff)],
        helpers=helpers,
        stale_seconds=stale_seconds(),
    )


def _resuming() -> dict[int, ScheduledChange]:
    """Return the open scheduled changes that lift shutoffs, by shutoff."""
    writes = ScheduledWrite.objects.filter(
        target="emergency_shutoff", change="delete", scheduled_change__state__in=ScheduledChange.OPEN
    )
    return {write.object_id: write.scheduled_change for write in writes.select_related("scheduled_change")}


# --- Stop ---------------------------------------------------------------------------------------------------


def stop(request: HttpRequest) -> HttpResponse:
    """Show who is affected and ask why; on POST stop updates of one or more channels at once."""
    sent = request.POST if request.method == "POST" else request.GET
    places = _places_of(sent)
    if not places:
        raise Http404("Name a product and a channel.")
    user: Any = request.user
    problems: list[str] = []
    missing = [
        missing_permission(user, STOP, place)
        for place in places
        if not user.has_perm(STOP, EmergencyShutoff(product=place.product))
    ][:1]
    if missing:
        raise PermissionDenied(missing[0])
    reason = sent.get("reason", "").strip()
    if request.method == "POST":
        problems = attempt(lambda: _stop(places, reason))
        if not problems:
            until = timezone.now() + timedelta(seconds=stale_seconds())
            messages.success(
                request,
                f"Updates of {', '.join(map(str, places))} are stopped. "
                f"Answers given before can live in caches until {until:%H:%M:%S} UTC.",
            )
            return HttpResponseRedirect(reverse("admin:console_emergency"))
    rules = {place: rules_of(place) for place in places}
    return render_page(
        request,
        "console/emergency_stop.html",
        f"Stop updates of {', '.join(map(str, places))}",
        places=places,
        place=places[0],
        rules=_decision_order(rules.values())[:RULES_SHOWN],
        rules_total=len({rule.pk for found in rules.values() for rule in found}),
        traffic=traffic_of(places),
        stale_seconds=stale_seconds(),
        platforms=sorted(
            {rule.build_target for found in rules.values() for rule in found if rule.build_target}
        ),
        problems=problems,
        reason=reason,
        status=400 if problems else 200,
    )


def _stop(places: list[Place], reason: str) -> None:
    opened = require("an emergency shutoff")
    opened.reason = opened.reason or reason
    for place in places:
        shut_off(place.product, place.channel, reason, build_target=place.build_target, locale=place.locale)


def _places_of(sent: Any) -> list[Place]:
    product = sent.get("product", "").strip()
    channels = [channel.strip() for channel in sent.getlist("channel") if channel.strip()]
    build_target, locale = (sent.get(name, "").strip() or None for name in ("build_target", "locale"))
    if not product:
        return []
    return [Place(product, channel, build_target, locale) for channel in dict.fromkeys(channels)]


def _decision_order(found: Any) -> list[Rule]:
    rules = {rule.pk: rule for some in found for rule in some}
    return sorted(rules.values(), key=lambda rule: (-rule.priority, rule.pk))


# --- Resume -------------------------------------------------------------------------------------------------


def resume(request: HttpRequest, key: int) -> HttpResponse:
    """Show what is offered again, and who must agree; on POST lift the shutoff, or schedule that."""
    shutoff: EmergencyShutoff = get_object_or_404(EmergencyShutoff, pk=key)
    user: Any = request.user
    if not user.has_perm(RESUME, shutoff):
        raise PermissionDenied(missing_permission(user, RESUME, shutoff))
    required = required_signoffs("delete", shutoff, None)
    reason, problems = request.POST.get("reason", "").strip(), []
    if request.method == "POST":
        done: list[ScheduledChange] = []
        problems = attempt(
            lambda: done.extend(
                _resume(
                    user, shutoff, as_number(request.POST.get("based_on")), reason, schedule=bool(required)
                )
            ),
        )
        if not problems and done:
            messages.success(
                request,
                "Resuming is scheduled. Updates stay stopped until everybody needed has signed it off.",
            )
            return HttpResponseRedirect(reverse("admin:changes_scheduledchange_change", args=[done[0].pk]))
        if not problems:
            messages.success(request, f"Updates of {shutoff} go on.")
            return HttpResponseRedirect(reverse("admin:console_emergency"))
    place = Place(shutoff.product, shutoff.channel, shutoff.build_target, shutoff.locale)
    rules = rules_of(place)
    return render_page(
        request,
        "console/emergency_resume.html",
        f"Resume updates of {shutoff}",
        shutoff=shutoff,
        stop=next((found for found in active_stops(_resuming()) if found.shutoff.pk == shutoff.pk), None),
        rules=rules[:RULES_SHOWN],
        rules_total=len(rules),
        traffic=traffic_of([place]),
        signers=_signers(required),
        problems=problems,
        reason=reason,
        status=409 if problems else 200,
    )


def _resume(
    user: Any, shutoff: EmergencyShutoff, based_on: int | None, reason: str, *, schedule: bool
) -> list[ScheduledChange]:
    if based_on is None:
        raise ValidationError("The page does not say which shutoff it showed; open it anew.")
    if not reason:
        raise ValidationError({"reason": "Say why updates may go on; whoever signs it off will ask."})
    opened = require("resuming updates")
    opened.reason = opened.reason or reason
    if schedule:
        proposal = Proposal("emergency_shutoff", "delete", {}, shutoff.pk, based_on)
        return [propose(user, [proposal], reason=reason)]
    lift_shutoff(
        shutoff.product,
        shutoff.channel,
        build_target=shutoff.build_target,
        locale=shutoff.locale,
        based_on=based_on,
    )
    return []


# --- What was good, and going back --------------------------------------------------------------------------


def states(request: HttpRequest) -> HttpResponse:
    """Show the states that a product's channel has been in; on POST call one of them good."""
    sent = request.POST if request.method == "POST" else request.GET
    product, channel = sent.get("product", "").strip(), sent.get("channel", "").strip()
    if not product or not channel:
        raise Http404("Name a product and a channel.")
    problems: list[str] = []
    if request.method == "POST":
        sequence, reason = as_number(sent.get("sequence")), sent.get("reason", "").strip()
        opened = require("a mark")
        opened.reason = opened.reason or f"good state of {product} {channel}: {reason}"
        problems = attempt(lambda: mark_good(product, channel, sequence or 0, reason))
        if not problems:
            messages.success(request, f"The state after change set #{sequence} is marked as good.")
            return HttpResponseRedirect(_url("states", product=product, channel=channel))
    found = states_of(product, channel)
    mark = GoodState.objects.filter(product=product, channel=channel).first()
    user: Any = request.user
    return render_page(
        request,
        "console/emergency_states.html",
        f"States of {product} {channel}",
        product=product,
        channel=channel,
        states=found[:STATES_SHOWN],
        mark=mark,
        marked=_state_at(found, mark.sequence) if mark is not None else None,
        marked_by=_last_writer(mark),
        suggestion=suggested(found) if mark is None else None,
        may_mark=user.has_perm(
            "console.change_goodstate" if mark else "console.add_goodstate",
            mark or GoodState(product=product),
        ),
        markers=people_allowed("console.add_goodstate", GoodState(product=product)),
        problems=problems,
        status=400 if problems else 200,
    )


def back(request: HttpRequest) -> HttpResponse:
    """Show what going back to a state would write; on POST schedule it as one change."""
    sent = request.POST if request.method == "POST" else request.GET
    product, channel, sequence = sent.get("product", ""), sent.get("channel", ""), as_number(sent.get("to"))
    target = ChangeSet.objects.filter(sequence=sequence).first() if sequence is not None else None
    if not product or not channel or target is None:
        raise Http404("Name a product, a channel, and the change set whose state to go back to.")
    user: Any = request.user
    found = differences(product, channel, target.sequence)
    problems: list[str] = []
    reason = sent.get("reason", "").strip()
    chosen = set(sent.getlist("write")) if request.method == "POST" else None
    if request.method == "POST":
        done: list[ScheduledChange] = []
        problems = attempt(lambda: done.append(_go_back(user, found, sent, reason)))
        if done:
            messages.success(
                request, "Going back is scheduled. Nothing is changed until it is signed off and enacted."
            )
            return HttpResponseRedirect(reverse("admin:changes_scheduledchange_change", args=[done[0].pk]))
    lacking = [
        missing_permission(user, permission, row)
        for permission, row in _permissions(found)
        if not user.has_perm(permission, row)
    ][:1]
    return render_page(
        request,
        "console/emergency_back.html",
        f"Go back with {product} {channel}",
        product=product,
        channel=channel,
        target=target,
        differences=found,
        everywhere=Rule.objects.filter(product=None).count(),
        chosen=chosen,
        signers=_signers(needed_for(found)),
        lacking=lacking,
        who_may=people_allowed("rules.change_rule", Rule(product=product)) if lacking else [],
        stopped=EmergencyShutoff.objects.filter(product=product, channel=channel),
        problems=problems,
        reason=reason,
        status=409 if problems else 200,
    )


def _permissions(found: list[Difference]) -> list[tuple[str, Any]]:
    verbs = {"insert": "add", "update": "change", "delete": "delete"}
    return [
        (f"rules.{verbs[one.proposal.change]}_rule", row)
        for one in found
        for row in (one.now, one.then.instance if one.then is not None else None)
        if row is not None
    ]


def _go_back(user: Any, found: list[Difference], sent: Any, reason: str) -> ScheduledChange:
    shown, chosen = set(sent.getlist("shown")), set(sent.getlist("write"))
    current = {f"{one.key}:{one.now.data_version if one.now is not None else ''}" for one in found}
    if shown != current:
        raise ValidationError("The rules have changed since this page was opened. Look again, then schedule.")
    if not reason:
        raise ValidationError({"reason": "Say why; whoever signs it off will ask."})
    proposals = [one.proposal for one in found if str(one.key) in chosen]
    if not proposals:
        raise ValidationError("No rule is chosen, so there is nothing to go back with.")
    opened = require("going back")
    opened.reason = opened.reason or reason
    return propose(user, proposals, reason=reason)


def _state_at(found: list[State], sequence: int) -> State | None:
    """Return the state that a change set left, which is the last one that began no later."""
    return next((state for state in found if state.sequence <= sequence), None)


def _last_writer(mark: GoodState | None) -> Any:
    if mark is None:
        return None
    row = GoodState.history.filter(id=mark.pk).select_related("change_set").order_by("-history_id").first()
    return row.change_set if row is not None else None


def _url(name: str, **query: Any) -> str:
    return f"{reverse(f'admin:console_emergency_{name}')}?{urlencode(query)}"


def _posting(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    def limited(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(("GET", "HEAD", "POST"))
        return view(request, **kwargs)

    return limited


SEEN_BY = ("rules.view_emergencyshutoff",)
PAGES = (
    Page("emergency/", "emergency", overview, SEEN_BY, "Emergency"),
    Page("emergency/stop/", "emergency_stop", _posting(stop), (STOP,)),
    Page("emergency/resume/<int:key>/", "emergency_resume", _posting(resume), (RESUME,)),
    Page("emergency/states/", "emergency_states", _posting(states), SEEN_BY),
    Page("emergency/back/", "emergency_back", _posting(back), SEEN_BY),
)
