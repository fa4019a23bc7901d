"""Settings, all from the environment; docs/settings.md lists each with its default.

Production is the default: without DEBUG there is no default secret, and everything that can be strict is.
"""

from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="only-for-development" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Give it a long random value, for instance: "
        "python -c 'import secrets; print(secrets.token_urlsafe(64))'. For a trial set DEBUG=true instead."
    )
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])

# --- Applications -----------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "history",
    "releases",
    "rules",
    "releng.permissions",
    "releng.uptake",
    "releng.updates",
    "releng.changes",
    "releng.agent",
    "releng.api",
    "releng.console",
    "releng.apps.UpdatesAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "releng.apps.UpdatesStaticConfig",
    "axes",
    "csp",
    "django_ace",
    "dockerflow.django",
    "django_filters",
    "oauth2_provider",
    "rest_framework",
    "drf_spectacular",
]
MIDDLEWARE = [
    "releng.addresses.ClientAddressMiddleware",
    "dockerflow.django.middleware.DockerflowMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "releng.console.confirming.ConfirmationMiddleware",
    "history.middleware.ChangeSetMiddleware",
]
ROOT_URLCONF = "releng.urls"
# The public process (releng.updates.wsgi) knows the read API and nothing else: no sessions, no admin.
PUBLIC_ONLY = env.bool("PUBLIC_ONLY", default=False)
if PUBLIC_ONLY:
    ROOT_URLCONF = "releng.updates.urls"
    MIDDLEWARE = ["releng.updates.middleware.PublicHeadersMiddleware"]
WSGI_APPLICATION = "releng.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database ---------------------------------------------------------------------------------------------

DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,  # seconds to wait for another writer
        "transaction_mode": "IMMEDIATE",  # take the write lock first, so that no transaction fails half-way
        # recursive_triggers: REPLACE INTO must meet the triggers that guard history.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA recursive_triggers=ON;",
    }
else:
    DATABASES["default"].setdefault("OPTIONS", {})
    DATABASES["default"]["OPTIONS"].setdefault(
        "connect_timeout", env.int("DATABASE_CONNECT_TIMEOUT", default=3)
    )
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE", default=60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

# --- People -----------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "releng.permissions.backend.PermissionBackend",
]
# Asked before every write of a request: whether it is still the same person, permission of the actor, and whether
# others must agree.
HISTORY_GUARD = "releng.console.confirming.guard"
REAUTH_MINUTES = env.float("REAUTH_MINUTES", default=15)
if REAUTH_MINUTES <= 0:
    raise ImproperlyConfigured(f"REAUTH_MINUTES must be above 0, not {REAUTH_MINUTES:g}.")
AUTHORS_MAY_SIGN_OFF = env.bool("AUTHORS_MAY_SIGN_OFF", default=True)
OVERDUE_MINUTES = env.float("OVERDUE_MINUTES", default=10)
AGENT_SILENT_SECONDS = env.float("AGENT_SILENT_SECONDS", default=300)
GOOD_STATE_HOURS = env.float("GOOD_STATE_HOURS", default=24)
THROTTLE_LONG_DAYS = env.float("THROTTLE_LONG_DAYS", default=7)
MAIL_LEAD_MINUTES = env.float("MAIL_LEAD_MINUTES", default=15)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"
AXES_FAILURE_LIMIT = env.int("LOGIN_FAILURE_LIMIT", default=5)
AXES_COOLOFF_TIME = env.float("LOGIN_COOLOFF_HOURS", default=0.25)
AXES_VERBOSE = False
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
# The end that the page names stays: trying again meanwhile does not move it.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_WHITELIST_CALLABLE = "releng.console.sso.is_return"
AXES_LOCKOUT_CALLABLE = "releng.console.signin.locked_out"
# Failed sign-ins are kept with what was sent, but for these fields; the last ones are of forms that ask again.
AXES_SENSITIVE_PARAMETERS = [
    *("username", "ip_address", "password", "again", "confirm-password"),
    *("password1", "password2", "old_password", "new_password1", "new_password2"),
]
SIGN_IN_HELP = env.str("SIGN_IN_HELP", default="")

