"""Scheduled changes in the admin: what would be written, who has agreed, and the verbs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse

from history.admin import VersionedAdmin
from history.diff import FieldDiff, diff_fields
from history.exceptions import HistoryError
from history.models import VersionedModel
from releases.models import Release
from releng.changes import actions
from releng.changes.conditions import due
from releng.changes.enacting import enact
from releng.changes.examination import ExaminedWrite, examine, told
from releng.changes.models import ScheduledChange
from releng.changes.scheduling import SchedulingMixin, conditions_of
from releng.permissions.models import Permission, PermissionRequiredSignoff, ProductRequiredSignoff, Role
from releng.permissions.questions import roles_of
from rules.models import EmergencyShutoff, PinnableRelease, Rule

Post = Any  # a QueryDict


def _number(post: Post, name: str) -> int:
    text = post.get(name, "")
    if not text.isascii() or not text.isdigit():
        raise ValidationError("The page does not say what it is based on; open it anew.")
    return int(text)


def _edit(key: int, user: Any, post: Post) -> Any:
    """Edit the values of each write that the form has, and the time."""
    values = {}
    for name, text in post.items():
        position = name.removeprefix("values-")
        if position != name and position.isdigit():
            try:
                values[int(position)] = json.loads(text)
            except ValueError as error:
                raise ValidationError(f"Write {position}: this is not JSON: {error}.") from error
            if not isinstance(values[int(position)], dict):
                raise ValidationError(f"Write {position}: the values must be a JSON object.")
    when = conditions_of(post).get("when")
    scheduled = ScheduledChange.objects.get(pk=key)
    if scheduled.when is not None and when == scheduled.when.replace(microsecond=0):
        when = scheduled.when  # the page shows whole seconds
    return actions.edit(
        key, user, based_on=_number(post, "based_on"), values=values, conditions={"when": when}
    )


VERBS: dict[str, Callable[[int, Any, Post], Any]] = {
    "sign": lambda key, user, post: actions.sign_off(
        key,
        user,
        post.get("role", ""),
        comment=post.get("comment", ""),
        digest=post.get("digest", ""),
        with_followers=post.get("with_followers") == "on",
    ),
    "revoke": lambda key, user, post: actions.revoke_signoff(key, user),
    "reject": lambda key, user, post: actions.reject(key, user, comment=post.get("comment", "")),
    "cancel": lambda key, user, post: actions.cancel(
        key, user, based_on=_number(post, "based_on"), comment=post.get("comment", "")
    ),
    "edit": lambda key, user, post: _edit(key, user, post),
    "resume": lambda key, user, post: actions.resume(key, user),
    "enact": lambda key, user, post: enact(key, user),
}
DONE = {
    "sign": "You have signed it off.",
    "revoke": "Your signoff is taken back.",
    "reject": "It is rejected.",
    "cancel": "It is cancelled.",
    "edit": "It is edited.",
    "resume": "It waits for its conditions again.",
    "enact": "It is enacted.",
}


@admin.register(ScheduledChange)
class ScheduledChangeAdmin(VersionedAdmin):
    """Lists and shows scheduled changes; everything that is done with one goes through the verbs."""

    list_display = ["id", "what", "state", "when", "author", "reason"]
    list_filter = ["state", "writes__product", "writes__target"]
    list_select_related = ["author"]
    search_fields = ["=id", "writes__object_name", "reason", "author__username"]
    date_hierarchy = "when"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("writes")

    @admin.display(description="What")
    def what(self, scheduled: ScheduledChange) -> str:
        """The writes, in words."""
        return "; ".join(map(str, scheduled.writes.all()))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        user: Any = request.user
        return bool(user.has_perm("changes.view_scheduledchange"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        own = path(
            "<int:object_id>/<str:verb>/do/",
            self.admin_site.admin_view(self.verb_view),
            name="changes_scheduledchange_do",
        )
        return [own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show what would be written, what it waits for, and the verbs that this person may try."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(("GET", "HEAD"))
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = ScheduledChange.objects.select_related("author", "enacted_by", "follows")
        scheduled = rows.filter(pk=object_id if object_id.isdigit() else 0).first()
        if scheduled is None:
            raise Http404("There is no such scheduled change.")
        user: Any = request.user
        examination = examine(scheduled) if scheduled.is_open else None
        required = examination.required if examination is not None else {}
        roles = sorted(roles_of(user) & required.keys()) or sorted(roles_of(user))
        page = {
            **self.admin_site.each_context(request),
            "title": f"Scheduled change {scheduled}: {self.what(scheduled)}",
            "subtitle": None,
            "opts": self.opts,
            "scheduled": scheduled,
            "examination": examination,
            "state": due(scheduled) if scheduled.is_open else None,
            "writes": [(item, _changes(item)) for item in examination.writes] if examination else [],
            "stored_writes": scheduled.writes.order_by("position"),
            "signoffs": scheduled.signoffs.select_related("user"),
            "in_force": {signoff.pk for signoff in examination.in_force} if examination else set(),
            "own": scheduled.signoffs.filter(user=user).first(),
            "roles": roles,
            "may_act": user.has_perm("changes.change_scheduledchange"),
            "may_enact": user.has_perm("changes.enact_scheduledchange"),
            "editable": [
                (write, json.dumps(write.values, indent=2, sort_keys=True, ensure_ascii=False))
                for write in scheduled.writes.order_by("position")
                if write.change != "delete"
            ],
            "failures": scheduled.failures.all()[:5],
            "followers": scheduled.followers.order_by("pk"),
        }
        return render(request, "changes/scheduled_change.html", page)

    def verb_view(self, request: HttpRequest, object_id: int, verb: str) -> HttpResponse:
        """Do something with a scheduled change, or say why not; back to its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(("POST",))
        if not self.has_view_permission(request) or verb not in VERBS:
            raise PermissionDenied
        try:
            with transaction.atomic():
                VERBS[verb](object_id, request.user, request.POST)
        except (HistoryError, ValidationError, PermissionDenied) as error:
            self.message_user(request, f"Nothing was done. {told(error)}", messages.ERROR)
        except ScheduledChange.DoesNotExist:
            raise Http404("There is no such scheduled change.") from None
        else:
            self.message_user(request, DONE[verb])
        return HttpResponseRedirect(reverse("admin:changes_scheduledchange_change", args=[object_id]))


def _changes(item: ExaminedWrite) -> list[FieldDiff]:
    """Return what a write changes, field by field; documents by platform and locale."""
    before = item.target.values_of(item.before) if item.before is not None else {}
    after = item.target.values_of(item.after) if item.after is not None else {}
    given = {name: value for name, value in after.items() if before or value not in (None, "", [], {})}
    lists = getattr(item.target.model, "history_list_fields", {})
    return diff_fields(before, given, list_fields=lists)


def _let_schedule(model: type[VersionedModel]) -> None:
    """Give the admin class of a model, which its own room has registered, the button that schedules."""
    own = type(admin.site.get_model_admin(model))
    admin.site.unregister(model)
    admin.site.register(
        model, type(f"Scheduling{own.__name__}", (SchedulingMixin, own), {"__doc__": own.__doc__})
    )


for _model in (
    *(Rule, EmergencyShutoff, PinnableRelease, Release),
    *(Permission, Role, ProductRequiredSignoff, PermissionRequiredSignoff),
):
    _let_schedule(_model)
