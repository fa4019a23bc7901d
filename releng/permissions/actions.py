"""What can be done with permissions, roles, requirements and accounts: every change goes through a verb of this module.

A verb first guards (feasibility, version, contents), then writes; history records. All need an open change set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from releng.permissions.exceptions import (
    ExistsError,
    LastAdministratorError,
    NoPermissionsError,
    RoleNeededError,
    TooFewHoldersError,
)
from releng.permissions.models import (
    AUDITOR,
    OPTIONS,
    Account,
    Permission,
    PermissionRequiredSignoff,
    ProductRequiredSignoff,
    RequiredSignoff,
    Role,
)
from releng.permissions.questions import holders, is_system

# --- Permissions --------------------------------------------------------------------------------------------


def takes_products(permission: str) -> bool:
    """Tell whether a permission can be limited to products (features Q02)."""
    return OPTIONS.get(permission, (False, frozenset()))[0]


def grant(
    user: Any, permission: str, products: Sequence[str] | None = None, actions: Sequence[str] | None = None
) -> Permission:
    """Give a user a permission; None options mean every product, every action (features Q02).

    Raises ExistsError when the user has it already, and ValidationError.
    """
    if Permission.objects.filter(user=user, permission=permission).exists():
        raise ExistsError(f"{user} has the permission {permission} already; change that one.")
    row = Permission(user=user, permission=permission)
    return _stored(row, products=_listed(products), actions=_listed(actions))


def update_permission(
    row_id: int,
    *,
    based_on: int,
    products: Sequence[str] | None = None,
    actions: Sequence[str] | None = None,
) -> Permission:
    """Change the options of a permission whose version `based_on` the caller has read.

    Raises Permission.DoesNotExist, OutdatedDataError, LastAdministratorError and ValidationError.
    """
    row = _locked(Permission, row_id, based_on)
    if row.permission == "admin" and products:
        _refuse_last_administrator(row)
    return _stored(row, products=_listed(products), actions=_listed(actions))


def revoke(row_id: int, *, based_on: int) -> None:
    """Take a permission away; with a user's last one go the roles (features R06).

    Raises Permission.DoesNotExist, OutdatedDataError, LastAdministratorError and RoleNeededError.
    """
    row = _locked(Permission, row_id, based_on)
    if row.permission == "admin":
        _refuse_last_administrator(row)
    if not Permission.objects.filter(user_id=row.user_id).exclude(pk=row.pk).exists():
        for role in Role.objects.filter(user_id=row.user_id).exclude(role=AUDITOR).order_by("role"):
            revoke_role(role.pk, based_on=role.data_version)
    row.delete()


def _refuse_last_administrator(row: Permission) -> None:
    if row.products:
        return
    admins = Permission.objects.select_for_update(of=("self",)).filter(permission="admin", products=None)
    if not [other for other in admins.select_related("user") if other.pk != row.pk and other.user.is_active]:
        raise LastAdministratorError


# --- Roles --------------------------------------------------------------------------------------------------


def grant_role(user: Any, role: str) -> tuple[Role, bool]:
    """Give a user a role; return it, and whether it is new. Only auditors need no permission besides (R04).

    Raises NoPermissionsError and ValidationError.
    """
    found = Role.objects.filter(user=user, role=role).first()
    if found is not None:
        return found, False
    if role != AUDITOR and not Permission.objects.filter(user=user).exists():
        raise NoPermissionsError(user)
    return _stored(Role(user=user, role=role)), True


def revoke_role(row_id: int, *, based_on: int) -> None:
    """Take a role away, unless a requirement could then never be met (features R05).

    Raises Role.DoesNotExist, OutdatedDataError and RoleNeededError.
    """
    row = _locked(Role, row_id, based_on)
    required = required_of(row.role)
    if required:
        # All holders are held, in one order, so that two cannot both be the last but one.
        list(Role.objects.select_for_update(of=("self",)).filter(role=row.role).order_by("pk"))
        left = holders(row.role) - {row.user_id}
        if row.user_id in holders(row.role) and len(left) < required:
            raise RoleNeededError(row.role, len(left), required)
    row.delete()


def required_of(role: str) -> int:
    """Return the largest number of signoffs that any requirement asks of a role."""
    counts = [
        model.objects.filter(role=role).aggregate(most=Max("signoffs_required"))["most"] or 0
        for model in (ProductRequiredSignoff, PermissionRequiredSignoff)
    ]
    return int(max(counts))


# --- Requirements -------------------------------------------------------------------------------------------


def require_for_product(
    product: str, channel: str, role: str, signoffs_required: int
) -> ProductRequiredSignoff:
    """Let changes that touch a product's channel need signoffs of a role.

    Raises ExistsError, TooFewHoldersError (S05) and ValidationError.
    """
    row = ProductRequiredSignoff(product=product, channel=channel, role=role)
    return _required(row, signoffs_required)


def require_for_permissions(product: str, role: str, signoffs_required: int) -> PermissionRequiredSignoff:
    """Let changes of permissions that reach a product need signoffs of a role. Raises as the verb above."""
    return _required(PermissionRequiredSignoff(product=product, role=role), signoffs_required)


def update_requirement(row: RequiredSignoff, signoffs_required: int, *, based_on: int) -> Any:
    """Change how many must agree.

    Raises OutdatedDataError, TooFewHoldersError and ValidationError.
    """
    return _required(_locked(type(row), row.pk, based_on), signoffs_required)


def drop_requirement(row: RequiredSignoff, *, based_on: int) -> None:
    """Let nobody of the role be needed any more. Raises OutdatedDataError."""
    _locked(type(row), row.pk, based_on).delete()


def _required(row: Any, signoffs_required: int) -> Any:
    row.signoffs_required = signoffs_required
    row.clean_fields()
    row.clean()
    list(Role.objects.select_for_update(of=("self",)).filter(role=row.role).order_by("pk"))
    found = len(holders(row.role))
    if found < signoffs_required:
        raise TooFewHoldersError(row.role, found, signoffs_required)
    return _stored(row)


# --- Accounts -----------------------------------------------------------------------------------------------


def create_person(name: str, email: str = "", *, password: str | None = None, staff: bool = True) -> Any:
    """Make an account of a person; without a password only single sign-on opens it.

    Raises ExistsError and ValidationError.
    """
    user = _new_user(name, email, password, staff=staff)
    _stored(Account(user=user, kind=Account.Kind.PERSON))
    return user


def create_system_account(name: str) -> Any:
    """Make an account of a machine: it has no password and never signs off (features R07).

    Raises ExistsError and ValidationError.
    """
    user = _new_user(name, "", None, staff=False)
    _stored(Account(user=user, kind=Account.Kind.SYSTEM))
    return user


def deactivate(user: Any) -> Account:
    """Let an account do nothing any more, at once; it is kept, since history names it.

    Its signoffs do not count from now on, and its sessions end. Possible even where requirements can then not be
    met: locking somebody out must never wait. Raises LastAdministratorError.
    """
    for row in Permission.objects.filter(user=user, permission="admin"):
        _refuse_last_administrator(row)
    account = _set_active(user, active=False)
    _end_sessions(user)
    return account


def activate(user: Any) -> Account:
    """Let an account act again."""
    return _set_active(user, active=True)


def _set_active(user: Any, *, active: bool) -> Account:
    kind = Account.Kind.SYSTEM if is_system(user) else Account.Kind.PERSON
    account = Account.objects.filter(user=user).first() or Account(user=user, kind=kind)
    account.is_active = active
    account.save()
    user.is_active = active
    user.save(update_fields=["is_active"])
    return account


def _end_sessions(user: Any) -> None:
    for session in Session.objects.filter(expire_date__gte=timezone.now()).iterator():
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            session.delete()


def _new_user(name: str, email: str, password: str | None, *, staff: bool) -> Any:
    model = get_user_model()
    if model.objects.filter(username=name).exists():
        raise ExistsError(f"There is an account {name} already.")
    user = model(username=name, email=email, is_staff=staff)
    user.set_password(password)
    user.full_clean(exclude=["password"])
    user.save()
    return user


# --- Parts of the verbs -------------------------------------------------------------------------------------


def _listed(items: Sequence[str] | None) -> list[str] | None:
    return None if items is None else list(items)


def _locked(model: Any, row_id: int, based_on: int) -> Any:
    row = model.objects.select_for_update(of=("self",)).get(pk=row_id)
    if row.data_version != based_on:
        raise row.outdated(based_on)
    return row


def _stored(row: Any, **values: Any) -> Any:
    for name, value in values.items():
        setattr(row, name, value)
    row.full_clean()
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:  # somebody else was faster
        raise ExistsError(f"{row}: there is one already.") from error
    return row
