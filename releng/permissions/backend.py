"""The one authentication backend behind `user.has_perm`: every permission comes from rows."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth.backends import ModelBackend

from releng.permissions.questions import EVERY_PRODUCT, allows, is_auditor, rows_of

VERBS = {"add": "create", "change": "modify", "delete": "delete", "view": "view"}

# The row that decides about each model; None: only who administrates everything may write it.
DECIDED_BY: dict[str, str | None] = {
    "rules.rule": "rule",
    "rules.emergencyshutoff": "emergency_shutoff",
    "rules.pinnablerelease": "pinnable_release",
    "releases.release": "release",
    "releases.releasepart": "release",
    "releases.alloweddomain": None,
    "releases.specialforcehost": None,
    "permissions.permission": "permission",
    "permissions.role": "permission",
    "permissions.account": "permission",
    # Who may set a password or make credentials may become anybody.
    "auth.user": None,
    "oauth2_provider.application": None,
    # Whoever may change what is decided may say which of its states was good.
    "console.goodstate": "rule",
    "permissions.productrequiredsignoff": "required_signoff",
    "permissions.permissionrequiredsignoff": "required_signoff",
}
# Whose rows are about people; they are shown to fewer.
PRIVATE = frozenset(model for model, name in DECIDED_BY.items() if name == "permission") | {
    "auth.user",
    "oauth2_provider.application",
}
# What nobody sees through permissions: it would let them act as somebody else.
SECRET_APPS = frozenset({"sessions", "oauth2_provider", "admin", "axes", "contenttypes"})
SHOWN_APPS = frozenset({"rules", "releases", "history", "permissions", "uptake", "changes", "console"})
OTHERS: dict[str, tuple[str, str]] = {
    "releases.set_read_only": ("release_read_only", "set"),
    "releases.unset_read_only": ("release_read_only", "unset"),
    "changes.enact_scheduledchange": ("scheduled_change", "enact"),
}


class PermissionBackend(ModelBackend):
    """Passwords as Django keeps them; permissions from the rows of releng.permissions, with and without an object.

    Without an object the question is whether it is allowed for any product at all. Unknown permissions are denied,
    and so is everything to the inactive. The rows are read once for each request's user object.
    """

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Answer `user.has_perm(perm, obj)`; docs/permissions.md has the table."""
        if not user_obj.is_active or user_obj.is_anonymous:
            return False
        if perm in OTHERS:
            name, action = OTHERS[perm]
            return allows(user_obj, name, action, _product(obj))
        app, _, code = perm.partition(".")
        verb, _, model = code.partition("_")
        if verb == "view":
            return self._may_view(user_obj, app, f"{app}.{model.removeprefix('historical')}")
        return self._may_write(user_obj, verb, f"{app}.{model}", obj)

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return every permission that `has_perm` grants."""
        known = [
            f"{model._meta.app_label}.{verb}_{model._meta.model_name}"
            for model in apps.get_models()
            for verb in VERBS
        ]
        return {perm for perm in (*known, *OTHERS) if self.has_perm(user_obj, perm, obj)}

    def get_user_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """All permissions are the user's own."""
        return self.get_all_permissions(user_obj, obj)

    def get_group_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Groups give nothing."""
        return set()

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """Tell whether there is anything to see or do in an app."""
        models = [model for model in apps.get_models() if model._meta.app_label == app_label]
        return any(
            self.has_perm(user_obj, f"{app_label}.{verb}_{model._meta.model_name}")
            for model in models
            for verb in VERBS
        )

    def _may_view(self, user: Any, app: str, model: str) -> bool:
        if app in SECRET_APPS and model not in DECIDED_BY:
            return False
        if is_auditor(user):
            return True
        if model in PRIVATE:
            return allows(user, "permission", "view")
        held = rows_of(user)
        if model == "changes.scheduledchange":
            return bool(held)
        return app in SHOWN_APPS and bool(held.keys() - {"scheduled_change"})

    def _may_write(self, user: Any, verb: str, model: str, obj: Any) -> bool:
        if model == "changes.scheduledchange":
            # The verbs ask for each change; here it is only told who may knock at all: not the agent.
            return verb in ("add", "change") and bool(rows_of(user).keys() - {"scheduled_change"})
        if verb not in VERBS or model not in DECIDED_BY:
            return False
        name = DECIDED_BY[model]
        if name is None:
            return allows(user, "admin", verb, None)
        if name == "permission":
            return allows(user, name, VERBS[verb], None)
        product = _product(obj)
        if model == "releases.releasepart":
            return allows(user, "release", "modify", product) and allows(
                user, "release_locale", "modify", product
            )
        return allows(user, name, VERBS[verb], product)


def _product(obj: Any) -> Any:
    """Return the product that an object belongs to, None for none; EVERY_PRODUCT when no object is asked about."""
    if obj is None:
        return EVERY_PRODUCT
    if hasattr(obj, "product"):
        return obj.product or None
    release = getattr(obj, "release", None)
    return getattr(release, "product", None)
