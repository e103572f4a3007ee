"""Feeds that are wrong in one way each, and what the contract must say about them.

``tests/test_contract.py`` runs this module in a process of its own: every check named in
``breaks`` fails with these words, and no other.
"""

import itertools
import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import requests

from django_ecommerce_sync.exceptions import FeedError
from django_ecommerce_sync.feeds import (
    JSON,
    Const,
    Content,
    HTTPFeed,
    MemoryFeed,
    Page,
    PageNumber,
    Paginator,
    Query,
    Ref,
    Since,
    Stream,
)
from django_ecommerce_sync.testing import FeedContract

PRODUCT = {"sku": "code", "name": "title", "price": "price"}
ROWS = [
    {"id": n, "code": f"TEA-{n}", "title": f"Tea {n}", "price": f"{n}.10", "tags": ["b", "a"]}
    for n in range(1, 7)
]
CHANGES = Since("changed", param="since", overlap="15m")


def memory(*, rows=ROWS, page_size=100, external_id="id", **fields):
    stream = Stream("products", fields=PRODUCT | fields, external_id=external_id)
    return {"streams": [stream], "rows": {"products": rows}, "page_size": page_size}


def changed_row(**changes):
    """The rows, the second of them different."""
    return [ROWS[0], {**ROWS[1], **changes}, *ROWS[2:]]


class PagedFeed(HTTPFeed):
    """Nothing is wrong with it; the feeds below make something so."""

    base_url = "https://acme.example/api/"
    paginator = PageNumber(total="total")
    streams = [Stream("products", path="items", records="items", external_id="id", fields=PRODUCT)]


class DocumentFeed(PagedFeed):
    paginator = HTTPFeed.paginator


class OverWeb(FeedContract):
    samples = {"products": ROWS}


class InMemory(FeedContract):
    feed = MemoryFeed
    options = memory()


# -- reading ---------------------------------------------------------------------------------


class TestUnknownField(InMemory):
    options = memory(prise="price")
    breaks = {"test_the_configuration_is_sound": "maps 'prise', but Product has no such field"}


class TestStreamWithoutSamples(OverWeb):
    class feed(PagedFeed):
        streams = [
            *PagedFeed.streams,
            Stream("customers", path="people", fields={"email": "mail"}),
        ]

    breaks = {"test_every_stream_has_samples": "There are no samples of customers"}


class TestSamplesOfNoStream(OverWeb):
    feed = PagedFeed
    samples = {"products": ROWS, "prodcuts": ROWS}
    breaks = {"test_every_stream_has_samples": "There are samples of 'prodcuts'"}


class TestRecordsElsewhere(FeedContract):
    feed = DocumentFeed
    responses = {"items": {"data": ROWS}}
    breaks = {"test_a_healthy_source_can_be_read[products]": "Compare path, records and paginator"}


class TestNoRecords(FeedContract):
    feed = DocumentFeed
    responses = {"items": {"items": []}}
    breaks = {"test_a_healthy_source_can_be_read[products]": "has no rows.\nThe feed asked for"}


class TestHasNoEnd(InMemory):
    class feed(MemoryFeed):
        def fetch(self, stream, cursor):
            return (Page([ROWS[0]], cursor=number) for number in itertools.count())

    breaks = {"test_a_healthy_source_can_be_read[products]": "After 1,000 pages it still goes on"}


class TestLosesRows(OverWeb):
    class feed(PagedFeed):
        def fetch(self, stream, cursor):
            for page in super().fetch(stream, cursor):
                yield replace(page, rows=list(page.rows)[:-1])

    breaks = {"test_every_sample_arrives[products]": "Of 6 samples of stream 'products', 3 arrive"}


class TestShuffles(InMemory):
    class feed(MemoryFeed):
        turns = itertools.count()

        def fetch(self, stream, cursor):
            turn = next(self.turns) % 6
            yield Page([*ROWS[turn:], *ROWS[:turn]])

    breaks = {"test_reading_twice_gives_the_same[products]": "reads differently the second time"}


class TestIgnoresCursor(InMemory):
    class feed(MemoryFeed):
        def fetch(self, stream, cursor):
            return super().fetch(stream, None)

    options = memory(page_size=2)
    breaks = {"test_reading_goes_on_at_every_cursor[products]": "6 rows instead of 4"}


