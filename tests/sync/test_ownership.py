"""Several feeds and people, one row: policies, priorities, pins."""

import itertools
from dataclasses import replace

import pytest

from django_ecommerce_sync.feeds import (
    Archive,
    Keep,
    MemoryFeed,
    Money,
    Number,
    Since,
    Stream,
    Text,
)
from django_ecommerce_sync.models import Order, Product, StreamState, SyncLink
from django_ecommerce_sync.sync import execute, request_run

from .conftest import CUSTOMERS, ORDERS, PRODUCTS, customer, product

pytestmark = pytest.mark.django_db


class Feeds:
    """Several feeds over one catalogue."""

    def __init__(self, settings):
        self.settings = settings
        self.entries = {}

    def add(self, alias, rows, *streams, **entry):
        options = {"streams": streams, "rows": rows}
        self.entries[alias] = {"BACKEND": MemoryFeed, "OPTIONS": options, **entry}
        self.settings.ECOMMERCE_SYNC = {**self.settings.ECOMMERCE_SYNC, "FEEDS": self.entries}

    def rows(self, alias, stream="products"):
        return self.entries[alias]["OPTIONS"]["rows"][stream]

    def run(self, alias, **options):
        run, _ = request_run(alias, **options)
        run = execute(run.pk)
        assert not run.error_code, run.error
        return run

    def counts(self, alias, stream="products", **options):
        found = self.run(alias, **options).counts_of(stream)
        return {name: n for name, n in found.items() if n}


@pytest.fixture
def feeds(settings):
    return Feeds(settings)


def thing(**values):
    return {"sku": "A-1", "name": "Lamp", "price": "10.00", "currency": "EUR", **values}


def stream(*names, name="products", **options):
    return Stream(name, fields={field: field for field in ("sku", *names)}, **options)


def the(field, model=Product):
    return model.objects.values_list(field, flat=True).get()


# -- policies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "stored", "after"),
    [
        ("source", "ours", "theirs"),
        ("fill", "ours", "ours"),
        ("fill", "", "theirs"),
        ("create", "ours", "ours"),
        ("create", "", ""),
        ("never", "", ""),
    ],
)
def test_a_policy_says_whose_value_a_known_row_has(shop, policy, stored, after):
    shop.streams = [replace(PRODUCTS, policy={"brand": policy})]
    shop.rows = {"products": [product(1, brand="first")]}
    shop.sync()
    Product.objects.update(brand=stored)
    shop.rows = {"products": [product(1, brand="theirs", title="New title")]}

    assert shop.counts() == {"read": 1, "updated": 1}

    assert (the("brand"), the("name")) == (after, "New title")


@pytest.mark.parametrize(("policy", "brand"), [("create", "Acme"), ("fill", "Acme"), ("never", "")])
def test_a_policy_says_what_a_new_row_gets(shop, policy, brand):
    shop.streams = [replace(PRODUCTS, policy={"brand": policy})]
    shop.rows = {"products": [product(1, brand="Acme")]}

    assert shop.counts() == {"read": 1, "created": 1}

    assert the("brand") == brand


def test_a_row_that_only_a_policy_keeps_from_changing_is_unchanged(shop):
    shop.streams = [replace(PRODUCTS, policy={"name": "create"})]
    shop.rows = {"products": [product(1)]}
    shop.sync()
    shop.rows = {"products": [product(1, title="Another")]}

    assert shop.counts() == {"read": 1, "unchanged": 1}
    assert shop.counts(full=True) == {"read": 1, "unchanged": 1}

    assert the("name") == "Thing 1"


def test_a_changed_policy_reaches_records_that_did_not_change(shop):
    shop.streams = [replace(PRODUCTS, policy={"name": "create"})]
    shop.rows = {"products": [product(1)]}
    shop.sync()
    shop.rows = {"products": [product(1, title="Another")]}
    shop.sync()
    shop.streams = [PRODUCTS]

    assert shop.counts() == {"read": 1, "updated": 1}

    assert the("name") == "Another"


def test_the_settings_overrule_the_policy_of_the_feed(feeds):
    declared = stream("name", "price", policy={"name": "never", "price": "create"})
    feeds.add("shop", {"products": [thing()]}, declared, POLICY={"products": {"name": "source"}})
    feeds.run("shop")
    feeds.rows("shop")[0] |= {"name": "Desk lamp", "price": "12.00"}
    feeds.run("shop")

    assert (the("name"), the("price")) == ("Desk lamp", 10)


