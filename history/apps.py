from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate


class HistoryConfig(AppConfig):
    """Optimistic locking, change sets and full history for any model; see docs/history.md."""

    name = "history"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from history.checks import check_names, check_relations, check_triggers
        from history.triggers import prepare_database

        post_migrate.connect(prepare_database, sender=self, dispatch_uid="history.prepare_database")
        checks.register(check_names, checks.Tags.models)
        checks.register(check_relations, checks.Tags.models)
        checks.register(check_triggers)
