"""All addresses of the admin and API process but the public ones, which are answered before Django."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView

from releng.api import docs
from releng.api.tokens import TokenEndpoint
from releng.changes.monitoring import Metrics
from releng.console.sso import Begin, Callback
from releng.updates.urls import read_api_urls

handler403 = "releng.console.pages.forbidden"
handler404 = "releng.console.pages.missing"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("__metrics__", Metrics.as_view(), name="metrics"),
    path("admin/history/", include("history.urls")),
    path("admin/oidc/sign-in/", Begin.as_view(), name="oidc_begin"),
    path("admin/oidc/callback/", Callback.as_view(), name="oidc_callback"),
    path("admin/", admin.site.urls),
    path(
        "api/schema/",
        SpectacularAPIView.as_view(permission_classes=[], authentication_classes=[]),
        name="schema",
    ),
    path("api/docs", RedirectView.as_view(pattern_name="api_docs")),
    path("api/docs/", docs.Overview.as_view(), name="api_docs"),
    path("api/docs/<slug:slug>/", docs.GroupPage.as_view(), name="api_docs_group"),
    path("oauth/token", TokenEndpoint.as_view(), name="token"),
    *read_api_urls,
    path("api/", include("releng.api.urls")),
]
