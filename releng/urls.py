"""All addresses of the admin and API process but the public ones, which are answered before Django."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView

from releng.api.tokens import TokenEndpoint
from releng.updates.urls import read_api_urls

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/history/", include("history.urls")),
    path("admin/", admin.site.urls),
    path(
        "api/schema/",
        SpectacularAPIView.as_view(permission_classes=[], authentication_classes=[]),
        name="schema",
    ),
    path("oauth/token", TokenEndpoint.as_view(), name="token"),
    *read_api_urls,
    path("api/", include("releng.api.urls")),
]
