"""Rows written through ``save()``: what models and listeners hear, and the same rows and counts."""

from dataclasses import replace

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models.signals import post_delete, post_save, pre_save

from django_ecommerce_sync.feeds import Lines, Ref, Stream, Text
from django_ecommerce_sync.models import (
    Order,
    OrderLine,
    Product,
    StreamState,
    SyncIssue,
    SyncLink,
)
from django_ecommerce_sync.signals import batch_synced
from tests.shop.models import Poster
from tests.sync.conftest import ORDERS, PRODUCTS, product

pytestmark = pytest.mark.django_db

POSTERS = Stream(
    "posters",
    model="shop.Poster",
    key="code",
    external_id="id",
    fields={"code": "code", "title": "title"},
    save_rows=True,
)


def poster(number, title="Big Sale", **values):
    return {"id": number, "code": f"P{number}", "title": title, **values}


@pytest.fixture
def posters(shop):
    shop.streams = [POSTERS]
    shop.rows = {"posters": [poster(1), poster(2)]}
    return shop


@pytest.fixture
def heard():
    """What Django's signals say: kind, model, key and the fields that were saved."""
    told = []

    def listen(signal, sender, instance, **kwargs):
        if signal is post_delete:
            told.append(("deleted", sender, str(instance)))
        else:
            kind = "created" if kwargs["created"] else "updated"
            told.append((kind, sender, str(instance), kwargs["update_fields"]))

    for signal in (post_save, post_delete):
        for model in (Poster, Product, Order, OrderLine):
            signal.connect(listen, sender=model)
    yield told
    for signal in (post_save, post_delete):
        for model in (Poster, Product, Order, OrderLine):
            signal.disconnect(listen, sender=model)


def test_a_model_s_own_save_has_its_say(posters, heard):
    assert posters.counts("posters") == {"read": 2, "created": 2}
    assert list(Poster.objects.values_list("slug", flat=True)) == ["big-sale", "big-sale"]
    assert heard == [("created", Poster, code, None) for code in ("P1", "P2")]
    posters.rows["posters"][0]["title"] = "Last Day"
    assert posters.counts("posters") == {"read": 2, "updated": 1, "unchanged": 1}
    row = Poster.objects.get(code="P1")
    assert (row.title, row.slug, row.version) == ("Last Day", "last-day", 2)
    assert heard[2:] == [("updated", Poster, "P1", {"title", "slug", "changed_at", "version"})]
    assert posters.counts("posters") == {"read": 2, "unchanged": 2}
    assert len(heard) == 3


def test_only_what_changed_is_saved_and_times_are_renewed(posters):
    posters.sync()
    before = Poster.objects.get(code="P1")
    Poster.objects.update(slug="by hand")
    posters.rows["posters"][0]["code"] = "Q1"
    posters.sync()
    row = Poster.objects.get(pk=before.pk)
    assert (row.code, row.version) == ("Q1", 2)
    assert row.changed_at > before.changed_at
    assert Poster.objects.get(code="P2").slug == "by hand"


def test_a_row_its_model_refuses_is_rejected_alone(posters):
    posters.rows["posters"].insert(1, poster(3, "A kitten for ann@example.com"))
    run = posters.sync()
    assert run.counts_of("posters") == {**run.counts_of("posters"), "created": 2, "rejected": 1}
    issue = run.issues.get()
    assert (issue.code, issue.field, issue.position) == ("save_refused", "title", 2)
    assert (issue.external_id, issue.key) == ("3", "P3")
    assert issue.message == "Saving it was refused: A kitten for … is no title."
    posters.rows["posters"][0]["title"] = "kitten"
    run = posters.sync()
    assert run.counts_of("posters")["rejected"] == 2
    assert run.counts_of("posters")["unchanged"] == 1
    assert Poster.objects.get(code="P1").title == "Big Sale"
    posters.rows["posters"] = [poster(1, "Cat"), poster(3, "Cat"), poster(2)]
    counts = posters.counts("posters")
    assert counts == {"read": 3, "created": 1, "updated": 1, "unchanged": 1}
    assert not SyncIssue.objects.filter(state="open").exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("Bad  value\nin ann@example.com"), "Saving it was refused: Bad value in …"),
        (ValidationError(["One.", "Two."]), "Saving it was refused: One. Two."),
        (
            IntegrityError(1062, "Duplicate entry 'secret'"),
            "The database refused the row (IntegrityError 1062).",
        ),
    ],
)
def test_a_listener_may_refuse_a_row_as_well(posters, error, said):
    def refuse(instance, **kwargs):
        if instance.code == "P2":
            raise error

    post_save.connect(refuse, sender=Poster)
    try:
        run = posters.sync()
    finally:
        post_save.disconnect(refuse, sender=Poster)
    assert run.issues.get().message == said
    assert [row.code for row in Poster.objects.all()] == ["P1"]
    assert [link.external_id for link in SyncLink.objects.all()] == ["1"]


