from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The pages of the admin that belong to more than one room: where people work."""

    name = "releng.console"
    label = "console"

    def ready(self) -> None:
        from releng.console.confirming import connect

        connect()
