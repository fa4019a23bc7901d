from django.apps import AppConfig


class PermissionsConfig(AppConfig):
    """Who may do what, and who must agree."""

    name = "releng.permissions"
    label = "permissions"