def test_a_key_that_is_only_taken_on_creation_stays_when_the_feed_renames_it(shop):
    shop.streams = [replace(PRODUCTS, policy={"sku": "create"})]
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync()
    shop.rows = {"products": [product(1, sku="SKU-2"), product(2)]}

    assert shop.counts() == {"read": 2, "unchanged": 2}

    assert list(Product.objects.order_by("pk").values_list("sku", flat=True)) == ["SKU-1", "SKU-2"]


def test_lines_that_only_a_new_order_gets_stay_with_their_totals(shop):
    shop.streams = [PRODUCTS, CUSTOMERS, replace(ORDERS, policy={"lines": "create"})]
    line = {"product_id": 1, "quantity": 2, "price": "5.00"}
    order = {"id": 7, "customer_id": 1, "date": "2026-01-02", "lines": [line]}
    shop.rows = {"products": [product(1)], "customers": [customer(1)], "orders": [order]}
    shop.sync()
    order["lines"] = [{**line, "quantity": 9}]
    order["status"] = "completed"

    assert shop.counts("orders") == {"read": 1, "updated": 1}

    found = Order.objects.get()
    assert (found.status, found.total_amount) == ("completed", 10)
    assert found.lines.get().quantity == 2


def test_empty_lines_are_filled(shop):
    shop.streams = [PRODUCTS, CUSTOMERS, replace(ORDERS, policy={"lines": "fill"})]
    order = {"id": 7, "customer_id": 1, "date": "2026-01-02", "lines": []}
    shop.rows = {"products": [product(1)], "customers": [customer(1)], "orders": [order]}
    shop.sync()
    for quantity in (2, 9):
        order["lines"] = [{"product_id": 1, "quantity": quantity, "price": "5.00"}]
        shop.sync()

    assert Order.objects.get().lines.get().quantity == 2


def test_a_policy_that_does_not_exist_fails_the_run_with_a_sentence(shop):
    shop.streams = [replace(PRODUCTS, policy={"name": "sometimes"})]
    shop.rows = {"products": [product(1)]}

    run = shop.sync()

    assert run.error_code == "configuration"
    assert "'sometimes' for 'name'; there is: create, fill, never, source." in run.error


# -- several feeds -------------------------------------------------------------------------------

HIGH = [
    thing(name="High one", price="11.00"),
    thing(sku="A-2", name="High two", price="12.00"),
    thing(sku="A-3", name="Same", price="13.00"),
]
LOW = [
    thing(sku="A-2", name="Low two", price="22.00", brand="Low", inventory_count=2),
    thing(sku="A-3", name="Same", price="13.00", brand="Low", inventory_count=3),
    thing(sku="A-4", name="Low four", price="24.00", brand="Low", inventory_count=4),
]
FINAL = [
    ("A-1", "High one", 11, "", 0),
    ("A-2", "High two", 12, "Low", 2),
    ("A-3", "Same", 13, "Low", 3),
    ("A-4", "Low four", 24, "Low", 4),
]
COLUMNS = ("sku", "name", "price", "brand", "inventory_count")


def catalogue():
    return list(Product.objects.order_by("sku").values_list(*COLUMNS))


@pytest.mark.parametrize("order", sorted(set(itertools.permutations("hhhlll", 4))))
def test_feeds_that_rank_give_the_same_rows_in_every_order_of_runs(feeds, order):
    names = ("name", "price", "currency", "brand", "inventory_count")
    feeds.add("h", {"products": HIGH}, stream("name", "price", "currency"), PRIORITY=10)
    feeds.add("l", {"products": LOW}, stream(*names))

    for alias in order:
        feeds.run(alias)

    assert catalogue() == FINAL
    before = list(Product.objects.order_by("pk").values_list("pk", "version"))
    for alias in "hl":
        counts = feeds.counts(alias, full=True)
        assert counts == {"read": 3, "unchanged": 3}
    assert list(Product.objects.order_by("pk").values_list("pk", "version")) == before


def test_an_equal_value_is_claimed_by_the_feed_that_ranks_higher(feeds):
    feeds.add("h", {"products": [thing()]}, stream("name", "price", "currency"), PRIORITY=1)
    feeds.add("l", {"products": [thing()]}, stream("name", "price", "currency"))
    feeds.run("l")
    feeds.run("h")
    feeds.rows("l")[0]["name"] = "Changed below"

    assert feeds.counts("l") == {"read": 1, "unchanged": 1}

    assert the("name") == "Lamp"


