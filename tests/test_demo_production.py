"""The example project's settings with DEBUG off are those of a site on the internet."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parent.parent / "example_project"
#: What the settings read; whatever this machine says of it counts for nothing here.
READ = (
    "DATABASE_URL",
    "DB_NAME",
    "DEBUG",
    "HSTS_SECONDS",
    "HTTPS",
    "JWT_SIGNING_KEY",
    "PROXIES",
    "REDIS_URL",
    "SECRET_KEY",
)
SECURITY = """
import json
from django.conf import settings
names = [
    "SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS",
    "SECURE_PROXY_SSL_HEADER",
]
print(json.dumps({name: getattr(settings, name) for name in names}))
"""


def run(*arguments, **given):
    environment = {name: value for name, value in os.environ.items() if name not in READ}
    environment |= {**dict.fromkeys(READ, ""), **given, "DJANGO_SETTINGS_MODULE": "config.settings"}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=EXAMPLE, text=True, capture_output=True
    )


def check(**given):
    return run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **given)


def security(**given):
    done = run("-c", SECURITY, **given)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("more", [{}, {"PROXIES": "1"}, {"HSTS_SECONDS": "31536000"}])
def test_s31_they_pass_the_check_for_deployment(more):
    done = check(DEBUG="0", REDIS_URL="redis://127.0.0.1:6379/0", **more)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_without_a_cache_for_all_processes_it_says_so():
    done = check(DEBUG="0")
    assert done.returncode == 1
    assert "ecommerce_sync.W004" in done.stderr


def test_on_ones_own_machine_there_is_no_https():
    plain = {
        "SECURE_SSL_REDIRECT": False,
        "SESSION_COOKIE_SECURE": False,
        "CSRF_COOKIE_SECURE": False,
        "SECURE_HSTS_SECONDS": 0,
        "SECURE_PROXY_SSL_HEADER": None,
    }
    assert security() == plain
    assert security(DEBUG="0", HTTPS="0") == plain


def test_a_proxy_is_believed_only_where_there_is_one():
    assert security(DEBUG="0")["SECURE_PROXY_SSL_HEADER"] is None
    assert security(DEBUG="0", PROXIES="1")["SECURE_PROXY_SSL_HEADER"][1] == "https"
