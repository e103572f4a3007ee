import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.cache import cache
from rest_framework.test import APIClient as BaseClient

from django_ecommerce_sync.models import Customer, Product


class APIClient(BaseClient):
    """Sends JSON unless told otherwise."""

    default_format = "json"


@pytest.fixture(autouse=True)
def _empty_cache():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def user(db):
    return get_user_model().objects.create_user("ann", password="secret-word")


@pytest.fixture
def client(user):
    """Somebody with every right of the app."""
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="ecommerce_sync"))
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def stranger(db):
    """Somebody signed in who has no rights at all."""
    client = APIClient()
    client.force_authenticate(get_user_model().objects.create_user("bob", password="x"))
    return client


@pytest.fixture
def anonymous():
    return APIClient()


@pytest.fixture
def product(db):
    return Product.objects.create(
        sku="SK-1", name="Sock", price="9.99", currency="EUR", inventory_count=5
    )


@pytest.fixture
def customer(db):
    return Customer.objects.create(email="eve@example.com", first_name="Eve", last_name="Doe")


def problem(response, status, code=None):
    """The problem document of a response that must be one."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert set(document) <= {
        "type",
        "title",
        "status",
        "detail",
        "code",
        "instance",
        "request_id",
        "errors",
    }
    assert {"type", "title", "detail", "code", "instance", "request_id"} <= set(document)
    assert document["request_id"] == response["X-Request-ID"]
    if code:
        assert document["code"] == code, document
    return document
