"""What one run leaves for the next: watermarks, unchanged documents, and doubts about a feed."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_ecommerce_sync.exceptions import FeedError
from django_ecommerce_sync.feeds import (
    Archive,
    Bearer,
    CSVFeed,
    HTTPFeed,
    NoPages,
    PageNumber,
    Since,
    Stream,
)
from django_ecommerce_sync.models import Product, RunStatus, StreamState, SyncLink
from django_ecommerce_sync.sync import execute, request_run, retry

pytestmark = pytest.mark.django_db(transaction=True)

FIELDS = {"sku": "sku", "name": "title", "price": "price"}
DAY = datetime(2026, 3, 1, tzinfo=UTC)


def at(minutes):
    """A source time, in minutes after the day began."""
    return (DAY + timedelta(minutes=minutes)).isoformat()


def row(number, **values):
    return {"sku": f"SKU-{number}", "title": f"Thing {number}", "price": "1.50", **values}


class Source:
    """A shop on a real server, whose clock and rows the test sets."""

    def __init__(self, server, settings):
        self.server = server
        self.settings = settings
        self.rows = [row(number) for number in range(12)]
        self.clock = DAY + timedelta(days=1)
        self.headers = {}
        self.envelope = {}
        self.broken_page = "0"
        self.stream = {"fields": FIELDS, "records": "items"}
        self.paginator = NoPages()
        self.auth = None
        server.answer = self.answer

    def answer(self, request):
        headers = {"Date": format_datetime(self.clock, usegmt=True), **self.headers}
        etag = self.headers.get("ETag")
        if etag and request.headers.get("If-None-Match") == etag:
            return 304, headers, b""
        items = self.rows
        if request.query.get("page") == self.broken_page:
            return 404, headers, b""
        if "page" in request.query:
            items = items[int(request.query["page"]) * 5 - 5 :][:5]
        return 200, headers, json.dumps({**self.envelope, "items": items}).encode()

    def run(self, **options):
        stream = Stream("products", **self.stream)
        options_of_feed = {
            "base_url": f"{self.server.url}/items",
            "streams": [stream],
            "paginator": self.paginator,
            "auth": self.auth,
            "allow_private_addresses": True,
        }
        self.settings.ECOMMERCE_SYNC = {
            **self.settings.ECOMMERCE_SYNC,
            "FEEDS": {"shop": {"BACKEND": HTTPFeed, "OPTIONS": options_of_feed}},
        }
        self.server.requests.clear()
        run, _ = request_run("shop", **options)
        return execute(run.pk)

    def counts(self, **options):
        run = self.run(**options)
        assert run.status == RunStatus.SUCCEEDED, run.error
        return {name: n for name, n in run.counts_of("products").items() if n}

    def asked(self):
        """The query of the last run's first request."""
        return self.server.requests[0].query


@pytest.fixture
def source(server, settings):
    return Source(server, settings)


