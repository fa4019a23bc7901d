"""The pages on which auditors read: they only read, whatever they are asked with."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.views.decorators.csrf import csrf_exempt

from history.chain import sequence_at, versioned_models
from history.export import as_csv, as_json
from history.feed import Filters, Models, as_number, entries_of, page, stream
from history.forms import FeedForm, MomentForm
from history.models import ChangeSet, VersionedModel
from history.reading import Entry, compare, entries, field_values, parent_field
from history.timeline import side_by_side, timeline

READ_METHODS = ("GET", "HEAD")
EXPORTS = {"csv": (as_csv, "text/csv; charset=utf-8"), "json": (as_json, "application/json")}


def read_only(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Let a view be asked by GET and HEAD only; anything else is 405, before login, CSRF check and view."""

    @csrf_exempt
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method not in READ_METHODS:
            return HttpResponseNotAllowed(READ_METHODS)
        return view(request, *args, **kwargs)

    return guarded


def visible_models(user: Any) -> Models:
    """Return the models whose history `user` may read; raise PermissionDenied when there is none."""
    if not user.has_perm("history.view_changeset"):
        raise PermissionDenied("Reading history needs the permission to view change sets.")
    found = [
        model
        for model in versioned_models()
        if user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")
    ]
    if not found:
        raise PermissionDenied("Reading history needs the permission to view at least one kind of object.")
    return found


def _render(request: HttpRequest, template: str, title: str, status: int = 200, **more: Any) -> HttpResponse:
    shared = {**admin.site.each_context(request), "title": title, "subtitle": None}
    return render(request, f"history/{template}.html", {**shared, **more}, status=status)


# --- All that happened --------------------------------------------------------------------------------------


def feed(request: HttpRequest) -> HttpResponse:
    """Everything that happened, newest first, by change set."""
    visible = visible_models(request.user)
    form = FeedForm(request.GET, visible=visible)
    acts, older = (
        page(form.filters(), visible, before=as_number(request.GET.get("before")))
        if form.is_valid()
        else ([], None)
    )
    query = request.GET.copy()
    query.pop("before", None)
    return _render(
        request,
        "feed",
        "History",
        status=200 if form.is_valid() else 400,
        form=form,
        acts=acts,
        older=older,
        query=query.urlencode(),
        is_filtered=form.is_valid() and form.filters() != Filters(),
        is_later_page="before" in request.GET,
    )


def export(request: HttpRequest, kind: str) -> HttpResponseBase:
    """The feed with the same filters as a file."""
    visible = visible_models(request.user)
    form = FeedForm(request.GET, visible=visible)
    if not form.is_valid():
        return HttpResponse(form.errors.as_text(), status=400, content_type="text/plain; charset=utf-8")
    write, content_type = EXPORTS[kind]
    name = f"history-{timezone.now():%Y%m%d-%H%M%S}.{kind}"
    return StreamingHttpResponse(
        write(stream(form.filters(), visible)),
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def change_set_page(request: HttpRequest, pk: Any) -> HttpResponse:
    """One change set, by its permanent address."""
    visible = visible_models(request.user)
    change_set = get_object_or_404(ChangeSet, pk=pk)
    number, _, history_id = request.GET.get("after", "").partition("-")
    cursor = as_number(number), as_number(history_id)
    after = None if cursor[0] is None or cursor[1] is None else (cursor[0], cursor[1])
    found, more = entries_of(change_set, visible, after=after)
    return _render(
        request,
        "change_set",
        f"Change set {change_set.sequence}",
        change_set=change_set,
        entries=found,
        more=f"{more[0]}-{more[1]}" if more is not None else None,
        is_later_page=after is not None,
        sees_all=len(visible) == len(versioned_models()),
    )


def moment(request: HttpRequest) -> HttpResponse:
    """How everything was at a moment, side by side with now."""
    visible = visible_models(request.user)
    form = MomentForm(request.GET if "at" in request.GET else None, visible=visible)
    tables, sequence, status = None, None, 200 if not form.is_bound or form.is_valid() else 400
    if form.is_bound and form.is_valid():
        asked = form.cleaned_data
        sequence = sequence_at(asked["at"])
        tables = side_by_side(
            form.chosen(), sequence, after=asked["after"], only_differences=not asked["everything"]
        )
    query = request.GET.copy()
    for name in ("model", "after"):
        query.pop(name, None)
    return _render(
        request,
        "moment",
        "As of",
        status,
        form=form,
        tables=tables,
        sequence=sequence,
        query=query.urlencode(),
        is_later_page=bool(request.GET.get("after")),
        is_future=sequence is not None and form.cleaned_data["at"] > timezone.now(),
    )


# --- One object ---------------------------------------------------------------------------------------------


def object_page(request: HttpRequest, label: str, key: int) -> HttpResponse:
    """The history of one object, also of a deleted one."""
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):
        raise Http404(f"There is no kind of object {label}.") from None
    if not issubclass(model, VersionedModel):
        raise Http404(f"{model._meta.label} has no history.")
    return object_history(request, model, str(key))


