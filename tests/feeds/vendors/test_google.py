"""Google Merchant feeds: every shape and spelling, prices, sales that begin and end."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from xml.sax.saxutils import escape

import pytest

from django_ecommerce_sync.exceptions import ConfigurationError, RecordError
from django_ecommerce_sync.feeds.vendors import GoogleMerchant, google
from django_ecommerce_sync.models import Product

CANARY = "canary"
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ITEM = {
    "id": "TV_1",
    "title": "Télé & more",
    "description": "<b>Flat</b>",
    "link": "https://shop.example/tv",
    "image_link": "https://cdn.example/tv.jpg",
    "availability": "in_stock",
    "price": "1,299.00 USD",
    "brand": "B",
    "gtin": "978-3-16-148410-0",
    "mpn": "M1",
    "product_type": "Home > TV",
    "google_product_category": "404",
    "item_group_id": "TV",
    "condition": "new",
    "color": "black",
}


def rss(*items):
    """The items as RSS; a value that is a list is repeated, one that is a dict is nested."""
    return (
        '<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0"><channel>'
        f"<title>Shop</title>{''.join(f'<item>{elements(item)}</item>' for item in items)}"
        "</channel></rss>"
    )


def elements(item, prefix="g:"):
    found = ""
    for name, value in item.items():
        for one in value if isinstance(value, list) else [value]:
            inner = elements(one) if isinstance(one, dict) else escape(one)
            found += f"<{prefix}{name}>{inner}</{prefix}{name}>"
    return found


def atom(*items):
    """The items as Atom, each with an id and a link of Atom's own."""
    entries = ""
    for number, item in enumerate(items):
        own = {name: value for name, value in item.items() if name not in ("link", "title")}
        entries += (
            f"<entry><id>tag:shop.example,2026:{number}</id>"
            f'<title type="html">{escape(item["title"])}</title>'
            f'<link rel="self" href="https://shop.example/{CANARY}"/>'
            f'<link rel="alternate" href="{item["link"]}"/>{elements(own)}</entry>'
        )
    return (
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">'
        f"<title>Shop</title>{entries}</feed>"
    )


def table(*items, spell=str, separator="\t"):
    """The items as delimited text under a header spelled in some way."""
    names = list(dict.fromkeys(name for item in items for name in item))
    lines = [[spell(name) for name in names]]
    lines += [
        ['"{}"'.format(item[name].replace('"', '""')) if name in item else "" for name in names]
        for item in items
    ]
    return "\n".join(separator.join(line) for line in lines) + "\n"


SHAPES = {
    "rss": rss,
    "rss without prefixes": lambda *items: rss(*items).replace("g:", ""),
    "atom": atom,
    "tsv": table,
    "tsv with a mark": lambda *items: "\ufeff" + table(*items),
    "tsv with blanks": lambda *items: table(*items, spell=lambda n: n.replace("_", " ")),
    "tsv in capitals": lambda *items: table(
        *items, spell=lambda n: "ID" if n == "id" else n.replace("_", " ").title()
    ),
    "tsv with prefixes": lambda *items: table(*items, spell=lambda n: f"g:{n}"),
    "csv": lambda *items: table(*items, separator=","),
}


@pytest.fixture
def publish(tmp_path):
    """Put a document where a feed finds it."""

    def publish(text, encoding="utf-8"):
        path = tmp_path / "feed"
        path.write_bytes(text.encode(encoding))
        return {"url": str(path)}

    return publish


@pytest.fixture
def stored(counts, publish):
    """What a feed of these items comes to: the values of the only product."""

    def stored(*items, shape=rss, **options):
        found = counts(GoogleMerchant, **publish(shape(*items)), **options)
        assert found == {"products": {"read": len(items), "created": len(items)}}
        return Product.objects.values().get() if len(items) == 1 else None

    return stored


@pytest.fixture
def rejected(sync, publish):
    """The issue that a feed of one item gives."""

    def rejected(item, **options):
        run = sync(GoogleMerchant, **publish(rss(item)), **options)
        return run.issues.get()

    return rejected


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_shape_and_spelling_gives_the_same_product(stored, shape):
    found = stored(ITEM, shape=shape)
    expected = {
        "sku": "TV_1",
        "name": "Télé & more",
        "description": "<b>Flat</b>",
        "price": Decimal("1299"),
        "compare_at_price": None,
        "currency": "USD",
        "availability": "in_stock",
        "brand": "B",
        "gtin": "9783161484100",
        "mpn": "M1",
        "category": "Home > TV",
        "group_key": "TV",
        "url": "https://shop.example/tv",
        "image_url": "https://cdn.example/tv.jpg",
        "attributes": {"condition": "new", "color": "black", "google_product_category": "404"},
    }
    assert {name: found[name] for name in expected} == expected


