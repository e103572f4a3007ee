"""Settings of the example project: SQLite and nothing else, until the environment names more.

``DB_NAME`` (or ``DATABASE_URL``) puts it on MySQL or MariaDB, ``REDIS_URL`` on Celery, and
``DEBUG=0`` on the internet; see ``.env.example``.
"""

import os
from pathlib import Path

from django_ecommerce_sync.beat import BEAT_SCHEDULE

from .environment import database, flag, load_env, number, secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
VAR_DIR.mkdir(exist_ok=True)
load_env(BASE_DIR / ".env", BASE_DIR.parent / ".env")

SECRET_KEY = os.environ.get("SECRET_KEY") or secret_key(VAR_DIR / "secret-key")
DEBUG = flag(os.environ, "DEBUG", default=True)
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]").split(",")
#: Proxies of yours in front, each of which sets X-Forwarded-For and X-Forwarded-Proto anew.
PROXIES = number(os.environ, "PROXIES", 0)
#: Whether visitors come by https only, as everywhere but on one's own machine.
HTTPS = flag(os.environ, "HTTPS", default=not DEBUG)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^api/health/"]  # load balancers ask from inside
# An hour: browsers hold a site to this for as long as it says, so raise it when all is well.
SECURE_HSTS_SECONDS = number(os.environ, "HSTS_SECONDS", 3600) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
if PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_ecommerce_sync",
    "demo",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
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

DATABASES = {"default": database(os.environ, VAR_DIR / "demo.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"

#: Where the demo's shop answers; ``manage.py demo`` and ``make stack`` start it there.
DEMO_FEED_URL = os.environ.get("DEMO_FEED_URL", "http://127.0.0.1:8765/")
ECOMMERCE_SYNC = {
    "FEEDS": {
        "demo": {
            "BACKEND": "demo.feeds.DemoShop",
            "OPTIONS": {
                "base_url": DEMO_FEED_URL,
                "allow_private_addresses": True,  # the demo's shop is on this machine
            },
            "SCHEDULE": "*/15 * * * *",
        },
    },
    "API": {"NUM_PROXIES": PROXIES},
    "DEFAULT_CURRENCY": "EUR",
    "CHANGE_LOG": True,
}

SIMPLE_JWT = {
    "SIGNING_KEY": os.environ.get("JWT_SIGNING_KEY") or secret_key(VAR_DIR / "signing-key"),
}

if REDIS_URL := os.environ.get("REDIS_URL"):
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
        }
    }
    CELERY_BROKER_URL = REDIS_URL
    # A broker that is away must cost a web request seconds, not minutes.
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "socket_timeout": 2,
        "socket_connect_timeout": 2,
        "max_retries": 1,
    }
    CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE
    CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
