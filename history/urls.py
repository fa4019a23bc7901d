"""Addresses of the history pages, inside the admin; each answers 405 to anything but GET and HEAD."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.urls import path

from history import views


def _page(view: Callable[..., Any]) -> Callable[..., Any]:
    return views.read_only(admin.site.admin_view(view))


app_name = "history"
urlpatterns = [
    path("", _page(views.feed), name="feed"),
    path("export.csv", _page(views.export), {"kind": "csv"}, name="export_csv"),
    path("export.json", _page(views.export), {"kind": "json"}, name="export_json"),
    path("as-of/", _page(views.moment), name="moment"),
    path("<uuid:pk>/", _page(views.change_set_page), name="change_set"),
    path("<str:label>/<int:key>/", _page(views.object_page), name="object"),
]