def test_what_the_higher_record_does_not_carry_the_lower_one_may_say(feeds):
    bare = thing()
    del bare["name"]
    feeds.add("h", {"products": [bare]}, stream("name", "price", "currency"), PRIORITY=1)
    feeds.add("l", {"products": [thing()]}, stream("name", "price", "currency"))
    feeds.run("h")
    feeds.run("l")

    assert the("name") == "Lamp"
    assert SyncLink.objects.get(feed="h").lacks == "name"


def test_what_the_higher_feed_only_fills_in_the_lower_one_may_change(feeds):
    policy = {"name": "fill"}
    names = ("name", "price", "currency")
    feeds.add("h", {"products": [thing()]}, stream(*names, policy=policy), PRIORITY=1)
    feeds.add("l", {"products": [thing(name="Below")]}, stream(*names))
    for alias in "hl":
        feeds.run(alias)

    assert the("name") == "Below"


def test_a_new_rank_reaches_records_that_did_not_change(feeds):
    names = ("name", "price", "currency")
    feeds.add("h", {"products": [thing(name="High")]}, stream(*names), PRIORITY=1)
    feeds.add("l", {"products": [thing(name="Low")]}, stream(*names))
    feeds.run("h")
    feeds.run("l")
    feeds.entries["h"]["PRIORITY"] = -1
    feeds.run("l")

    assert the("name") == "Low"


def test_a_record_its_feed_has_no_more_says_nothing(feeds):
    names = ("name", "price", "currency")
    high = [thing(name="High"), thing(sku="A-2")]
    feeds.add("h", {"products": high}, stream(*names, missing=Keep()), PRIORITY=1)
    feeds.add("l", {"products": [thing(name="Low")]}, stream(*names))
    feeds.run("h")
    del high[0]
    feeds.run("h")
    feeds.run("l")

    assert Product.objects.get(sku="A-1").name == "Low"


@pytest.mark.parametrize("missing", [Keep(), Archive(max_ratio=1.0)])
def test_others_are_heard_again_once_a_feed_has_a_record_no_more(feeds, missing):
    names = ("name", "price", "currency")
    high, low = [thing(name="High"), thing(sku="A-2")], [thing(name="Low")]
    feeds.add("h", {"products": high}, stream(*names, missing=missing), PRIORITY=1)
    feeds.add("l", {"products": low}, stream(*names))
    feeds.run("h")
    feeds.run("l")
    gone = high.pop(0)
    StreamState.objects.update(validators={"etag": "x"})
    feeds.run("h")
    assert StreamState.objects.get(feed="l").validators == {}

    assert feeds.counts("l") == {"read": 1, "updated": 1}
    assert Product.objects.get(sku="A-1").name == "Low"

    high.append(gone)
    assert feeds.counts("h") == {"read": 2, "updated": 1, "unchanged": 1}
    assert Product.objects.get(sku="A-1").name == "High"


def test_others_are_heard_again_once_a_record_carries_a_field_no_more(feeds):
    names = ("name", "price", "currency")
    high, low = [thing(name="High")], [thing(name="Low")]
    feeds.add("h", {"products": high}, stream(*names), PRIORITY=1)
    feeds.add("l", {"products": low}, stream(*names))
    feeds.run("h")
    feeds.run("l")
    del high[0]["name"]
    feeds.run("h")

    assert feeds.counts("l") == {"read": 1, "updated": 1}
    assert the("name") == "Low"
    assert feeds.counts("l") == feeds.counts("h", full=True) == {"read": 1, "unchanged": 1}


def test_an_amount_never_gets_another_feeds_currency(feeds):
    high = stream("price", "currency")
    feeds.add("h", {"products": [thing(price="10.00", currency="EUR")]}, high, PRIORITY=1)
    low = stream("name", "price", "compare_at_price", "currency")
    row = thing(price="12.00", compare_at_price="15.00", currency="USD")
    feeds.add("l", {"products": [row]}, low)
    for alias in "hl":
        feeds.run(alias)

    found = Product.objects.get()
    assert (found.name, found.price, found.currency) == ("Lamp", 10, "EUR")
    assert found.compare_at_price is None