# Single sign-on: all of these, or none.
OIDC_RP_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="")
OIDC_RP_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", default="")
OIDC_ISSUER = env.str("OIDC_ISSUER", default="")
OIDC_OP_AUTHORIZATION_ENDPOINT = env.str("OIDC_AUTHORIZATION_URL", default="")
OIDC_OP_TOKEN_ENDPOINT = env.str("OIDC_TOKEN_URL", default="")
OIDC_OP_USER_ENDPOINT = env.str("OIDC_USERINFO_URL", default="")
OIDC_OP_JWKS_ENDPOINT = env.str("OIDC_JWKS_URL", default="")
OIDC_NAME = env.str("OIDC_NAME", default="single sign-on")
if OIDC_RP_CLIENT_ID:
    for variable, value in (
        ("OIDC_CLIENT_SECRET", OIDC_RP_CLIENT_SECRET),
        ("OIDC_ISSUER", OIDC_ISSUER),
        ("OIDC_AUTHORIZATION_URL", OIDC_OP_AUTHORIZATION_ENDPOINT),
        ("OIDC_TOKEN_URL", OIDC_OP_TOKEN_ENDPOINT),
        ("OIDC_USERINFO_URL", OIDC_OP_USER_ENDPOINT),
        ("OIDC_JWKS_URL", OIDC_OP_JWKS_ENDPOINT),
    ):
        if not value:
            raise ImproperlyConfigured(f"OIDC_CLIENT_ID is set, so single sign-on needs {variable}, too.")
    AUTHENTICATION_BACKENDS.append("releng.permissions.oidc.SingleSignOnBackend")
OIDC_RP_SIGN_ALGO = "RS256"  # nothing else: a token must not choose how it is checked
OIDC_USE_PKCE = True
OIDC_CREATE_USER = False
OIDC_TIMEOUT = 5  # seconds
OIDC_AUTHENTICATION_CALLBACK_URL = "oidc_callback"
LOGIN_REDIRECT_URL = "admin:index"

# --- The update service -----------------------------------------------------------------------------------

UPDATE_DICE = env.int("UPDATE_DICE", default=None)
if UPDATE_DICE is not None and not 0 <= UPDATE_DICE <= 99:
    raise ImproperlyConfigured(f"UPDATE_DICE must be a whole number from 0 to 99, not {UPDATE_DICE}.")

UPDATE_MAX_AGE = env.int("UPDATE_MAX_AGE", default=90)  # seconds that caches may keep an answer
SIGNERS = env.json("SIGNERS", default={})
SIGNED_PRODUCTS = env.list("SIGNED_PRODUCTS", default=[])
SIGNING_MUST_SUCCEED = env.bool("SIGNING_MUST_SUCCEED", default=True)

# --- Uptake -----------------------------------------------------------------------------------------------

COUNT_TRAFFIC = env.bool("COUNT_TRAFFIC", default=True)
UPTAKE_FLUSH_SECONDS = env.float("UPTAKE_FLUSH_SECONDS", default=5)
UPTAKE_HOURS_BY_MINUTE = env.float("UPTAKE_HOURS_BY_MINUTE", default=6)
UPTAKE_DAYS_BY_HOUR = env.float("UPTAKE_DAYS_BY_HOUR", default=60)
UPTAKE_DAYS_KEPT = env.float("UPTAKE_DAYS_KEPT", default=800)
UPTAKE_SOURCE = env.str("UPTAKE_SOURCE", default="traffic")
UPTAKE_HTTP = env.json("UPTAKE_HTTP", default={})
UPTAKE_WINDOW_MINUTES = env.float("UPTAKE_WINDOW_MINUTES", default=60)
UPTAKE_LEAST_REQUESTS = env.int("UPTAKE_LEAST_REQUESTS", default=1000)
UPTAKE_REFRESH_SECONDS = env.float("UPTAKE_REFRESH_SECONDS", default=30)
UPTAKE_STALE_SECONDS = env.float("UPTAKE_STALE_SECONDS", default=600)
METRICS = env.json("METRICS", default={})
METRICS_TOKEN = env("METRICS_TOKEN", default="")

# --- Language and time ------------------------------------------------------------------------------------

LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# --- Static files -----------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- Security ---------------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=not DEBUG)
SECURE_REDIRECT_EXEMPT = [r"^__(lb)?heartbeat__$", r"^__version__$"]  # asked by machines without TLS
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0 if DEBUG else 31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=not DEBUG)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=not DEBUG)
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
if env.bool("BEHIND_TLS_PROXY", default=False):
    # Only where a proxy in front always sets this header itself; else clients could claim to be secure.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = env.int("SESSION_SECONDS", default=12 * 3600)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = env.int(
    "MAX_BODY_BYTES", default=32 * 1024 * 1024
)  # a release's whole document
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- API --------------------------------------------------------------------------------------------------

TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
API_ANONYMOUS_READS = env.bool("API_ANONYMOUS_READS", default=False)
API_RATE = env.str("API_RATE", default="60000/minute")
API_ANONYMOUS_RATE = env.str("API_ANONYMOUS_RATE", default="600/minute")
TOKEN_RATE = env.str("TOKEN_RATE", default="60/minute")
API_OIDC_ISSUER = env.str("API_OIDC_ISSUER", default="")
API_OIDC_AUDIENCE = env.str("API_OIDC_AUDIENCE", default="")
API_OIDC_JWKS_URL = env.str("API_OIDC_JWKS_URL", default="")
API_OIDC_USERINFO_URL = env.str("API_OIDC_USERINFO_URL", default="")
API_OIDC_MACHINES = env.json("API_OIDC_MACHINES", default={})
IDEMPOTENCY_HOURS = env.float("IDEMPOTENCY_HOURS", default=24)
CACHES = {"default": env.cache("CACHE_URL", default="locmemcache://")}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "releng.api.description.Description",
}

OAUTH2_PROVIDER = {
    # Client credentials are the only way to a token; everything else the library can do is off.
    "OAUTH2_SERVER_CLASS": "oauthlib.oauth2.BackendApplicationServer",
    "ACCESS_TOKEN_EXPIRE_SECONDS": env.int("TOKEN_SECONDS", default=3600),
    "SCOPES": {"api": "The API"},
    "DEFAULT_SCOPES": ["api"],
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    **{
        f"COMPLIANT_BCP_RFC9700_{name}": True
        for name in (
            "IMPLICIT_GRANT",
            "PASSWORD_GRANT",
            "PKCE_METHOD",
            "ACCESS_TOKEN_TRANSPORT",
            "AUTHZ_RESPONSE_ISS",
            "TOKEN_STORAGE",  # checksums only
            "REFRESH_TOKEN",
            "REDIRECT_URI_SCHEME",
            "REDIRECT_URI_MATCHING",
            "PKCE_REQUIRED",
        )
    },
}

SPECTACULAR_SETTINGS = {
    "TITLE": "API of the update server",
    "DESCRIPTION": (
        "Through this API automation submits builds, and changes who is offered what: rules, releases, pins, emergency "
        "shutoffs, users and their permissions, and the scheduled changes that people sign off.\n\n"
        "Get a token at `/oauth/token`, send it as `Authorization: Bearer`. Writes say on which `data_version` they "
        "are based. Every refusal is a problem document (RFC 9457). `dry_run=1` tries a write out."
    ),
    "VERSION": "2",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "releng.api.description.complete",
    ],
    "ENUM_NAME_OVERRIDES": {"ChangeType": ["insert", "update", "delete"], "Deletion": ["delete"]},
    "SCHEMA_PATH_PREFIX": r"/api(?:/v[12])?/",
    "SERVE_INCLUDE_SCHEMA": False,
}

# --- Mail -------------------------------------------------------------------------------------------------

vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="releng@localhost")

# --- The agent: what its own process needs to know --------------------------------------------------------

AGENT_API_URL = env.str("AGENT_API_URL", default="")
AGENT_TOKEN_URL = env.str("AGENT_TOKEN_URL", default="")
AGENT_CLIENT_ID = env.str("AGENT_CLIENT_ID", default="")
AGENT_CLIENT_SECRET = env.str("AGENT_CLIENT_SECRET", default="")
MAIL_RECIPIENTS = env.json("MAIL_RECIPIENTS", default={})

# --- Logs: one JSON object a line on standard output ------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "dockerflow.logging.MozlogFormatter"},
        "plain": {"format": "{levelname} {name}: {message}", "style": "{"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": env.str("LOG_FORMAT", default="plain" if DEBUG else "json"),
        }
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "request.summary": {"level": "INFO" if not DEBUG else "WARNING"},
    },
}
