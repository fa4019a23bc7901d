from django.apps import AppConfig


class ChangesConfig(AppConfig):
    """Scheduled changes: proposed, signed off, enacted."""

    name = "releng.changes"
    label = "changes"

    def ready(self) -> None:
        from history.signals import change_set_closing
        from releng.changes.following import follow_rows

        change_set_closing.connect(follow_rows, dispatch_uid="changes.follow_rows")