def test_a_listener_s_own_fault_fails_the_run_and_leaves_the_batch_out(posters, caplog):
    def stumble(**kwargs):
        raise KeyError("oops")

    pre_save.connect(stumble, sender=Poster)
    try:
        run = posters.sync()
    finally:
        pre_save.disconnect(stumble, sender=Poster)
    assert (run.status, run.error_code) == ("failed", "internal_error")
    assert not Poster.objects.exists()


def test_an_insert_that_another_row_forbids_is_rejected(posters):
    def steal(instance, **kwargs):
        instance.code = "P1"

    pre_save.connect(steal, sender=Poster)
    try:
        run = posters.sync()
    finally:
        pre_save.disconnect(steal, sender=Poster)
    assert run.counts_of("posters")["created"] == 1
    assert run.issues.get().code == "save_refused"
    assert "IntegrityError" in run.issues.get().message


def test_a_dry_run_saves_nothing(posters, heard):
    dry = posters.sync(dry_run=True)
    assert (dry.counts_of("posters")["created"], heard) == (2, [])
    assert not Poster.objects.exists()


def test_the_digest_survives_our_own_listener(shop):
    shop.streams = [replace(PRODUCTS, save_rows=True)]
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync()
    shop.rows["products"][0]["price"] = "1"
    shop.sync()
    assert not SyncLink.objects.filter(hash="").exists()
    assert StreamState.objects.get().run is not None
    assert Product.objects.get(sku="SKU-1").version == 2
    Product.objects.get(sku="SKU-1").save()
    assert SyncLink.objects.get(hash="").external_id == "1"


def test_a_row_that_a_listener_kept_is_its_own_to_save(shop):
    shop.streams = [replace(PRODUCTS, save_rows=True)]
    shop.rows = {"products": [product(1)]}
    kept = []

    def keep(instance, **kwargs):
        kept.append(instance)

    post_save.connect(keep, sender=Product)
    try:
        shop.sync()
    finally:
        post_save.disconnect(keep, sender=Product)
    kept[0].save()
    assert SyncLink.objects.get().hash == ""


def test_a_listener_that_saves_another_row_is_somebody_else(shop):
    shop.streams = [replace(PRODUCTS, save_rows=True)]
    shop.rows = {"products": [product(1), product(2)]}
    shop.sync()

    def follow(instance, **kwargs):
        if instance.sku == "SKU-1":
            Product.objects.get(sku="SKU-2").save()

    post_save.connect(follow, sender=Product)
    try:
        shop.rows["products"][0]["price"] = "1"
        shop.sync()
    finally:
        post_save.disconnect(follow, sender=Product)
    assert SyncLink.objects.get(hash="").external_id == "2"


def test_batch_synced_speaks_of_saved_rows_too(posters):
    told = []

    def listen(sender, created, updated, **kwargs):
        told.append((sender, created, updated))

    batch_synced.connect(listen)
    try:
        posters.rows["posters"].append(poster(3, "kitten"))
        posters.sync()
        posters.rows["posters"][0]["title"] = "New"
        posters.sync()
    finally:
        batch_synced.disconnect(listen)
    one, two = Poster.objects.order_by("code").values_list("pk", flat=True)
    assert told == [(Poster, [one, two], {}), (Poster, [], {one: ("title",)})]


LINES = Lines("lines", {"product": Ref("products", "product_id"), "quantity": "quantity"})


def line(product_id, quantity=1):
    return {"product_id": product_id, "quantity": quantity}