class TestWatermark:
    @pytest.fixture(autouse=True)
    def changing(self, source):
        source.stream["since"] = Since("changed", "since", overlap="15m")
        source.rows = [row(n, changed=at(n)) for n in range(12)]

    def test_the_next_run_asks_from_the_newest_record_less_the_overlap(self, source):
        source.run()
        assert source.asked() == {}
        source.run()
        assert source.asked() == {"since": "2026-02-28T23:56:00Z"}  # 11 minutes less 15

    def test_never_past_the_source_s_clock_when_the_run_began(self, source):
        source.rows[3]["changed"] = at(3)
        source.clock = DAY + timedelta(minutes=5)
        source.run()
        source.run()
        assert source.asked() == {"since": "2026-02-28T23:50:00Z"}  # 5 minutes less 15

    def test_an_empty_delta_is_good_news_and_moves_nothing(self, source):
        source.run()
        source.rows = []
        assert source.counts() == {}
        source.run()
        assert source.asked() == {"since": "2026-02-28T23:56:00Z"}

    def test_a_delta_of_overlapping_rows_does_not_move_it_back(self, source):
        source.run()
        source.rows = [row(2, changed=at(2))]
        assert source.counts() == {"read": 1, "unchanged": 1}
        source.run()
        assert source.asked() == {"since": "2026-02-28T23:56:00Z"}

    def test_a_delta_moves_it_on(self, source):
        source.run()
        source.rows = [row(2, price="2", changed=at(60))]
        assert source.counts() == {"read": 1, "updated": 1}
        source.run()
        assert source.asked() == {"since": "2026-03-01T00:45:00Z"}

    def test_a_failed_run_leaves_it_alone(self, source):
        source.run()
        source.rows = [row(n, price="2", changed=at(600)) for n in range(12)]
        source.paginator, source.broken_page = PageNumber(), "2"
        run = source.run()
        assert (run.error_code, run.counts_of("products")["updated"]) == ("http_error", 5)
        source.paginator = NoPages()
        source.run()
        assert source.asked() == {"since": "2026-02-28T23:56:00Z"}

    @pytest.mark.parametrize("options", [{"limit": 3}, {"since": DAY}, {"dry_run": True}])
    def test_a_run_that_is_not_whole_leaves_it_alone(self, source, options):
        source.run(**options)
        source.run()
        assert source.asked() == {}

    def test_a_backfill_asks_from_its_own_time(self, source):
        source.run()
        source.run(since=DAY - timedelta(days=30))
        assert source.asked() == {"since": "2026-01-29T23:45:00Z"}
        source.run()
        assert source.asked() == {"since": "2026-02-28T23:56:00Z"}

    def test_full_reads_everything_and_sets_it_anew(self, source):
        source.run()
        source.rows = [row(n, changed=at(n - 60)) for n in range(12)]
        source.run(full=True)
        assert source.asked() == {}
        source.run()
        assert source.asked() == {"since": "2026-02-28T22:56:00Z"}

    def test_a_mended_mapping_reads_everything(self, source):
        source.run()
        source.stream["fields"] = {**FIELDS, "brand": "brand"}
        source.run()
        assert source.asked() == {}

    def test_rejected_rows_do_not_hold_it_back(self, source):
        source.rows[1]["price"] = "cheap"
        assert source.run().status == RunStatus.PARTIAL
        source.run()
        assert source.asked() == {"since": "2026-02-28T23:56:00Z"}

    def test_rows_that_wait_for_others_do(self, source):
        source.rows.append(row(99, sku="SKU-1", id="x", changed=at(90)))
        source.stream["external_id"] = "id"
        for number, item in enumerate(source.rows[:12]):
            item["id"] = str(number)
        run = source.run()
        assert [issue.code for issue in run.issues.all()] == ["identity_conflict"]
        source.run()
        assert source.asked() == {}

    def test_a_partial_page_holds_it_back(self, source):
        source.paginator = PageNumber(partial="partial")
        source.envelope = {"partial": True}
        run = source.run()
        assert (run.status, [w["code"] for w in run.warnings]) == ("succeeded", ["partial_page"])
        source.run()
        assert source.asked() == {"page": "1"}

    def test_a_retry_reads_everything_and_leaves_it_alone(self, source):
        source.rows[1]["price"] = "cheap"
        run = source.run()
        before = StreamState.objects.get().watermark
        source.rows[1].update(price="3", changed=at(500))
        source.server.requests.clear()
        again = execute(retry(run)[0].pk)
        assert again.counts_of("products")["created"] == 1
        assert source.asked() == {}
        assert StreamState.objects.get().watermark == before


class TestTimesNobodyAsksWith:
    """``since`` without ``param`` only tells old copies: each run reads everything."""

    @pytest.fixture(autouse=True)
    def dated(self, source):
        source.stream |= {"since": Since("changed"), "missing": Archive(max_ratio=0.5)}
        source.rows = [row(n, changed=at(n)) for n in range(12)]

    def test_what_is_gone_is_archived_all_the_same(self, source):
        source.run()
        source.rows = source.rows[:10]
        assert source.counts() == {"read": 10, "unchanged": 10, "archived": 2}

    def test_an_unchanged_document_is_not_read(self, source):
        source.headers = {"ETag": '"7"'}
        source.run()
        assert source.counts() == {"read": 12, "unchanged": 12}
        assert source.server.requests[0].headers["If-None-Match"] == '"7"'

    def test_a_document_that_lost_all_its_rows_changes_nothing(self, source):
        source.run()
        source.rows = []
        assert source.run().error_code == "feed_empty"


