"""WSGI entry of the admin and API process."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "releng.settings")

application = get_wsgi_application()
