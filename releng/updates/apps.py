from django.apps import AppConfig


class UpdatesConfig(AppConfig):
    """The public update service."""

    name = "releng.updates"
    label = "updates"
