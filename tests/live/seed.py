"""Rows to ask for, and who may: run once in the server's environment; prints an access token."""

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402

from django_ecommerce_sync import orders, sync  # noqa: E402
from django_ecommerce_sync.api.tokens import sign_in  # noqa: E402
from django_ecommerce_sync.models import Customer, Order, OrderLine, Product  # noqa: E402


def seed() -> str:
    """A few rows of everything; the token of somebody with every right."""
    admin = get_user_model().objects.create_superuser("admin", password="live-test-password")
    products = [
        Product.objects.create(sku=f"SK-{n}", name=f"Sock {n}", price=n, inventory_count=1000)
        for n in range(1, 6)
    ]
    customer = Customer.objects.create(email="eve@example.com", first_name="Eve")
    for number in range(1, 4):
        order = Order.objects.create(order_id=str(number), customer=customer, currency="EUR")
        OrderLine.objects.create(
            order=order, product=products[number], position=1, quantity=2, unit_price=number
        )
        orders.record_many([order.pk], {}, by=admin)
    run, _new = sync.request_run("shop", trigger="api")
    sync.execute(run.pk)
    plan, _new = sync.request_run("shop", trigger="api", plan=True)
    sync.execute(plan.pk)
    return sign_in(admin)["access"]


if __name__ == "__main__":
    print(seed())
