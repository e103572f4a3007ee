"""System checks: each mistake has an id, a sentence and a hint."""

from contextlib import nullcontext

import pytest
from celery import current_app
from django.core import checks

from django_ecommerce_sync.checks import (
    charset_complaint,
    check_database,
    check_deployment,
    check_settings,
    cron_complaint,
)
from django_ecommerce_sync.feeds import Archive, FeedSource, Lines, MemoryFeed, Stream

PRODUCTS = Stream("products", fields={"sku": "sku", "price": "price"})
MEMORY = "django_ecommerce_sync.feeds.MemoryFeed"


class Complaining(MemoryFeed):
    streams = [PRODUCTS]

    def check(self):
        return ["base_url is empty."]


class Crashing(FeedSource):
    def __init__(self, *, directory):
        super().__init__()

    def fetch(self, stream, cursor):
        return iter(())


@pytest.fixture
def found(settings):
    """What the checks say about a setting: id -> message."""

    def check(**configured):
        settings.ECOMMERCE_SYNC = configured
        return {message.id.removeprefix("ecommerce_sync."): message for message in check_settings()}

    return check


@pytest.fixture
def stream(found):
    """What the checks say about a feed with this stream."""

    def check(*args, **options):
        streams = [Stream(*args, **options)]
        return found(FEEDS={"shop": {"BACKEND": MEMORY, "OPTIONS": {"streams": streams}}})

    return check


def entry(found, **configured):
    return found(FEEDS={"shop": configured})


def test_a_sound_setting_has_no_complaints(found):
    feed = {
        "BACKEND": MEMORY,
        "OPTIONS": {"streams": [PRODUCTS]},
        "SCHEDULE": "*/15 8-18 * * mon-fri",
    }
    sound = found(
        FEEDS={"shop": feed},
        RUNNER="auto",
        BATCH_SIZE=500,
        DEFAULT_CURRENCY="EUR",
        LEASE_SECONDS=60,
        MAX_ATTEMPTS=3,
        KEEP_RUNS_DAYS=30,
        KEEP_MERGES_DAYS=30,
        ALLOW_PRIVATE_ADDRESSES=False,
        API={},
    )
    assert sound == {}


def test_the_checks_are_registered(settings):
    settings.ECOMMERCE_SYNC = {"BATCH_SIZ": 5}
    assert "ecommerce_sync.E002" in {message.id for message in checks.run_checks()}
    assert check_database in checks.registry.registry.get_checks(include_deployment_checks=False)


def test_the_setting_must_be_a_dict(settings):
    settings.ECOMMERCE_SYNC = [("FEEDS", {})]
    assert [message.id for message in check_settings()] == ["ecommerce_sync.E001"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("BATCH_SIZ", "Did you mean 'BATCH_SIZE'?"), ("feeds", "Did you mean 'FEEDS'?")],
)
def test_an_unknown_key_with_a_guess(found, name, hint):
    message = found(**{name: 1})["E002"]
    assert name in message.msg
    assert message.hint == hint


def test_an_unknown_key_like_no_other_lists_all(found):
    assert "RUNNER" in found(XYZZY=1)["E002"].hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FEEDS", []),
        ("RUNNER", None),
        ("BATCH_SIZE", "1000"),
        ("BATCH_SIZE", True),
        ("ALLOW_PRIVATE_ADDRESSES", "no"),
        ("API", "x"),
    ],
)
def test_a_value_of_the_wrong_type(found, name, value):
    assert f"ECOMMERCE_SYNC['{name}'] must be" in found(**{name: value})["E003"].msg


def test_a_wrong_value_is_not_repeated_for_it_may_hold_a_secret(found):
    assert "hunter2" not in found(FEEDS=[{"token": "hunter2"}])["E003"].msg


def test_an_unknown_runner(found):
    assert "celery, thread, inline" in found(RUNNER="rq")["E004"].hint


@pytest.mark.parametrize(
    ("name", "value"),
    [("BATCH_SIZE", 0), ("BATCH_SIZE", 1_000_000), ("LEASE_SECONDS", 1), ("MAX_ATTEMPTS", 0)],
)
def test_a_number_out_of_range(found, name, value):
    assert f"ECOMMERCE_SYNC['{name}'] is {value}." in found(**{name: value})["E005"].msg


def test_an_unknown_currency(found):
    assert "'XX'" in found(DEFAULT_CURRENCY="XX")["E006"].msg


def test_celery_without_a_broker(found, monkeypatch):
    monkeypatch.setattr(current_app.conf, "broker_url", None)
    assert "CELERY_BROKER_URL" in found(RUNNER="celery")["E007"].hint
    monkeypatch.setattr(current_app.conf, "broker_url", "memory://")
    assert found(RUNNER="celery") == {}


@pytest.mark.parametrize("alias", ["", "x" * 65, 5])
def test_an_alias_that_cannot_be_stored(found, alias):
    feed = {"BACKEND": MEMORY, "OPTIONS": {"streams": [PRODUCTS]}}
    assert set(found(FEEDS={alias: feed})) == {"E008"}


