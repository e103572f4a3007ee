"""Many rows in one request: matched and applied as a feed's rows are."""

import json
import threading
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from django_ecommerce_sync.models import (
    COUNTS,
    IdempotencyKey,
    Order,
    Product,
    StreamState,
    SyncChange,
    SyncLink,
)
from django_ecommerce_sync.signals import batch_synced
from tests.inserts import watch

from .conftest import problem
from .test_access import someone_with
from .test_idempotency import send_at_once

URL = "/api/products/bulk/"


def row(sku="B-1", **values):
    return {"sku": sku, "name": "Hat", "price": "19.90", **values}


def send(client, rows, query="", url=URL, **options):
    text = json.dumps(rows)
    return client.post(f"{url}?{query}", text, content_type="application/json", **options)


def taken(response):
    """The answer to a request that was carried out."""
    assert response.status_code == 200, response.content
    return response.json()


def statuses(response):
    return [result["status"] for result in taken(response)["results"]]


def send_lines(client, text, query="on_error=skip", content_type="application/x-ndjson"):
    return client.generic("POST", f"{URL}?{query}", text, content_type=content_type)


def test_rows_are_created_changed_or_left_alone(client, product):
    Product.objects.create(sku="same", name="Hat", price="19.9")
    rows = [row("new"), row("SK-1", price="1"), row("same", price="19.900")]
    answer = taken(send(client, rows))
    ids = dict(Product.objects.values_list("sku", "pk"))
    assert answer["results"] == [
        {"index": 0, "key": "new", "id": ids["new"], "status": "created", "errors": []},
        {"index": 1, "key": "SK-1", "id": product.pk, "status": "updated", "errors": []},
        {"index": 2, "key": "same", "id": ids["same"], "status": "unchanged", "errors": []},
    ]
    counts = {"read": 3, "created": 1, "updated": 1, "unchanged": 1}
    assert answer["counts"] == {**dict.fromkeys(COUNTS, 0), **counts}
    changed = Product.objects.get(sku="SK-1")
    assert (changed.price, changed.version, changed.inventory_count) == (1, 2, 5)
    assert changed.updated_at > product.updated_at
    assert Product.objects.get(sku="same").version == 1
    assert statuses(send(client, rows)) == ["unchanged"] * 3


def test_what_is_not_sent_is_left_alone(client, product):
    assert statuses(send(client, [{"sku": "SK-1", "name": "Tea"}])) == ["updated"]
    product.refresh_from_db()
    assert (product.name, product.price) == ("Tea", Decimal("9.99"))


def test_of_rows_with_one_key_the_last_counts(client):
    rows = [row(price="1"), row("other"), row(" B-1", price="2"), row("B-1", price="3")]
    answer = taken(send(client, rows))
    assert [each["status"] for each in answer["results"]] == [
        "duplicate",
        "created",
        "duplicate",
        "created",
    ]
    stored = Product.objects.get(sku="B-1")
    assert stored.price == 3
    assert {each["id"] for each in answer["results"] if each["key"] == "B-1"} == {stored.pk}
    assert answer["counts"]["duplicate"] == 2


BAD = [
    ({"name": "no key"}, "/sku", "invalid_key"),
    (row("x", price="-1"), "/price", "min_value"),
    (row("x", price="1.23456"), "/price", "max_decimal_places"),
    (row("x", status="gone"), "/status", "invalid_choice"),
    (row("a\u200bb"), "/sku", "invalid_key"),
    ({"sku": "x"}, "/price", "required"),
    ({"sku": "x", "price": None}, "/price", "null"),
    (row("x", currency="XXQ"), "/currency", "invalid_currency"),
    (row("x", name="\x00"), "/name", "bad_unicode"),
    (row("x", attributes={"a": ["\ud800"]}), "/attributes/a/0", "bad_unicode"),
    ([], "", "invalid"),
    (None, "", "null"),
    ("text", "", "invalid"),
    (1, "", "invalid"),
]