class TestUnchangedDocuments:
    def test_an_etag_makes_it_one_request_without_a_body(self, source):
        source.headers = {"ETag": 'W/"7"'}
        assert source.counts() == {"read": 12, "created": 12}
        assert source.counts() == {"read": 12, "unchanged": 12}
        assert len(source.server.requests) == 1
        assert source.server.requests[0].headers["If-None-Match"] == 'W/"7"'

    def test_a_last_modified_date_is_sent_back(self, source):
        source.headers = {"Last-Modified": "Sun, 01 Mar 2026 00:00:00 GMT"}
        source.run()
        source.run()
        sent = source.server.requests[0].headers["If-Modified-Since"]
        assert sent == "Sun, 01 Mar 2026 00:00:00 GMT"

    def test_equal_bytes_are_not_even_read(self, source):
        source.rows.append(row(3))
        assert source.counts() == {"read": 13, "created": 12, "duplicate": 1}
        links = list(SyncLink.objects.order_by("pk").values())
        assert source.counts() == {"read": 13, "unchanged": 12, "duplicate": 1}
        assert list(SyncLink.objects.order_by("pk").values()) == links

    def test_no_row_is_looked_at_or_written(self, source):
        source.run()
        source.run()
        with CaptureQueriesContext(connection) as queries:
            source.run()
        statements = [query["sql"] for query in queries]
        assert not [sql for sql in statements if Product._meta.db_table in sql]
        links = [sql for sql in statements if SyncLink._meta.db_table in sql]
        assert [sql for sql in links if "SELECT 1" not in sql] == []  # but for "are there any?"

    def test_a_changed_document_is_read(self, source):
        source.headers = {"ETag": '"7"'}
        source.run()
        source.headers = {"ETag": '"8"'}
        source.rows[0]["price"] = "2"
        assert source.counts() == {"read": 12, "updated": 1, "unchanged": 11}
        assert source.counts() == {"read": 12, "unchanged": 12}

    @pytest.mark.parametrize("options", [{"full": True}, {"limit": 12}])
    def test_it_is_read_where_a_person_wants_it(self, source, options):
        source.headers = {"ETag": '"7"'}
        source.run()
        assert source.counts(**options) == {"read": 12, "unchanged": 12}
        assert "If-None-Match" not in source.server.requests[0].headers

    @pytest.mark.parametrize("since", [None, Since("changed", "since")])
    @pytest.mark.parametrize("answer", ["allow_shrink", "max_ratio"])
    def test_it_is_read_again_to_archive_what_was_asked_about(self, source, answer, since):
        source.headers = {"ETag": '"7"'}
        source.rows = [row(n, changed=at(n)) for n in range(12)]
        source.stream |= {"missing": Archive(), "since": since}
        source.run()
        source.headers, source.rows = {"ETag": '"8"'}, source.rows[:9]
        assert [issue.code for issue in source.run(full=True).issues.all()] == ["needs_attention"]
        if answer == "max_ratio":
            source.stream["missing"] = Archive(max_ratio=0.5)
        found = source.counts(allow_shrink=answer == "allow_shrink")
        assert found == {"read": 9, "unchanged": 9, "archived": 3}
        assert source.asked() == {}

    def test_it_is_read_again_after_rejections(self, source):
        source.headers = {"ETag": '"7"'}
        source.rows[0]["price"] = "cheap"
        source.run()
        assert source.run().counts_of("products")["rejected"] == 1
        assert "If-None-Match" not in source.server.requests[0].headers

    @pytest.mark.parametrize("deed", ["save", "delete"])
    def test_it_is_read_again_after_somebody_wrote_a_row(self, source, deed):
        source.headers = {"ETag": '"7"'}
        source.run()
        product = Product.objects.get(sku="SKU-4")
        product.name = "By hand"
        getattr(product, deed)()
        outcome = "updated" if deed == "save" else "created"
        assert source.counts() == {"read": 12, outcome: 1, "unchanged": 11}
        assert Product.objects.get(sku="SKU-4").name == "Thing 4"

    def test_a_row_written_while_the_run_reads_is_not_lost_sight_of(self, source, monkeypatch):
        source.headers = {"ETag": '"7"'}
        source.run()
        source.headers = {"ETag": '"8"'}
        serve = source.answer

        def answer(request):
            product = Product.objects.get(sku="SKU-4")
            product.name = "By hand"
            product.save()
            connection.close()  # of the server's thread
            return serve(request)

        source.rows[0]["price"] = "2"
        source.server.answer = answer
        if connection.vendor == "sqlite":
            pytest.skip("the in-memory database belongs to one thread")
        source.run()
        source.server.answer = serve
        source.run()
        assert "If-None-Match" not in source.server.requests[0].headers

    def test_a_mended_mapping_reads_it(self, source):
        source.headers = {"ETag": '"7"'}
        source.run()
        source.stream["fields"] = {**FIELDS, "name": "sku"}
        assert source.counts() == {"read": 12, "updated": 12}

    @pytest.mark.parametrize(
        ("option", "value"),
        [("path", "outlet"), ("records", "others"), ("params", {"shop": 2})],
    )
    def test_a_stream_that_is_to_be_found_elsewhere_is_read(self, source, option, value):
        source.headers = {"ETag": '"7"'}
        source.envelope = {"others": []}
        source.run()
        source.stream |= {option: value, "allow_empty": True}
        source.run()
        assert "If-None-Match" not in source.server.requests[0].headers

    def test_another_format_has_the_same_bytes_read_anew(self, settings, tmp_path):
        file = tmp_path / "products.csv"
        file.write_bytes("sku;name;price\nA;Größe;1,50\n".encode("iso-8859-15"))
        options = {"url": str(file), "stream": "products", "decimal": ","}
        options["fields"] = {name: name for name in ("sku", "name", "price")}
        for encoding in ("iso-8859-5", "iso-8859-15"):
            options["encoding"] = encoding
            feed = {"BACKEND": CSVFeed, "OPTIONS": options}
            settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "FEEDS": {"shop": feed}}
            run, _ = request_run("shop")
            assert execute(run.pk).status == RunStatus.SUCCEEDED
        assert Product.objects.get().name == "Größe"

    def test_a_run_that_broke_off_makes_the_old_document_worth_reading(self, source):
        source.run()
        good = source.rows
        source.rows = [row(n, price="7") for n in range(12)]
        source.envelope, source.paginator = {"pages": 9}, PageNumber(total_pages="pages")
        assert source.run(full=True).status == RunStatus.SUCCEEDED
        source.rows, source.envelope, source.paginator = good, {}, NoPages()
        assert source.counts() == {"read": 12, "updated": 12}


