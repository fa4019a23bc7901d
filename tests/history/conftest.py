"""The history package stands alone: here permissions are those of Django itself."""

import pytest


@pytest.fixture(autouse=True)
def _djangos_own_permissions(settings):
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