@pytest.mark.parametrize(("bad", "pointer", "code"), BAD)
def test_one_wrong_row_and_nothing_is_written(client, bad, pointer, code):
    response = send(client, [row("a"), bad, row("b")])
    document = problem(response, 400, "rows_rejected")
    assert [(each["pointer"], each["code"]) for each in document["errors"]] == [
        (f"/1{pointer}", code)
    ]
    assert not Product.objects.exists()


@pytest.mark.parametrize(("bad", "pointer", "code"), BAD)
def test_a_wrong_row_can_be_left_out(client, bad, pointer, code):
    answer = taken(send(client, [row("a"), bad, row("b")], "on_error=skip"))
    assert [each["status"] for each in answer["results"]] == ["created", "rejected", "created"]
    (error,) = answer["results"][1]["errors"]
    assert (error["pointer"], error["code"]) == (f"/1{pointer}", code)
    assert answer["counts"]["rejected"] == 1
    assert set(Product.objects.values_list("sku", flat=True)) == {"a", "b"}


def test_all_that_is_wrong_is_told_at_once(client):
    bad = row("x", price="x", status="gone")
    errors = problem(send(client, [bad, {"sku": "y"}, row("ok")]), 400)["errors"]
    assert {each["pointer"] for each in errors} == {"/0/price", "/0/status", "/1/price"}


def test_a_dry_run_tells_and_writes_nothing(client, product):
    rows = [row("new"), row("SK-1"), row("SK-1", price="2"), row("x", price="-1")]
    answer = taken(send(client, rows, "dry_run=1&on_error=skip"))
    assert answer["dry_run"] is True
    assert [each["status"] for each in answer["results"]] == [
        "created",
        "duplicate",
        "updated",
        "rejected",
    ]
    assert [each["id"] for each in answer["results"]] == [None, product.pk, product.pk, None]
    assert Product.objects.get().version == 1
    problem(send(client, rows, "dry_run=true"), 400, "rows_rejected")


@pytest.mark.parametrize(
    ("query", "name"),
    [("on_error=ignore", "on_error"), ("dry_run=maybe", "dry_run"), ("dry=1", "dry")],
)
def test_bad_options_are_named(client, query, name):
    document = problem(send(client, [row()], query), 400)
    assert [(e["pointer"], e["in"]) for e in document["errors"]] == [(f"/{name}", "query")]
    assert not Product.objects.exists()


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/jsonl"])
def test_one_row_a_line(client, content_type):
    text = "\n".join([json.dumps(row("a")), "", json.dumps(row("b", name="ü")), " "])
    assert statuses(send_lines(client, text, content_type=content_type)) == ["created"] * 2
    assert Product.objects.get(sku="b").name == "ü"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", "parse_error"),
        (b'{"sku": "a", "sku": "b"}', "parse_error"),
        (b'{"sku": "\xff"}', "parse_error"),
        (b'{"price": NaN}', "parse_error"),
        (b"[" * 100_000, "too_deep"),
        (b'{"sku": "a", "attributes": ' + b"[" * 70 + b"]" * 70 + b"}", "too_deep"),
        (b'{"sku": "a\\u0000"}', "bad_unicode"),
        (b"[1]", "invalid"),
    ],
    ids=range(8),
)
def test_a_line_that_cannot_be_read_costs_itself(client, line, code):
    text = b"\n".join([json.dumps(row("a")).encode(), line, json.dumps(row("b")).encode()])
    answer = taken(send_lines(client, text))
    assert [each["status"] for each in answer["results"]] == ["created", "rejected", "created"]
    assert answer["results"][1]["errors"][0]["code"] == code
    Product.objects.all().delete()
    problem(send_lines(client, text, "on_error=atomic"), 400, "rows_rejected")
    assert not Product.objects.exists()


@pytest.mark.parametrize("body", [{}, row(), "x", None, 1])
def test_an_array_is_expected(client, body):
    document = problem(send(client, body), 400)
    assert document["errors"][0]["code"] == "not_a_list"


@pytest.mark.parametrize("text", ["", "[", '[{"sku": "a"]', "[" * 100_000])
def test_a_broken_array_changes_nothing(client, text):
    problem(client.generic("POST", URL, text, content_type="application/json"), 400)


