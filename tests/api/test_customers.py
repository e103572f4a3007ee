import pytest

from django_ecommerce_sync.models import Customer, Order

from .conftest import problem

URL = "/api/customers/"


def test_email_is_trimmed_and_in_lower_case(client):
    row = client.post(URL, {"email": "  Eve@Example.COM "}).json()
    assert row["email"] == "eve@example.com"
    document = problem(client.post(URL, {"email": "EVE@example.com"}), 409, "duplicate")
    assert document["errors"][0]["pointer"] == "/email"


@pytest.mark.parametrize("email", [None, "", "   "])
def test_any_number_of_customers_have_no_email(client, email):
    for _ in range(2):
        response = client.post(URL, {"email": email, "phone": "+49 1"})
        assert response.status_code == 201
        assert response.json()["email"] is None


@pytest.mark.parametrize("email", ["eve", "eve@", "a b@c.de", "x" * 250 + "@c.de"])
def test_what_is_no_address_is_refused(client, email):
    document = problem(client.post(URL, {"email": email}), 400)
    assert document["errors"][0]["pointer"] == "/email"


def test_deleting_a_customer_leaves_the_orders(client, customer):
    Order.objects.create(order_id="1", customer=customer, customer_email=customer.email)
    assert client.delete(f"{URL}{customer.pk}/").status_code == 204
    order = Order.objects.get()
    assert (order.customer, order.customer_email) == (None, "eve@example.com")


def test_list_costs_the_same_for_any_number_of_rows(client, django_assert_num_queries):
    Customer.objects.bulk_create(Customer(email=f"c{n}@example.com") for n in range(30))
    with django_assert_num_queries(4):
        assert len(client.get(URL).json()["results"]) == 30
