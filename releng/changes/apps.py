from django.apps import AppConfig


class ChangesConfig(AppConfig):
    """Scheduled changes: proposed, signed off, enacted."""

    name = "releng.changes"
    label = "changes"
