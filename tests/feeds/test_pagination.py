import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from django_ecommerce_sync.exceptions import FeedError
from django_ecommerce_sync.feeds import (
    Bearer,
    Cursor,
    HTTPFeed,
    Keyset,
    LinkHeader,
    NextURL,
    NoPages,
    Offset,
    PageNumber,
    Query,
    Since,
    Stream,
)
from django_ecommerce_sync.feeds.pagination import MAX_EMPTY_PAGES

from .reading import FIELDS, codes, pages, rows

ROWS = [{"sku": str(n)} for n in range(5)]


def reply(document, **headers):
    return 200, headers, json.dumps(document).encode()


def feed_of(server, paginator, records="items", since=None, **options):
    stream = Stream("products", path="items", records=records, fields=FIELDS, since=since)
    return HTTPFeed(
        base_url=f"{server.url}/api/", **{"streams": [stream], "paginator": paginator, **options}
    )


def failure(feed):
    with pytest.raises(FeedError) as caught:
        rows(feed)
    return caught.value


def numbered(request):
    page = int(request.query["page"])
    items = ROWS[(page - 1) * 2 : page * 2]
    return reply({"items": items, "pages": 3, "total": 5})


def test_page_numbers_to_the_last_page(server):
    server.answer = numbered
    feed = feed_of(
        server, PageNumber(size_param="size", size=2, total_pages="pages", total="total")
    )
    assert pages(feed) == [(ROWS[:2], 2, 5), (ROWS[2:4], 3, 5), (ROWS[4:], None, 5)]
    assert [request.query for request in server.requests] == [
        {"page": str(page), "size": "2"} for page in (1, 2, 3)
    ]
    assert server.requests[0].path == "/api/items"


def test_page_numbers_to_an_empty_page(server):
    server.answer = numbered
    assert rows(feed_of(server, PageNumber())) == ROWS
    assert len(server.requests) == 4


def test_page_numbers_from_another_start(server):
    server.answer = numbered
    assert rows(feed_of(server, PageNumber(start=2, total_pages="pages"))) == ROWS[2:]


def test_a_run_goes_on_at_a_cursor(server):
    server.answer = numbered
    feed = feed_of(server, PageNumber(total_pages="pages"))
    (_, cursor, _), *_ = pages(feed)
    assert rows(feed, cursor=json.loads(json.dumps(cursor))) == ROWS[2:]


def sliced(request):
    start, size = int(request.query["skip"]), int(request.query["limit"])
    return reply({"items": ROWS[start : start + size], "total": 5})


def test_offsets(server):
    server.answer = sliced
    assert pages(feed_of(server, Offset("skip", size=3, total="total"))) == [
        (ROWS[:3], 3, 5),
        (ROWS[3:], None, 5),
    ]
    assert len(server.requests) == 2
    assert rows(feed_of(server, Offset("skip", size=3))) == ROWS


def test_offsets_where_the_source_gives_less_than_asked_for(server):
    server.answer = lambda request: reply({"items": ROWS[int(request.query["skip"]) :][:2]})
    assert rows(feed_of(server, Offset("skip", size=100))) == ROWS


def test_cursors(server):
    after = {None: (ROWS[:3], "b"), "b": (ROWS[3:], None)}

    def answer(request):
        items, following = after[request.query.get("after")]
        return reply({"items": items, "meta": {"next": following}})

    server.answer = answer
    assert pages(feed_of(server, Cursor(param="after", path="meta.next"))) == [
        (ROWS[:3], "b", None),
        (ROWS[3:], None, None),
    ]


def test_a_first_cursor(server):
    server.answer = lambda request: reply({"items": []})
    rows(feed_of(server, Cursor(param="cursorMark", path="next", start="*")))
    assert server.requests[0].query == {"cursorMark": "*"}


def test_an_empty_page_is_the_end_even_if_it_repeats_its_cursor(server):
    def answer(request):
        mark = request.query["mark"]
        return reply({"items": ROWS if mark == "*" else [], "next": "x"})

    server.answer = answer
    assert rows(feed_of(server, Cursor(param="mark", path="next", start="*"))) == ROWS
    assert len(server.requests) == 2