class TestNoCursor(InMemory):
    class feed(MemoryFeed):
        def fetch(self, stream, cursor):
            return (replace(page, cursor=None) for page in super().fetch(stream, cursor))

    options = memory(page_size=2)
    breaks = {"test_reading_goes_on_at_every_cursor[products]": "has no cursor, though more"}


class TestCursorThatIsNoJSON(InMemory):
    class feed(MemoryFeed):
        def fetch(self, stream, cursor):
            for page in super().fetch(stream, cursor):
                yield replace(page, cursor=Decimal(page.cursor) if page.cursor else None)

    options = memory(page_size=2)
    breaks = {
        "test_reading_goes_on_at_every_cursor[products]": "a cursor that is no JSON value",
        # A run keeps its cursor, too.
        "test_a_sync_creates_every_record_once": "A sync fails: internal_error",
    }


class TestFallsOverNothing(OverWeb):
    class feed(DocumentFeed):
        def fetch(self, stream, cursor):
            (page,) = super().fetch(stream, cursor)
            rows = list(page.rows)
            rows[0]["first"] = True
            yield replace(page, rows=rows)

    breaks = {"test_an_empty_source_has_no_rows[products]": "breaks: IndexError"}


class TestForgetsSince(OverWeb):
    class feed(PagedFeed):
        streams = [replace(PagedFeed.streams[0], since=replace(CHANGES, field="id"))]

        def fetch(self, stream, cursor):
            return super().fetch(replace(stream, since=None), cursor)

    breaks = {"test_only_changes_are_asked_for[products]": "less the overlap of 15m that is 2001"}


class TestAlwaysSince(OverWeb):
    class feed(PagedFeed):
        streams = [replace(PagedFeed.streams[0], since=replace(CHANGES, field="id"))]

        def fetch(self, stream, cursor):
            since = replace(stream.since, start=datetime(2026, 1, 1, tzinfo=UTC))
            return super().fetch(replace(stream, since=since), cursor)

    breaks = {"test_only_changes_are_asked_for[products]": "A full run of 'products' sends since"}


class TestNothingSaysWhen(OverWeb):
    class feed(PagedFeed):
        streams = [replace(PagedFeed.streams[0], since=CHANGES)]

    breaks = {"test_records_say_when_they_changed[products]": "Since looks for 'changed'"}


# -- mapping ---------------------------------------------------------------------------------


class TestPriceOnRequest(InMemory):
    options = memory(rows=changed_row(price="on request"))
    breaks = {
        "test_every_record_maps[products]": (
            "record 2, price ← 'price' = 'on request': invalid_decimal"
        )
    }


class TestNoName(InMemory):
    options = memory(name="nome", sku="cod")
    breaks = {"test_every_record_maps[products]": "6 of 6 records of stream 'products'"}


class TestTwinKeys(InMemory):
    options = memory(rows=changed_row(code=" TEA-1"))
    breaks = {
        "test_keys_are_unique_and_not_blank[products]": "have the sku 'TEA-1'",
        "test_a_sync_creates_every_record_once": "identity_conflict",
    }


class TestTwinIds(InMemory):
    options = memory(rows=changed_row(id=1))
    breaks = {
        "test_ids_are_unique_and_stable[products]": "have the external_id '1'",
        "test_a_sync_creates_every_record_once": "creates 5",
    }


class TestNoId(InMemory):
    options = memory(rows=changed_row(id=None))
    breaks = {"test_every_record_maps[products]": "record 2, external_id: required: The record has"}


class TestNewIds(InMemory):
    options = memory(external_id=lambda row: str(uuid.uuid4()))
    breaks = {
        "test_ids_are_unique_and_stable[products]": "is another one the second time",
        "test_a_sync_creates_every_record_once": "identity_conflict",
    }


class TestFloats(InMemory):
    options = memory(rows=changed_row(price=0.1 + 0.2))
    breaks = {"test_amounts_are_exact[products]": "0.30000000000000004 is a float"}


class TestTooExact(InMemory):
    options = memory(rows=changed_row(price="1.00000001"))
    breaks = {"test_amounts_are_exact[products]": "1.00000001 would be stored as 1.0000"}


class TestCounts(InMemory):
    numbers = itertools.count()
    options = memory(name=lambda row: f"{row['title']} no. {next(TestCounts.numbers)}")
    breaks = {
        "test_mapping_gives_the_same_every_time[products]": "Field 'name' of record 1",
        "test_order_does_not_matter[products]": "when the records come in another order",
        "test_a_sync_creates_every_record_once": "updates 6",
    }


