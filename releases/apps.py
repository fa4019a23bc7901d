from django.apps import AppConfig


class ReleasesConfig(AppConfig):
    """What is offered."""

    name = "releases"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from history.signals import change_set_closing
        from releases.numbering import count_touched

        change_set_closing.connect(count_touched, dispatch_uid="releases.count_touched")
