"""The admin base of versioned models: no lost edit, a reason for each change, and a history nobody can write to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.checks import ModelAdminChecks
from django.contrib.admin.utils import unquote
from django.core.checks import CheckMessage, Error
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import ProtectedError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from history import context
from history.actions import revert
from history.editing import VersionedForm
from history.exceptions import HistoryError, OutdatedDataError, UnconfirmedError
from history.feed import as_number
from history.reading import compare, entries
from history.views import READ_METHODS, history_url, object_history, read_only

__all__ = ["VersionedAdmin", "VersionedForm"]

REASON_LENGTH = 1_000


class VersionedAdminChecks(ModelAdminChecks):
    """What an admin class of a versioned model must not do."""

    def check(self, admin_obj: Any, **kwargs: Any) -> list[CheckMessage]:
        """history.E003: rows edited in the list would be saved without comparing versions."""
        found = super().check(admin_obj, **kwargs)
        if admin_obj.list_editable:
            found.append(
                Error(
                    "list_editable would save rows without comparing versions.",
                    hint="Let people change one row on its own page, or write an admin action.",
                    obj=admin_obj.__class__,
                    id="history.E003",
                )
            )
        return found


class VersionedAdmin(admin.ModelAdmin):
    """Base of the admin of every versioned model.

    A form or a confirmation that was based on an older version is not carried out; the reason becomes the change
    set's; deleting goes row by row; the history pages only read, whatever method they are asked with. A room
    that has verbs calls them from `save_model` and `delete_model`; what they refuse by OutdatedDataError is told.
    """

    form = VersionedForm
    checks_class = VersionedAdminChecks
    show_full_result_count = False
    change_form_template = "history/change_form.html"
    delete_confirmation_template = "history/delete_confirmation.html"
    delete_selected_confirmation_template = "history/delete_selected_confirmation.html"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the reader may change a row, or any at all; Django would not ask about the row."""
        return self._may(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the reader may delete a row, or any at all."""
        return self._may(request, "delete", obj)

    def _may(self, request: HttpRequest, verb: str, obj: Any) -> bool:
        user: Any = request.user
        return bool(user.has_perm(f"{self.opts.app_label}.{verb}_{self.opts.model_name}", obj))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        own = ("reason", "based_on")
        fieldsets = [
            (name, {**options, "fields": [field for field in options["fields"] if field not in own]})
            for name, options in super().get_fieldsets(request, obj)
        ]
        if self.has_change_permission(request, obj) if obj else self.has_add_permission(request):
            fieldsets.append((None, {"fields": list(own)}))
        return fieldsets

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the object; when it is about to be written, as it is now, and locked until that is done."""
        obj = super().get_object(request, object_id, from_field)
        if obj is None or request.method != "POST":
            return obj
        rows = self.model._base_manager.select_for_update(no_key=True).filter(pk=obj.pk)
        current = rows.only("data_version").first()
        unchanged = current is not None and current.data_version == obj.data_version
        return obj if unchanged else super().get_object(request, object_id, from_field)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        """Write the row, based on the version that the form was filled in on."""
        _give_reason(form.cleaned_data.get("reason", ""))
        if change:
            obj.data_version = form.cleaned_data["based_on"]
        obj.save()

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Delete row by row, each based on the version that the confirmation page was made from."""
        _give_reason(request.POST.get("reason", ""))
        confirmed = _by_key(request, "based_on")
        for obj in queryset:
            self.delete_confirmed(request, obj, confirmed.get(str(obj.pk)))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete one row, based on the version that the confirmation page was made from."""
        self.delete_confirmed(request, obj, request.POST.get("based_on"))

    def delete_confirmed(self, request: HttpRequest, obj: Any, confirmed: str | None) -> None:
        """Delete a row if what was confirmed is what there is."""
        self.refuse_unconfirmed(obj, confirmed)
        self.remove(obj)

    def remove(self, obj: Any) -> None:
        """Delete a row whose version was confirmed; rooms with verbs call theirs."""
        obj.delete()

    def confirmed_version(self, obj: Any) -> str:
        """Return what a confirmation page carries, so that only what was shown is deleted."""
        return str(obj.data_version)

    def refuse_unconfirmed(self, obj: Any, confirmed: str | None) -> None:
        """Raise OutdatedDataError when an old version was confirmed, UnconfirmedError when none was."""
        version = as_number(confirmed)
        if version is None:
            raise UnconfirmedError(obj)
        if version != obj.data_version:
            raise obj.outdated(version)

    def action_checkbox(self, obj: Any) -> SafeString:
        """Let the list carry the version that it shows of each row, for actions to be based on."""
        box = super().action_checkbox(obj)
        return format_html(
            '{}<input type="hidden" name="shown" value="{}:{}">', box, obj.pk, obj.data_version
        )

    def shown_versions(self, request: HttpRequest, queryset: Any) -> Iterator[tuple[Any, int]]:
        """Yield the rows that an action was chosen for, each with the version that the list showed of it.

        Raises UnconfirmedError for a row that the list did not show, as when all rows of all pages are chosen.
        """
        shown = _by_key(request, "shown")
        for obj in queryset:
            version = as_number(shown.get(str(obj.pk)))
            if version is None:
                raise UnconfirmedError(obj)
            yield obj, version

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._told(request, super().changeform_view, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._told(request, super().changelist_view, *args, **kwargs)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        return self._told(request, self._delete_view_of_version, object_id, extra_context)

    def _delete_view_of_version(self, request: HttpRequest, object_id: str, extra_context: Any) -> Any:
        if request.method == "POST":
            _give_reason(request.POST.get("reason", ""))
        return super().delete_view(request, object_id, extra_context)

    def _told(self, request: HttpRequest, view: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Tell on the same page that somebody was faster; nothing of what was begun is kept."""
        if request.method in READ_METHODS:
            return view(request, *args, **kwargs)
        try:
            with transaction.atomic():
                return view(request, *args, **kwargs)
        except (OutdatedDataError, UnconfirmedError) as error:
            self.message_user(request, f"Nothing was done. {error}", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    # --- History and reverting ----------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        """Add the address that puts a version back; see that the history only reads."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        own = path(
            "<int:object_id>/revert/<int:history_id>/",
            self.admin_site.admin_view(self.revert_view),
            name=f"{name}_revert",
        )
        found = super().get_urls()
        for pattern in found:
            if pattern.name == f"{name}_history":
                pattern.callback = read_only(pattern.callback)
        return [own, *found]

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show the history pages of the object instead of the admin's own log."""
        if request.method not in READ_METHODS:
            return HttpResponseNotAllowed(READ_METHODS)
        return object_history(request, self.model, unquote(object_id))

    def revert_view(self, request: HttpRequest, object_id: int, history_id: int) -> HttpResponse:
        """Ask, and on POST put an earlier version back: a change like any other, with its permission."""
        if request.method not in (*READ_METHODS, "POST"):
            return HttpResponseNotAllowed((*READ_METHODS, "POST"))
        key = {self.model._meta.pk.attname: object_id}
        found = entries([self.model.history.filter(history_id=history_id, **key)], whole=True)
        if not found:
            raise Http404("no such version")
        entry = found[0]
        live = self.model._base_manager.filter(pk=object_id).first()
        if not (self.has_change_permission(request, live) if live else self.has_add_permission(request)):
            raise PermissionDenied
        based_on, problems = live.data_version if live else None, []
        if request.method == "POST":
            based_on = as_number(request.POST.get("based_on"))
            problems = self._revert(request, entry.row, based_on)
            if not problems:
                return HttpResponseRedirect(history_url(self.model, object_id))
        page = {
            **self.admin_site.each_context(request),
            "title": f"Put version {entry.row.data_version} of {self.opts.verbose_name} {entry.name} back?",
            "subtitle": None,
            "opts": self.opts,
            "module_name": capfirst(str(self.opts.verbose_name_plural)),
            "key": object_id,
            "entry": entry,
            "live": live,
            "changes": compare(live, entry.row) if live is not None else entry.changes,
            "history_url": history_url(self.model, object_id),
            "problems": problems,
            "reason": request.POST.get("reason", ""),
        }
        return render(request, "history/revert.html", page, status=409 if problems else 200)

    def _revert(self, request: HttpRequest, row: Any, based_on: int | None) -> list[str]:
        """Put a version back; return what stands against it, nothing when it is done."""
        try:
            with transaction.atomic():
                _give_reason(request.POST.get("reason", ""))
                restored = revert(row, based_on=based_on)
        except ValidationError as error:
            return [
                f"{name}: {message}" if name != "__all__" else message
                for name, found in getattr(error, "message_dict", {"__all__": error.messages}).items()
                for message in found
            ]
        except (HistoryError, ProtectedError) as error:
            return [str(error)]
        self.message_user(request, f"{restored} is as it was in version {row.data_version}.")
        return []


def _by_key(request: HttpRequest, name: str) -> dict[str, str]:
    """Return what a page carries for each row, written KEY:VALUE."""
    return dict(pair.split(":", 1) for pair in request.POST.getlist(name) if ":" in pair)


def _give_reason(reason: str) -> None:
    opened = context.require("a change in the admin")
    opened.reason = opened.reason or reason.strip()[:REASON_LENGTH]
