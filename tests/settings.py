"""Settings of the test run: SQLite, or the PostgreSQL that TEST_DATABASE_URL names."""

import os

os.environ["DEBUG"] = "true"
if url := os.environ.get("TEST_DATABASE_URL"):
    os.environ["DATABASE_URL"] = url

from releng.settings import *  # noqa: F403
from releng.settings import DATABASES, INSTALLED_APPS, MIDDLEWARE, STORAGES

DEBUG = False
INSTALLED_APPS = [*INSTALLED_APPS, "tests.history.sample"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
MIDDLEWARE = [name for name in MIDDLEWARE if "whitenoise" not in name]
if "sqlite" in DATABASES["default"]["ENGINE"]:
    # A file, not memory: threads and processes of the race tests must meet in one database.
    DATABASES["default"]["TEST"] = {"NAME": f"test-{os.getpid()}.sqlite3"}
