"""OAuth clients: credentials of automation, each tied to a machine's account. A secret is returned once, never kept."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import ValidationError
from oauth2_provider.generators import generate_client_secret
from oauth2_provider.models import get_access_token_model, get_application_model

from releng.permissions.questions import is_system

logger = logging.getLogger(__name__)


def make_client(name: str, account: Any, *, by: str) -> tuple[Any, str]:
    """Make a client that acts as a machine's account; return it and its secret. Raises ValidationError.

    `by` is the name of who makes it, for the log.
    """
    model = get_application_model()
    name = name.strip()
    if not name:
        raise ValidationError(
            {"name": "Give the client a name, for instance that of the machine that uses it."}
        )
    if model.objects.filter(name=name).exists():
        raise ValidationError({"name": f"There is a client {name} already; it can be given a new secret."})
    if not is_system(account):
        raise ValidationError({"user": f"{account} is a person; clients act as machines' accounts only."})
    client = model(
        name=name,
        user=account,
        client_type=model.CLIENT_CONFIDENTIAL,
        authorization_grant_type=model.GRANT_CLIENT_CREDENTIALS,
    )
    secret = _with_new_secret(client)
    _note("permissions.client_made", client, by)
    return client, secret


def rotate_secret(client: Any, *, by: str) -> str:
    """Give a client a new secret and return it; the old one and all its tokens end at once."""
    get_access_token_model().objects.filter(application=client).delete()
    secret = _with_new_secret(client)
    _note("permissions.client_rotated", client, by)
    return secret


def revoke_client(client: Any, *, by: str) -> None:
    """End a client and its tokens at once. Its account stays, and so does what it did."""
    _note("permissions.client_revoked", client, by)
    client.delete()


def _with_new_secret(client: Any) -> str:
    secret: str = generate_client_secret()
    client.client_secret = secret
    client.full_clean(exclude=["client_secret"])
    client.save()
    return secret


def _note(event: str, client: Any, by: str) -> None:
    told = {
        "client": client.name,
        "client_id": client.client_id,
        "account": client.user.get_username() if client.user else "",  # made by hand, it may have none
        "by": by,
    }
    logger.info(event, extra=told)
