"""The group of those who may read everything and change nothing."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.apps import apps as all_apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS, connections

GROUP = "auditor"


def prepare_group(app_config: AppConfig, using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """After `migrate`, for each app: the auditors' group may view its models, history included."""
    if not all_apps.is_installed("django.contrib.auth") or app_config.models_module is None:
        return
    if Group._meta.db_table not in connections[using].introspection.table_names():
        return
    create_permissions(app_config, verbosity=0, using=using)
    models = [*app_config.get_models()]
    if not models:
        return
    group, _ = Group.objects.using(using).get_or_create(name=GROUP)
    wanted = Permission.objects.using(using).filter(
        content_type__app_label=app_config.label, codename__startswith="view_"
    )
    group.permissions.add(*wanted)