def test_utf_16_is_read_where_it_says_so(counts, publish):
    text = rss(ITEM).replace('version="1.0"', 'version="1.0" encoding="utf-16"')
    counts(GoogleMerchant, **publish(text, "utf-16"))
    assert Product.objects.get().name == "Télé & more"


# -- prices ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "price", "currency"),
    [
        ("15.00 USD", {}, "15.00", "USD"),
        ("USD 15.00", {}, "15.00", "USD"),
        ("15.00USD", {}, "15.00", "USD"),
        ("15.00 usd", {}, "15.00", "USD"),
        ("15.00\u00a0EUR", {}, "15.00", "EUR"),
        ("15 JPY", {}, "15", "JPY"),
        ("0.125 KWD", {}, "0.125", "KWD"),
        ("1,299.00 USD", {}, "1299.00", "USD"),
        ("1,234,567.89 USD", {}, "1234567.89", "USD"),
        ("15.00", {"currency": "CHF"}, "15.00", "CHF"),
        ("15.00 USD", {"currency": "CHF"}, "15.00", "USD"),
        ("15,00 EUR", {"decimal": ","}, "15.00", "EUR"),
        ("1.299,00 EUR", {"decimal": ","}, "1299.00", "EUR"),
        ("1299 EUR", {"decimal": ","}, "1299", "EUR"),
    ],
)
def test_prices(stored, text, options, price, currency):
    found = stored({**ITEM, "price": text}, **options)
    assert (found["price"], found["currency"]) == (Decimal(price), currency)


@pytest.mark.parametrize(
    ("text", "options", "code", "words"),
    [
        ("$15.00", {}, "invalid_decimal", "sign $"),
        ("15.00 €", {"currency": "EUR"}, "invalid_decimal", "sign €"),
        ("15,00 EUR", {}, "invalid_decimal", "option decimal"),
        ("1,299 USD", {}, "invalid_decimal", "option decimal"),
        ("1.299.00 USD", {}, "invalid_decimal", "option decimal"),
        ("15.00 EUR", {"decimal": ","}, "invalid_decimal", "option decimal"),
        ("1,2,3 USD", {}, "invalid_decimal", "option decimal"),
        (". USD", {}, "invalid_decimal", "is no amount"),
        ("15.00", {}, "invalid_currency", "option currency"),
        ("USD 15.00 EUR", {}, "invalid_currency", "two currencies"),
        ("15.00 ABC", {}, "invalid_currency", "ISO 4217"),
        ("from 15.00 USD", {}, "invalid_decimal", "no price"),
        ("free", {}, "invalid_decimal", "no price"),
        ("1" * 100_000 + ", USD", {}, "invalid_decimal", "no price"),
        ("-1.00 USD", {}, "negative", "less than 0"),
        ("", {}, "required", "blank"),
    ],
)
def test_what_can_be_read_in_two_ways_is_not_guessed(rejected, text, options, code, words):
    issue = rejected({**ITEM, "price": text}, **options)
    assert issue.code == code
    assert issue.field in ("price", "currency")
    assert words in issue.message


def test_decimal_is_a_point_or_a_comma():
    with pytest.raises(ConfigurationError, match="neither a point nor a comma"):
        GoogleMerchant(url="feed", decimal=";")


def test_two_prices_have_one_currency(rejected):
    issue = rejected({**ITEM, "price": "15.00 USD", "sale_price": "12.00 EUR"})
    assert (issue.code, issue.field) == ("currency_mismatch", "compare_at_price")


# -- sales -----------------------------------------------------------------------------------


def day(days):
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M+0000")


