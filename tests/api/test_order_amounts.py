"""What orders add up: one currency, and no amount below zero."""

import pytest

from django_ecommerce_sync.models import Order, Product

from .conftest import problem

URL = "/api/orders/"


@pytest.fixture(autouse=True)
def products(db):
    for sku, price, currency in (
        ("EURO", 10, "EUR"),
        ("YEN", 1000, "JPY"),
        ("ZLOTY", 40, "PLN"),
        ("PLAIN", 5, ""),
    ):
        Product.objects.create(sku=sku, price=price, currency=currency, inventory_count=50)


def line(sku, **values):
    return {"sku": sku, "quantity": 1, **values}


def entries(response, status=400):
    return [(each["pointer"], each["code"]) for each in problem(response, status)["errors"]]


MISMATCH = [("/lines/1/unit_price", "currency_mismatch")]
TOO_LARGE = "discount_too_large"


class TestCurrency:
    @pytest.mark.parametrize(
        ("lines", "currency"),
        [
            ([line("EURO"), line("PLAIN")], "EUR"),
            ([line("PLAIN"), line("YEN")], "JPY"),
            ([line("YEN", unit_price="6"), line("EURO")], "EUR"),
            ([line("YEN", unit_price="6")], "JPY"),
            ([line("PLAIN")], "USD"),
            ([], "USD"),
        ],
    )
    def test_it_is_that_of_the_products(self, client, lines, currency):
        assert client.post(URL, {"lines": lines}).json()["currency"] == currency

    @pytest.mark.parametrize("currency", [{}, {"currency": ""}, {"currency": "EUR"}])
    def test_amounts_in_two_are_not_added_up(self, client, currency):
        sent = {"lines": [line("EURO"), line("YEN")], **currency}
        assert entries(client.post(URL, sent)) == MISMATCH
        assert not Order.objects.exists()
        sent["lines"][1]["unit_price"] = "6.50"
        row = client.post(URL, sent).json()
        assert (row["currency"], row["total_amount"]) == ("EUR", "16.50")

    def test_the_one_that_is_given_holds_for_every_price(self, client):
        sent = {"currency": "JPY", "lines": [line("YEN"), line("EURO"), line("ZLOTY")]}
        pointers = [pointer for pointer, _code in entries(client.post(URL, sent))]
        assert pointers == ["/lines/1/unit_price", "/lines/2/unit_price"]

    def test_nobody_guesses_what_agreed_prices_are_in(self, client):
        lines = [line("EURO", unit_price="1"), line("YEN", unit_price="1")]
        assert entries(client.post(URL, {"lines": lines})) == [("/currency", "required")]
        assert client.post(URL, {"lines": lines, "currency": "PLN"}).json()["currency"] == "PLN"

    @pytest.fixture
    def url(self, client):
        order = client.post(URL, {"lines": [line("EURO")]}).json()
        return f"{URL}{order['id']}/"

    def test_it_does_not_relabel_prices(self, client, url):
        assert entries(client.patch(url, {"currency": "JPY"})) == [
            ("/currency", "lines_are_priced")
        ]
        for lines in ([line("EURO")], [line("EURO"), line("YEN", unit_price="900")]):
            answer = client.patch(url, {"currency": "JPY", "lines": lines})
            assert entries(answer) == [("/lines/0/unit_price", "required")]
        assert Order.objects.get().currency == "EUR"

    def test_it_changes_with_all_prices(self, client, url):
        lines = [line("EURO", unit_price="1600"), line("YEN", unit_price="1000")]
        row = client.patch(url, {"currency": "JPY", "lines": lines}).json()
        assert (row["currency"], row["total_amount"]) == ("JPY", "2600.00")
        assert client.patch(url, {"lines": [], "currency": "PLN"}).json()["currency"] == "PLN"
        assert client.patch(url, {"currency": "EUR"}).json()["currency"] == "EUR"

    def test_new_lines_are_in_that_of_the_order(self, client, url):
        assert entries(client.patch(url, {"lines": [line("EURO"), line("YEN")]})) == MISMATCH
        lines = [line("EURO", quantity=2), line("PLAIN")]
        assert client.patch(url, {"lines": lines}).json()["total_amount"] == "25.00"

    def test_a_stored_line_keeps_its_price_whatever_its_product_is_priced_in_now(self, client, url):
        Product.objects.filter(sku="EURO").update(currency="JPY", price=1600)
        row = client.patch(url, {"lines": [line("EURO", quantity=2)]}).json()
        assert (row["currency"], row["total_amount"]) == ("EUR", "20.00")

    def test_an_order_without_one_gets_it_with_its_lines(self, client):
        order = Order.objects.create(order_id="1")
        row = client.patch(f"{URL}{order.pk}/", {"lines": [line("YEN")]}).json()
        assert (row["currency"], row["total_amount"]) == ("JPY", "1000.00")


