from django.apps import AppConfig
from django.core import checks


class UptakeConfig(AppConfig):
    """How many clients run which version, and other numbers that changes wait for."""

    name = "releng.uptake"
    label = "uptake"

    def ready(self) -> None:
        from releng.uptake.checks import check_lengths, check_sources

        checks.register(check_sources)
        checks.register(check_lengths)
