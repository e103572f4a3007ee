"""System checks for each way a project can leave its API open or broken."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.core import checks
from rest_framework_simplejwt.settings import api_settings as jwt_settings

from django_ecommerce_sync.api.checks import check_api, check_api_deployment
from django_ecommerce_sync.api.conf import ApiSettings

SHARED = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache"}}
DRF = "rest_framework.permissions"
OURS = "django_ecommerce_sync.api.permissions.ModelPermissions"
LOCAL = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@pytest.fixture
def found(settings):
    """What the checks say about ``ECOMMERCE_SYNC["API"]``: id -> message."""

    def look(api, *, deploy=False):
        settings.ECOMMERCE_SYNC = {"API": api}
        messages = check_api_deployment() if deploy else check_api()
        return {message.id.removeprefix("ecommerce_sync."): message for message in messages}

    return look


@pytest.fixture
def sound(settings, monkeypatch):
    """A project that is ready to be deployed."""
    settings.CACHES = SHARED
    monkeypatch.setattr(jwt_settings, "SIGNING_KEY", "a-key-of-its-own-" * 3)


@pytest.mark.parametrize("deploy", [False, True])
def test_they_are_registered(settings, deploy):
    def found():
        tags = [checks.Tags.security]
        messages = checks.run_checks(tags=tags, include_deployment_checks=deploy)
        return {message.id for message in messages}

    settings.CACHES = LOCAL
    assert ("ecommerce_sync.W004" in found()) is deploy
    settings.ECOMMERCE_SYNC = {"API": {"PAGE_SIZE": 0}}
    assert "ecommerce_sync.E028" in found()


def test_they_say_once_what_is_wrong_where_apps_are_made_ready_again(settings):
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS]
    settings.ECOMMERCE_SYNC = {"API": {"PAGE_SIZE": 0}}
    messages = checks.run_checks(tags=[checks.Tags.security])
    assert [message.id for message in messages].count("ecommerce_sync.E028") == 1


def test_the_defaults_are_sound(found, sound):
    assert found({}) == {}
    assert found({}, deploy=True) == {}
    assert found({name: getattr(ApiSettings, name) for name in ApiSettings.names()}) == {}


@pytest.mark.parametrize(
    ("api", "number", "said"),
    [
        ({"NUM_PROXY": 1}, "E027", "'NUM_PROXIES'"),
        ({"NUM_PROXIES": -1}, "E028", "NUM_PROXIES"),
        ({"NUM_PROXIES": "1"}, "E028", "NUM_PROXIES"),
        ({"MAX_PAGE_SIZE": 0}, "E028", "MAX_PAGE_SIZE"),
        ({"PAGE_SIZE": True}, "E028", "PAGE_SIZE"),
        ({"MAX_BULK_ROWS": 0}, "E028", "MAX_BULK_ROWS"),
        ({"ACCESS_TOKEN_LIFETIME": 300}, "E029", "ACCESS_TOKEN_LIFETIME"),
        ({"REFRESH_TOKEN_LIFETIME": timedelta(0)}, "E029", "REFRESH_TOKEN_LIFETIME"),
        ({"THROTTLE_RATES": ["5/min"]}, "E030", "no dict"),
        ({"THROTTLE_RATES": {"logins": "5/min"}}, "E030", "'login'"),
        ({"THROTTLE_RATES": {"login": "5"}}, "E030", "'5'"),
        ({"THROTTLE_RATES": {"login": "0/min"}}, "E030", "'0/min'"),
        ({"THROTTLE_RATES": {"login": "5/year"}}, "E030", "'5/year'"),
        ({"PERMISSION_CLASSES": ["nowhere.Permission"]}, "E031", "PERMISSION_CLASSES"),
        ({"AUTHENTICATION_CLASSES": ["os.path.join"]}, "E031", "no class"),
        ({"FORMER_SIGNING_KEYS": ["short"]}, "E032", "32 bytes"),
        ({"FORMER_SIGNING_KEYS": [5]}, "E035", "no list of keys"),
        ({"FORMER_SIGNING_KEYS": None}, "E035", "no list of keys"),
        ({"FORMER_SIGNING_KEYS": "x" * 40}, "E035", "no list of keys"),
        ({"PERMISSION_CLASSES": "rest_framework.permissions.AllowAny"}, "E031", "no list"),
        ({"PERMISSION_CLASSES": None}, "E031", "no list"),
        ({"SCHEMA_PERMISSION_CLASSES": None}, "E031", "no list"),
        ({"PERMISSION_CLASSES": [".x"]}, "E031", "imported"),
        ({"PERMISSION_CLASSES": ["datetime.date"]}, "E031", "has_permission"),
        ({"AUTHENTICATION_CLASSES": ["datetime.date"]}, "E031", "authenticate"),
        ({"PAGE_SIZE": 201}, "E033", "MAX_PAGE_SIZE"),
        ({"MAX_PAGE_SIZE": 20}, "E033", "PAGE_SIZE"),
    ],
)
def test_what_cannot_work(found, sound, api, number, said):
    message = found(api)[number]
    assert isinstance(message, checks.Error)
    assert said in f"{message.msg} {message.hint}"


NO_DICTS = [None, [], "API", {"API": None}, {"API": []}]
BROKEN = [
    {"PERMISSION_CLASSES": ["nowhere.Permission"]},
    {"PERMISSION_CLASSES": None},
    {"THROTTLE_RATES": ["5/min"]},
    {"THROTTLE_RATES": None},
    {"ACCESS_TOKEN_LIFETIME": 5},
    {"NUM_PROXIES": "1"},
    {"FORMER_SIGNING_KEYS": [5]},
]


@pytest.mark.parametrize("whole", [*NO_DICTS, *({"API": api} for api in BROKEN)], ids=repr)
@pytest.mark.parametrize("deploy", [False, True])
def test_a_check_tells_and_does_not_crash(sound, settings, whole, deploy):
    settings.ECOMMERCE_SYNC = whole
    told = [each.id for each in checks.run_checks(include_deployment_checks=deploy)]
    ours = [id for id in told if id.startswith("ecommerce_sync.E")]
    assert len(ours) == 1, "what is wrong is said once"


@pytest.mark.parametrize("feeds", [None, [], "shop"])
def test_feeds_that_are_none_are_told_before_they_are_deployed(sound, settings, feeds):
    settings.ECOMMERCE_SYNC = {"FEEDS": feeds}
    told = [each.id for each in checks.run_checks(include_deployment_checks=True)]
    assert "ecommerce_sync.E003" in told


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ALGORITHM": "none"}, "none"),
        ({"ALGORITHM": None}, "None"),
        ({"ALGORITHM": "RS256"}, "key"),
        ({"ALGORITHM": "ES256", "SIGNING_KEY": "no PEM"}, "PEM"),
        ({"SIGNING_KEY": None}, "TypeError"),
        ({"SIGNING_KEY": 5}, "TypeError"),
    ],
)
def test_keys_that_sign_nothing(found, sound, monkeypatch, given, said):
    for name, value in given.items():
        monkeypatch.setattr(jwt_settings, name, value)
    for deploy in (False, True):
        told = found({}, deploy=deploy)
        assert list(told) == ([] if deploy else ["E034"])
    assert said in found({})["E034"].msg
    assert "a-key-of-its-own" not in found({})["E034"].msg


@pytest.mark.parametrize(("verifying", "number"), [(True, None), (False, "E034")])
def test_a_pair_of_keys(found, sound, monkeypatch, verifying, number):
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    monkeypatch.setattr(jwt_settings, "ALGORITHM", "ES256")
    monkeypatch.setattr(jwt_settings, "SIGNING_KEY", private.decode())
    monkeypatch.setattr(jwt_settings, "VERIFYING_KEY", public.decode() if verifying else "")
    assert list(found({})) == ([number] if number else [])


@pytest.mark.parametrize("field", ["idd", "user_name"])
def test_a_user_id_nobody_has(found, sound, monkeypatch, field):
    monkeypatch.setattr(jwt_settings, "USER_ID_FIELD", field)
    message = found({})["E036"]
    assert field in message.msg
    assert "Did you mean" in message.hint
    for known in ("pk", "username"):
        monkeypatch.setattr(jwt_settings, "USER_ID_FIELD", known)
        assert found({}) == {}


@pytest.mark.parametrize("nobody", [[], ()])
def test_nobody_is_known(found, sound, nobody):
    message = found({"AUTHENTICATION_CLASSES": nobody})["W011"]
    assert isinstance(message, checks.Warning)


@pytest.mark.parametrize(("key", "bad"), [("x" * 31, True), ("x" * 32, False), ("ü" * 16, False)])
def test_s07_a_short_key_is_an_error(found, monkeypatch, key, bad):
    monkeypatch.setattr(jwt_settings, "SIGNING_KEY", key)
    assert ("E032" in found({})) is bad
    monkeypatch.setattr(jwt_settings, "ALGORITHM", "RS256")
    assert "E032" not in found({})


@pytest.mark.parametrize(
    ("api", "host", "number"),
    [
        ({}, {"CACHES": LOCAL}, "W004"),
        ({}, {"CACHES": {}}, None),
        ({"THROTTLE_RATES": {"login": None}}, {}, "W005"),
        ({}, {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}, "W006"),
        ({}, {"USE_X_FORWARDED_HOST": True}, "W006"),
        ({"NUM_PROXIES": 1}, {"USE_X_FORWARDED_HOST": True}, None),
        ({"ACCESS_TOKEN_LIFETIME": timedelta(hours=2)}, {}, "W008"),
        ({"REFRESH_TOKEN_LIFETIME": timedelta(days=365)}, {}, "W008"),
        ({"PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"]}, {}, "W009"),
        ({"PERMISSION_CLASSES": []}, {}, "W009"),
        ({"PERMISSION_CLASSES": [f"{DRF}.IsAuthenticatedOrReadOnly"]}, {}, "W009"),
        ({"PERMISSION_CLASSES": [f"{DRF}.IsAuthenticated"]}, {}, "W012"),
        ({"PERMISSION_CLASSES": [f"{DRF}.IsAuthenticated", f"{DRF}.AllowAny"]}, {}, "W012"),
        ({"PERMISSION_CLASSES": [f"{DRF}.DjangoModelPermissions"]}, {}, "W012"),
        ({"PERMISSION_CLASSES": [f"{DRF}.IsAuthenticated", OURS]}, {}, None),
    ],
)
def test_what_is_told_before_it_is_deployed(found, sound, settings, api, host, number):
    for name, value in host.items():
        setattr(settings, name, value)
    told = found(api, deploy=True)
    assert list(told) == ([number] if number else [])
    assert all(isinstance(message, checks.Warning) for message in told.values())


def test_s07_a_key_that_is_also_something_else(found, sound, settings, monkeypatch):
    monkeypatch.setattr(jwt_settings, "SIGNING_KEY", settings.SECRET_KEY)
    assert list(found({}, deploy=True)) == ["W007"]


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("locmem.LocMemCache", "alone"),
        ("dummy.DummyCache", "alone"),
        ("filebased.FileBasedCache", "loses"),
        ("db.DatabaseCache", "loses"),
        ("redis.RedisCache", None),
        ("memcached.PyMemcacheCache", None),
    ],
)
def test_s14_caches_that_do_not_count_for_all(found, sound, settings, backend, said):
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}"}}
    told = found({}, deploy=True)
    assert list(told) == (["W004"] if said else [])
    assert not said or said in told["W004"].msg


def test_s14_a_cache_of_ones_own(found, sound, settings):
    settings.CACHES = {"default": {"BACKEND": "tests.api.test_throttling.SilentCache"}}
    assert "SilentCache" in found({}, deploy=True)["W004"].msg
    settings.CACHES = {"default": {"BACKEND": "nowhere.Cache"}}
    assert "W004" not in found({}, deploy=True), "Django says so itself"


def test_s14_a_cache_each_process_has_for_itself_matters_only_where_it_counts(
    found, sound, settings
):
    settings.CACHES = LOCAL
    nothing = {"THROTTLE_RATES": {"login": None, "token": None, "refresh": None, "runs": None}}
    assert "W004" not in found(nothing, deploy=True)
