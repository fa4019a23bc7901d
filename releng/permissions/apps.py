from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.core import checks


class PermissionsConfig(AppConfig):
    """Who may do what, and who must agree."""

    name = "releng.permissions"
    label = "permissions"

    def ready(self) -> None:
        from releng.permissions.checks import check_superusers
        from releng.permissions.sessions import note_sign_in

        user_logged_in.connect(note_sign_in, dispatch_uid="permissions.sign_in")
        checks.register(check_superusers, checks.Tags.security, deploy=True)
