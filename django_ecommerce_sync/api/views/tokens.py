"""Signing in, staying signed in, signing out."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.transaction import non_atomic_requests
from django.utils.decorators import method_decorator
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from .. import tokens
from ..schema import operation
from ..serializers import (
    RefreshTokenSerializer,
    SignInSerializer,
    TokenPairSerializer,
    TokenSerializer,
)
from ..throttling import (
    LoginAddressThrottle,
    LoginNameThrottle,
    LoginUserThrottle,
    TokenThrottle,
)
from .base import OpenView

_NOTHING = OpenApiResponse(
    {"type": "object"}, "An empty object.", [OpenApiExample("Done", {}, status_codes=["200"])]
)


# A token that is shown twice is refused and its family ends: that must not be rolled back.
@method_decorator(non_atomic_requests, name="dispatch")
class TokenView(OpenView):
    """A door that takes a token or a password and must not be cached."""

    throttle_classes: Any = (TokenThrottle,)
    serializer_class: ClassVar[type[serializers.Serializer[Any]]]

    def read(self, request: Request) -> dict[str, Any]:
        """The body, checked."""
        serializer = self.serializer_class(data=request.data, context={"request": request})
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {**super().default_response_headers, "Cache-Control": "no-store"}


class SignInView(TokenView):
    """A pair of tokens for name and password."""

    throttle_classes: Any = (LoginAddressThrottle, LoginNameThrottle, LoginUserThrottle)
    serializer_class = SignInSerializer

    @operation(
        operation_id="token_create",
        summary="Sign in",
        request=SignInSerializer,
        responses=TokenPairSerializer,
    )
    def post(self, request: Request) -> Response:
        return Response(tokens.sign_in(self.read(request)["user"]))


class RefreshTokenView(TokenView):
    """A new pair for a refresh token, which is used up by this.

    Shown a second time it ends every token of the same sign-in.
    """

    serializer_class = RefreshTokenSerializer

    @operation(
        operation_id="token_refresh",
        summary="Exchange a refresh token",
        request=RefreshTokenSerializer,
        responses=TokenPairSerializer,
    )
    def post(self, request: Request) -> Response:
        return Response(tokens.rotate(self.read(request)["refresh"]))


class VerifyTokenView(TokenView):
    """Whether a token is good now: 200, or 401."""

    serializer_class = TokenSerializer

    @operation(
        operation_id="token_verify",
        summary="Check a token",
        request=TokenSerializer,
        responses={200: _NOTHING},
    )
    def post(self, request: Request) -> Response:
        tokens.verify(self.read(request)["token"])
        return Response({})


class RevokeTokenView(TokenView):
    """Sign out: the refresh token, and every other of the same sign-in, ends."""

    serializer_class = RefreshTokenSerializer

    @operation(
        operation_id="token_blacklist",
        summary="Sign out",
        request=RefreshTokenSerializer,
        responses={200: _NOTHING},
    )
    def post(self, request: Request) -> Response:
        tokens.revoke(self.read(request)["refresh"])
        return Response({})