def test_no_rows_are_no_mistake(client):
    assert taken(send(client, []))["results"] == []
    assert taken(send_lines(client, "\n"))["counts"]["read"] == 0
    problem(send_lines(client, ""), 400)


@pytest.mark.parametrize("content_type", ["text/csv", "application/x-www-form-urlencoded"])
def test_other_formats_are_not_taken(client, content_type):
    problem(send_lines(client, "sku=a", content_type=content_type), 415)


def test_the_number_of_rows_is_limited(client, settings):
    settings.ECOMMERCE_SYNC = {"API": {"MAX_BULK_ROWS": 2, "MAX_QUEUED_BULK_ROWS": 0}}
    assert len(statuses(send(client, [row("a"), row("b")]))) == 2
    rows = [row(name) for name in "abc"]
    text = "\n".join(map(json.dumps, rows))
    for response in (send(client, rows), send_lines(client, text)):
        document = problem(response, 413, "too_many_rows")
        assert "2 can be sent" in document["detail"]
    assert Product.objects.count() == 2


def test_the_size_of_the_body_is_limited(client, settings):
    large = row(description="x" * 1024 * 1024)  # more than other bodies may have
    assert statuses(send(client, [large])) == ["created"]
    settings.ECOMMERCE_SYNC = {"API": {"MAX_BULK_BODY_SIZE": 1000}}
    problem(send(client, [large]), 413, "too_large")


def test_both_rights_are_needed(db):
    for right in ("add", "change"):
        problem(send(someone_with(f"{right}_product", name=right), [row()]), 403)
    assert statuses(send(someone_with("add_product", "change_product"), [row()])) == ["created"]


def test_queries_do_not_grow_with_the_rows(client, django_assert_max_num_queries):
    for number in (1, 300):
        rows = [row(f"n{number}-{each}") for each in range(number)]
        for expected in ("created", "unchanged"):
            with django_assert_max_num_queries(14):
                assert set(statuses(send(client, rows))) == {expected}
        for each in rows:
            each["price"] = "1"
        with django_assert_max_num_queries(14):
            assert set(statuses(send(client, rows))) == {"updated"}


def test_feeds_compare_the_rows_again(client, product):
    place = {"feed": "shop", "stream": "products"}
    link = SyncLink.objects.create(
        **place,
        external_id="7",
        model="ecommerce_sync.product",
        object_id=str(product.pk),
        hash="abc",
        first_run=1,
        last_changed_run=1,
    )
    StreamState.objects.create(**place, validators={"etag": "x"})
    send(client, [row("SK-1", name="Sock", price="9.99")])
    link.refresh_from_db()
    assert link.hash == "abc"
    send(client, [row("SK-1")])
    link.refresh_from_db()
    assert link.hash == ""
    assert StreamState.objects.get().validators == {}
    assert SyncLink.objects.count() == 1


def test_a_persons_word_goes_before_pins_and_feeds(client, user, product, settings):
    settings.ECOMMERCE_SYNC = {
        "FEEDS": {"shop": {"BACKEND": "tests.api.feeds.ShopFeed", "PRIORITY": 9}}
    }
    Product.objects.update(pinned=["name"])
    assert statuses(send(client, [{"sku": "SK-1", "name": "Tea", "price": "1"}])) == ["updated"]
    product.refresh_from_db()
    assert (product.name, product.price, product.pinned) == ("Tea", 1, ["name"])
    assert statuses(send(client, [{"sku": "SK-1", "pinned": ["price"]}])) == ["updated"]
    product.refresh_from_db()
    assert product.pinned == ["price"]


