from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The REST API of automation."""

    name = "releng.api"
    label = "api"
