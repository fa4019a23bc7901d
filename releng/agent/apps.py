from django.apps import AppConfig


class AgentConfig(AppConfig):
    """The machine that enacts what people have scheduled and signed."""

    name = "releng.agent"
    label = "agent"