@pytest.mark.parametrize("configured", [{}, {"BACKEND": ""}, {"OPTIONS": {}}])
def test_a_feed_without_a_backend(found, configured):
    assert set(entry(found, **configured)) == {"E009"}


def test_a_feed_that_is_no_dict(found):
    assert set(found(FEEDS={"shop": MEMORY})) == {"E009"}


def test_options_that_are_no_dict(found):
    assert set(entry(found, BACKEND=MEMORY, OPTIONS=["x"])) == {"E009"}


def test_an_unknown_key_of_a_feed(found):
    message = entry(found, BACKEND=MEMORY, OPTION={})["E010"]
    assert "Did you mean 'OPTIONS'?" in message.hint


def test_a_schedule_that_is_no_cron_line(found):
    options = {"streams": [PRODUCTS]}
    message = entry(found, BACKEND=MEMORY, OPTIONS=options, SCHEDULE="* * * *")["E011"]
    assert "five fields" in message.hint


@pytest.mark.parametrize(
    "line", ["61 * * * *", "a * * * *", "0 0 31 2 *", "*/0 * * * *", 5, "@daily"]
)
def test_cron_lines_that_never_come(line):
    assert cron_complaint(line)


@pytest.mark.parametrize("line", ["* * * * *", "*/15 8-18 * * mon-fri", "0 0 29 2 *"])
def test_cron_lines_that_do(line):
    assert cron_complaint(line) == ""


@pytest.mark.parametrize("backend", ["nowhere.Feed", "builtins.dict", dict, f"{MEMORY}X"])
def test_a_backend_that_is_no_feed(found, backend):
    assert "BACKEND of feed 'shop'" in entry(found, BACKEND=backend)["E012"].msg


def test_an_option_the_feed_does_not_have(found):
    assert (
        "did you mean 'streams'?"
        in entry(found, BACKEND=MEMORY, OPTIONS={"stream": []})["E012"].msg
    )


def test_a_feed_whose_constructor_fails(found):
    assert "TypeError" in entry(found, BACKEND=Crashing)["E012"].msg


def test_what_the_feed_says_about_itself(found):
    assert "base_url is empty." in entry(found, BACKEND=Complaining)["E013"].msg


def test_two_streams_of_one_name(found):
    options = {"streams": [PRODUCTS, PRODUCTS]}
    assert (
        "several streams called 'products'"
        in entry(found, BACKEND=MEMORY, OPTIONS=options)["E014"].msg
    )


@pytest.mark.parametrize("model", ["shop.Nothing", "nowhere.Gadget", "Gadget"])
def test_a_model_that_does_not_exist(stream, model):
    assert set(stream("gadgets", model=model, fields={"serial": "s"})) == {"E015"}


def test_a_field_the_model_does_not_have(stream):
    message = stream("products", fields={"sku": "sku", "titel": "t", "nme": "n"})["E016"]
    assert "maps 'nme'" in message.msg
    assert message.hint == "Did you mean 'name'?"


def test_a_field_of_a_line_that_does_not_exist(stream):
    lines = Lines("items", {"sku": "sku", "quantiti": "q"})
    message = stream("orders", fields={"order_id": "id", "lines": lines})["E016"]
    assert "in 'lines', maps 'quantiti'" in message.msg
    assert message.hint == "Did you mean 'quantity'?"


def test_a_mapping_that_is_neither_path_nor_callable(stream):
    assert "cannot be used in a mapping" in stream("products", fields={"sku": 5})["E016"].msg


def test_a_model_without_key(stream):
    message = stream("gadgets", model="shop.Gadget", fields={"serial": "s"})["E017"]
    assert "serial" in message.hint
    assert stream("gadgets", model="shop.Gadget", key="serial", fields={"serial": "s"}) == {}


def test_a_key_that_is_not_mapped(stream):
    fields = {"name": "name", "price": "price"}
    assert "Add 'sku' to its fields" in stream("products", fields=fields)["E018"].hint
    assert stream("products", fields=fields, external_id="id") == {}


def test_missing_apps_are_a_warning(found, settings):
    settings.INSTALLED_APPS = [a for a in settings.INSTALLED_APPS if a != "drf_spectacular_sidecar"]
    assert "drf_spectacular_sidecar" in found()["W001"].msg


class Answering:
    """As much of a MySQL connection as the check looks at."""

    vendor = "mysql"
    alias = "default"

    def __init__(self, *charsets):
        self.charsets = charsets

    def cursor(self):
        return nullcontext(self)

    def execute(self, statement):
        pass

    def fetchone(self):
        return self.charsets


def test_a_database_that_cannot_store_every_name():
    assert charset_complaint(Answering("utf8mb4", "utf8mb4")) is None
    message = charset_complaint(Answering("latin1", "utf8mb4"))
    assert (message.id, "latin1" in message.msg) == ("ecommerce_sync.W002", True)


@pytest.mark.django_db
def test_the_database_speaks_utf8mb4():
    assert check_database(databases=["default"]) == []
    assert check_database(databases=None) == []