def test_child_rows_are_saved_and_deleted_too(shop, heard):
    orders = Stream(
        "orders",
        external_id="id",
        fields={"order_id": Text("id"), "lines": LINES},
        save_rows=True,
    )
    shop.streams = [PRODUCTS, orders]
    shop.rows = {
        "products": [product(1), product(2)],
        "orders": [{"id": 1, "lines": [line(1), line(2)]}],
    }
    shop.sync()
    told = ["created shop 1", "created 1: 1 × SKU-1", "created 2: 1 × SKU-2"]
    assert [f"{kind} {row}" for kind, _, row, _ in heard] == told
    heard.clear()
    shop.rows["orders"][0]["lines"] = [line(1, 5)]
    assert shop.counts("orders") == {"read": 1, "updated": 1}
    kinds = [(told[0], told[1]) for told in heard]
    assert kinds == [("updated", Order), ("deleted", OrderLine), ("updated", OrderLine)]
    assert heard[2][3] == {"quantity", "line_total"}
    assert OrderLine.objects.get().quantity == 5
    assert Order.objects.get().version == 2

    def refuse(instance, **kwargs):
        raise ValueError("No such line.")

    pre_save.connect(refuse, sender=OrderLine)
    try:
        shop.rows["orders"] = [{"id": 1, "lines": [line(1, 6)]}, {"id": 2, "lines": [line(1)]}]
        run = shop.sync()
    finally:
        pre_save.disconnect(refuse, sender=OrderLine)
    assert run.counts_of("orders")["rejected"] == 2
    assert (Order.objects.get().version, OrderLine.objects.get().quantity) == (2, 5)


@pytest.mark.parametrize("batch_size", [2, 1000])
def test_keys_that_change_places_do_not_collide(posters, batch_size):
    posters.batch_size = batch_size
    posters.rows["posters"] = [poster(n) for n in (1, 2, 3, 4)]
    posters.sync()
    posters.rows["posters"] = [poster(n, code=f"P{n % 4 + 1}") for n in (1, 2, 3, 4)]
    run = posters.sync()
    assert run.counts_of("posters")["updated"] == 4
    ids = dict(SyncLink.objects.values_list("object_id", "external_id"))
    found = {ids[str(row.pk)]: row.code for row in Poster.objects.all()}
    assert found == {"1": "P2", "2": "P3", "3": "P4", "4": "P1"}


def test_a_row_that_is_refused_while_keys_change_places_keeps_its_own(posters):
    posters.sync()
    posters.rows["posters"] = [
        poster(1, "kitten", code="P2"),
        poster(2, code="P1"),
        poster(3, "New"),
    ]
    run = posters.sync()
    assert run.counts_of("posters")["rejected"] == 2
    assert sorted(Poster.objects.values_list("code", "title")) == [
        ("P1", "Big Sale"),
        ("P2", "Big Sale"),
        ("P3", "New"),
    ]


def story(shop, save_rows):
    """What several runs make of one feed: counts of each, and the rows and links in the end."""
    shop.streams = [replace(stream, save_rows=save_rows) for stream in (PRODUCTS, ORDERS)]
    shop.batch_size = 3
    order = {"id": 7, "date": "2026-01-02T10:00:00Z", "lines": [line(1), line(2)]}
    first = [product(n, stock=n, color="red") for n in range(1, 8)]
    first += [product(2, price="3"), product(8, price="x"), product(9, sku="SKU-1")]
    second = [product(n, stock=n, color="blue") for n in range(1, 6)]
    second += [product(6, sku="NEW"), product(10), product(10, price="7"), product(5, price="1")]
    runs = []
    for rows, quantity in ((first, 1), (second, 2), (second, 2)):
        shop.rows = {
            "products": rows,
            "orders": [{**order, "lines": [line(1, quantity), line(2), line(1)][:-quantity]}],
        }
        run = shop.sync()
        runs.append((run.status, run.counts, list(run.issues.values_list("code", "position"))))
    values = Product.objects.order_by("sku").values_list(
        "sku", "name", "price", "currency", "inventory_count", "attributes", "version"
    )
    lines = OrderLine.objects.order_by("position").values_list("sku", "quantity", "line_total")
    links = SyncLink.objects.order_by("stream", "external_id")
    return (
        runs,
        list(values),
        list(Order.objects.values_list("source", "total_amount", "version")),
        list(lines),
        list(links.values_list("external_id", "hash", "repeats")),
    )


@pytest.mark.django_db(transaction=True)
def test_rows_and_counts_are_the_same_either_way(shop):
    bulk = story(shop, save_rows=False)
    for model in (Order, Product, SyncLink, StreamState, SyncIssue):
        model.objects.all().delete()
    assert story(shop, save_rows=True) == bulk