def test_an_amount_with_a_currency_of_its_own_claims_the_currency(feeds):
    priced = Stream("products", fields={"sku": "sku", "price": Money("price", currency="currency")})
    feeds.add("h", {"products": [thing(currency="EUR")]}, priced, PRIORITY=1)
    feeds.add("l", {"products": [thing(currency="USD")]}, stream("name", "currency"))
    for alias in "hl":
        feeds.run(alias)

    assert the("currency") == "EUR"


@pytest.mark.parametrize("order", ["nonono", "ononon", "oonn", "nnoo"])
def test_among_equals_the_newer_state_counts_in_every_order_of_runs(feeds, order):
    timed = stream("name", "price", "currency", since=Since("changed"))
    newer = thing(name="Newer", changed="2026-05-02T00:00:00Z")
    older = thing(name="Older", changed="2026-05-01T00:00:00Z", price="9.00")
    feeds.add("n", {"products": [newer]}, timed)
    feeds.add("o", {"products": [older]}, timed)

    for alias in order:
        feeds.run(alias, full=True)

    assert (the("name"), the("price")) == ("Newer", 10)
    assert feeds.counts("o", full=True) == {"read": 1, "skipped": 1}


def test_among_equals_an_equal_time_applies(feeds):
    timed = stream("name", "price", "currency", since=Since("changed"))
    feeds.add("a", {"products": [thing(name="A", changed="2026-05-02T00:00:00Z")]}, timed)
    feeds.add("b", {"products": [thing(name="B", changed="2026-05-02T00:00:00Z")]}, timed)
    feeds.run("a")

    assert feeds.counts("b") == {"read": 1, "updated": 1}


def test_a_feed_that_cannot_be_built_stops_no_other(feeds):
    feeds.add("shop", {"products": [thing()]}, stream("name", "price"))
    feeds.entries["broken"] = {"BACKEND": "no.such.Feed"}

    assert feeds.counts("shop") == {"read": 1, "created": 1}


# -- pins ----------------------------------------------------------------------------------------


def pin(*names, model=Product):
    row = model.objects.get()
    row.pinned = list(names)
    row.save()


def test_a_pinned_field_is_left_alone_and_counted_in_every_run(shop):
    shop.rows = {"products": [product(1)]}
    shop.sync()
    Product.objects.update(name="By hand")
    pin("name")

    run = shop.sync()
    assert run.counts_of("products")["skipped"] == 1
    assert run.warnings == [
        {
            "stream": "products",
            "code": "pinned",
            "count": 1,
            "message": "SKU-1: pinned by a person, so the feed's value was left aside: name.",
        }
    ]
    assert shop.counts() == {"read": 1, "skipped": 1}
    assert shop.counts(full=True) == {"read": 1, "skipped": 1}
    assert shop.counts(dry_run=True) == {"read": 1, "skipped": 1}
    assert the("name") == "By hand"


def test_the_other_fields_of_a_pinned_row_still_change(shop):
    shop.rows = {"products": [product(1)]}
    shop.sync()
    Product.objects.update(name="By hand")
    pin("name")
    shop.rows = {"products": [product(1, price="1.00", title="Theirs")]}

    assert shop.counts() == {"read": 1, "updated": 1}
    assert shop.counts() == {"read": 1, "skipped": 1}
    assert (the("name"), the("price")) == ("By hand", 1)


def test_a_pin_that_agrees_with_the_feed_changes_nothing(shop):
    shop.rows = {"products": [product(1)]}
    shop.sync()
    pin("name")

    assert shop.counts() == {"read": 1, "unchanged": 1}


def test_a_pin_taken_away_lets_the_feed_in_again(shop):
    shop.rows = {"products": [product(1)]}
    shop.sync()
    Product.objects.update(name="By hand")
    pin("name")
    shop.sync()
    pin()

    assert shop.counts() == {"read": 1, "updated": 1}
    assert the("name") == "Thing 1"


def test_a_pinned_key_stays_when_the_feed_renames_it(shop):
    shop.rows = {"products": [product(1)]}
    shop.sync()
    pin("sku")
    shop.rows = {"products": [product(1, sku="RENAMED")]}

    assert shop.counts() == {"read": 1, "skipped": 1}
    assert the("sku") == "SKU-1"


def test_a_pinned_relation_stays_with_what_is_copied_from_it(shop):
    order = {"id": 7, "customer_id": 1, "date": "2026-01-02", "total": "5.00"}
    shop.rows = {"customers": [customer(1), customer(2)], "orders": [order]}
    shop.sync()
    pin("customer", model=Order)
    order["customer_id"] = 2

    assert shop.counts("orders") == {"read": 1, "skipped": 1}
    assert Order.objects.get().customer_email == "c1@example.com"


