from django.apps import AppConfig
from django.core import checks


class ApiConfig(AppConfig):
    """The REST API of automation."""

    name = "releng.api"
    label = "api"

    def ready(self) -> None:
        from releng.api.checks import check_api

        checks.register(check_api)
