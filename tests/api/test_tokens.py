import threading
from datetime import timedelta
from typing import ClassVar

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.cache import cache
from django.db import connection
from django.utils import timezone
from jwt.exceptions import InvalidTokenError
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.state import token_backend
from rest_framework_simplejwt.tokens import AccessToken as PlainAccessToken
from rest_framework_simplejwt.utils import aware_utcnow

from django_ecommerce_sync.api.tokens import AccessToken
from django_ecommerce_sync.models import RevokedToken

from .conftest import APIClient, problem

KEY = django_settings.SECRET_KEY
PROTECTED = "/api/products/"


@pytest.fixture
def pair(user, anonymous):
    response = anonymous.post("/api/token/", {"username": "ann", "password": "secret-word"})
    assert response.status_code == 200, response.content
    assert response["Cache-Control"] == "no-store"
    return response.json()


def bearer(token):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def exchange(client, token, *, path="refresh"):
    return client.post(f"/api/token/{path}/", {"refresh": token})


def test_access_token_signs_in(pair, client):
    assert bearer(pair["access"]).get(PROTECTED).status_code == 200
    lower = APIClient()
    lower.credentials(HTTP_AUTHORIZATION=f"bearer {pair['access']}")
    assert lower.get(PROTECTED).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        {"username": "ann", "password": "wrong"},
        {"username": "nobody", "password": "secret-word"},
        {"username": "a\u0000n", "password": "secret-word"},
    ],
)
def test_wrong_names_and_passwords(user, anonymous, sent):
    response = anonymous.post("/api/token/", sent)
    assert response.status_code in (400, 401)
    if response.status_code == 401:
        problem(response, 401, "no_active_account")
        assert response["WWW-Authenticate"].startswith("Bearer")


class CountedHasher(PBKDF2PasswordHasher):
    """Notes what takes the time when somebody signs in: the rounds of hashing."""

    algorithm = "counted"
    iterations = 3
    rounds: ClassVar[list[int]] = []

    def encode(self, password, salt, iterations=None):
        self.rounds.append(iterations or self.iterations)
        return super().encode(password, salt, iterations)


@pytest.fixture
def accounts(db, settings):
    """One to sign in with, one that is closed, one that has no password."""
    settings.PASSWORD_HASHERS = [f"{__name__}.CountedHasher"]
    create = get_user_model().objects.create_user
    create("ann", password="secret-word")
    create("closed", password="secret-word", is_active=False)
    create("nopass")


def test_s15_whoever_is_refused_is_refused_in_the_same_way(
    accounts, anonymous, django_assert_num_queries
):
    """Nothing in the answer, and nothing in the work behind it, tells who is there."""
    refusals = set()
    for name in ("ann", "closed", "nopass", "nobody"):
        for password in ("wrong", "secret-word") if name != "ann" else ("wrong",):
            CountedHasher.rounds.clear()
            with django_assert_num_queries(2):  # to count and to sign in
                response = anonymous.post("/api/token/", {"username": name, "password": password})
            cache.clear()
            said = {**response.json(), "request_id": ""}
            rounds = sum(CountedHasher.rounds)
            refusals.add((response.status_code, response["WWW-Authenticate"], str(said), rounds))
    ((status, _scheme, said, rounds),) = refusals
    assert (status, rounds) == (401, CountedHasher.iterations)
    assert "no_active_account" in said


@pytest.mark.parametrize("sent", [{}, [], "x", {"username": ["ann"], "password": {}}])
def test_bodies_that_are_no_sign_in(db, anonymous, sent):
    problem(anonymous.post("/api/token/", sent), 400)


def test_stale_authorization_header_does_not_stop_a_sign_in(user):
    response = bearer("x").post("/api/token/", {"username": "ann", "password": "secret-word"})
    assert response.status_code == 200


def test_refresh_token_works_once(pair, anonymous):
    fresh = exchange(anonymous, pair["refresh"])
    assert fresh.status_code == 200
    assert set(fresh.json()) == {"access", "refresh"}
    again = exchange(anonymous, fresh.json()["refresh"])
    assert again.status_code == 200
    problem(exchange(anonymous, pair["refresh"]), 401, "token_revoked")


