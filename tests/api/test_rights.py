"""The rights of whoever shows a token: read with him, in one query, and never believed stale."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test.utils import override_settings
from rest_framework.permissions import BasePermission

from django_ecommerce_sync.api.tokens import AccessToken
from django_ecommerce_sync.api.users import find_user, has_rights

from .conftest import APIClient

VIEW, ADD = "ecommerce_sync.view_product", "ecommerce_sync.add_product"


@pytest.fixture
def bearer(user):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.issue(user)}")
    return client


def permission(right):
    app, codename = right.split(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename)


def found(user, *rights):
    return find_user("id", user.pk, rights)


@pytest.mark.parametrize("by", ["himself", "group", "superuser"])
def test_they_are_known_with_the_user(user, django_assert_num_queries, by):
    assert not has_rights(found(user, VIEW), [VIEW])
    if by == "himself":
        user.user_permissions.add(permission(VIEW))
    elif by == "group":
        group = Group.objects.create(name="viewers")
        group.permissions.add(permission(VIEW))
        user.groups.add(group)
    else:
        User.objects.update(is_superuser=True)
    with django_assert_num_queries(1):
        assert has_rights(found(user, VIEW), [VIEW])


def test_others_are_asked_for_once(user, django_assert_num_queries):
    user.user_permissions.add(permission(ADD))
    with django_assert_num_queries(2):
        known = found(user, VIEW)
        assert has_rights(known, [ADD])
        assert not has_rights(known, [ADD, VIEW])
        assert has_rights(known, [])


def test_the_same_name_of_another_app_is_another_right(user):
    user.user_permissions.add(permission(VIEW))
    assert not has_rights(found(user), ["shop.view_product"])
    assert not has_rights(found(user), ["view_product"])


def test_who_is_inactive_or_gone_has_none(user):
    user.user_permissions.add(permission(VIEW))
    User.objects.update(is_active=False, is_superuser=True)
    assert not has_rights(found(user, VIEW), [VIEW])
    User.objects.update(is_active=True, is_superuser=False)
    gone = found(user)
    user.delete()
    assert not has_rights(gone, [VIEW])


def test_given_and_taken_they_count_at_once(user, bearer):
    group = Group.objects.create(name="viewers")
    user.groups.add(group)
    for _again in range(2):
        assert bearer.get("/api/products/").status_code == 403
        group.permissions.add(permission(VIEW))
        assert bearer.get("/api/products/").status_code == 200
        group.permissions.remove(permission(VIEW))


def test_a_request_asks_once_who_it_is_from(user, bearer, product, django_assert_num_queries):
    user.user_permissions.add(permission(VIEW), permission(ADD))
    bearer.get(f"/api/products/{product.pk}/")
    with django_assert_num_queries(2):  # and the row
        bearer.get(f"/api/products/{product.pk}/")


@override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.Generous"])
def test_another_backend_is_asked(user, bearer):
    assert has_rights(found(user, VIEW), [VIEW])
    assert bearer.get("/api/products/").status_code == 200


class Generous:
    def has_perm(self, user, right, obj=None):
        return right == VIEW


def test_a_users_own_idea_of_his_rights_is_asked(user, bearer, monkeypatch):
    monkeypatch.setattr(User, "has_perm", lambda self, right, obj=None: right == VIEW)
    assert has_rights(found(user, VIEW), [VIEW])
    assert bearer.get("/api/products/").status_code == 200


def test_django_can_still_be_asked(user, bearer, settings):
    settings.ECOMMERCE_SYNC = {"API": {"PERMISSION_CLASSES": [Curious]}}
    assert bearer.get("/api/products/").status_code == 403
    user.user_permissions.add(permission(ADD))
    assert bearer.get("/api/products/").status_code == 200


class Curious(BasePermission):
    def has_permission(self, request, view):
        return request.user.has_perm(ADD)
