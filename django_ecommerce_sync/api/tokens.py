"""Access and refresh tokens: issued, used once, revoked.

simplejwt signs and reads them with the project's key. What it leaves open is closed here: a
refresh token works exactly once, decided by a unique row, and a token dies with the password
it was issued for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from functools import lru_cache
from typing import Any, Self, cast
from uuid import uuid4

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import DataError, IntegrityError
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from rest_framework_simplejwt.exceptions import (
    InvalidToken,
    TokenBackendError,
    TokenBackendExpiredToken,
    TokenError,
)
from rest_framework_simplejwt.settings import api_settings as jwt_settings
from rest_framework_simplejwt.tokens import Token
from rest_framework_simplejwt.utils import datetime_from_epoch

from ..models import RevokedToken
from ..sync.database import atomic
from .conf import api_settings
from .users import find_user

#: Longer ones are none of ours.
MAX_LENGTH = 8192
#: So that an id still fits its column with ``family:`` before it.
_MAX_ID = 57
_SESSION = "session"
_FAMILY = "family"


class _Backend:
    """The project's way to sign, which knows tokens signed with its former keys, too."""

    def __init__(self, backend: Any, former_keys: Sequence[str]) -> None:
        self._backend = backend
        self._keys = tuple(former_keys)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """The claims; raises ``TokenBackendError`` where no key fits."""
        backend = self._backend
        if not verify or backend.jwks_client:  # whoever publishes keys may withdraw one
            return _decode(backend, self._keys, token, verify)
        return {**_claims(backend, self._keys, token)}


def _decode(backend: Any, former_keys: Sequence[str], token: Any, verify: bool) -> dict[str, Any]:
    for former_key in former_keys:
        former = copy(backend)
        former.prepared_signing_key = former._prepare_key(former_key)
        former.prepared_verifying_key = former.prepared_signing_key  # of a pair it is public
        try:
            return cast(dict[str, Any], former.decode(token, verify=verify))
        except TokenBackendExpiredToken:
            raise
        except TokenBackendError:
            continue
    return cast(dict[str, Any], backend.decode(token, verify=verify))


@lru_cache(maxsize=1024)
def _claims(backend: Any, former_keys: Sequence[str], token: Any) -> dict[str, Any]:
    """The claims of a token that their keys have signed, which stays so; refusals are not kept.

    Whether it has expired by now is asked each time, by ``Token.verify``.
    """
    return _decode(backend, former_keys, token, True)


class ApiToken(Token):
    """A token that names a user, and the password it was issued for."""

    def get_token_backend(self) -> Any:
        return _Backend(super().get_token_backend(), api_settings.FORMER_SIGNING_KEYS)

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """The token, if it is sound and not expired; raises ``InvalidToken`` for any other text."""
        if len(text) > MAX_LENGTH:
            raise InvalidToken()
        try:
            return cls(cast(Any, text))
        # A signature says who wrote the claims, not that they make sense; the header is not
        # even signed.
        except (TokenError, ValueError, TypeError, OverflowError, OSError, RecursionError):
            raise InvalidToken() from None

    @classmethod
    def issue(cls, user: Any) -> Self:
        """A new token of that user."""
        token = cls()
        token[jwt_settings.USER_ID_CLAIM] = str(getattr(user, jwt_settings.USER_ID_FIELD))
        token[_SESSION] = user.get_session_auth_hash()
        return token

    def user(self, rights: Sequence[str] = ()) -> Any:
        """The active user it was issued to; raises ``InvalidToken`` where there is none.

        ``rights`` are those that will be asked about: they are read along with him.
        """
        claim = self.get(jwt_settings.USER_ID_CLAIM)
        if isinstance(claim, bool) or not isinstance(claim, str | int):
            raise InvalidToken()
        try:
            user = find_user(jwt_settings.USER_ID_FIELD, claim, rights)
        except (
            ObjectDoesNotExist,
            ValueError,
            TypeError,
            OverflowError,
            ValidationError,
            DataError,
        ):
            raise InvalidToken(_("There is no such user."), "user_not_found") from None
        if not user.is_active:
            raise InvalidToken(_("The user is inactive."), "user_inactive")
        # A project may issue tokens of its own with simplejwt: those carry no such claim.
        session = self.get(_SESSION)
        if session is not None and not _is_of_password(str(session), user):
            raise InvalidToken(_("The password has been changed."), "password_changed")
        return user