def test_replay_ends_the_whole_family(pair, anonymous):
    fresh = exchange(anonymous, pair["refresh"]).json()
    exchange(anonymous, pair["refresh"])
    problem(exchange(anonymous, fresh["refresh"]), 401, "token_revoked")


def test_sign_out_ends_the_family_and_can_be_repeated(pair, anonymous):
    fresh = exchange(anonymous, pair["refresh"]).json()
    for _ in range(2):
        assert exchange(anonymous, fresh["refresh"], path="blacklist").status_code == 200
    problem(exchange(anonymous, fresh["refresh"]), 401, "token_revoked")
    problem(anonymous.post("/api/token/verify/", {"token": fresh["refresh"]}), 401)


def test_another_sign_in_is_another_family(pair, anonymous):
    other = anonymous.post("/api/token/", {"username": "ann", "password": "secret-word"}).json()
    exchange(anonymous, pair["refresh"], path="blacklist")
    assert exchange(anonymous, other["refresh"]).status_code == 200


def test_revoked_ids_are_kept_as_long_as_they_could_be_used(pair, anonymous):
    exchange(anonymous, pair["refresh"])
    for row in RevokedToken.objects.all():
        assert row.expires_at > timezone.now() + timedelta(hours=23)
        assert pair["refresh"] not in row.jti


@pytest.fixture
def _atomic_requests(transactional_db, monkeypatch):
    """A project that has each request in a transaction of its own."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


@pytest.mark.usefixtures("_atomic_requests")
def test_replay_ends_the_family_also_where_requests_are_atomic(pair, anonymous):
    """The refusal takes the request's transaction back; the revocation must not be in it."""
    fresh = exchange(anonymous, pair["refresh"]).json()
    problem(exchange(anonymous, pair["refresh"]), 401, "token_revoked")
    problem(exchange(anonymous, fresh["refresh"]), 401, "token_revoked")


@pytest.mark.usefixtures("_atomic_requests")
def test_of_eight_replays_at_once_none_fails_where_requests_are_atomic(pair, anonymous):
    fresh = exchange(anonymous, pair["refresh"]).json()
    assert at_once(8, pair["refresh"]) == [401] * 8
    problem(exchange(anonymous, fresh["refresh"]), 401, "token_revoked")


@pytest.mark.django_db(transaction=True)
def test_of_four_at_once_one_gets_the_new_pair(pair):
    assert at_once(4, pair["refresh"]) == [200, 401, 401, 401]


