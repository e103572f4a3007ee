"""What an order does to the stock: reserve, release, take; each once, and only for our own."""

import pytest

from django_ecommerce_sync.models import Order, OrderLine, Product

from .conftest import problem

URL = "/api/orders/"


@pytest.fixture
def hat(db):
    return Product.objects.create(sku="HAT", name="Hat", price="20.50", inventory_count=3)


@pytest.fixture
def buy(client):
    def buy(*wanted, **values):
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in wanted]
        return client.post(URL, {"lines": lines, **values})

    return buy


@pytest.fixture
def move(client):
    def move(order, to):
        response = client.post(f"{URL}{order['id']}/transition/", {"to": to})
        assert response.status_code == 200, response.content
        return response.json()

    return move


@pytest.fixture
def api(settings):
    def configure(**values):
        settings.ECOMMERCE_SYNC = {"API": values}

    return configure


def stock(product):
    product.refresh_from_db()
    return product.inventory_count, product.reserved_count


def test_a_new_order_reserves_what_it_sells(buy, product, hat):
    assert buy(("SK-1", 2), ("HAT", 1), ("SK-1", 1)).status_code == 201
    assert (stock(product), stock(hat)) == ((5, 3), (3, 1))
    assert list(OrderLine.objects.values_list("reserved_count", flat=True)) == [2, 1, 1]


def test_reserving_counts_as_a_change_of_the_product(buy, client, product):
    seen = client.get(f"/api/products/{product.pk}/").json()
    buy(("SK-1", 2))
    now = client.get(f"/api/products/{product.pk}/").json()
    assert (now["reserved_count"], now["version"]) == (2, seen["version"] + 1)
    assert now["updated_at"] > seen["updated_at"]


def test_what_is_not_there_cannot_be_sold(buy, product, hat):
    buy(("SK-1", 4))
    document = problem(buy(("SK-1", 1), ("HAT", 9), ("SK-1", 1)), 409, "insufficient_stock")
    assert document["detail"].startswith("lines: SK-1: 2 wanted, 1 available.")
    assert document["errors"] == [
        {
            "pointer": "/lines",
            "code": "insufficient_stock",
            "detail": f"{sku}: {wanted} wanted, {available} available.",
            "sku": sku,
            "wanted": wanted,
            "available": available,
        }
        for sku, wanted, available in (("SK-1", 2, 1), ("HAT", 9, 3))
    ]
    assert (stock(product), stock(hat)) == ((5, 4), (3, 0))
    assert Order.objects.count() == 1


@pytest.mark.parametrize("availability", ["backorder", "preorder"])
def test_what_comes_later_may_be_sold_before(buy, move, product, availability):
    Product.objects.update(availability=availability)
    order = buy(("SK-1", 7)).json()
    assert stock(product) == (5, 7)
    move(order, "shipped")
    assert stock(product) == (-2, 0)


def test_a_project_may_sell_any_number(buy, api, product):
    api(ORDER_STOCK="backorder")
    assert buy(("SK-1", 6)).status_code == 201
    assert stock(product) == (5, 6)


def test_a_project_may_leave_stock_alone(buy, move, api, product):
    api(ORDER_STOCK="off")
    order = buy(("SK-1", 6)).json()
    assert stock(product) == (5, 0)
    move(order, "shipped")
    assert stock(product) == (5, 0)


@pytest.mark.parametrize(
    ("count", "reserved", "quantity"),
    [(2**31 - 1, 1, 2**31 - 1), (-(2**31), 2**31 - 1, 1), (5, 2**31 - 1, 2**31 - 1)],
)
@pytest.mark.parametrize("availability", ["in_stock", "backorder"])
def test_counts_never_leave_their_columns(buy, product, count, reserved, quantity, availability):
    Product.objects.update(
        inventory_count=count, reserved_count=reserved, availability=availability
    )
    problem(buy(("SK-1", quantity), ("SK-1", quantity)), 409, "insufficient_stock")
    assert stock(product) == (count, reserved)


def test_the_least_count_stays(buy, move, product):
    Product.objects.update(inventory_count=-(2**31) + 1, availability="backorder")
    move(buy(("SK-1", 9)).json(), "shipped")
    assert stock(product) == (-(2**31), 0)


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_an_order_that_comes_to_nothing_gives_back(buy, move, product, end):
    move(buy(("SK-1", 2)).json(), end)
    assert stock(product) == (5, 0)
    assert OrderLine.objects.get().reserved_count == 0