def test_an_empty_page_with_a_new_cursor_is_not_the_end(server):
    after = {"a": ([], "b"), "b": (ROWS, "c"), "c": ([], "d"), "d": ([], None)}

    def answer(request):
        items, following = after[request.query["mark"]]
        return reply({"items": items, "next": following})

    server.answer = answer
    assert rows(feed_of(server, Cursor(param="mark", path="next", start="a"))) == ROWS
    assert len(server.requests) == 4


def test_tokens_without_rows_come_to_an_end(server):
    server.answer = lambda request: reply(
        {"items": [], "next": str(int(request.query.get("after", 0)) + 1)}
    )
    assert failure(feed_of(server, Cursor("after", "next"))).code == "pagination_loop"
    assert len(server.requests) == MAX_EMPTY_PAGES + 1


@pytest.mark.parametrize("repeats_at", [2, 3])
def test_a_source_that_does_not_know_the_paging_parameter(server, repeats_at):
    def answer(request):
        page = int(request.query["page"])
        return reply({"items": [{"sku": str(min(page, repeats_at - 1))}]})

    server.answer = answer
    error = failure(feed_of(server, PageNumber()))
    assert (error.code, "paging parameter" in error.message) == ("pagination_loop", True)
    assert len(server.requests) == repeats_at


def test_an_old_page_that_comes_again_later(server):
    order = {"1": "a", "2": "b", "3": "a"}
    server.answer = lambda request: reply({"items": [{"sku": order[request.query["page"]]}]})
    assert failure(feed_of(server, PageNumber())).code == "pagination_loop"


def test_totals_and_page_counts_in_headers(server):
    def answer(request):
        page = int(request.query["page"])
        return reply(ROWS[page * 2 - 2 :][:2], **{"X-Total": len(ROWS), "X-Pages": 2})

    server.answer = answer
    paginator = PageNumber(total="header:x-total", total_pages="header:X-Pages")
    found = pages(feed_of(server, paginator, records=""))
    assert [(page[0], page[2]) for page in found] == [(ROWS[:2], 5), (ROWS[2:4], 5)]


def test_a_page_that_says_it_leaves_something_out(server):
    marks = {"1": False, "2": True}
    server.answer = lambda request: reply(
        {"items": [{"sku": request.query["page"]}], "pages": 2}
        | {"meta": {"partial": marks[request.query["page"]]}}
    )
    paginator = PageNumber(total_pages="pages", partial="meta.partial")
    feed = feed_of(server, paginator)
    assert [page.partial for page in feed.fetch(feed.streams[0], None)] == [False, True]


def test_a_page_tells_the_source_s_time(server):
    server.answer = lambda request: reply({"items": ROWS, "pages": 1})
    feed = feed_of(server, PageNumber(total_pages="pages"))
    clock = next(iter(feed.fetch(feed.streams[0], None))).clock
    assert abs((clock - datetime.now(UTC)).total_seconds()) < 60


@pytest.mark.parametrize(
    ("format", "sent"),
    [
        ("%Y-%m-%dT%H:%M:%SZ", "2026-01-02T03:03:00Z"),
        ("epoch", "1767322980"),
        ("%Y%m%d", "20260102"),
    ],
)
def test_the_way_a_source_wants_its_times(server, format, sent):
    start = datetime(2026, 1, 2, 5, 4, tzinfo=timezone(timedelta(hours=2)))
    since = Since("updated_at", "since", format=format, start=start)
    server.answer = lambda request: reply({"items": ROWS})
    rows(feed_of(server, NoPages(), since=since))
    assert server.requests[0].query == {"since": sent}


@pytest.mark.parametrize("following", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "b", "b": "b"}])
def test_a_page_that_comes_back_is_an_error(server, following):
    def answer(request):
        mark = request.query["mark"]
        return reply({"items": [{"sku": mark}], "next": following[mark]})

    server.answer = answer
    error = failure(feed_of(server, Cursor(param="mark", path="next", start="a")))
    assert error.code == "pagination_loop"
    assert len(server.requests) == len(following)


def test_more_pages_than_allowed(server):
    server.answer = lambda request: reply({"items": [{"sku": request.query["page"]}]})
    assert failure(feed_of(server, PageNumber(), max_pages=3)).code == "too_many_pages"
    assert len(server.requests) == 3


def linked(request):
    if request.query.get("page") == "2":
        return reply({"items": ROWS[3:]}, Link=f'<{request.path}?page=1>; rel="prev"')
    return reply({"items": ROWS[:3]}, link='</api/items?page=2>; rel="last next", <x>; rel="y"')


