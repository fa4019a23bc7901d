from django.apps import AppConfig


class ChangesConfig(AppConfig):
    """Scheduled changes: proposed, signed off, enacted."""

    name = "releng.changes"
    label = "changes"

    def ready(self) -> None:
        from history.signals import change_set_closing
        from releng.changes.following import follow_rows
        from releng.permissions.datafile import SECTIONS, load_section
        from rules.datafile import add_sections

        add_sections(SECTIONS, load_section)
        change_set_closing.connect(follow_rows, dispatch_uid="changes.follow_rows")
