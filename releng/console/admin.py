"""The admin classes of models whose pages need more than their own room knows."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model

from releases.models import Release
from releng.changes.models import ScheduledChange
from releng.console.changes import ChangeConsoleMixin
from releng.console.releases import ReleaseConsoleMixin
from releng.console.rules import RuleConsoleMixin
from rules.models import Rule


def replace(model: type[Model], mixin: type[Any]) -> None:
    """Register a model's admin class anew, with a mixin before it."""
    own = type(admin.site.get_model_admin(model))
    admin.site.unregister(model)
    admin.site.register(model, type(f"Console{own.__name__}", (mixin, own), {"__doc__": own.__doc__}))


replace(Rule, RuleConsoleMixin)
replace(ScheduledChange, ChangeConsoleMixin)
replace(Release, ReleaseConsoleMixin)