@pytest.mark.parametrize("shape", [rss, table])
@pytest.mark.parametrize(
    ("dates", "price", "full"),
    [
        (None, "12", "15"),
        ((-1, 1), "12", "15"),
        ((-2, -1), "15", None),
        ((1, 2), "15", None),
    ],
)
def test_a_sale_counts_while_it_lasts(stored, shape, dates, price, full):
    item = {**ITEM, "price": "15.00 USD", "sale_price": "12.00 USD"}
    if dates:
        item["sale_price_effective_date"] = f"{day(dates[0])}/{day(dates[1])}"
    found = stored(item, shape=shape)
    assert found["price"] == Decimal(price)
    assert found["compare_at_price"] == (full and Decimal(full))


@pytest.mark.parametrize(
    ("dates", "is_on"),
    [
        ("2026-05-01T13:00+0200/2026-05-02T00:00Z", True),
        ("2026-05-01T13:00-0800/2026-05-02T00:00Z", False),
        ("2026-05-01T12:00Z/2026-05-01T13:00Z", True),
        ("2026-05-01T11:00Z/2026-05-01T12:00Z", False),
        ("2026-05-01T11:00/2026-05-01T13:00", True),
        ("2026-04-01/2026-05-01", True),
        ("2026-04-01 / 2026-04-30", False),
        ("", True),
    ],
)
def test_the_dates_of_a_sale(dates, is_on):
    row = {"sale_price": "12 USD", "price": "15 USD", "sale_price_effective_date": dates}
    assert ("sale_price" in google.as_of(NOW, row)) is is_on


@pytest.mark.parametrize("dates", ["soon", "2026-05-01", "2026-05-01T13:00Z/", "a/b"])
def test_a_sale_with_unreadable_dates_rejects_the_record(rejected, dates):
    issue = rejected({**ITEM, "sale_price": "12.00 USD", "sale_price_effective_date": dates})
    assert issue.code == "invalid_datetime"
    assert "sale_price_effective_date" in issue.message
    with pytest.raises(RecordError):
        google.sale_dates({"sale_price_effective_date": dates})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_sale_begins_in_a_document_that_stays_the_same(counts, publish, monkeypatch, encoding):
    class Clock(datetime):
        moment = NOW

        @classmethod
        def now(cls, tz=None):
            return cls.moment

    monkeypatch.setattr(google, "datetime", Clock)
    dates = "2026-05-02T00:00Z/2026-05-03T00:00Z"
    item = {**ITEM, "sale_price": "999.00 USD", "sale_price_effective_date": dates}
    text = rss(item, {**ITEM, "id": "TV_2"})
    text = text.replace('version="1.0"', f'version="1.0" encoding="{encoding}"')
    where = publish(text, encoding)
    prices = []
    found = []
    for hours in (0, 24, 24, 48):
        Clock.moment = NOW + timedelta(hours=hours)
        found.append(counts(GoogleMerchant, **where)["products"])
        prices.append(Product.objects.get(sku="TV_1").price)
    assert prices == [Decimal("1299"), Decimal("999"), Decimal("999"), Decimal("1299")]
    assert found == [
        {"read": 2, "created": 2},
        {"read": 2, "updated": 1, "unchanged": 1},
        {"read": 2, "unchanged": 2},
        {"read": 2, "updated": 1, "unchanged": 1},
    ]


# -- other attributes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("in stock", "in_stock"),
        ("in_stock", "in_stock"),
        ("In Stock", "in_stock"),
        ("out of stock", "out_of_stock"),
        ("out_of_stock", "out_of_stock"),
        ("preorder", "preorder"),
        ("backorder", "backorder"),
    ],
)
def test_availability(stored, said, kept):
    assert stored({**ITEM, "availability": said})["availability"] == kept


def test_repeated_and_nested_attributes(stored):
    rates = [
        {"country": "DE", "service": "DHL", "price": "4.90 EUR", "secret": CANARY},
        {"country": "AT", "price": "9.90 EUR"},
    ]
    pictures = ["https://cdn.example/2.jpg", "https://cdn.example/3.jpg"]
    item = {**ITEM, "additional_image_link": pictures, "shipping": rates, "size": ["M", "L"]}
    found = stored({**item, "identifier_exists": "no"})["attributes"]
    assert found["images"] == pictures
    assert found["shipping"] == [
        {"country": "DE", "service": "DHL", "price": "4.90 EUR"},
        {"country": "AT", "price": "9.90 EUR"},
    ]
    assert (found["size"], found["identifier_exists"]) == ("M", "no")


