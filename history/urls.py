"""Addresses of the history pages, inside the admin."""

from django.contrib import admin
from django.urls import path

from history import views

app_name = "history"
urlpatterns = [
    path("", admin.site.admin_view(views.feed), name="feed"),
    path("export.<str:kind>", admin.site.admin_view(views.export), name="export"),
    path("as-of/", admin.site.admin_view(views.moment), name="moment"),
    path("<uuid:pk>/", admin.site.admin_view(views.change_set_page), name="change_set"),
]