@pytest.mark.parametrize("ways", [["shipped", "completed"], ["completed", "returned"]])
def test_goods_that_leave_are_taken_once(buy, move, product, ways):
    order = buy(("SK-1", 2)).json()
    move(order, ways[0])
    assert stock(product) == (3, 0)
    line = OrderLine.objects.get()
    assert (line.reserved_count, line.shipped_count) == (0, 2)
    for state in (*ways[1:], "refunded"):
        move(order, state)
    assert stock(product) == (3, 0)


def test_fulfilling_takes_as_shipping_does(buy, move, api, product):
    api(ORDER_TRANSITIONS={"processing": ["fulfilled", "completed"]})
    order = buy(("SK-1", 2)).json()
    move(order, "processing")
    assert stock(product) == (5, 2)
    move(order, "fulfilled")
    assert stock(product) == (3, 0)
    move(order, "completed")
    assert stock(product) == (3, 0)


def test_an_order_that_comes_back_reserves_anew(buy, move, client, product):
    order = buy(("SK-1", 4)).json()
    move(order, "failed")
    other = buy(("SK-1", 2)).json()
    url = f"{URL}{order['id']}/transition/"
    document = problem(client.post(url, {"to": "pending"}), 409, "insufficient_stock")
    assert document["errors"][0]["pointer"] == "/to"
    assert client.get(f"{URL}{order['id']}/").json()["status"] == "failed"
    move(other, "cancelled")
    move(order, "pending")
    assert stock(product) == (5, 4)


def test_what_has_left_is_not_reserved_again(buy, move, api, product):
    api(ORDER_TRANSITIONS={"shipped": ["cancelled"], "cancelled": ["processing"]})
    order = buy(("SK-1", 2)).json()
    for state in ("shipped", "cancelled", "processing", "shipped"):
        move(order, state)
    assert stock(product) == (3, 0)


@pytest.mark.parametrize(
    ("values", "left"),
    [
        ({"status": "completed"}, (3, 0)),
        ({"fulfillment_status": "fulfilled"}, (3, 0)),
        ({"status": "cancelled"}, (5, 0)),
        ({"status": "processing", "payment_status": "paid"}, (5, 2)),
    ],
)
def test_an_order_may_be_made_in_any_state(buy, product, values, left):
    assert buy(("SK-1", 2), **values).status_code == 201
    assert stock(product) == left


def test_changed_lines_reserve_the_difference(buy, client, product, hat):
    order = buy(("SK-1", 4), ("HAT", 1)).json()
    url = f"{URL}{order['id']}/"

    def change(*wanted):
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in wanted]
        return client.patch(url, {"lines": lines})

    assert change(("SK-1", 5)).status_code == 200
    assert (stock(product), stock(hat)) == ((5, 5), (3, 0))
    document = problem(change(("SK-1", 1), ("HAT", 2), ("SK-1", 5)), 409, "insufficient_stock")
    assert [entry["wanted"] for entry in document["errors"]] == [6]
    assert [entry["available"] for entry in document["errors"]] == [5]
    assert (stock(product), stock(hat)) == ((5, 5), (3, 0))
    assert change(("HAT", 3), ("SK-1", 1)).status_code == 200
    assert (stock(product), stock(hat)) == ((5, 1), (3, 3))
    assert change().status_code == 200
    assert (stock(product), stock(hat)) == ((5, 0), (3, 0))


def test_a_deleted_order_gives_back(buy, client, product):
    order = buy(("SK-1", 2)).json()
    assert client.delete(f"{URL}{order['id']}/").status_code == 204
    assert stock(product) == (5, 0)


def test_so_it_does_by_any_other_door(buy, product):
    buy(("SK-1", 2))
    buy(("SK-1", 1))
    Order.objects.all().delete()
    assert stock(product) == (5, 0)


def test_a_deleted_product_is_no_obstacle(buy, move, client, product, hat):
    order = buy(("SK-1", 2), ("HAT", 1)).json()
    product.delete()
    move(order, "shipped")
    assert stock(hat) == (2, 0)


def test_orders_of_feeds_move_no_stock(client, move, product):
    order = Order.objects.create(order_id="7", source="shop")
    OrderLine.objects.create(order=order, position=1, product=product, quantity=2)
    url = f"{URL}{order.pk}/"
    sent = {"lines": [{"product": product.pk, "quantity": 9}]}
    assert client.patch(url, sent).status_code == 200
    for state in ("failed", "pending", "shipped", "refunded"):
        move({"id": order.pk}, state)
    order.delete()
    assert stock(product) == (5, 0)


def test_what_a_feed_counts_anew_is_not_lowered_below_nothing(buy, move, product):
    order = buy(("SK-1", 2)).json()
    Product.objects.update(reserved_count=1)
    move(order, "cancelled")
    assert stock(product) == (5, 0)
