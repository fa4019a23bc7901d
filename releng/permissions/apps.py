from django.apps import AppConfig
from django.core import checks


class PermissionsConfig(AppConfig):
    """Who may do what, and who must agree."""

    name = "releng.permissions"
    label = "permissions"

    def ready(self) -> None:
        from releng.permissions.checks import check_superusers

        checks.register(check_superusers, checks.Tags.security, deploy=True)