def object_history(request: HttpRequest, model: type[VersionedModel], key: str) -> HttpResponse:
    """Show the versions of an object; with `from` and `to` (history ids) how any two of them differ.

    With `version` (a history id) that one as it was.
    """
    if model not in visible_models(request.user):
        raise PermissionDenied(f"You may not view any {model._meta.verbose_name}.")
    object_id = as_number(key)
    asked = {name: as_number(request.GET[name]) for name in ("from", "to", "version") if name in request.GET}
    if object_id is None or None in asked.values():
        raise Http404("no such object or version")
    live = model._base_manager.filter(pk=object_id).first()
    shared: dict[str, Any] = {
        "model": model,
        "opts": model._meta,
        "module_name": capfirst(str(model._meta.verbose_name_plural)),
        "key": object_id,
        "live": live,
        "history_url": history_url(model, object_id),
    }
    if "version" in asked:
        return _version(request, shared, _chosen(model, object_id, asked["version"]))
    if {"from", "to"} <= asked.keys():
        base, other = (_chosen(model, object_id, asked[name]) for name in ("from", "to"))
        return _render(
            request,
            "compare",
            f"{capfirst(str(model._meta.verbose_name))} {other.name}: two versions",
            base=base,
            other=other,
            changes=compare(base.row, other.row),
            **shared,
        )
    before = as_number(request.GET.get("before"))
    found, older = timeline(model, object_id, before=before)
    if not found:
        raise Http404(f"{model._meta.verbose_name} {object_id} has no history")
    for entry in found:
        entry.row.revert_url = _revert_url(request, entry, live)
    title = f"History of {model._meta.verbose_name} {found[0].name}"
    return _render(
        request,
        "object_history",
        title,
        entries=found,
        older=older,
        is_later_page=before,
        object_name=found[0].name,
        has_parts=any(
            (field := parent_field(part)) and field.related_model is model for part in versioned_models()
        ),
        **shared,
    )


def history_url(model: type[VersionedModel], key: Any) -> str:
    """Return the address of an object's history."""
    return reverse("history:object", args=[model._meta.label_lower, key])


def _chosen(model: type[VersionedModel], object_id: int, history_id: int | None) -> Entry:
    """Return one version of an object, whole."""
    key = {model._meta.pk.attname: object_id}
    found = entries([model.history.filter(history_id=history_id, **key)], whole=True)
    if not found:
        raise Http404(f"{model._meta.verbose_name} {object_id} has no such version")
    return found[0]


def _version(request: HttpRequest, shared: dict[str, Any], entry: Entry) -> HttpResponse:
    said = field_values(entry.row)
    fields = [
        (field, said[field.name]) for field in shared["model"]._meta.concrete_fields if field.name in said
    ]
    entry.row.revert_url = _revert_url(request, entry, shared["live"])
    newest = shared["model"].history.filter(**{shared["opts"].pk.attname: shared["key"]}).first()
    title = f"{capfirst(str(shared['opts'].verbose_name))} {entry.name}, version {entry.row.data_version}"
    return _render(request, "version", title, entry=entry, fields=fields, newest=newest, **shared)


def _revert_url(request: HttpRequest, entry: Entry, live: VersionedModel | None) -> str | None:
    """Return where this reader can put a version back, None where that is not possible or not allowed."""
    row = entry.row
    if row.history_type == "-" or (live is not None and live.data_version == row.data_version):
        return None
    model = row.instance_type
    try:
        of_model = admin.site.get_model_admin(model)
        may = of_model.has_change_permission(request, live) if live else of_model.has_add_permission(request)
        key = getattr(row, model._meta.pk.attname)
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_revert"
        return reverse(name, args=[key, row.history_id]) if may else None
    except (NotRegistered, NoReverseMatch):
        return None