def test_link_headers(server):
    server.answer = linked
    address = f"{server.url}/api/items?page=2"
    assert pages(feed_of(server, LinkHeader())) == [
        (ROWS[:3], address, None),
        (ROWS[3:], None, None),
    ]


def test_next_addresses(server):
    server.answer = lambda request: reply(
        {"items": ROWS[3:], "next": None}
        if request.query.get("p")
        else {"items": ROWS[:3], "next": f"{server.url}/api/items?p=2"}
    )
    feed = feed_of(server, NextURL("next"))
    assert rows(feed) == ROWS
    assert rows(feed, cursor=f"{server.url}/api/items?p=2") == ROWS[3:]


def test_a_next_address_elsewhere_is_refused(server, other_server):
    strange = ("http://[", f"{server.url.replace('//', '//u:p@')}/x")
    for address in (other_server.url, "http://169.254.169.254/", "file:///etc/passwd", *strange):
        server.answer = lambda request, to=address: reply({"items": ROWS, "next": to})
        assert failure(feed_of(server, NextURL("next"))).code == "foreign_next_url"
    with pytest.raises(FeedError):
        rows(feed_of(server, NextURL("next")), cursor=other_server.url)
    assert other_server.requests == []


def test_a_secret_in_the_query_stays_out_of_the_cursor(server, monkeypatch):
    monkeypatch.setenv("ACME", "s3cret")
    server.answer = lambda request: reply(
        {"items": ROWS[1:]}
        if request.query.get("p")
        else {"items": ROWS[:1], "next": "/api/items?key=s3cret&p=2"}
    )
    feed = feed_of(server, NextURL("next"), auth=Query("key", env="ACME"))
    assert pages(feed)[0][1] == f"{server.url}/api/items?p=2"
    assert server.requests[1].query == {"p": "2", "key": "s3cret"}


@pytest.mark.parametrize("auth", [Bearer("ACME"), Query("key", env="ACME")])
def test_a_secret_that_comes_back_under_another_name_stays_out_of_the_cursor(
    server, monkeypatch, auth
):
    monkeypatch.setenv("ACME", "s3cret/of+acme")
    following = "/api/items?access_token=s3cret%2Fof%2Bacme&p=2"
    server.answer = lambda request: reply(
        {"items": ROWS[1:]} if request.query.get("p") else {"items": ROWS[:1], "next": following}
    )
    feed = feed_of(server, NextURL("next"), auth=auth)
    assert pages(feed)[0][1] == f"{server.url}/api/items?p=2"


def test_keysets(server):
    def answer(request):
        since = int(request.query.get("since_id", -1))
        return reply([row for row in ROWS if int(row["sku"]) > since][:2])

    server.answer = answer
    assert rows(feed_of(server, Keyset("since_id", "sku"), records="")) == ROWS
    assert [request.query.get("since_id") for request in server.requests] == [None, "1", "3", "4"]


def test_a_stream_s_own_paginator_params_and_since(server):
    stream = Stream(
        "products",
        path="/items",
        records="items",
        fields=FIELDS,
        paginator=PageNumber(total_pages="pages"),
        params={"lang": "de"},
        since=Since(
            "updated_at", "since", overlap="15m", start=datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
        ),
    )
    server.answer = numbered
    assert rows(feed_of(server, Offset("skip"), streams=[stream])) == ROWS
    assert server.requests[1].query == {"lang": "de", "since": "2026-01-02T02:49:00Z", "page": "2"}


def test_a_page_of_bad_rows_is_not_the_end(server):
    bodies = {"1": b"[7]", "2": b'[{"sku": "a"}]'}
    server.answer = lambda request: (200, {}, bodies.get(request.query["page"], b"[]"))
    assert codes(rows(feed_of(server, PageNumber(), records=""))) == ["not_an_object", {"sku": "a"}]


