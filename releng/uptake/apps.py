from django.apps import AppConfig


class UptakeConfig(AppConfig):
    """How many clients run which version, and other numbers that changes wait for."""

    name = "releng.uptake"
    label = "uptake"
