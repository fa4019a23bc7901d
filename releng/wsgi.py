"""WSGI entry of the admin and API process; it answers update requests too."""

import os

from django.core.wsgi import get_wsgi_application
from django.utils.module_loading import import_string

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "releng.settings")

behind = get_wsgi_application()
# Models can be imported only now.
application = import_string("releng.updates.factory.update_service")(
    behind, problems=import_string("releng.changes.watch.problems")
)