@pytest.mark.parametrize(
    ("url", "private", "warned"),
    [
        ("http://shop.example/feed.csv", False, True),
        ("https://shop.example/feed.csv", False, False),
        ("http://10.0.0.7/feed.csv", True, False),
        ("/srv/feeds/feed.csv", False, False),
    ],
)
def test_plain_http_is_told_before_it_is_deployed(settings, url, private, warned):
    options = {"url": url, "streams": [PRODUCTS], "allow_private_addresses": private}
    settings.ECOMMERCE_SYNC = {
        "FEEDS": {
            "shop": {"BACKEND": "django_ecommerce_sync.feeds.CSVFeed", "OPTIONS": options},
            "memory": {"BACKEND": MEMORY, "OPTIONS": {"streams": [PRODUCTS]}},
            "broken": {"BACKEND": "no.such.Feed"},
        }
    }
    found = check_deployment()
    assert [message.id for message in found] == ["ecommerce_sync.W003"] * warned
    assert all("'shop'" in message.msg for message in found)


def test_rows_can_be_archived_where_the_model_has_a_place_for_it(stream):
    fields = {"codename": "code"}
    bad = stream(
        "rights", model="auth.Permission", key="codename", fields=fields, missing=Archive()
    )
    assert "archived_at" in bad["E019"].msg
    assert "E019" not in stream("products", fields={"sku": "sku"}, missing=Archive())


def test_the_deployment_check_runs_with_deploy_only():
    assert check_deployment in checks.registry.registry.get_checks(include_deployment_checks=True)
    assert check_deployment not in checks.registry.registry.get_checks()


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"PRIORITY": "high"}, ("E020", "'high'")),
        ({"PRIORITY": True}, ("E020", "True")),
        ({"POLICY": "fill"}, ("E021", "dict of dicts")),
        ({"POLICY": {"products": "fill"}}, ("E021", "dict of dicts")),
        ({"POLICY": {"product": {"price": "fill"}}}, ("E021", "'product'")),
        ({"POLICY": {"products": {"prize": "fill"}}}, ("E021", "did you mean 'price'?")),
        ({"POLICY": {"products": {"price": "filled"}}}, ("E021", "did you mean 'fill'?")),
    ],
)
def test_who_owns_a_field_is_checked(found, declared, said):
    number, words = said
    bad = entry(found, BACKEND=MEMORY, OPTIONS={"streams": [PRODUCTS]}, **declared)

    assert words in bad[number].msg


def test_a_feeds_own_policy_is_checked(stream):
    bad = stream("products", fields={"sku": "sku"}, policy={"sku": "sometimes"})

    assert "'sometimes'" in bad["E021"].msg
    assert "E021" not in stream("products", fields={"sku": "sku"}, policy={"sku": "create"})


def test_a_sound_table_of_states(found):
    table = {"pending": ["paid", "cancelled"], "completed": ()}
    assert found(API={"ORDER_TRANSITIONS": table, "ORDER_STOCK": "backorder"}) == {}


@pytest.mark.parametrize(
    ("table", "number", "text", "hint"),
    [
        ({"pendign": ["paid"]}, "E024", "a row for 'pendign'", "Did you mean 'pending'?"),
        ({"paid": ["shipped"]}, "E024", "a row for 'paid'", "It is a payment_status; the rows"),
        ({3: ["shipped"]}, "E024", "a row for 3", "There is: cancelled"),
        ({"pending": ["payed"]}, "E025", "leads to 'payed'", "Did you mean 'paid'?"),
        ({"pending": ["unknown"]}, "E025", "leads to 'unknown'", "There is: authorized,"),
        ({"pending": [["paid"]]}, "E025", "leads to ['paid']", "Did you mean 'paid'?"),
        ({"pending": "paid"}, "E023", "['pending'] must be a list", "For example: 'processing'"),
        ([("pending", ["paid"])], "E023", "must be a dict", 'Give it rows, {"pending"'),
    ],
)
def test_a_table_with_a_mistake(found, table, number, text, hint):
    message = found(API={"ORDER_TRANSITIONS": table})[number]
    assert "ECOMMERCE_SYNC['API']['ORDER_TRANSITIONS']" in message.msg
    assert text in message.msg
    assert message.hint.startswith(hint)


@pytest.mark.parametrize(
    ("policy", "hint"), [("of", "Did you mean 'off'?"), (None, "There is: backorder, off, strict.")]
)
def test_an_unknown_stock_policy(found, policy, hint):
    message = found(API={"ORDER_STOCK": policy})["E022"]
    assert (f"is {policy!r}" in message.msg, message.hint) == (True, hint)


@pytest.mark.parametrize(
    ("find", "text"),
    [("nowhere.customer", "cannot be imported: No module"), ("django.VERSION", "is no function")],
)
def test_a_customer_nobody_finds(found, find, text):
    assert text in found(API={"CUSTOMER_OF_USER": find})["E026"].msg
    assert found(API={"CUSTOMER_OF_USER": "django.setup"}) == {}
    assert found(API={"CUSTOMER_OF_USER": len}) == {}


def test_times_without_a_zone_are_refused(found, settings):
    assert "E038" not in found()
    settings.USE_TZ = False
    assert "USE_TZ = True" in found()["E038"].hint