def at_once(number, token):
    """The codes of as many exchanges of one token."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory has one connection")
    barrier = threading.Barrier(number)
    codes = []

    def race():
        barrier.wait()
        codes.append(exchange(APIClient(), token).status_code)
        connection.close()

    threads = [threading.Thread(target=race) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(codes)


def test_verify(pair, anonymous):
    for token in pair.values():
        assert anonymous.post("/api/token/verify/", {"token": token}).status_code == 200
    problem(anonymous.post("/api/token/verify/", {"token": "x"}), 401, "token_not_valid")


def deactivate(user):
    user.is_active = False
    user.save()


def change_password(user):
    user.set_password("another")
    user.save()


@pytest.mark.parametrize("act", [deactivate, change_password, lambda user: user.delete()])
def test_tokens_die_with_the_account_or_its_password(pair, user, anonymous, act):
    act(user)
    problem(bearer(pair["access"]).get(PROTECTED), 401)
    problem(exchange(anonymous, pair["refresh"]), 401)
    problem(anonymous.post("/api/token/verify/", {"token": pair["access"]}), 401)


def test_inactive_users_cannot_sign_in(user, anonymous):
    deactivate(user)
    sent = {"username": "ann", "password": "secret-word"}
    problem(anonymous.post("/api/token/", sent), 401, "no_active_account")


def test_lifetimes_are_read_live(user, anonymous, settings):
    settings.ECOMMERCE_SYNC = {"API": {"ACCESS_TOKEN_LIFETIME": timedelta(seconds=-1)}}
    sent = {"username": "ann", "password": "secret-word"}
    pair = anonymous.post("/api/token/", sent).json()
    problem(bearer(pair["access"]).get(PROTECTED), 401, "token_not_valid")


def forge(key=KEY, algorithm="HS256", drop=(), **claims):
    now = timezone.now()
    whole = {
        "token_type": "access",
        "exp": int(now.timestamp()) + 60,
        "iat": int(now.timestamp()),
        "jti": "0" * 32,
        "user_id": "1",
        **claims,
    }
    for name in drop:
        del whole[name]
    return jwt.encode(whole, key, algorithm=algorithm)


ODD = [
    {"user_id": [1]},
    {"user_id": "abc"},
    {"user_id": "1\x00"},
    {"user_id": 10**30},
    {"user_id": {"pk": 1}},
    {"user_id": None},
    {"user_id": True},
    {"user_id": 1.0},
    {"exp": 10**12},
    {"exp": 10**30},
    {"exp": "soon"},
    {"exp": [1]},
    {"exp": 1},
    {"nbf": 10**10},
    {"iat": "x"},
    {"token_type": "sliding"},
    {"token_type": ["access"]},
    {"drop": ["exp"]},
    {"drop": ["jti"]},
    {"drop": ["token_type"]},
    {"drop": ["user_id"]},
    {"key": "another-key-" * 4},
    {"algorithm": "HS384"},
    {"algorithm": "HS512"},
    {"key": "", "algorithm": "none"},
]


@pytest.mark.parametrize("claims", ODD, ids=str)
def test_forged_and_odd_tokens_are_401(user, anonymous, claims):
    token = forge(**{"user_id": str(user.pk), **claims})
    problem(bearer(token).get(PROTECTED), 401)
    problem(anonymous.post("/api/token/verify/", {"token": token}), 401)
    refresh = forge(**{"user_id": str(user.pk), "token_type": "refresh", **claims})
    problem(exchange(anonymous, refresh), 401)
    response = exchange(anonymous, refresh, path="blacklist")
    assert response.status_code == (200 if "user_id" in str(claims) else 401)


@pytest.mark.parametrize("jti", ["x" * 58, "a\x00b", "", ["x"] * 40])
def test_refresh_tokens_with_odd_ids_are_401(user, anonymous, jti):
    token = forge(user_id=str(user.pk), token_type="refresh", jti=jti)
    problem(exchange(anonymous, token), 401)


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer a b",
        "Bearer x",
        "Bearer " + "x" * 9000,
        "Bearer ....",
        "Bearer eyJhbGciOiJIUzI1NiJ9.e30",
        "Token abc",
    ],
)
def test_headers_that_are_no_token(db, header):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header)
    problem(client.get(PROTECTED), 401)


def test_refresh_token_is_no_access_token(pair, anonymous):
    problem(bearer(pair["refresh"]).get(PROTECTED), 401)
    problem(exchange(anonymous, pair["access"]), 401)


def test_tokens_a_project_issues_itself_are_good(user, client):
    token = PlainAccessToken.for_user(user)
    assert bearer(str(token)).get(PROTECTED).status_code == 200


def test_session_of_the_admin_counts_with_csrf(user, client):
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.get(PROTECTED).status_code == 200
    problem(browser.post(PROTECTED, {"sku": "x", "price": "1"}), 403, "permission_denied")
    page = browser.get("/swagger/")
    token = page.content.decode().partition('data-csrf-token="')[2].partition('"')[0]
    created = browser.post(PROTECTED, {"sku": "x", "price": "1"}, HTTP_X_CSRFTOKEN=token)
    assert created.status_code == 201, created.content


def test_session_of_an_inactive_user_is_nobody(user, client):
    browser = APIClient()
    browser.force_login(user)
    get_user_model().objects.update(is_active=False)
    problem(browser.get(PROTECTED), 401, "not_authenticated")


OLD = "the-key-before-the-change-" * 2
NEW = "the-key-after-the-change-" * 2


@pytest.fixture
def sign_with(monkeypatch):
    """What simplejwt does with ``SIGNING_KEY`` when a process starts."""

    def start(key):
        backend = TokenBackend("HS256", key)
        monkeypatch.setattr("rest_framework_simplejwt.state.token_backend", backend)

    return start


def status(pair):
    return bearer(pair["access"]).get(PROTECTED).status_code


def test_s07_tokens_of_a_former_key_are_good_until_it_is_forgotten(
    pair, client, anonymous, settings, sign_with
):
    sign_with(NEW)
    assert status(pair) == 401
    settings.ECOMMERCE_SYNC = {"API": {"FORMER_SIGNING_KEYS": [settings.SECRET_KEY]}}
    assert status(pair) == 200
    fresh = exchange(anonymous, pair["refresh"]).json()
    settings.ECOMMERCE_SYNC = {}
    assert status(fresh) == 200
    assert status(pair) == 401


@pytest.fixture
def old_pair(user, client, anonymous, settings, sign_with):
    """Tokens of a project as it comes: they are signed with its SECRET_KEY."""
    settings.SECRET_KEY = OLD
    sign_with(OLD)
    return anonymous.post("/api/token/", {"username": "ann", "password": "secret-word"}).json()


@pytest.mark.parametrize("fallbacks", [[OLD], []])
def test_s07_secret_key_can_be_changed_where_tokens_are_signed_with_it(
    old_pair, user, anonymous, settings, sign_with, fallbacks
):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, fallbacks
    sign_with(NEW)
    assert status(old_pair) == 401
    settings.ECOMMERCE_SYNC = {"API": {"FORMER_SIGNING_KEYS": [OLD]}}
    assert status(old_pair) == 200
    assert exchange(anonymous, old_pair["refresh"]).status_code == 200
    change_password(user)
    problem(bearer(old_pair["access"]).get(PROTECTED), 401, "password_changed")


def test_s07_secret_key_can_be_changed_beside_a_key_of_its_own(old_pair, user, settings):
    settings.SECRET_KEY = NEW
    problem(bearer(old_pair["access"]).get(PROTECTED), 401, "password_changed")
    settings.SECRET_KEY_FALLBACKS = [OLD]
    assert status(old_pair) == 200
    change_password(user)
    problem(bearer(old_pair["access"]).get(PROTECTED), 401, "password_changed")


def test_a_token_known_by_now_still_expires(user):
    token = AccessToken.issue(user)
    token.set_exp(lifetime=timedelta(seconds=100))
    assert AccessToken.read(str(token)).user() == user
    with pytest.MonkeyPatch.context() as patch:
        later = aware_utcnow() + timedelta(seconds=101)
        patch.setattr("rest_framework_simplejwt.tokens.aware_utcnow", lambda: later)
        with pytest.raises(InvalidToken):
            AccessToken.read(str(token))


def test_the_claims_of_one_reading_are_not_those_of_another(user):
    text = str(AccessToken.issue(user))
    AccessToken.read(text)["user_id"] = "4711"
    assert AccessToken.read(text).user() == user


def test_signatures_are_looked_at_once(user, monkeypatch):
    text = str(AccessToken.issue(user))
    AccessToken.read(text)
    monkeypatch.setattr("jwt.decode", None)
    assert AccessToken.read(text).user() == user


def test_keys_that_are_fetched_are_asked_each_time(user, monkeypatch):
    """Whoever publishes keys may withdraw one at any time."""
    text = str(AccessToken.issue(user))
    AccessToken.read(text)
    monkeypatch.setattr(token_backend, "jwks_client", object())
    monkeypatch.setattr("jwt.decode", refuse)
    with pytest.raises(InvalidToken):
        AccessToken.read(text)


def refuse(*args, **kwargs):
    raise InvalidTokenError


def test_s07_a_former_pair_of_keys_is_told_by_its_public_one(
    user, client, anonymous, settings, monkeypatch
):
    backends = []
    for _pair in range(2):
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        backends.append(TokenBackend("ES256", private, public.decode()))
    old, new = backends
    place = "rest_framework_simplejwt.state.token_backend"
    monkeypatch.setattr(place, old)
    pair = anonymous.post("/api/token/", {"username": "ann", "password": "secret-word"}).json()
    monkeypatch.setattr(place, new)
    assert status(pair) == 401
    settings.ECOMMERCE_SYNC = {"API": {"FORMER_SIGNING_KEYS": [old.verifying_key]}}
    assert status(pair) == 200
    fresh = exchange(anonymous, pair["refresh"]).json()
    assert status(fresh) == 200
