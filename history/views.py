"""The pages on which auditors read: they only read, whatever they are asked with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from history.chain import sequence_at, versioned_models
from history.export import as_csv, as_json
from history.feed import Act, Filters, page, stream
from history.forms import FeedForm, MomentForm
from history.models import ChangeSet, Generation, VersionedModel
from history.timeline import as_of, compare

ROWS_OF_A_MOMENT = 500


def visible_models(user: Any) -> list[type[VersionedModel]]:
    """Return the models whose history `user` may read; raise PermissionDenied when there is none."""
    if not isinstance(user, AnonymousUser) and user.has_perm("history.view_changeset"):
        found = [
            model
            for model in versioned_models()
            if user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")
        ]
        if found:
            return found
    raise PermissionDenied(
        "Reading history needs the permission to view change sets, and one model at least."
    )


def _context(request: HttpRequest, title: str, **more: Any) -> dict[str, Any]:
    return {**admin.site.each_context(request), "title": title, "subtitle": None, **more}


@require_safe
def feed(request: HttpRequest) -> HttpResponse:
    """Everything that happened, newest first, by change set."""
    visible = visible_models(request.user)
    form = FeedForm(request.GET, visible=visible)
    before = request.GET.get("before", "")
    acts: list[Act] = []
    older = None
    if form.is_valid():
        cursor = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
        acts, older = page(form.filters(), visible, before=cursor)
    query = request.GET.copy()
    query.pop("before", None)
    chosen = _context(request, "History", form=form, acts=acts, older=older, query=query.urlencode())
    return render(request, "history/feed.html", chosen)


@require_safe
def change_set_page(request: HttpRequest, pk: Any) -> HttpResponse:
    """One change set, by its permanent address."""
    visible = visible_models(request.user)
    found = get_object_or_404(ChangeSet, pk=pk)
    acts, _ = page(Filters(), visible, before=found.sequence + 1, limit=1)
    acts = [act for act in acts if act.change_set.pk == found.pk]
    return render(
        request,
        "history/change_set.html",
        _context(request, f"Change set {found.sequence}", acts=acts, found=found),
    )


@require_safe
def export(request: HttpRequest, kind: str) -> HttpResponseBase:
    """The feed with the same filters as a file."""
    visible = visible_models(request.user)
    form = FeedForm(request.GET, visible=visible)
    if not form.is_valid():
        return HttpResponse(form.errors.as_text(), status=400, content_type="text/plain; charset=utf-8")
    records = stream(form.filters(), visible)
    lines, content_type = (
        (as_csv(records), "text/csv; charset=utf-8")
        if kind == "csv"
        else (as_json(records), "application/json")
    )
    name = f"history-{timezone.now():%Y%m%d-%H%M%S}.{kind}"
    return StreamingHttpResponse(
        lines, content_type=content_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@dataclass
class Line:
    """One object then and now; `sign` is `=`, `~`, `-` (gone since) or `+` (new since)."""

    sign: str
    word: str
    name: str
    object_id: Any
    changes: list[Any]


def _side_by_side(model: type[VersionedModel], sequence: int, after: int) -> tuple[list[Line], int | None]:
    """Compare the rows of one model as of a change set with those of now, from key `after` on; two queries.

    Returns the lines, and the key to go on after, if there is more.
    """
    key = model._meta.pk.attname
    past = as_of(model, sequence).filter(**{f"{key}__gt": after}).order_by(key)
    present = model._base_manager.filter(pk__gt=after).order_by("pk")
    then = {getattr(row, key): row for row in past[: ROWS_OF_A_MOMENT + 1]}
    now = {row.pk: row for row in present[: ROWS_OF_A_MOMENT + 1]}
    lines = []
    keys = sorted({*then, *now})
    shown = keys[:ROWS_OF_A_MOMENT]
    for object_id in shown:
        was, is_now = then.get(object_id), now.get(object_id)
        if was is None:
            lines.append(Line("+", "new since", str(is_now), object_id, []))
        elif is_now is None:
            lines.append(Line("-", "gone since", str(was.instance), object_id, []))
        elif was.data_version == is_now.data_version:
            lines.append(Line("=", "unchanged", str(is_now), object_id, []))
        else:
            lines.append(Line("~", "changed since", str(is_now), object_id, compare(was, is_now)))
    return lines, shown[-1] if len(keys) > len(shown) else None


@require_safe
def moment(request: HttpRequest) -> HttpResponse:
    """How everything was at a moment, side by side with now."""
    visible = visible_models(request.user)
    form = MomentForm(request.GET if "at" in request.GET else None)
    tables, sequence, wanted = [], None, request.GET.getlist("model")
    after = request.GET.get("after", "")
    if form.is_valid():
        sequence = sequence_at(form.cleaned_data["at"])
        start = int(after) if after.isascii() and after.isdigit() and len(after) < 19 else 0
        for model in visible:
            if not wanted or model._meta.label in wanted:
                lines, more = _side_by_side(model, sequence, start)
                tables.append({"model": model._meta, "lines": lines, "more": more})
    head = Generation.objects.get(pk=Generation.HEAD).number
    chosen = _context(
        request,
        "As of",
        form=form,
        tables=tables,
        sequence=sequence,
        since=None if sequence is None else head - sequence,
        models=[(model._meta.label, model._meta.verbose_name_plural) for model in visible],
        wanted=wanted,
        moment=request.GET.get("at", ""),
    )
    return render(request, "history/moment.html", chosen)
