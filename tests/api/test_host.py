"""In projects with settings of their own, and in projects with none."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

BARE = """
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="k" * 50,
    ROOT_URLCONF="bare_urls",
    ALLOWED_HOSTS=["testserver"],
    STATIC_URL="static/",
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
        "django.contrib.staticfiles",
        "drf_spectacular", "drf_spectacular_sidecar", "django_ecommerce_sync",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    **EXTRA,
)
django.setup()
import sys, types
from django.urls import include, path
urls = types.ModuleType("bare_urls")
urls.urlpatterns = [path("", include("django_ecommerce_sync.urls"))]
sys.modules["bare_urls"] = urls

import json
from django.contrib.auth import get_user_model
from django.core.management import call_command
from rest_framework.test import APIClient
call_command("migrate", verbosity=0)
get_user_model().objects.create_superuser("root", password="pw")
client = APIClient()
post = lambda url, body: client.post(url, json.dumps(body), content_type="application/json")
pair = post("/api/token/", {"username": "root", "password": "pw"}).json()
answers = {"anonymous": client.get("/api/products/?ordering=sku").json()}
client.credentials(HTTP_AUTHORIZATION="Bearer " + pair["access"])
created = post("/api/products/", {"sku": "é", "price": "1.5"})
answers["created"] = created.content.decode()
answers["list"] = client.get("/api/products/?ordering=-sku&search=é").json()["count"]
answers["invalid"] = post("/api/products/", {"sku": "x", "price": "y"}).json()
answers["lines"] = post("/api/orders/", {"lines": [{"sku": "é", "quantity": 1}, {}]}).json()
answers["schema"] = client.get("/api/schema/").json()["info"]["title"]
answers["swagger"] = client.get("/swagger/").status_code
answers["refresh"] = post("/api/token/refresh/", {"refresh": pair["refresh"]}).status_code
answers["again"] = post("/api/token/refresh/", {"refresh": pair["refresh"]}).status_code
for answer in answers.values():
    if isinstance(answer, dict):
        answer.pop("request_id", None)
print(json.dumps(answers))
"""

HOSTILE = {
    "REST_FRAMEWORK": {
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.BrowsableAPIRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FormParser"],
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
        "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
        "DEFAULT_THROTTLE_RATES": {"anon": "1/day"},
        "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
        "DEFAULT_FILTER_BACKENDS": ["rest_framework.filters.SearchFilter"],
        "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
        "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
        "EXCEPTION_HANDLER": "nowhere.handler",
        "COERCE_DECIMAL_TO_STRING": False,
        "DATETIME_FORMAT": "%d.%m.%Y",
        "UNICODE_JSON": False,
        "COMPACT_JSON": False,
        "NON_FIELD_ERRORS_KEY": "whole",
        "LIST_SERIALIZER_ERRORS_AS_DICT": True,
        "SEARCH_PARAM": "q",
        "ORDERING_PARAM": "o",
        "URL_FORMAT_OVERRIDE": None,
        "UNAUTHENTICATED_USER": None,
        "URL_FIELD_NAME": "sku",
    },
    "SPECTACULAR_SETTINGS": {
        "TITLE": "Theirs",
        "POSTPROCESSING_HOOKS": [],
        "SORT_OPERATIONS": False,
    },
    "SIMPLE_JWT": {"AUTH_HEADER_TYPES": ["JWT"], "ROTATE_REFRESH_TOKENS": False},
}


def answers_of_a_project(**extra):
    program = BARE.replace("EXTRA", repr(extra))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    answers = json.loads(result.stdout.splitlines()[-1])
    created = json.loads(answers["created"])
    created.pop("created_at")
    created.pop("updated_at")
    return answers | {"created": created, "spaces": ": " in answers["created"]}


def test_a_bare_project_needs_no_settings_and_a_hostile_one_changes_nothing():
    bare = answers_of_a_project()
    assert bare["anonymous"]["code"] == "not_authenticated"
    assert (bare["created"]["price"], bare["list"]) == ("1.50", 1)
    assert bare["invalid"]["errors"][0]["pointer"] == "/price"
    assert bare["lines"]["errors"][0]["pointer"] == "/lines/1/quantity"
    assert (bare["schema"], bare["swagger"]) == ("E-commerce sync", 200)
    assert (bare["refresh"], bare["again"]) == (200, 401)
    assert answers_of_a_project(**HOSTILE) == bare
