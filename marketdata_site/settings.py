"""Django's settings: one file for both modes, all choices read from the environment.

Without `DATABASE_URL` the service is embedded: SQLite in `DATA_DIR`, nothing else needed.
With a PostgreSQL URL it is the production service.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dj_database_url
from django.templatetags.static import static
from django.urls import reverse_lazy

from marketdata_site import clock
from marketdata_site.environment import Environment, load_or_exit

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENT: Environment = load_or_exit()
DATA_DIR = BASE_DIR / ENVIRONMENT.data_dir  # an absolute DATA_DIR stays as it is
DATA_DIR.mkdir(parents=True, exist_ok=True)


def _install_clock() -> None:
    if ENVIRONMENT.clock_file is not None:
        clock.install(clock.stepped(ENVIRONMENT.clock_file))
    elif ENVIRONMENT.clock_start is not None or ENVIRONMENT.clock_rate != 1.0:
        anchor = ENVIRONMENT.clock_anchor or datetime.now(UTC)
        start = ENVIRONMENT.clock_start or anchor
        rate = ENVIRONMENT.clock_rate
        clock.install(clock.scaled(start, rate, anchor), rate)


_install_clock()


def _secret_key() -> str:
    """The key of the environment, or (embedded) one made at the first start and kept."""
    if ENVIRONMENT.secret_key is not None:
        return ENVIRONMENT.secret_key.get_secret_value()
    file = DATA_DIR / "secret_key"
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text()
    with os.fdopen(descriptor, "w") as handle:
        handle.write(key := secrets.token_urlsafe(48))
    return key


SECRET_KEY = _secret_key()
DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = list(ENVIRONMENT.allowed_hosts)
PUBLIC_READ = (
    ENVIRONMENT.public_read if ENVIRONMENT.public_read is not None else not ENVIRONMENT.production
)
DATA_ORIGIN = ENVIRONMENT.sandbox_origin if ENVIRONMENT.sandbox_url else "vendor"

INSTALLED_APPS = [
    "marketdata_site",
    "universe",
    "ingestion",
    "backfill",
    "ops",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_filters",
    "django_prometheus",
    "django_q",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
]

MIDDLEWARE = [
    "marketdata_site.bodiless.BodilessMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "marketdata_site.urls"
WSGI_APPLICATION = "marketdata_site.wsgi.application"
ASGI_APPLICATION = "marketdata_site.asgi.application"

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


def _database() -> dict[str, Any]:
    url = ENVIRONMENT.database_url or f"sqlite:///{DATA_DIR / 'marketdata.sqlite3'}"
    database: dict[str, Any] = dict(dj_database_url.parse(url))
    if database["ENGINE"].endswith("sqlite3"):
        database["OPTIONS"] = {
            # Without IMMEDIATE, a transaction that reads before it writes can fail with
            # "database is locked" however long it would have waited.
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
    else:
        database["CONN_HEALTH_CHECKS"] = True
        database["OPTIONS"] = {"connect_timeout": 5, **database.get("OPTIONS", {})}
    database["CONN_MAX_AGE"] = 60
    return database


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def _caches() -> dict[str, Any]:
    # What one process may remember for a moment, such as which symbol a ticker names.
    local: dict[str, Any] = {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 50_000},
    }
    if ENVIRONMENT.redis_url:
        shared: dict[str, Any] = {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": ENVIRONMENT.redis_url,
            "KEY_PREFIX": "marketdata",
        }
        return {"default": shared, "local": local}
    # The cluster's status pages need a cache that all processes see.
    shared = {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": str(DATA_DIR / "cache"),
    }
    return {"default": shared, "local": local}


CACHES = _caches()

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = ["marketdata_site.formats"]
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # its absence would be warned of in every process
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# ---- who may come in -------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_VERBOSE = False
AXES_RESET_ON_SUCCESS = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        # The admin theme runs Alpine.js, which compiles its expressions.
        "script-src": ["'self'", "'unsafe-inline'", "'unsafe-eval'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
    }
}
CSRF_TRUSTED_ORIGINS: list[str] = []
CSRF_FAILURE_VIEW = "ops.api.problems.csrf_failure"
if ENVIRONMENT.secure_ssl:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    # Probes and scrapers on the same host speak to us without the proxy.
    SECURE_REDIRECT_EXEMPT = [r"^health(/live)?$", r"^metrics$"]
    SECURE_HSTS_SECONDS = 365 * 86_400
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
# HSTS for other hosts of the domain, and browsers' preload lists: not ours to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# ---- background work -------------------------------------------------------------------

_CLUSTER = {
    "orm": "default",
    "timeout": 300,
    "retry": 360,  # above the timeout: a task is delivered again only when its worker is dead
    "max_attempts": 1,  # durable state is in our own rows; a task is only a nudge
    "save_limit": -1,
    "catch_up": False,
    "ack_failures": True,
    "poll": 0.2,
    "recycle": 5000,
    "label": "Task queue",
}
Q_CLUSTER = {
    **_CLUSTER,
    "name": "live",
    "workers": 2,
    "queue_limit": 4,
    "ALT_CLUSTERS": {
        "backfill": {**_CLUSTER, "workers": 2, "queue_limit": 4},
        "ops": {**_CLUSTER, "workers": 1, "queue_limit": 2},
    },
}

# ---- REST API --------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "ops.api.authentication.ApiKeyAuthentication",
        "ops.api.authentication.StaffSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["ops.api.permissions.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["ops.api.throttling.CallerThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["ops.api.parsing.BoundedJsonParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "ops.api.negotiation.OneKind",
    "DEFAULT_SCHEMA_CLASS": "ops.api.schema.ScopedSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "ops.api.problems.problem_response",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Market Data Service",
    "DESCRIPTION": (
        "Minute and daily bars, complete and point-in-time safe.\n\n"
        "* **Times** are UTC. A minute is named by its open; a daily bar by 00:00Z of its session"
        " date. Ranges include their start and not their end; a bare date is a session date.\n"
        "* **Point in time.** Every answer says of which moment it is (`as_of`). Asked again with"
        " that `as_of`, the bars are the same forever.\n"
        "* **Accounting.** Every answer says how many bars were expected, and how many are"
        " stored, confirmed without a trade, or missing.\n"
        "* **Errors** are RFC 9457 problem details; where one input is to blame they name it in"
        " `field`, with its `value` and the `bound`.\n"
        "* **Keys** go in `Authorization: Bearer KEY` or `X-API-Key: KEY`."
    ),
    "VERSION": "0.1.0",
    "TAGS": [
        {"name": "Market data", "description": "Bars and prices, with what is known about them."},
        {"name": "Operations", "description": "How the service does."},
        {"name": "Service", "description": "What it is, and whether it can do its work."},
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "OAS_VERSION": "3.1.0",
    "POSTPROCESSING_HOOKS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

AXES_ENABLE_ADMIN = False


def _pages(title: str, *pages: tuple[str, str, str]) -> dict[str, Any]:
    """A group of the console's sidebar: (title, icon, admin page) each."""
    return {
        "title": title,
        "separator": True,
        "items": [
            {"title": name, "icon": icon, "link": reverse_lazy(f"admin:{page}")}
            for name, icon, page in pages
        ],
    }


