"""The admin's pins, and where the values of a row come from."""

from html import unescape

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from django_ecommerce_sync.feeds import MemoryFeed, Stream
from django_ecommerce_sync.models import Product, SyncChange
from django_ecommerce_sync.sync import execute, request_run
from tests.staff import staff

pytestmark = pytest.mark.django_db

ROW = {"sku": "A-1", "name": "Lamp", "price": "10.00"}


@pytest.fixture
def sync(settings):
    def configured(row=ROW, **options):
        fields = {name: name for name in ROW}
        feed = {"streams": [Stream("products", fields=fields)], "rows": {"products": [row]}}
        settings.ECOMMERCE_SYNC = {
            "FEEDS": {"shop": {"BACKEND": MemoryFeed, "OPTIONS": feed}},
            "CHANGE_LOG": True,
            **options,
        }
        return execute(request_run("shop")[0].pk)

    configured()
    return configured


@pytest.fixture
def page(client, sync):
    client.force_login(User.objects.create_superuser("root"))
    return lambda: client.get(address())


@pytest.fixture
def save(client, page):
    """Send the page as a browser does, with some fields changed; None unticks a box."""

    def send(**changed):
        form = page().context["adminform"].form
        data = {
            name: value
            for name, value in ((name, form[name].value()) for name in form.fields)
            if value is not None and value is not False
        }
        data["initial-attributes"] = data["attributes"]
        data |= {name: value for name, value in changed.items() if value is not None}
        sent = {name: value for name, value in data.items() if changed.get(name, "") is not None}
        response = client.post(address(), sent)
        assert response.status_code == 302, response.context["adminform"].form.errors
        return Product.objects.get()

    return send


def address():
    return reverse("admin:ecommerce_sync_product_change", args=[Product.objects.get().pk])


def test_a_pin_beside_a_field_keeps_what_the_person_wrote(save, sync):
    assert save(name="Desk lamp", pin_name="on").pinned == ["name"]

    sync({**ROW, "name": "Theirs", "price": "12.00"})

    row = Product.objects.get()
    assert (row.name, row.price) == ("Desk lamp", 12)


def test_a_pin_taken_away_lets_the_feed_in_again(save, sync):
    save(name="Desk lamp", pin_name="on")
    assert save(pin_name=None).pinned == []

    sync({**ROW})

    assert Product.objects.get().name == "Lamp"


def test_edits_pin_themselves_where_the_settings_wish_so(save, sync):
    sync(PIN_EDITS=True)

    assert save(name="Desk lamp", brand="Acme").pinned == ["brand", "name"]
    assert save(name="Table lamp", pin_name=None).pinned == ["brand"]


def test_edits_do_not_pin_themselves_unasked(save):
    assert save(name="Desk lamp").pinned == []


def test_pins_the_page_does_not_show_stay(save):
    Product.objects.update(pinned=["archived_at"])

    assert save(pin_name="on").pinned == ["archived_at", "name"]


def test_an_edit_is_written_down_with_its_author(save):
    save(name="Desk lamp", pin_price="on")

    entry = SyncChange.objects.get(action="edited")
    assert (entry.fields, entry.user.username) == ({"name": ["Lamp", "Desk lamp"]}, "root")


def test_the_page_tells_where_values_come_from(page, save, sync):
    second = sync({**ROW, "price": "12.00"})
    save(name="Desk lamp")

    html = page().content.decode()
    table = html[html.index("Where the values come from") :]
    assert "<th>SKU</th><td>shop / products</td>" in table
    assert f">run {second.pk - 1}</a>" in table
    assert "<th>price</th><td>shop / products</td><td><a" in table
    assert f">run {second.pk}</a>" in table
    assert "<th>name</th><td>root</td>" in table


def test_who_may_only_look_sees_no_pins_but_where_values_come_from(sync):
    html = staff("view_product").get(address()).content.decode()

    assert "pin_name" not in html
    assert "<td>shop / products</td>" in html


def test_a_new_row_has_no_pins(client, page):
    html = client.get(reverse("admin:ecommerce_sync_product_add")).content.decode()

    assert "pin_name" not in html


def test_a_row_leads_to_its_changes(client, page, sync):
    sync({**ROW, "price": "12.00"})
    html = page().content.decode()
    link = html[html.index(reverse("admin:ecommerce_sync_syncchange_changelist")) :]
    link = unescape(link[: link.index('"')])

    listed = client.get(link).content.decode()
    assert listed.count('class="field-at') == 2

    entry = SyncChange.objects.get(action="updated")
    detail = reverse("admin:ecommerce_sync_syncchange_change", args=[entry.pk])
    cells = "<th>price</th><td>10.0000</td><td>12.0000</td>"
    assert cells in client.get(detail).content.decode()