@pytest.mark.parametrize(
    "link",
    [
        '<{}>; rel="next"',
        "<{}>;rel=next",
        '<{}> ; REL = "Last Next"',
        '<{}&f=a;b>; rel="next"',
        '<{}&f=a,b>; title="<x>; rel=prev, y"; rel="next"',
        '</api/items>; rel="prev"; title="rel=next",<{}>; rel="next"',
    ],
)
def test_link_headers_as_the_standard_allows_them(server, link):
    def answer(request):
        page = int(request.query.get("page", 1))
        headers = {"Link": link.format(f"?page={page + 1}")} if page < 3 else {}
        assert request.query.get("f", "") in ("", "a;b", "a,b")
        return reply({"items": ROWS[page * 2 - 2 : page * 2]}, **headers)

    server.answer = answer
    assert rows(feed_of(server, LinkHeader())) == ROWS


def test_a_link_that_leads_elsewhere_is_no_next_page(server):
    link = '<?page=2>; rel="prev"; title="rel=next"'
    server.answer = lambda request: reply({"items": ROWS}, Link=link)
    assert rows(feed_of(server, LinkHeader())) == ROWS


def test_a_next_address_is_as_seen_from_its_page(server):
    def answer(request):
        number = {"/api/items": 1, "/api/items/page/2": 2, "/api/items/page/3": 3}[request.path]
        following = {1: "items/page/2", 2: "3"}.get(number)
        return reply({"items": ROWS[number * 2 - 2 : number * 2], "next": following})

    server.answer = answer
    assert rows(feed_of(server, NextURL("next"))) == ROWS


def test_a_token_with_decimals(server):
    def answer(request):
        page = int(float(request.query.get("after", 0)))
        return reply({"items": ROWS[page * 2 :][:2], "next": page + 1.5 if page < 2 else None})

    server.answer = answer
    assert rows(feed_of(server, Cursor("after", "next"))) == ROWS
    assert server.requests[1].query == {"after": "1.5"}


@pytest.mark.parametrize(
    ("paginator", "following", "code"),
    [
        (Cursor("after", "next"), {"token": "b"}, "no_cursor"),
        (Cursor("after", "next"), True, "no_cursor"),
        (NextURL("next"), {"href": "/api/items?page=2"}, "no_next_url"),
        (Keyset("since_id", "id"), None, "no_keyset"),
    ],
)
def test_what_leads_nowhere_is_not_taken_for_the_end(server, paginator, following, code):
    server.answer = lambda request: reply({"items": ROWS, "next": following})
    assert failure(feed_of(server, paginator)).code == code


@pytest.mark.parametrize("nothing", [None, "", False, [], {}])
def test_nothing_is_the_end(server, nothing):
    server.answer = lambda request: reply({"items": ROWS, "next": nothing})
    assert rows(feed_of(server, Cursor("after", "next"))) == ROWS
    assert rows(feed_of(server, NextURL("next"))) == ROWS


def test_a_keyset_goes_on_after_the_last_sound_row(server):
    def answer(request):
        after = int(request.query.get("since_id", -1))
        found = json.dumps([row for row in ROWS if int(row["sku"]) > after][:2])
        return 200, {}, found.replace('"1"}', '"1", "sku": "1"}').encode()

    server.answer = answer
    found = codes(rows(feed_of(server, Keyset("since_id", "sku"), records="")))
    assert found == [ROWS[0], *["duplicate_key"] * 2, *ROWS[2:]]


def test_a_page_too_large_to_find_the_cursor_in_is_not_the_last(server):
    beside = "x" * (1 << 20)
    server.answer = lambda request: reply({"items": ROWS, "facets": beside, "next": "b"})
    assert failure(feed_of(server, Cursor("after", "next"))).code == "record_too_large"
    assert rows(feed_of(server, LinkHeader())) == ROWS


@pytest.mark.parametrize("totals", [(5, 5, 5), (3, 4, 4), (4, 4, 4)])
@pytest.mark.parametrize("shape", [{"each": "parts"}, {"group_by": "sku"}])
def test_rows_missing_from_what_is_put_together_make_the_last_page_partial(server, shape, totals):
    def answer(request):
        offset = int(request.query["offset"])
        items = [{**row, "parts": [row, row]} for row in ROWS[:4][offset:][:2]]
        return reply({"items": items, "total": totals[offset // 2]})

    server.answer = answer
    stream = Stream("products", path="items", records="items", fields=FIELDS, **shape)
    feed = feed_of(server, Offset(size=2, total="total"), streams=[stream])
    found = []
    for page in feed.fetch(stream, None):
        list(page.rows)
        found.append(page.partial)
    assert any(found) == (set(totals) != {4})