class TestCurrencyInBulk:
    def send(self, client, *rows):
        results = client.post(f"{URL}bulk/?on_error=skip", rows).json()["results"]
        errors = [(each["pointer"], each["code"]) for row in results for each in row["errors"]]
        return [row["status"] for row in results], errors

    def test_prices_in_another_one_are_not_copied(self, client):
        lines = [line("YEN"), line("EURO"), line("PLAIN"), line("EURO", unit_price="1600")]
        rows = [
            {"order_id": "1", "currency": "EUR", "lines": [line("EURO")]},
            {"order_id": "2", "currency": "JPY", "lines": lines},
            {"order_id": "3", "note": "without any"},
        ]
        assert self.send(client, *rows) == (
            ["created", "rejected", "created"],
            [("/1/lines/1/unit_price", "currency_mismatch")],
        )
        lines[1]["unit_price"] = "1600"
        assert self.send(client, rows[1]) == (["created"], [])

    def test_an_order_that_is_there_keeps_its_prices(self, client):
        row = {"order_id": "1", "currency": "EUR", "lines": [line("EURO")]}
        assert self.send(client, row) == (["created"], [])
        Product.objects.filter(sku="EURO").update(currency="JPY", price=1600)
        assert self.send(client, row) == (["unchanged"], [])
        assert self.send(client, {**row, "order_id": "2"}) == (
            ["rejected"],
            [("/0/lines/0/unit_price", "currency_mismatch")],
        )


class TestNothingBelowZero:
    @pytest.mark.parametrize(
        ("sent", "pointer", "code"),
        [
            ({"discount_total": "100", "lines": [line("EURO")]}, "/discount_total", TOO_LARGE),
            (
                {"lines": [line("EURO"), line("EURO", discount_amount="500")]},
                "/lines/1/discount_amount",
                TOO_LARGE,
            ),
            ({"total_amount": "-5"}, "/total_amount", "min_value"),
            ({"subtotal": "-5"}, "/subtotal", "min_value"),
            ({"subtotal": "5", "discount_total": "6"}, "/discount_total", TOO_LARGE),
        ],
    )
    def test_in_no_order(self, client, sent, pointer, code):
        assert entries(client.post(URL, sent)) == [(pointer, code)]
        (result,) = client.post(
            f"{URL}bulk/?on_error=skip", [{"order_id": "1", "currency": "EUR", **sent}]
        ).json()["results"]
        errors = [(each["pointer"], each["code"]) for each in result["errors"]]
        assert errors == [(f"/0{pointer}", code)]
        assert not Order.objects.exists()
        order = client.post(URL, {"lines": [line("EURO")], "currency": "EUR"}).json()
        if "lines" in sent or "discount_total" in sent:
            sent = {"discount_total": "11"} if pointer == "/discount_total" else sent
            assert entries(client.patch(f"{URL}{order['id']}/", sent)) == [(pointer, code)]

    def test_all_of_it_may_be_given(self, client):
        lines = [line("EURO", discount_amount="10"), line("EURO")]
        row = client.post(URL, {"lines": lines, "discount_total": "10"}).json()
        assert (row["subtotal"], row["total_amount"]) == ("10.00", "0.00")


class TestTax:
    LINES = (line("EURO", tax_amount="1.90"), line("EURO", tax_amount="1.10"))

    @pytest.fixture
    def url(self, client):
        row = client.post(URL, {"lines": self.LINES}).json()
        assert (row["tax_total"], row["total_amount"]) == ("3.00", "23.00")
        return f"{URL}{row['id']}/"

    def test_it_follows_the_lines(self, client, url):
        row = client.patch(url, {"lines": self.LINES[:1]}).json()
        assert (row["tax_total"], row["total_amount"]) == ("1.90", "11.90")
        assert client.patch(url, {"lines": []}).json()["total_amount"] == "0.00"

    def test_what_is_stated_stays(self, client, url):
        assert client.patch(url, {"tax_total": "5"}).json()["total_amount"] == "25.00"
        row = client.patch(url, {"lines": self.LINES[:1]}).json()
        assert (row["tax_total"], row["total_amount"]) == ("5.00", "15.00")

    def test_the_same_in_bulk(self, client):
        sent = [
            {"order_id": "1", "currency": "EUR", "lines": self.LINES},
            {"order_id": "2", "currency": "EUR", "lines": self.LINES, "tax_total": "0"},
        ]
        for status in ("created", "unchanged"):
            results = client.post(f"{URL}bulk/", sent).json()["results"]
            assert [each["status"] for each in results] == [status] * 2
        totals = Order.objects.order_by("order_id").values_list("tax_total", "total_amount")
        assert list(totals) == [(3, 23), (0, 20)]

    def test_no_sum_is_more_than_its_column_holds(self, client):
        lines = [line("EURO", tax_amount="999999999999999")] * 2
        assert entries(client.post(URL, {"lines": lines})) == [("/lines", "out_of_range")]
