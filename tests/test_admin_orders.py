"""Orders in the admin: the same rules as in the API, and a log nobody writes."""

from decimal import Decimal

import pytest
from django.urls import reverse

from django_ecommerce_sync.models import Order, OrderEvent, OrderLine, Product
from tests.staff import staff

ADD = reverse("admin:ecommerce_sync_order_add")
LIST = reverse("admin:ecommerce_sync_order_changelist")

pytestmark = pytest.mark.django_db


@pytest.fixture
def root():
    return staff(is_superuser=True)


@pytest.fixture
def product():
    return Product.objects.create(sku="SK-1", name="Sock", price=9, inventory_count=5)


def page(order):
    return reverse("admin:ecommerce_sync_order_change", args=[order.pk])


def sent(*lines, **values):
    """What the page sends: the order's fields, and its lines."""
    form = {
        "order_id": "1001",
        "source": "local",
        "order_date_0": "2026-01-02",
        "order_date_1": "10:00:00",
        "currency": "EUR",
        **dict.fromkeys(("subtotal", "discount_total", "shipping_total"), "0"),
        **dict.fromkeys(("tax_total", "total_amount"), "0"),
        "status": "pending",
        "payment_status": "unknown",
        "fulfillment_status": "unknown",
        "billing_address": "{}",
        "shipping_address": "{}",
        "events-TOTAL_FORMS": "0",
        "events-INITIAL_FORMS": "0",
        "lines-TOTAL_FORMS": str(len(lines)),
        "lines-INITIAL_FORMS": str(sum("id" in line for line in lines)),
        **values,
    }
    zeros = dict.fromkeys(("unit_price", "discount_amount", "tax_amount", "line_total"), "0")
    for number, line in enumerate(lines):
        whole = {"position": number + 1, **zeros, **line}
        form |= {f"lines-{number}-{name}": value for name, value in whole.items()}
    return form


@pytest.fixture
def order(root, product):
    line = {"product": product.pk, "sku": "SK-1", "quantity": 2}
    assert root.post(ADD, sent(line)).status_code == 302
    return Order.objects.get()


@pytest.fixture
def change(root, order):
    """Send the page of the order with these values; what it says."""

    def change(quantity=2, **values):
        line = order.lines.get()
        row = {"id": line.pk, "order": order.pk, "product": line.product_id, "sku": "SK-1"}
        date = order.order_date
        form = {
            "order_date_0": f"{date:%Y-%m-%d}",
            "order_date_1": f"{date:%H:%M:%S}",
            "version": order.version,
        }
        response = root.post(
            page(order), sent({**row, "quantity": quantity}, **form, **values), follow=True
        )
        assert response.redirect_chain, response.context["errors"]
        order.refresh_from_db()
        return response.content.decode()

    return change


def stock():
    return Product.objects.values_list("inventory_count", "reserved_count").get()


def test_an_order_made_there_reserves(order):
    assert stock() == (5, 2)
    assert order.lines.get().reserved_count == 2
    event = OrderEvent.objects.get()
    assert (event.kind, event.data) == ("created", {"stock": {"reserved": {"SK-1": 2}}})
    assert event.by.is_superuser


def test_what_is_not_there_cannot_be_sold(root, product):
    line = {"product": product.pk, "sku": "SK-1", "quantity": 6}
    html = root.post(ADD, sent(line), follow=True).content.decode()
    assert "SK-1: 6 wanted, 5 available." in html
    assert not Order.objects.exists()
    assert stock() == (5, 0)


def test_it_is_moved_along_the_table(change, order):
    change(move_to="shipped")
    assert (order.status, order.fulfillment_status) == ("shipped", "fulfilled")
    assert stock() == (3, 0)
    assert OrderEvent.objects.last().to_state == "shipped"


def test_other_ways_are_not_offered(root, change, order):
    html = root.get(page(order)).content.decode()
    assert '<option value="shipped">' in html
    assert '<option value="returned">' not in html
    response = root.post(page(order), sent(move_to="returned"))
    assert "move_to" in response.context["adminform"].form.errors


def test_its_states_are_no_fields(change, order):
    change(status="completed", payment_status="paid")
    assert (order.status, order.payment_status) == ("pending", "unknown")


def test_changed_lines_change_what_is_reserved(change, order):
    seen = order.version
    change(quantity=4)
    assert order.version == seen + 1
    assert stock() == (5, 4)
    assert OrderLine.objects.get().reserved_count == 4
    event = OrderEvent.objects.last()
    assert (event.kind, event.data["fields"]) == ("changed", ["lines"])


def test_what_is_fixed_stays(change, order):
    change(move_to="processing")
    assert "total_amount cannot be changed" in change(total_amount="5")
    assert order.total_amount == Decimal(0)
    assert "lines cannot be changed" in change(quantity=1)
    assert stock() == (5, 2)
    assert "was changed successfully" in change(note="ring twice")


def test_a_refused_move_changes_nothing(change, order):
    change(move_to="failed")
    Product.objects.update(inventory_count=1)
    assert "SK-1: 2 wanted, 1 available." in change(move_to="pending", note="again")
    assert (order.status, order.note) == ("failed", "")


def test_the_log_is_shown_and_not_written(root, change, order):
    html = root.get(page(order)).content.decode()
    assert "created" in html
    event = OrderEvent.objects.get()
    forged = {
        "events-TOTAL_FORMS": "1",
        "events-INITIAL_FORMS": "1",
        "events-0-id": event.pk,
        "events-0-order": order.pk,
        "events-0-note": "forged",
        "events-0-DELETE": "on",
    }
    change(**forged)
    assert OrderEvent.objects.get(pk=event.pk).note == ""


def test_what_was_sold_cannot_be_deleted(root, change, order):
    change(move_to="paid")
    delete = reverse("admin:ecommerce_sync_order_delete", args=[order.pk])
    root.post(delete, {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [order.pk], "post": "yes"}
    root.post(LIST, chosen)
    assert Order.objects.exists()


def test_what_was_not_gives_back(root, order):
    chosen = {"action": "delete_selected", "_selected_action": [order.pk], "post": "yes"}
    root.post(LIST, chosen)
    assert not Order.objects.exists()
    assert stock() == (5, 0)


def test_orders_of_feeds_may_be_cleared_away(root):
    order = Order.objects.create(order_id="7", source="shop", payment_status="paid")
    root.post(reverse("admin:ecommerce_sync_order_delete", args=[order.pk]), {"post": "yes"})
    assert not Order.objects.exists()
