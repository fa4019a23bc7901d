from django.apps import AppConfig


class SampleConfig(AppConfig):
    """Models that exist only to test `history` by themselves."""

    name = "tests.history.sample"
    label = "sample"
    default_auto_field = "django.db.models.BigAutoField"