def test_what_was_sent_is_in_the_rows_history(client, user, product, settings):
    settings.ECOMMERCE_SYNC = {"CHANGE_LOG": True}
    send(client, [row("new"), {"sku": "SK-1", "name": "Tea"}, row("SK-2", price="-1")])
    assert not SyncChange.objects.exists()
    send(client, [row("new"), {"sku": "SK-1", "name": "Tea"}])
    created, changed = SyncChange.objects.order_by("pk")
    assert {(one.action, one.user, one.feed, one.run) for one in (created, changed)} == {
        ("edited", user, "", None)
    }
    assert created.fields == {"sku": None, "name": None, "price": None, "currency": None}
    assert (changed.object_id, changed.fields) == (str(product.pk), {"name": ["Sock", "Tea"]})


def test_an_archived_row_that_is_sent_is_back(client, product):
    Product.objects.update(archived_at=timezone.now())
    assert statuses(send(client, [{"sku": "SK-1"}])) == ["updated"]
    assert Product.objects.get().archived_at is None


@pytest.fixture
def heard():
    calls = []

    def listen(sender, **arguments):
        calls.append((sender, arguments))

    batch_synced.connect(listen)
    yield calls
    batch_synced.disconnect(listen)


def test_listeners_hear_what_was_written(
    client, product, heard, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        send(client, [row("new"), row("SK-1", name="Sock", price="2")])
        send(client, [row("newer")], "dry_run=1")
        send(client, [row("newest"), {}])
    ((sender, arguments),) = heard
    assert sender is Product
    assert (arguments["run"], arguments["stream"]) == (None, "products")
    assert arguments["created"] == [Product.objects.get(sku="new").pk]
    assert arguments["updated"] == {product.pk: ("price",)}


def test_what_is_strange_is_told(client, product):
    answer = taken(send(client, [row("SK-1", currency="USD")]))
    (warning,) = answer["warnings"]
    assert (warning["code"], warning["count"]) == ("currency_changed", 1)


def test_a_repeated_request_is_answered_again(client):
    def again():
        return send(client, [row()], headers={"Idempotency-Key": "k"})

    assert statuses(again()) == ["created"]
    assert again()["Idempotency-Replayed"] == "true"
    assert statuses(again()) == ["created"]
    assert IdempotencyKey.objects.get().request == f"POST {URL}"


def test_a_repeated_request_with_a_broken_line_is_recognised(client):
    for text, status in (("{", 200), ("{", 200), ("}", 422)):
        response = client.generic(
            "POST",
            f"{URL}?on_error=skip",
            text,
            content_type="application/x-ndjson",
            headers={"Idempotency-Key": "k"},
        )
        assert response.status_code == status


def test_customers_by_email(client, customer):
    rows = [{"email": " EVE@example.com", "last_name": "Roe"}, {"email": "x@y.z"}, {"phone": "1"}]
    answer = taken(send(client, rows, "on_error=skip", url="/api/customers/bulk/"))
    assert [each["status"] for each in answer["results"]] == ["updated", "created", "rejected"]
    assert answer["results"][0]["key"] == "eve@example.com"
    customer.refresh_from_db()
    assert customer.full_name == "Eve Roe"


class TestOrders:
    url = "/api/orders/bulk/"

    def order(self, number="1", **values):
        return {"order_id": number, "currency": "EUR", **values}

    def send(self, client, *rows, query=""):
        return send(client, list(rows), query, url=self.url)

    def test_lines_copy_their_products_and_totals_are_computed(self, client, product, customer):
        lines = [
            {"sku": " SK-1", "quantity": 2},
            {"product": product.pk, "quantity": 1, "unit_price": "1", "discount_amount": "0.5"},
        ]
        sent = self.order(
            customer=customer.pk,
            lines=lines,
            shipping_total="4",
            total_amount="1",
            subtotal="1",
            status="completed",
        )
        assert statuses(self.send(client, sent)) == ["created"]
        order = Order.objects.get()
        assert (order.source, order.status, order.customer) == ("local", "completed", customer)
        assert (order.customer_email, order.customer_name) == ("eve@example.com", "Eve Doe")
        assert (order.subtotal, order.total_amount) == (Decimal("20.48"), Decimal("24.48"))
        first, second = order.lines.all()
        assert (first.product, first.sku, first.name) == (product, "SK-1", "Sock")
        assert (first.unit_price, first.line_total) == (Decimal("9.99"), Decimal("19.98"))
        assert (second.unit_price, second.line_total) == (1, Decimal("0.5"))
        product.refresh_from_db()
        assert (product.inventory_count, product.reserved_count) == (5, 0)
        assert statuses(self.send(client, sent)) == ["unchanged"]

    @pytest.mark.parametrize(
        ("values", "pointer", "code"),
        [
            ({"order_id": None}, "/order_id", "null"),
            ({"customer": 10**9}, "/customer", "unresolved_reference"),
            ({"customer": "x"}, "/customer", "invalid"),
            ({"lines": [{"sku": "no", "quantity": 1}]}, "/lines/0/product", "unresolved_reference"),
            ({"lines": [{"quantity": 1}]}, "/lines/0/product", "required"),
            ({"lines": [{"sku": "SK-1"}]}, "/lines/0/quantity", "required"),
            ({"lines": [{"sku": "SK-1", "quantity": 0}]}, "/lines/0/quantity", "min_value"),
            ({"lines": [{"sku": "SK-1", "quantity": 1}], "currency": ""}, "/currency", "required"),
            ({"lines": {}}, "/lines", "not_a_list"),
            ({"shipping_total": "-1"}, "/shipping_total", "min_value"),
            (
                {"lines": [{"sku": "SK-1", "quantity": 2**31 - 1, "unit_price": "9" * 15}]},
                "/lines/0/line_total",
                "out_of_range",
            ),
        ],
    )
    def test_what_is_wrong_is_named(self, client, product, values, pointer, code):
        document = problem(self.send(client, self.order(**values)), 400)
        assert [(e["pointer"], e["code"]) for e in document["errors"]] == [(f"/0{pointer}", code)]
        assert not Order.objects.exists()

    def test_an_order_needs_its_number(self, client):
        document = problem(self.send(client, {"currency": "EUR"}), 400)
        assert document["errors"][0]["pointer"] == "/0/order_id"

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"status": "shipped"}, "status"),
            ({"payment_status": "paid"}, "payment_status"),
            ({"fulfillment_status": "fulfilled"}, "fulfillment_status"),
            ({"shipping_total": "3"}, "shipping_total"),
            ({"currency": "USD"}, "currency"),
            ({"order_date": "2020-01-01T00:00:00Z"}, "order_date"),
            ({"shipping_address": {"city": "Rome"}}, "shipping_address"),
            ({"lines": [{"sku": "SK-1", "quantity": 3}]}, "lines"),
            ({"lines": []}, "lines"),
            ({"total_amount": "1"}, "total_amount"),
            ({"subtotal": "1", "tax_total": "1"}, "subtotal"),
        ],
    )
    def test_an_order_that_is_there_keeps_what_was_sold_and_where_it_stands(
        self, client, product, values, field
    ):
        self.send(client, self.order(lines=[{"sku": "SK-1", "quantity": 2}]))
        document = problem(self.send(client, {"order_id": "1", **values}), 400)
        assert [(e["pointer"], e["code"]) for e in document["errors"]] == [
            (f"/0/{field}", "settled")
        ]
        order = Order.objects.get()
        assert (order.version, order.lines.get().quantity) == (1, 2)

    def test_who_bought_and_what_was_noted_may_change(self, client, product, customer):
        self.send(client, self.order(lines=[{"sku": "SK-1", "quantity": 2}], shipping_total="1"))
        changed = {"order_id": "1", "customer": customer.pk, "note": "x", "shipping_total": "1.0"}
        assert statuses(self.send(client, changed)) == ["updated"]
        order = Order.objects.get()
        assert (order.customer, order.customer_name, order.note) == (customer, "Eve Doe", "x")
        assert order.total_amount == Decimal("20.98")

    def test_an_order_without_lines_states_its_total(self, client):
        assert statuses(self.send(client, self.order(total_amount="12"))) == ["created"]
        order = Order.objects.get()
        assert (order.subtotal, order.total_amount) == (12, 12)
        assert statuses(self.send(client, self.order(total_amount="12", lines=[]))) == ["unchanged"]

    def test_an_order_may_be_all_but_empty(self, client):
        assert statuses(self.send(client, self.order(shipping_total="2"))) == ["created"]
        order = Order.objects.get()
        assert (order.subtotal, order.total_amount, order.lines.count()) == (0, 2, 0)

    def test_they_are_in_the_log_and_move_no_stock(self, client, user, product):
        lines = [{"sku": "SK-1", "quantity": 9}]  # more than there are
        self.send(client, self.order(lines=lines), {"order_id": "2", "x": 1}, {"order_id": "1"})
        self.send(client, self.order("3"), query="dry_run=1")
        assert statuses(self.send(client, {"order_id": "2", "note": "x"})) == ["updated"]
        orders = {order.order_id: order for order in Order.objects.all()}
        first, second = (orders[number].events.all() for number in "12")
        assert [(e.kind, e.to_state, e.by) for e in first] == [("created", "pending", user)]
        assert [(e.kind, e.data) for e in second] == [
            ("created", {}),
            ("changed", {"fields": ["note"]}),
        ]
        for state in ("paid", "shipped", "refunded"):
            url = f"/api/orders/{orders['1'].pk}/transition/"
            assert client.post(url, {"to": state}).status_code == 200
        product.refresh_from_db()
        assert (product.inventory_count, product.reserved_count) == (5, 0)

    def test_orders_of_feeds_are_others(self, client):
        Order.objects.create(order_id="1", source="shop", note="theirs")
        assert statuses(self.send(client, self.order(note="ours"))) == ["created"]
        assert Order.objects.get(source="shop").note == "theirs"

    def test_queries_do_not_grow_with_the_rows(
        self, client, product, customer, django_assert_max_num_queries
    ):
        for number in (1, 100):
            lines = [{"sku": "SK-1", "quantity": 1}, {"product": product.pk, "quantity": 1}]
            rows = [
                self.order(f"{number}-{each}", customer=customer.pk, lines=lines)
                for each in range(number)
            ]
            with django_assert_max_num_queries(20):
                assert set(statuses(self.send(client, *rows))) == {"created"}


