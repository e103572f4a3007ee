"""A write is answered with the row, and an order with its customer: both take the right to see."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from django_ecommerce_sync.models import Customer, Order

from .conftest import APIClient, problem


@pytest.fixture
def having(db):
    """Somebody who has these rights."""

    def make(*rights):
        user = get_user_model().objects.create_user("carl", password="x")
        user.user_permissions.set(Permission.objects.filter(codename__in=rights))
        client = APIClient()
        client.force_authenticate(user)
        return client

    return make


@pytest.mark.parametrize("resource", ["product", "customer", "order"])
def test_whoever_may_not_see_rows_may_not_write_them(having, product, customer, resource):
    row = {"product": product, "customer": customer}.get(resource)
    row = row or Order.objects.create(order_id="1")
    client = having(f"add_{resource}", f"change_{resource}")
    address = f"/api/{resource}s/"
    problem(client.post(address, {"price": "1", "sku": "N"}, format="json"), 403)
    problem(client.patch(f"{address}{row.pk}/", {}, format="json"), 403)
    problem(client.put(f"{address}{row.pk}/", {"price": "1"}, format="json"), 403)


def test_an_order_is_moved_by_who_may_see_it(having):
    order = Order.objects.create(order_id="1")
    address = f"/api/orders/{order.pk}/transition/"
    problem(having("change_order").post(address, {"to": "cancelled"}, format="json"), 403)


def test_whoever_may_not_see_customers_names_none(having, customer):
    client = having("add_order", "change_order", "view_order")
    problem(client.post("/api/orders/", {"customer": customer.pk}, format="json"), 403)
    assert not Order.objects.exists()
    known = Order.objects.create(order_id="1", customer=customer, customer_email=customer.email)
    other = Customer.objects.create(email="mallory@example.com")
    address = f"/api/orders/{known.pk}/"
    problem(client.patch(address, {"customer": other.pk}, format="json"), 403)
    assert client.patch(address, {"customer": customer.pk}, format="json").status_code == 200
    assert client.patch(address, {"customer": None}, format="json").status_code == 200
    rows = [{"order_id": "9", "customer": customer.pk}]
    problem(client.post("/api/orders/bulk/", rows, format="json"), 403)


def test_whoever_may_see_customers_names_one(having, customer):
    client = having("add_order", "change_order", "view_order", "view_customer")
    answer = client.post("/api/orders/", {"customer": customer.pk}, format="json")
    assert (answer.status_code, answer.json()["customer_email"]) == (201, customer.email)


def test_a_customer_orders_for_nobody_else(having, customer, settings):
    settings.ECOMMERCE_SYNC = {"API": {"CUSTOMER_OF_USER": lambda user: customer}}
    client = having("add_order")
    answer = client.post("/api/orders/", {"customer": customer.pk}, format="json")
    assert answer.status_code == 201, answer.json()
    other = Customer.objects.create(email="mallory@example.com")
    problem(client.post("/api/orders/", {"customer": other.pk}, format="json"), 403)