def test_several_values_in_one_column(stored):
    item = {
        **ITEM,
        "additional_image_link": "https://cdn.example/2.jpg,https://cdn.example/3,4.jpg",
        "shipping": "DE::DHL:4.90 EUR,AT:::9.90 EUR",
    }
    found = stored(item, shape=table)["attributes"]
    assert found["images"] == ["https://cdn.example/2.jpg", "https://cdn.example/3,4.jpg"]
    assert found["shipping"] == ["DE::DHL:4.90 EUR", "AT:::9.90 EUR"]


def test_a_category_longer_than_its_column_loses_its_last_levels(stored):
    levels = [f"{n:02} " + "x" * 57 for n in range(6)]
    found = stored({**ITEM, "product_type": " > ".join(levels)})
    assert found["category"] == " > ".join(levels[:4])


def test_blank_columns_clear_what_was_there(counts, publish):
    counts(GoogleMerchant, **publish(table(ITEM)))
    counts(GoogleMerchant, **publish(table({**ITEM, "brand": "", "color": "", "image_link": ""})))
    stored = Product.objects.get()
    assert (stored.brand, stored.image_url) == ("", "")
    assert "color" not in stored.attributes


def test_atom_without_a_second_id(stored):
    def plain(item):
        entry = f"<entry>{elements(item, '')}</entry>"
        return f'<feed xmlns="http://www.w3.org/2005/Atom">{entry}</feed>'

    assert stored(ITEM, shape=plain)["sku"] == "TV_1"


# -- whole feeds -----------------------------------------------------------------------------


def test_a_whole_feed_over_http(counts, server, rows):
    items = [{**ITEM, "id": f"P-{n}", "price": f"{n}.50 USD"} for n in range(1, 1201)]
    body = rss(*items).encode()
    server.answer = lambda request: (200, {"Content-Type": "application/xml"}, body)
    options = {"url": f"{server.url}/feed.xml", "allow_private_addresses": True}
    assert counts(GoogleMerchant, **options) == {"products": {"read": 1200, "created": 1200}}
    assert sum(Product.objects.values_list("price", flat=True)) == sum(
        Decimal(f"{n}.50") for n in range(1, 1201)
    )
    before = rows()
    assert counts(GoogleMerchant, **options) == {"products": {"read": 1200, "unchanged": 1200}}
    assert rows() == before
    assert len(server.requests) == 2


def test_nothing_is_kept_that_the_mapping_does_not_name(sync, publish, traces):
    secret = {
        "cost_of_goods_sold": f"{CANARY} USD",
        "custom_label_0": CANARY,
        "ads_redirect": f"https://ads.example/{CANARY}",
        "seller_contact": {"mail": CANARY},
    }
    items = [{**ITEM, **secret}, {**ITEM, **secret, "id": "TV_2", "price": "abc"}]
    run = sync(GoogleMerchant, **publish(rss(*items)))
    assert run.counts_of("products")["rejected"] == 1
    assert CANARY not in traces()


def test_a_mapping_of_ones_own_reads_the_one_spelling(counts, publish):
    fields = {"sku": "id", "name": "title", "price": "custom_label_0"}
    text = table({**ITEM, "custom_label_0": "3.50"}, spell=lambda n: n.replace("_", " ").upper())
    options = {"stream": "products", "fields": fields, "currency": "EUR"}
    counts(GoogleMerchant, **publish(text), **options)
    stored = Product.objects.get()
    assert (stored.sku, stored.price, stored.currency) == ("TV_1", Decimal("3.50"), "EUR")


def test_the_delimiter_and_quotes_are_options(counts, publish):
    text = table(ITEM, separator="~").replace('"', "'")
    counts(GoogleMerchant, **publish(text), delimiter="~", quotechar="'")
    assert Product.objects.get().sku == "TV_1"


def test_options_of_another_feed_are_refused():
    with pytest.raises(ConfigurationError, match="no option 'per_page'"):
        GoogleMerchant(url="feed", per_page=5)


def test_options_of_its_stream_are_refused_where_a_class_has_streams_of_its_own():
    class Own(GoogleMerchant):
        streams = (google.products(currency="EUR"),)

    assert Own(url="feed").streams[0].map({"price": "5"})["currency"] == "EUR"
    with pytest.raises(ConfigurationError, match="has currency but no stream"):
        Own(url="feed", currency="USD")