class TestSortsInPlace(InMemory):
    def sorted_tags(row):
        row["tags"].sort()
        return ", ".join(row["tags"])

    options = memory(category=sorted_tags)
    breaks = {"test_mapping_leaves_the_record_alone[products]": "changes the record itself"}


class TestFillsDown(InMemory):
    last = [""]

    def category(row):
        TestFillsDown.last[0] = row.get("category") or TestFillsDown.last[0]
        return TestFillsDown.last[0]

    options = memory(rows=[{**ROWS[0], "category": "Tea"}, *ROWS[1:]], category=category)
    options["rows"]["products"][-1] = {**ROWS[-1], "category": "Jug"}
    breaks = {
        "test_order_does_not_matter[products]": "in another order",
        "test_a_sync_creates_every_record_once": "differs from run to run",
    }


# -- faults ----------------------------------------------------------------------------------


def swallowing(code, base=DocumentFeed):
    """A feed that takes one kind of error for the end."""

    class Swallowing(base):
        def fetch(self, stream, cursor):
            try:
                yield from super().fetch(stream, cursor)
            except FeedError as error:
                if error.code != code:
                    raise

    return Swallowing


class TestGoesInCircles(OverWeb):
    feed = swallowing("pagination_loop", PagedFeed)
    breaks = {"test_a_repeated_page_is_noticed[products]": "the feed ends well, with"}


class TestTakesFailureForTheEnd(OverWeb):
    feed = swallowing("http_error")
    breaks = {
        "test_a_source_that_keeps_failing_fails_the_run[products]": "ends well, with 0 rows. It"
    }


class TestPesters(OverWeb):
    class feed(DocumentFeed):
        def fetch(self, stream, cursor):
            for _ in range(4):
                try:
                    yield from super().fetch(stream, cursor)
                    return
                except FeedError as error:
                    last = error
            raise last

    breaks = {"test_a_source_that_keeps_failing_fails_the_run[products]": "asks 16 times"}


class TestTakesSilenceForTheEnd(OverWeb):
    feed = swallowing("timeout")
    breaks = {"test_a_silent_source_times_out[products]": "must raise FeedUnreachable"}


class TestWaitsTooLong(OverWeb):
    class feed(DocumentFeed):
        def fetch(self, stream, cursor):
            self.timeout = 0.8
            return super().fetch(stream, cursor)

    breaks = {"test_a_silent_source_times_out[products]": "with a timeout of 0.05 s"}


class TestTakesRefusalForTheEnd(OverWeb):
    feed = swallowing("unauthorized")
    breaks = {"test_a_refusal_is_told[products]": "refuses the feed with status 401"}


class TestTakesTheCutForTheEnd(OverWeb):
    feed = swallowing("feed_truncated")
    breaks = {"test_a_document_cut_short_is_not_used[products]": "must raise FeedError"}


class TestReadsAnything(OverWeb):
    class feed(DocumentFeed):
        class format(JSON):
            def read(self, document, stream):
                try:
                    return super().read(document, stream)
                except FeedError:
                    return Content(iter(()))

        format = format()

    breaks = {"test_a_login_page_is_no_empty_feed[products]": "answers with a login page"}


class TestEndsAtTheFirstCrash(OverWeb):
    class feed(PagedFeed):
        def fetch(self, stream, cursor):
            pages = 0
            try:
                for page in super().fetch(stream, cursor):
                    pages += 1
                    yield page
            except FeedError as error:
                if not pages or error.code != "http_error":
                    raise

    breaks = {"test_a_crash_at_any_page_loses_nothing[products]": "ends as if it had all: 2 of 6"}


class TestSkipsAPage(OverWeb):
    """Its cursors are right, but a page that is asked for alone has only its second half."""

    class feed(PagedFeed):
        def fetch(self, stream, cursor):
            for page in super().fetch(stream, cursor):
                rows = list(page.rows)
                yield replace(page, rows=rows[1:] if cursor else rows)
                cursor = None

    breaks = {
        "test_reading_goes_on_at_every_cursor[products]": "3 rows instead of 4",
        "test_a_crash_at_any_page_loses_nothing[products]": "is not the whole: 5 rows instead of 6",
    }


class TestTellsTheSecret(OverWeb):
    class feed(DocumentFeed):
        auth = Query("key", env="ACME_KEY")

        def fetch(self, stream, cursor):
            try:
                yield from super().fetch(stream, cursor)
            except FeedError as error:
                raise type(error)(error.code, f"{error} {self.auth.params()}") from None

    breaks = {"test_secrets_stay_secret[products]": "has the secret in it"}