UNFOLD = {
    "SITE_TITLE": "Market Data Service",
    "SITE_HEADER": "Market Data",
    "SITE_SUBHEADER": "Operator's console",
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("ops/mark.svg"),  # noqa: ARG005 (the theme's call)
        }
    ],
    "SHOW_HISTORY": False,
    "ENVIRONMENT": "ops.console.environment",
    "DASHBOARD_CALLBACK": "ops.console.dashboard",
    "STYLES": [lambda request: static("ops/console.css")],  # noqa: ARG005 (the theme's call)
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.7)",
            "100": "oklch(95.3% .051 180.8)",
            "200": "oklch(91% .096 180.4)",
            "300": "oklch(85.5% .138 181.1)",
            "400": "oklch(77.7% .152 181.9)",
            "500": "oklch(70.4% .14 182.5)",
            "600": "oklch(51.1% .096 186.4)",
            "700": "oklch(43.7% .078 188.2)",
            "800": "oklch(38.6% .063 188.4)",
            "900": "oklch(27.7% .046 192.5)",
            "950": "oklch(22% .04 192.5)",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            _pages(
                "Market data",
                ("Commits", "commit", "ingestion_ingestcommit_changelist"),
                ("Series", "stacked_line_chart", "ingestion_series_changelist"),
                ("Gaps", "data_alert", "ingestion_gap_changelist"),
                ("Quarantine", "block", "ingestion_quarantinedbar_changelist"),
                ("Cursors", "pin_drop", "ingestion_cursor_changelist"),
            ),
            _pages(
                "Collection",
                ("Jobs", "work_history", "ingestion_collectionjob_changelist"),
                ("Task queue", "queue", "django_q_ormq_changelist"),
                ("Failed tasks", "error", "django_q_failure_changelist"),
            ),
            _pages(
                "Universe",
                ("Symbols", "sell", "universe_symbol_changelist"),
                ("Versions", "history", "universe_universeversion_changelist"),
                ("Calendars", "calendar_month", "universe_exchangecalendar_changelist"),
                ("Sessions", "event", "universe_exchangesession_changelist"),
                ("Overrides", "event_busy", "universe_sessionoverride_changelist"),
            ),
            _pages(
                "Access",
                ("API keys", "key", "ops_apikey_changelist"),
                ("Users", "person", "auth_user_changelist"),
                ("Groups", "group", "auth_group_changelist"),
            ),
        ],
    },
}

# ---- logs ------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "{asctime} {levelname:<7} {name}: {message}", "style": "{"},
        "json": {"()": "marketdata_site.log_format.JsonFormatter"},
    },
    "filters": {"brief": {"()": "marketdata_site.outage.BriefOutages"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": ENVIRONMENT.log_format,
            "filters": ["brief"],
        },
    },
    "root": {"handlers": ["stderr"], "level": ENVIRONMENT.log_level},
    "loggers": {
        "axes": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},  # a refused request is told to its sender
        "django-q": {"level": "WARNING"},
        "urllib3": {"level": "ERROR"},  # its warnings quote whole URLs, with tokens in them
    },
}
