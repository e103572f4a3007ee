"""ETags: nothing is sent twice, and no update is lost."""

import threading

import pytest
from django.db import connection

from django_ecommerce_sync.models import Customer, Order, OrderLine, Product

from .conftest import problem
from .test_idempotency import send_at_once


@pytest.fixture
def url(product):
    return f"/api/products/{product.pk}/"


@pytest.fixture
def order(customer, product):
    order = Order.objects.create(order_id="1", customer=customer)
    OrderLine.objects.create(order=order, position=1, product=product, quantity=2)
    return order


def test_every_answer_about_one_row_has_its_tag(client):
    created = client.post("/api/products/", {"sku": "T", "price": "1"})
    read = client.get(created["Location"])
    assert created["ETag"] == read["ETag"]
    assert read["ETag"].startswith('"1-')
    changed = client.patch(created["Location"], {"name": "Tea"})
    replaced = client.put(created["Location"], {"sku": "T", "price": "2"})
    assert len({read["ETag"], changed["ETag"], replaced["ETag"]}) == 3
    assert client.get(created["Location"])["ETag"] == replaced["ETag"]
    assert "ETag" not in client.get("/api/products/")


@pytest.mark.parametrize("known", ["{}", "W/{}", '"x", {} , "y"', "*"])
def test_what_the_client_knows_is_not_sent_again(client, url, known):
    tag = client.get(url)["ETag"]
    response = client.get(url, headers={"If-None-Match": known.format(tag)})
    assert (response.status_code, response.content, response["ETag"]) == (304, b"", tag)
    assert "X-Request-ID" in response


@pytest.mark.parametrize("known", ['"x"', "", "nonsense", '"1-"', "W/"])
def test_what_the_client_does_not_know_is_sent(client, url, known):
    assert client.get(url, headers={"If-None-Match": known}).status_code == 200


@pytest.mark.parametrize("seen", ["{}", "W/{}", '"x", {}', "*"])
def test_a_row_as_the_client_saw_it_is_changed(client, url, seen):
    tag = client.get(url)["ETag"]
    response = client.patch(url, {"name": "Tea"}, headers={"If-Match": seen.format(tag)})
    assert response.status_code == 200, response.content


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("seen", ["{}", '"x"', "", "nonsense"])
def test_a_row_that_was_changed_since_is_left_alone(client, url, product, method, seen):
    seen = seen.format(client.get(url)["ETag"])
    client.patch(url, {"name": "somebody else's"})
    body = {"sku": "SK-1", "price": "77", "name": "mine"}
    response = getattr(client, method)(url, body, headers={"If-Match": seen})
    problem(response, 412, "precondition_failed")
    product.refresh_from_db()
    assert (product.name, product.version) == ("somebody else's", 2)


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_writing_only_what_is_not_there_writes_nothing_here(client, url, method):
    body = {"sku": "SK-1", "price": "77"}
    problem(getattr(client, method)(url, body, headers={"If-None-Match": "*"}), 412)
    assert Product.objects.get().price != 77


def test_a_row_that_is_gone_is_not_found(client, url, product):
    product.delete()
    problem(client.patch(url, {}, headers={"If-Match": "*"}), 404)


def test_an_order_that_lost_its_customer_or_a_product_is_another(client, order):
    url = f"/api/orders/{order.pk}/"
    first = client.get(url)["ETag"]
    Customer.objects.all().delete()
    second = client.get(url)["ETag"]
    Product.objects.all().delete()
    third = client.get(url)["ETag"]
    assert len({first, second, third}) == 3
    assert client.get(url, headers={"If-None-Match": second}).status_code == 200


def test_the_tag_after_a_write_is_the_one_read_next(client, order):
    url = f"/api/orders/{order.pk}/"
    for body in ({"lines": [{"sku": "SK-1", "quantity": 3}, {"sku": "SK-1", "quantity": 1}]}, {}):
        assert client.patch(url, body)["ETag"] == client.get(url)["ETag"]


def test_a_new_row_under_an_old_key_has_another_tag(client):
    def post():
        return client.post("/api/products/", {"sku": "T", "price": "1"})

    first = post()
    client.delete(first["Location"])
    assert post()["ETag"] != first["ETag"]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_change_what_both_have_read_one_is_told(client, user, url, product):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory has one connection")
    rounds = 20
    codes = []

    def change(racer):
        headers = {"If-Match": tag}
        name = f"{len(codes)} {threading.get_ident()}"
        codes.append(racer.patch(url, {"name": name}, headers=headers).status_code)

    for _round in range(rounds):
        tag = client.get(url)["ETag"]
        send_at_once(user, 2, change)
    product.refresh_from_db()
    assert sorted(codes) == [200] * rounds + [412] * rounds
    assert product.version == 1 + rounds


def test_reading_costs_no_query_more(client, order, django_assert_num_queries):
    with django_assert_num_queries(4):  # two for the rights, the order, its lines
        client.get(f"/api/orders/{order.pk}/")