def _is_of_password(session: str, user: Any) -> bool:
    """Whether a token with that claim was issued for the password the user has now."""
    return any(constant_time_compare(session, known) for known in _session_hashes(user))


def _session_hashes(user: Any) -> Iterator[str]:
    """What tokens are marked with, and were while the project had other keys."""
    yield user.get_session_auth_hash()
    yield from user.get_session_auth_fallback_hash()
    # Where tokens are signed with SECRET_KEY, their former keys are those of the marks.
    for key in api_settings.FORMER_SIGNING_KEYS:
        yield user._get_session_auth_hash(secret=key)


class AccessToken(ApiToken):
    """What a client shows with each request."""

    token_type = "access"  # noqa: S105

    def __init__(self, token: Any = None, verify: bool = True) -> None:
        self.lifetime = api_settings.ACCESS_TOKEN_LIFETIME
        super().__init__(token, verify)


class RefreshToken(ApiToken):
    """What a client exchanges, once, for a new pair. Its descendants are one family."""

    token_type = "refresh"  # noqa: S105

    def __init__(self, token: Any = None, verify: bool = True) -> None:
        self.lifetime = api_settings.REFRESH_TOKEN_LIFETIME
        super().__init__(token, verify)

    def verify(self) -> None:
        super().verify()
        for claim in (self.jti, self.family):
            if not (0 < len(claim) <= _MAX_ID and claim.isprintable()):
                raise TokenError(_("Token has no usable id"))

    @property
    def jti(self) -> str:
        """Its own id."""
        return str(self.get(jwt_settings.JTI_CLAIM) or "")

    @property
    def family(self) -> str:
        """The id it shares with the tokens before and after it."""
        return str(self.get(_FAMILY) or self.jti)

    def use(self) -> None:
        """Use it up. Whoever comes second ends the family: one of the two has stolen it."""
        if RevokedToken.objects.filter(jti=self._family_row).exists():
            raise InvalidToken(_("The token is revoked."), "token_revoked")
        if not self._insert(self.jti):
            self.revoke()
            raise InvalidToken(_("The token has been used before."), "token_revoked")

    def revoke(self) -> None:
        """End it and every token descended from the same sign-in."""
        self._insert(self._family_row)

    @property
    def is_revoked(self) -> bool:
        """Whether it was used, or its family has ended."""
        return RevokedToken.objects.filter(jti__in=[self.jti, self._family_row]).exists()

    @property
    def _family_row(self) -> str:
        return f"family:{self.family}"

    def _insert(self, jti: str) -> bool:
        """Whether this call was the first to write that id; the unique index decides."""
        # A family outlives its oldest token by at most one lifetime of the youngest.
        youngest = self.current_time + api_settings.REFRESH_TOKEN_LIFETIME
        expires_at = max(datetime_from_epoch(self["exp"]), youngest)
        try:
            with atomic():
                RevokedToken.objects.create(jti=jti, expires_at=expires_at)
        except IntegrityError:
            return False
        return True


def sign_in(user: Any) -> dict[str, str]:
    """A pair for somebody who has just shown a password."""
    refresh = RefreshToken.issue(user)
    refresh[_FAMILY] = uuid4().hex
    return _pair(refresh, user)


def rotate(text: str) -> dict[str, str]:
    """A new pair for a refresh token that was not used before; raises ``InvalidToken``."""
    used = RefreshToken.read(text)
    user = used.user()
    used.use()
    refresh = RefreshToken.issue(user)
    refresh[_FAMILY] = used.family
    return _pair(refresh, user)


def _pair(refresh: RefreshToken, user: Any) -> dict[str, str]:
    return {"access": str(AccessToken.issue(user)), "refresh": str(refresh)}


def verify(text: str) -> None:
    """Whether a token of either kind is good now; raises ``InvalidToken`` if not."""
    try:
        AccessToken.read(text).user()
    except InvalidToken:
        refresh = RefreshToken.read(text)
        refresh.user()
        if refresh.is_revoked:
            raise InvalidToken(_("The token is revoked."), "token_revoked") from None


def revoke(text: str) -> None:
    """Sign out: the token's family ends. Doing it twice is no error."""
    RefreshToken.read(text).revoke()
