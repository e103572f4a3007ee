"""Customers see their own orders, whoever else's they ask for."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from django_ecommerce_sync.models import Customer, Order

from .conftest import APIClient, problem

URL = "/api/orders/"


def by_email(user):
    return Customer.objects.filter(email=user.email).first()


@pytest.fixture(autouse=True)
def mapped(settings):
    settings.ECOMMERCE_SYNC = {"API": {"CUSTOMER_OF_USER": f"{__name__}.by_email"}}


def signed_in(name, *codenames):
    user = get_user_model().objects.create_user(name, f"{name}@example.com", "x")
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def orders(db):
    """An order of each of three: two customers, and nobody."""
    people = [Customer.objects.create(email=f"{name}@example.com") for name in ("ada", "eve")]
    return [
        Order.objects.create(order_id=str(number), customer=customer, customer_email="ada@x.org")
        for number, customer in enumerate([*people, None])
    ]


def numbers(response):
    return [row["order_id"] for row in response.json()["results"]]


def test_customers_see_their_own(orders):
    ada = signed_in("ada")
    mine, *others = orders
    assert numbers(ada.get(URL)) == ["0"]
    assert ada.get(f"{URL}{mine.pk}/").json()["order_id"] == "0"
    for other in others:
        problem(ada.get(f"{URL}{other.pk}/"), 404)


@pytest.mark.parametrize("query", ["customer={eve}", "search=ada", "order_id=1", "source=local"])
def test_no_filter_shows_others(orders, query):
    eve = orders[1].customer_id
    found = numbers(signed_in("ada").get(f"{URL}?{query.format(eve=eve)}"))
    assert set(found) <= {"0"}


def test_customers_change_nothing(orders):
    ada = signed_in("ada")
    url = f"{URL}{orders[0].pk}/"
    problem(ada.post(URL, {}), 403)
    problem(ada.patch(url, {"note": "x"}), 403)
    problem(ada.delete(url), 403)
    problem(ada.post(f"{url}transition/", {"to": "paid"}), 403)
    problem(ada.get(f"{url}events/"), 403)


@pytest.mark.parametrize("right", ["add_order", "change_order", "delete_order"])
def test_other_rights_reach_no_further_than_ones_own(orders, right):
    ada = signed_in("ada", right)
    assert numbers(ada.get(URL)) == ["0"]
    url = f"{URL}{orders[1].pk}/"
    for response in (ada.patch(url, {}), ada.delete(url), ada.post(f"{url}transition/", {})):
        assert response.status_code in (403, 404, 400)
    assert Order.objects.count() == 3


def test_staff_see_all(orders):
    assert numbers(signed_in("ada", "view_order").get(URL)) == ["0", "1", "2"]


def test_whoever_is_no_customer_sees_none(orders):
    problem(signed_in("bob").get(URL), 403)
    problem(APIClient().get(URL), 401)


def test_without_the_setting_nobody_is_one(orders, settings):
    settings.ECOMMERCE_SYNC = {}
    problem(signed_in("ada").get(URL), 403)


def test_a_project_may_open_its_api_and_still_know_customers(orders, settings):
    everybody = "rest_framework.permissions.AllowAny"
    settings.ECOMMERCE_SYNC["API"]["PERMISSION_CLASSES"] = [everybody]
    ada = signed_in("ada")
    assert numbers(ada.get(URL)) == ["0"]
    problem(ada.get(f"{URL}{orders[1].pk}/events/"), 404)
    assert ada.get(f"{URL}{orders[0].pk}/events/").status_code == 200


def test_the_question_costs_little(orders, django_assert_num_queries):
    ada = signed_in("ada")
    # Rights of the user and of groups, the customer, a count, orders, lines.
    with django_assert_num_queries(6):
        ada.get(URL)