class TestPrintsTheSecret(OverWeb):
    class feed(DocumentFeed):
        auth = Query("key", env="ACME_KEY")

        def fetch(self, stream, cursor):
            print(f"Asking with {self.auth.params()}")
            return super().fetch(stream, cursor)

    breaks = {"test_secrets_stay_secret[products]": "prints the secret, or logs it"}


class TestKeepsTheSecret(OverWeb):
    class feed(PagedFeed):
        auth = Query("key", env="ACME_KEY")

        def fetch(self, stream, cursor):
            for page in super().fetch(stream, cursor and cursor["at"]):
                cursor = {"at": page.cursor, **self.auth.params()} if page.cursor else None
                yield replace(page, cursor=cursor)

    breaks = {
        "test_secrets_stay_secret[products]": "A cursor of stream 'products' has the secret",
    }


class TestByHand(OverWeb):
    """What people write who have not heard of ``HTTPFeed.fetch``."""

    class feed(HTTPFeed):
        base_url = PagedFeed.base_url
        paginator = PagedFeed.paginator
        streams = PagedFeed.streams

        def fetch(self, stream, cursor):
            page = cursor or 1
            while rows := self.page(page):
                page += 1
                yield Page(rows, cursor=page)

        def page(self, number):
            response = requests.get(f"{self.base_url}/items?page={number}".replace("//i", "/i"))
            return json.loads(response.text or "{}").get("items", [])

    breaks = {
        "test_a_repeated_page_is_noticed[products]": "pagination_loop",
        "test_too_many_requests_are_waited_out[products]": "does not get every row",
        "test_a_source_that_keeps_failing_fails_the_run[products]": "must raise FeedError",
        "test_a_silent_source_times_out[products]": "must raise FeedUnreachable",
        "test_a_refusal_is_told[products]": "must raise FeedUnreachable",
        "test_a_document_cut_short_is_not_used[products]": "must raise FeedError",
        "test_a_login_page_is_no_empty_feed[products]": "must raise FeedError",
    }


class TestTriesAgainAtOnce(TestByHand):
    class feed(TestByHand.feed):
        def page(self, number):
            address = f"{self.base_url}items?page={number}"
            response = requests.get(address)
            if response.status_code == 429:
                response = requests.get(address)
            return json.loads(response.text).get("items", [])

    breaks = {
        **TestByHand.breaks,
        "test_too_many_requests_are_waited_out[products]": "waits 0.0 s at most",
    }


# -- storing ---------------------------------------------------------------------------------


class TestRefersToNobody(InMemory):
    options = {
        "streams": [
            Stream(
                "orders",
                fields={
                    "order_id": "no",
                    "order_date": "at",
                    "customer": Ref("customers", key="who"),
                },
            )
        ],
        "rows": {"orders": [{"no": "1", "at": "2026-01-02", "who": "ann@example.com"}]},
    }
    breaks = {"test_a_sync_creates_every_record_once": "customer: unresolved_reference"}


class TestNewEveryRun(InMemory):
    class feed(MemoryFeed):
        built = itertools.count()

        def __init__(self, **options):
            super().__init__(**options)
            stream = self.streams[0]
            fields = {**stream.fields, "brand": Const(f"Acme {next(self.built)}")}
            self.streams = [replace(stream, fields=fields)]

    breaks = {"test_a_sync_creates_every_record_once": "creates 0 and updates 6"}


class TestStoresEverything(InMemory):
    options = memory(attributes=lambda row: {"raw": dict(row)})
    breaks = {"test_nothing_unlisted_is_stored": "Product.attributes has a value that no mapping"}


class TestStoresAnObject(InMemory):
    options = {
        "streams": [Stream("customers", fields={"email": "email", "address": "address"})],
        "rows": {"customers": [{"email": "ann@example.com", "address": {"city": "Oslo"}}]},
    }
    breaks = {"test_nothing_unlisted_is_stored": "Customer.address has a value"}


# -- what cannot be rehearsed ----------------------------------------------------------------


class TestUnknownPages(OverWeb):
    class feed(PagedFeed):
        class Odd(Paginator):
            def after(self, state, answer):
                return None

        paginator = Odd()

    breaks = {"test_every_stream_has_samples": "give the contract responses"}


class TestCannotBeBuilt(InMemory):
    options = {"pages": 3}
    breaks = {"test_the_configuration_is_sound": "has no option 'pages'"}
