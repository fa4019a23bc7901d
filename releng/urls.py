"""All addresses of the admin and API process; the public ones are answered before Django (releng.updates)."""

from django.contrib import admin
from django.urls import path

urlpatterns = [
    path("admin/", admin.site.urls),
]
