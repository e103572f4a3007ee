"""Signing in and out."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate, get_user_model
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed

from ..examples.answers import TOKENS, answer
from ..tokens import MAX_LENGTH


def name_field() -> serializers.CharField:
    """The field for whatever the project's users sign in with."""
    return serializers.CharField(write_only=True, max_length=254)


class SignInSerializer(serializers.Serializer[Any]):
    """Whatever the project's users sign in with, and the password."""

    password = serializers.CharField(
        write_only=True, trim_whitespace=False, max_length=4096, style={"input_type": "password"}
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """The user name comes first, under the name the user model gives it."""
        name = get_user_model().USERNAME_FIELD
        return {
            name: name_field(),
            **super().get_fields(),
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        request = getattr(self.context["request"], "_request", None)
        user = authenticate(request, **attrs)
        if user is None or not user.is_active:
            raise AuthenticationFailed(
                _("No active account has this name and password."), "no_active_account"
            )
        return {"user": user}


@extend_schema_serializer(examples=[answer("A pair", TOKENS)])
class TokenPairSerializer(serializers.Serializer[Any]):
    """A pair of tokens."""

    access = serializers.CharField(help_text="For the Authorization header; lives minutes.")
    refresh = serializers.CharField(help_text="Good for one exchange.")


class RefreshTokenSerializer(serializers.Serializer[Any]):
    """A refresh token."""

    refresh = serializers.CharField(max_length=MAX_LENGTH)


class TokenSerializer(serializers.Serializer[Any]):
    """A token of either kind."""

    token = serializers.CharField(max_length=MAX_LENGTH)