def test_pinned_lines_stay_with_their_totals(shop):
    line = {"product_id": 1, "quantity": 2, "price": "5.00"}
    order = {"id": 7, "customer_id": 1, "date": "2026-01-02", "lines": [line]}
    shop.rows = {"products": [product(1)], "customers": [customer(1)], "orders": [order]}
    shop.sync()
    pin("lines", model=Order)
    order["lines"] = [{**line, "quantity": 3}]

    assert shop.counts("orders") == {"read": 1, "skipped": 1}
    assert Order.objects.get().total_amount == 10


def test_a_pinned_total_stays_when_the_lines_come_to_another(shop):
    line = {"product_id": 1, "quantity": 2, "price": "5.00"}
    order = {"id": 7, "customer_id": 1, "date": "2026-01-02", "lines": [line]}
    shop.rows = {"products": [product(1)], "customers": [customer(1)], "orders": [order]}
    shop.sync()
    pin("total_amount", model=Order)
    order["lines"] = [{**line, "quantity": 3}]

    assert shop.counts("orders") == {"read": 1, "updated": 1}
    found = Order.objects.get()
    assert (found.subtotal, found.total_amount) == (15, 10)


@pytest.mark.parametrize("batch_size", [1, 2, 10])
def test_copies_of_a_pinned_record_are_counted_the_same_wherever_batches_end(shop, batch_size):
    shop.batch_size = batch_size
    shop.rows = {"products": [product(1)]}
    shop.sync()
    pin("name")
    copies = [product(1, title="A"), product(2), product(1, title="B"), product(1, title="C")]
    shop.rows = {"products": copies}

    expected = {"read": 4, "duplicate": 2, "skipped": 1}
    assert shop.counts() == {**expected, "created": 1}
    for options in ({}, {"full": True}, {"dry_run": True}):
        assert shop.counts(**options) == {**expected, "unchanged": 1}
    assert Product.objects.get(sku="SKU-1").name == "Thing 1"


def test_a_row_of_a_host_without_pins_is_synced_as_before(feeds):
    gadgets = Stream(
        "gadgets",
        model="shop.Gadget",
        key="serial",
        fields={"serial": Text("serial"), "watts": Number("watts")},
    )
    feeds.add("shop", {"gadgets": [{"serial": "G-1", "watts": "40"}]}, gadgets)

    assert feeds.counts("shop", "gadgets") == {"read": 1, "created": 1}


# -- a blank is nobody's word --------------------------------------------------------------------


@pytest.mark.parametrize("order", ["ab", "ba", "aba", "bab", "abab", "baba", "abb", "baa"])
@pytest.mark.parametrize("blank", ["", None])
def test_what_one_feed_leaves_blank_another_fills_in_any_order(feeds, order, blank):
    feeds.add("a", {"products": [thing(brand=blank)]}, stream("name", "price", "brand"))
    filling = stream("brand", "price", policy={"brand": "fill", "price": "fill"})
    feeds.add("b", {"products": [thing(brand="Acme")]}, filling)
    for number, alias in enumerate(order):
        feeds.rows(alias)[0]["name"] = f"Lamp {number}"
        feeds.run(alias)
    assert the("brand") == "Acme"


def test_a_feed_that_takes_its_own_value_back_leaves_it_to_the_other(feeds):
    feeds.add("a", {"products": [thing(brand="Own")]}, stream("name", "price", "brand"))
    feeds.add("b", {"products": [thing(brand="Acme")]}, stream("brand", policy={"brand": "fill"}))
    feeds.run("a")
    feeds.run("b")
    assert the("brand") == "Own"
    feeds.rows("a")[0]["brand"] = ""
    feeds.run("a")
    assert the("brand") == ""
    feeds.run("b")
    assert the("brand") == "Acme"
    feeds.rows("a")[0]["name"] = "Another"
    feeds.run("a")
    assert (the("brand"), the("name")) == ("Acme", "Another")


def test_a_blank_counts_where_no_other_feed_has_filled_the_row(feeds):
    feeds.add("b", {"products": []}, stream("brand", policy={"brand": "fill"}, allow_empty=True))
    feeds.add("a", {"products": [thing(brand="")]}, stream("name", "price", "brand"))
    Product.objects.create(sku="A-1", price=1, brand="Made by hand")
    feeds.run("b")
    feeds.run("a")
    assert the("brand") == ""