@pytest.fixture
def strict(monkeypatch):
    """A host's own constraint, which no check of ours knows of, refuses one row."""

    def refuse(head, rows):
        if any("refused" in row for row in rows):
            raise IntegrityError(4025, "CONSTRAINT `secret` failed")

    watch(monkeypatch, refuse)


def test_a_row_the_database_refuses_costs_itself(client, strict):
    rows = [row(f"p{n}", name="refused" if n == 3 else "Hat") for n in range(7)]
    document = problem(send(client, rows), 400, "rows_rejected")
    assert [(e["pointer"], e["code"]) for e in document["errors"]] == [("/3", "db_rejected")]
    assert not Product.objects.exists()
    answer = taken(send(client, rows, "on_error=skip"))
    assert answer["counts"]["created"] == 6
    assert answer["results"][3]["status"] == "rejected"
    assert "secret" not in json.dumps(answer)
    assert Product.objects.count() == 6


@pytest.mark.django_db(transaction=True)
def test_a_row_is_refused_outside_a_transaction_too(client, strict):
    answer = taken(send(client, [row("a"), row("b", name="refused")], "on_error=skip"))
    assert [each["status"] for each in answer["results"]] == ["created", "rejected"]
    assert Product.objects.get().sku == "a"


@pytest.mark.django_db(transaction=True)
def test_clients_who_send_the_same_rows_at_once_all_succeed(client, user):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory has one connection")
    answers = []
    rows = [row(f"p{number:03}") for number in range(50)]

    def work(racer):
        mine = rows if threading.get_ident() % 2 else rows[::-1]
        answers.append(send(racer, mine))

    send_at_once(user, 8, work)
    assert Product.objects.count() == 50
    created = sum(taken(answer)["counts"]["created"] for answer in answers)
    unchanged = sum(taken(answer)["counts"]["unchanged"] for answer in answers)
    assert (created, unchanged) == (50, 350)
