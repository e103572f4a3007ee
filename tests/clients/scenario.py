"""A working day with the generated Python client; strictly typed, so mypy checks the client too.

Called with the address, the user and the password of a demo.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TypeVar

from shop_client import AuthenticatedClient, Client
from shop_client.api.customers import customers_create
from shop_client.api.orders import orders_create, orders_transition
from shop_client.api.products import (
    products_bulk,
    products_by_sku_update,
    products_create,
    products_list,
    products_partial_update,
    products_retrieve,
)
from shop_client.api.refresh import refresh
from shop_client.api.sync_runs import sync_runs_issues_list, sync_runs_retrieve
from shop_client.api.token import token_blacklist, token_create, token_refresh
from shop_client.models import (
    BulkProductRequest,
    BulkResponse,
    Customer,
    CustomerRequest,
    OnError,
    Order,
    OrderLineRequest,
    OrderRequest,
    OrderState,
    PaginatedProductList,
    PaginatedSyncIssueList,
    PartialProduct,
    PatchedProductRequest,
    Problem,
    Product,
    ProductField,
    ProductRequest,
    RefreshRequest,
    RefreshResponse,
    RefreshTokenRequest,
    RunStatus,
    SignInRequest,
    SyncRun,
    TokenPair,
    TransitionRequest,
)
from shop_client.types import Unset

Answer = TypeVar("Answer")
OVER = (RunStatus.SUCCEEDED, RunStatus.PARTIAL, RunStatus.FAILED, RunStatus.CANCELLED)


def expect(kind: type[Answer], answer: object) -> Answer:
    """The answer, which must be of this kind."""
    if not isinstance(answer, kind):
        raise SystemExit(f"{kind.__name__} expected, got {answer}")
    return answer


def sign_in(url: str, user: str, password: str) -> tuple[AuthenticatedClient, TokenPair]:
    door = Client(base_url=url, raise_on_unexpected_status=True)
    wrong = token_create.sync(client=door, body=SignInRequest(username=user, password="wrong"))
    assert expect(Problem, wrong).code == "no_active_account"
    first = token_create.sync(client=door, body=SignInRequest(username=user, password=password))
    pair = token_refresh.sync(
        client=door, body=RefreshTokenRequest(refresh=expect(TokenPair, first).refresh)
    )
    pair = expect(TokenPair, pair)
    client = AuthenticatedClient(base_url=url, token=pair.access, raise_on_unexpected_status=True)
    return client, pair


def read_lists(client: AuthenticatedClient) -> None:
    page = products_list.sync(client=client, page=2, page_size=100)
    page = expect(PaginatedProductList, page)
    assert page.count
    assert len(page.results) == 100
    assert all(isinstance(row, Product) for row in page.results)

    walk = products_list.sync(
        client=client, cursor="", page_size=200, fields=[ProductField.SKU, ProductField.PRICE]
    )
    walk = expect(PaginatedProductList, walk)
    assert walk.count is None
    for row in walk.results:
        part = expect(PartialProduct, row)
        assert isinstance(part.sku, str)
        assert isinstance(part.name, Unset)


def change_products(client: AuthenticatedClient) -> None:
    created = products_create.sync_detailed(
        client=client,
        body=ProductRequest(sku="PY/1", name="Serpent sock", price="9.90", currency="EUR"),
        idempotency_key="python-sock",
    )
    row = expect(Product, created.parsed)
    again = products_create.sync_detailed(
        client=client,
        body=ProductRequest(sku="PY/1", name="Serpent sock", price="9.90", currency="EUR"),
        idempotency_key="python-sock",
    )
    assert again.headers["Idempotency-Replayed"] == "true"
    assert expect(Product, again.parsed).id == row.id

    seen = products_retrieve.sync_detailed(row.id, client=client)
    body = PatchedProductRequest(price="8.90")
    changed = products_partial_update.sync(
        row.id, client=client, body=body, if_match=seen.headers["ETag"]
    )
    assert expect(Product, changed).price == "8.90"
    late = products_partial_update.sync(
        row.id, client=client, body=body, if_match=seen.headers["ETag"]
    )
    assert expect(Problem, late).status == 412

    put = products_by_sku_update.sync_detailed(
        "PY/2", client=client, body=ProductRequest(sku="PY/2", name="Other serpent", price="7.00")
    )
    assert put.status_code == 201
    assert expect(Product, put.parsed).sku == "PY/2"


def send_many(client: AuthenticatedClient) -> None:
    rows = [
        BulkProductRequest(sku="PY/1", inventory_count=50),
        BulkProductRequest(sku="PY/3", name="Third sock", price="-1"),
    ]
    answer = products_bulk.sync(client=client, body=rows, on_error=OnError.SKIP)
    done = expect(BulkResponse, answer)
    assert (done.counts.updated, done.counts.rejected) == (1, 1)
    assert done.results[1].errors[0].pointer == "/1/price"
    # The generator knows no NDJSON, so that is sent as it is.
    lines = json.dumps({"sku": "PY/4", "name": "Fourth serpent", "price": "1.00"}) + "\n"
    sent = client.get_httpx_client().post(
        "/api/products/bulk/", content=lines, headers={"Content-Type": "application/x-ndjson"}
    )
    assert BulkResponse.from_dict(sent.json()).counts.created == 1


def sell(client: AuthenticatedClient) -> None:
    body = CustomerRequest(email="grace@example.com", first_name="Grace", last_name="Hopper")
    customer = expect(Customer, customers_create.sync(client=client, body=body))
    lines = [OrderLineRequest(sku="PY/1", quantity=2)]
    answer = orders_create.sync(client=client, body=OrderRequest(customer=customer.id, lines=lines))
    order = expect(Order, answer)
    assert order.total_amount == "17.80"
    assert order.customer_email == "grace@example.com"
    paid = orders_transition.sync(
        order.id, client=client, body=TransitionRequest(to=OrderState.PAID)
    )
    assert expect(Order, paid).payment_status.value == "paid"
    back = orders_transition.sync(
        order.id, client=client, body=TransitionRequest(to=OrderState.PENDING)
    )
    refused = expect(Problem, back)
    assert (refused.status, refused.code) == (409, "transition_not_allowed")
    assert not isinstance(refused.errors, Unset)
    assert refused.errors[0].allowed


def bring_up_to_date(client: AuthenticatedClient) -> None:
    asked = refresh.sync_detailed(client=client, body=RefreshRequest(feeds=["demo"], full=True))
    assert asked.status_code == 202
    (queued,) = expect(RefreshResponse, asked.parsed).runs
    deadline = time.monotonic() + 60
    while (
        run := expect(SyncRun, sync_runs_retrieve.sync(queued.id, client=client))
    ).status not in OVER:
        assert time.monotonic() < deadline, run
        time.sleep(0.2)
    assert run.status == RunStatus.PARTIAL
    issues = sync_runs_issues_list.sync(queued.id, client=client, page_size=3)
    issues = expect(PaginatedSyncIssueList, issues)
    assert issues.count == run.issues_count == 7
    assert issues.results[0].code


def export(client: AuthenticatedClient) -> None:
    http = client.get_httpx_client()
    query = {"format": "jsonl", "fields": "sku,price", "search": "serpent"}
    lines = http.get("/api/products/", params=query).text.splitlines()
    assert {json.loads(line)["sku"] for line in lines} == {"PY/1", "PY/2", "PY/4"}


def meet_errors(client: AuthenticatedClient) -> None:
    bad = products_create.sync(client=client, body=ProductRequest(sku="", name="x", price="free"))
    problem = expect(Problem, bad)
    assert problem.status == 400
    assert not isinstance(problem.errors, Unset)
    assert {error.pointer for error in problem.errors} == {"/sku", "/price"}
    assert expect(Problem, products_retrieve.sync(10**9, client=client)).code == "not_found"


def sign_out(client: AuthenticatedClient, pair: TokenPair) -> None:
    body = RefreshTokenRequest(refresh=pair.refresh)
    assert token_blacklist.sync_detailed(client=client, body=body).status_code == 200
    again = token_refresh.sync(client=client, body=body)
    assert expect(Problem, again).status == 401


def main(url: str, user: str, password: str) -> None:
    client, pair = sign_in(url, user, password)
    for step in (
        read_lists,
        change_products,
        send_many,
        sell,
        bring_up_to_date,
        export,
        meet_errors,
    ):
        step(client)
        print(f"ok {step.__name__}", flush=True)
    sign_out(client, pair)
    print("ok sign_out")


if __name__ == "__main__":
    main(*sys.argv[1:])