class TestDoubts:
    def test_a_feed_that_lost_most_of_its_rows_changes_nothing(self, source):
        source.stream["max_shrink"] = 0.5
        source.run()
        source.rows = [row(0, price="9")]
        run = source.run()
        assert (run.status, run.error_code) == (RunStatus.FAILED, "feed_shrunk")
        assert "1 rows after 12" in run.error
        assert Product.objects.get(sku="SKU-0").price != 9

    def test_a_person_may_believe_it(self, source):
        source.stream["max_shrink"] = 0.5
        source.run()
        source.rows = [row(0, price="9")]
        assert source.counts(allow_shrink=True) == {"read": 1, "updated": 1}
        assert source.counts() == {"read": 1, "unchanged": 1}

    @pytest.mark.parametrize("options", [{}, {"missing": Archive(max_ratio=1)}])
    def test_unless_a_stream_says_otherwise_it_may_lose_any_number(self, source, options):
        source.stream.update(options)
        source.run()
        source.rows = [row(0, price="9")]
        assert source.counts() == {"read": 1, "updated": 1} | ({"archived": 11} if options else {})

    def test_pages_are_counted_when_all_are_read(self, source):
        source.paginator, source.stream["max_shrink"] = PageNumber(), 0.5
        source.run()
        source.rows = source.rows[:2]
        assert source.run().error_code == "feed_shrunk"

    def test_most_first_records_without_a_required_field(self, source):
        for item in source.rows[:7]:
            item["Price"] = item.pop("price")
        source.stream["fields"] = {**FIELDS, "sku": "sku"}
        run = source.run()
        assert (run.status, run.error_code) == (RunStatus.FAILED, "schema_drift")
        assert "'price'" in run.error
        assert not Product.objects.exists()

    def test_the_same_in_rows_that_exist(self, source):
        source.run()
        source.rows = [{**row(n), "Price": "9"} for n in range(12)]
        for item in source.rows:
            del item["price"]
        assert source.run().error_code == "schema_drift"

    def test_few_of_them_are_rejected_one_by_one(self, source):
        del source.rows[0]["price"]
        run = source.run()
        assert (run.status, run.counts_of("products")["created"]) == (RunStatus.PARTIAL, 11)

    def test_a_name_spelled_otherwise_is_told(self, source):
        source.stream["fields"] = {**FIELDS, "brand": "brand_name"}
        for item in source.rows:
            item["brandName"] = "Acme"
        run = source.run()
        assert [(w["code"], w["stream"]) for w in run.warnings] == [("unknown_path", "products")]
        assert "'brand_name'" in run.warnings[0]["message"]
        assert "'brandName'" in run.warnings[0]["message"]

    def test_fewer_rows_than_announced(self, source):
        source.paginator, source.envelope = PageNumber(total="total"), {"total": 15}
        run = source.run()
        assert [w["code"] for w in run.warnings] == ["rows_missing"]

    def test_a_total_that_moves(self, source):
        totals = iter([12, 13, 13, 13])
        source.paginator = PageNumber(total="total")
        serve = source.answer

        def answer(request):
            source.envelope = {"total": next(totals)}
            return serve(request)

        source.server.answer = answer
        assert [w["code"] for w in source.run().warnings] == ["total_moved"]

    @pytest.mark.parametrize(("size", "landed"), [(4, 4), (5, 5), (100, 0)])
    def test_more_records_than_allowed(self, source, settings, size, landed):
        settings.ECOMMERCE_SYNC = {**settings.ECOMMERCE_SYNC, "BATCH_SIZE": size}
        source.paginator = PageNumber()
        feed_limit = pytest.MonkeyPatch()
        feed_limit.setattr(HTTPFeed, "max_records", 7)
        try:
            run = source.run()
        finally:
            feed_limit.undo()
        assert (run.error_code, run.counts_of("products")["created"]) == (
            "too_many_records",
            landed,
        )


class TestSecrets:
    """A secret a source sends back turns up nowhere."""

    @pytest.fixture
    def secret(self, monkeypatch):
        monkeypatch.setenv("ACME_TOKEN", "tok3n/of+ours")
        return "tok3n/of+ours"

    def test_in_an_issue(self, source, secret):
        source.auth = Bearer(env="ACME_TOKEN")
        source.rows[0]["price"] = f"your token is {secret}"
        issue = source.run().issues.get()
        assert "•••" in issue.excerpt
        assert "tok3n" not in f"{issue.excerpt}{issue.message}"

    def test_in_the_error_of_a_run(self, source, secret):
        def leak(row):
            raise FeedError("odd", f"The source says {secret}.")

        source.auth = Bearer(env="ACME_TOKEN")
        source.stream["fields"] = {**FIELDS, "name": leak}
        assert source.run().error == "The source says •••."

    def test_in_a_log(self, source, secret, caplog):
        def leak(row):
            raise RuntimeError(f"Bearer {secret}")

        source.auth = Bearer(env="ACME_TOKEN")
        source.stream["fields"] = {**FIELDS, "name": leak}
        assert source.run().error_code == "internal_error"
        assert "Bearer •••" in caplog.text
        assert "tok3n" not in caplog.text
