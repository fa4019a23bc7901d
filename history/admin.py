"""The admin base of versioned models: no lost edit, a reason for each change, and a history nobody can write to."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import ProtectedError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.text import capfirst

from history import context
from history.actions import revert
from history.exceptions import HistoryError, OutdatedDataError
from history.feed import facet
from history.timeline import compare, field_values, timeline

READ_METHODS = ("GET", "HEAD")


class VersionedForm(forms.ModelForm):
    """Carries the version that the form was filled in on, and asks why."""

    reason = forms.CharField(
        label="Why", required=False, max_length=1_000, widget=forms.TextInput(attrs={"class": "vTextField"})
    )
    based_on = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.fields["based_on"].initial = self.instance.data_version

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        based_on = self.cleaned_data.get("based_on")
        if self.instance.pk is not None and based_on not in (None, self.instance.data_version):
            # What was typed stays in the form; saving again after reading this is a decision, not an accident.
            outdated = self.instance.outdated(based_on)
            self.data = {
                **dict(self.data.items()),
                self.add_prefix("based_on"): str(self.instance.data_version),
            }
            self.add_error(
                None, f"{outdated} Your edit is kept below: saving again puts it in place of theirs."
            )
        return cleaned


class VersionedAdmin(admin.ModelAdmin):
    """Base of the admin of every versioned model.

    A form that was filled in on an older version is not saved; the reason becomes the change set's; deleting goes
    row by row; the history pages only read, whatever method they are asked with.
    """

    form = VersionedForm
    show_full_result_count = False
    delete_confirmation_template = "history/delete_confirmation.html"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = [
            (
                name,
                {
                    **options,
                    "fields": [field for field in options["fields"] if field not in ("reason", "based_on")],
                },
            )
            for name, options in super().get_fieldsets(request, obj)
        ]
        if self.has_change_permission(request, obj) or self.has_add_permission(request):
            fieldsets.append((None, {"fields": ["reason", "based_on"]}))
        return fieldsets

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        opened = context.require(str(obj._meta.verbose_name))
        opened.reason = opened.reason or form.cleaned_data.get("reason", "")
        if change and form.cleaned_data.get("based_on") is not None:
            obj.data_version = form.cleaned_data["based_on"]
        obj.save()

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for obj in queryset:
            self.delete_model(request, obj)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Delete only the version that the person was asked about."""
        obj = self.get_object(request, unquote(object_id)) if request.method == "POST" else None
        based_on = _number(request.POST.get("based_on"))
        if obj is not None and based_on not in (None, obj.data_version):
            self.message_user(request, f"{obj.outdated(based_on)} Nothing was deleted.", messages.ERROR)
            return HttpResponseRedirect(request.path)
        return super().delete_view(request, object_id, extra_context)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except OutdatedDataError as error:
            # Somebody saved between this form's check and its write.
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.path)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show the versions of one object; with `from` and `to` (history ids) the difference of any two."""
        if request.method not in READ_METHODS:
            return HttpResponseNotAllowed(READ_METHODS)
        if not self.has_view_permission(request):
            raise PermissionDenied
        before = _number(request.GET.get("before"))
        entries = timeline(self.model, _key(self.model, object_id), before=before)
        if not entries:
            raise Http404(f"{self.opts.verbose_name} {object_id} has no history")
        page = {
            **self.admin_site.each_context(request),
            "title": f"History of {self.opts.verbose_name} {entries[0].row.history_object}",
            "subtitle": None,
            "opts": self.opts,
            "module_name": capfirst(str(self.opts.verbose_name_plural)),
            "object_id": object_id,
            "entries": entries,
            "older": entries[-1].row.history_id if entries[-1].row.history_type != "+" else None,
            "comparison": self._comparison(request, object_id),
            "opened": self._opened(request, object_id),
            "whole_name": getattr(entries[0].row, str(facet(self.model, "name")), None),
            "can_revert": self.has_change_permission(request) or self.has_add_permission(request),
            "revert_name": f"admin:{_name(self.opts)}_revert",
            **(extra_context or {}),
        }
        return render(request, "history/object_history.html", page)

    def _opened(self, request: HttpRequest, object_id: str) -> dict[str, Any] | None:
        """Return the version that the reader wants to see whole."""
        chosen = _number(request.GET.get("version"))
        if chosen is None:
            return None
        key = {self.model._meta.pk.attname: _key(self.model, object_id)}
        row = self.model.history.filter(history_id=chosen, **key).select_related("change_set").first()
        if row is None:
            raise Http404("no such version")
        return {"row": row, "fields": list(field_values(row).items())}

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_revert"
        view = self.admin_site.admin_view(self.revert_view)
        return [path("<int:object_id>/revert/<int:history_id>/", view, name=name), *super().get_urls()]

    def revert_view(self, request: HttpRequest, object_id: int, history_id: int) -> HttpResponse:
        """Ask, and on POST put an earlier version back: a change like any other, with its permission."""
        key = {self.model._meta.pk.attname: object_id}
        row = self.model.history.select_related("change_set").filter(history_id=history_id, **key).first()
        if row is None:
            raise Http404("no such version")
        live = self.model._base_manager.filter(pk=object_id).first()
        allowed = self.has_change_permission(request, live) if live else self.has_add_permission(request)
        if not allowed:
            raise PermissionDenied
        problem = None
        if request.method == "POST":
            try:
                with transaction.atomic():
                    context.require("a version to be put back").reason = request.POST.get("reason", "")[
                        :1_000
                    ]
                    restored = revert(row, based_on=_number(request.POST.get("based_on")))
            except ValidationError as error:
                problem = " ".join(error.messages)
            except (HistoryError, ProtectedError) as error:
                problem = str(error)
            else:
                self.message_user(request, f"{restored} is as it was in version {row.data_version}.")
                return HttpResponseRedirect(reverse(f"admin:{_name(self.opts)}_history", args=[object_id]))
        page = {
            **self.admin_site.each_context(request),
            "title": f"Put version {row.data_version} of {self.opts.verbose_name} {row.instance} back?",
            "subtitle": None,
            "opts": self.opts,
            "module_name": capfirst(str(self.opts.verbose_name_plural)),
            "row": row,
            "live": live,
            "changes": compare(live, row) if live is not None else [],
            "history_url": reverse(f"admin:{_name(self.opts)}_history", args=[object_id]),
            "problem": problem,
        }
        return render(request, "history/revert.html", page, status=409 if problem else 200)

    def _comparison(self, request: HttpRequest, object_id: str) -> dict[str, Any] | None:
        """Return the two versions that the reader chose and how they differ, the first one being the base."""
        chosen = [_number(request.GET.get(name)) for name in ("from", "to")]
        if None in chosen:
            return None
        key = {self.model._meta.pk.attname: _key(self.model, object_id)}
        rows = {
            row.history_id: row
            for row in self.model.history.filter(history_id__in=chosen, **key).select_related("change_set")
        }
        if set(rows) != set(chosen):
            raise Http404("no such version")
        base, other = rows[chosen[0]], rows[chosen[1]]
        return {"base": base, "other": other, "changes": compare(base, other)}


def _name(opts: Any) -> str:
    return f"{opts.app_label}_{opts.model_name}"


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _key(model: Any, text: str) -> Any:
    number = _number(text)
    if number is None:
        raise Http404(f"{text!r} is no key of a {model._meta.verbose_name}")
    return number
