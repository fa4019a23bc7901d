"""Addresses of the public process besides those that the update service answers itself."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from releng.updates import read_api

read_api_urls = [
    path("api/v1/rules", read_api.RuleList.as_view()),
    path("api/v1/rules/<int:rule_id>/revisions", read_api.RuleRevisions.as_view()),
    path("api/v1/rules/<str:id_or_alias>", read_api.RuleDetail.as_view()),
    path("api/v1/releases", read_api.ReleaseList.as_view()),
    path("api/v1/releases/<str:name>", read_api.ReleaseDetail.as_view()),
    path("api/v1/releases/<str:name>/builds/<str:platform>/<str:locale>", read_api.LocaleDetail.as_view()),
    path("api/v1/emergency_shutoff", read_api.ShutoffList.as_view()),
    path("api/v1/emergency_shutoff/<str:product>/<str:channel>", read_api.ShutoffDetail.as_view()),
    path("api/v1/pins/<str:product>/<str:channel>/<str:version>", read_api.PinDetail.as_view()),
]
urlpatterns = read_api_urls


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Say so in plain text, whatever was asked for."""
    return HttpResponse("Not Found", status=404, content_type="text/plain; charset=utf-8")


def failed(request: HttpRequest) -> HttpResponse:
    """Say no more than that it failed; the log has the rest."""
    body = (
        '{"detail": "Unknown error", "status": 500, "title": "Internal Server Error", "type": "about:blank"}'
    )
    return HttpResponse(body, status=500, content_type="application/problem+json")


handler404 = not_found
handler500 = failed
