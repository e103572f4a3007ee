"""S02: who gets what from every address: route × method × role, each cell written down.

In a cell stand five letters, one for each role: anonymous, customer, viewer, editor, operator.
"""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from django_ecommerce_sync.models import (
    Customer,
    Merge,
    MergeCandidate,
    Order,
    OrderLine,
    Product,
    SyncRun,
)
from django_ecommerce_sync.sync import merging

from .conftest import APIClient, problem
from .test_access import ARGUMENTS, ROUTES

LETTERS = {
    "2": 200, "c": 201, "a": 202, "n": 204,
    "b": 400, "u": 401, "f": 403, "4": 404, "m": 405, "k": 409,
}  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
ROLES = ("anonymous", "customer", "viewer", "editor", "operator")
SHOP = ("product", "customer", "order")
#: What each role may do. A customer has no rights, but orders of his own.
RIGHTS = {
    "customer": set(),
    "viewer": {
        f"view_{name}"
        for name in (
            *SHOP,
            *("orderevent", "syncchange", "syncrun", "syncissue", "plannedchange"),
            *("mergecandidate", "merge"),
        )
    },
    "editor": {
        *(f"{verb}_{name}" for verb in ("view", "add", "change", "delete") for name in SHOP),
        *("view_orderevent", "view_syncchange"),
        *("view_mergecandidate", "add_mergecandidate", "change_mergecandidate"),
        *("view_merge", "change_merge"),
    },
    "operator": {"view_syncrun", "view_syncissue", "view_plannedchange", "run_sync"},
}
#: Every request is sent with an empty object for a body.
TABLE = """
                    GET   HEAD  POST  PUT   PATCH DEL   OPT   TRACE
product-list        uf22f uf22f uffbf uffmf uffmf uffmf ufmmf ummmm
product-bulk        ufmmf ufmmf uffbf uffmf uffmf uffmf ufmmf ummmm
product-detail      uf22f uf22f uffmf uffbf uff2f uffnf ufmmf ummmm
product-changes     uf22f uf22f uffmf uffmf uffmf uffmf ufmmf ummmm
product-provenance  uf22f uf22f uffmf uffmf uffmf uffmf ufmmf ummmm
customer-list       uf22f uf22f uffcf uffmf uffmf uffmf ufmmf ummmm
customer-bulk       ufmmf ufmmf uffbf uffmf uffmf uffmf ufmmf ummmm
customer-detail     uf22f uf22f uffmf uff2f uff2f uffnf ufmmf ummmm
customer-changes    uf22f uf22f uffmf uffmf uffmf uffmf ufmmf ummmm
customer-provenance uf22f uf22f uffmf uffmf uffmf uffmf ufmmf ummmm
order-list          u222f u222f uffcf uffmf uffmf uffmf ufmmf ummmm
order-bulk          ufmmf ufmmf uffbf uffmf uffmf uffmf ufmmf ummmm
order-detail        u222f u222f uffmf uff2f uff2f uffnf ufmmf ummmm
order-changes       uf22f uf22f uffmf uffmf uffmf uffmf ufmmf ummmm
order-provenance    uf22f uf22f uffmf uffmf uffmf uffmf ufmmf ummmm
order-events        uf22f uf22f uffmf uffmf uffmf uffmf ufmmf ummmm
order-transition    ufmmf ufmmf uffbf uffmf uffmf uffmf ufmmf ummmm
product-by-sku      uf22f uf22f uffmf uffbf uff2f uffnf ufmmf ummmm
customer-by-email   uf22f uf22f uffmf uff2f uff2f uffnf ufmmf ummmm
syncrun-list        uf2f2 uf2f2 uffff uffff uffff uffff ufmfm ummmm
syncrun-detail      uf2f2 uf2f2 uffff uffff uffff uffff ufmfm ummmm
syncrun-issues      uf2f2 uf2f2 uffff uffff uffff uffff ufmfm ummmm
syncrun-groups      uf2f2 uf2f2 uffff uffff uffff uffff ufmfm ummmm
syncrun-results     uf2f2 uf2f2 uffff uffff uffff uffff uffff ummmm
syncrun-plan        uf2f2 uf2f2 uffff uffff uffff uffff ufmfm ummmm
syncrun-cancel      ufmfm ufmfm ufffa uffff uffff uffff ufmfm ummmm
syncrun-retry       ufmfm ufmfm ufffa uffff uffff uffff ufmfm ummmm
syncrun-apply       ufmfm ufmfm ufffk uffff uffff uffff ufmfm ummmm
duplicate-list      uf22f uf22f uffbf uffmf uffmf uffff ufmmf ummmm
duplicate-detail    uf22f uf22f uffmf uffmf uffmf uffff ufmmf ummmm
duplicate-dismiss   ufmmf ufmmf uff2f uffmf uffmf uffff ufmmf ummmm
duplicate-merge     ufmmf ufmmf uffcf uffmf uffmf uffff ufmmf ummmm
merge-list          uf22f uf22f uffff uffmf uffmf uffff ufmmf ummmm
merge-detail        uf22f uf22f uffff uffmf uffmf uffff ufmmf ummmm
merge-undo          ufmmf ufmmf uff2f uffmf uffmf uffff ufmmf ummmm
token               mmmmm mmmmm bbbbb mmmmm mmmmm mmmmm mmmmm mmmmm
token-refresh       mmmmm mmmmm bbbbb mmmmm mmmmm mmmmm mmmmm mmmmm
token-verify        mmmmm mmmmm bbbbb mmmmm mmmmm mmmmm mmmmm mmmmm
token-blacklist     mmmmm mmmmm bbbbb mmmmm mmmmm mmmmm mmmmm mmmmm
health-live         22222 22222 mmmmm mmmmm mmmmm mmmmm mmmmm mmmmm
health-ready        22222 22222 mmmmm mmmmm mmmmm mmmmm mmmmm mmmmm
schema              22222 22222 mmmmm mmmmm mmmmm mmmmm mmmmm mmmmm
swagger             22222 22222 mmmmm mmmmm mmmmm mmmmm mmmmm mmmmm
refresh             ufffm ufffm ufffa ufffm ufffm ufffm ufffm ufffm
nowhere             44444 44444 44444 44444 44444 44444 44444 44444
"""
CELLS = {name: cells for name, *cells in map(str.split, TABLE.strip().splitlines()[1:])}


def test_every_route_is_in_the_table():
    assert set(CELLS) == set(ROUTES)
    assert {len(cells) for cells in CELLS.values()} == {len(METHODS)}
    assert {len(cell) for cells in CELLS.values() for cell in cells} == {len(ROLES)}


def customer_of(user):
    return Customer.objects.filter(email=f"{user.get_username()}@example.com").first()


@pytest.fixture
def world(db, settings, monkeypatch):
    """The address of each route, with something there that nothing else depends on."""
    settings.ECOMMERCE_SYNC = {
        "FEEDS": {"shop": {"BACKEND": "tests.api.feeds.ShopFeed"}},
        "API": {"CUSTOMER_OF_USER": f"{__name__}.customer_of"},
    }
    monkeypatch.setattr("django_ecommerce_sync.sync.dispatch", lambda *runs: "deferred")
    products = [Product.objects.create(sku=sku, name="Sock", price=1) for sku in "abcd"]
    Product.objects.create(sku=ARGUMENTS["sku"], price=1)
    buyer = Customer.objects.create(email="customer@example.com")
    Customer.objects.create(email=ARGUMENTS["email"])
    order = Order.objects.create(order_id="1", customer=buyer)
    OrderLine.objects.create(order=order, product=products[3], position=1, quantity=1, unit_price=1)
    run = SyncRun.objects.create(feed="shop", status="succeeded", slot=None)
    pairs = [
        MergeCandidate.objects.create(
            model="ecommerce_sync.product",
            first_id=products[0].pk,
            second_id=products[n].pk,
            score=90,
            found_at=timezone.now(),
        )
        for n in (1, 2)
    ]
    merge = merging.merge(products[0], products[2])
    assert isinstance(merge, Merge)
    keys = {
        "product": products[0].pk,
        "customer": Customer.objects.create(email="lonely@example.com").pk,
        "order": order.pk,
        "syncrun": run.pk,
        "duplicate": pairs[0].pk,
        "merge": merge.pk,
    }
    return {name: _address(name, keys) for name in ROUTES}


def _address(name, keys):
    if name == "nowhere":
        return "/api/nothing/here/"
    names = ROUTES[name].pattern.regex.groupindex
    arguments = {**ARGUMENTS, "pk": keys.get(name.partition("-")[0])}
    return reverse(f"ecommerce_sync:{name}", kwargs={each: arguments[each] for each in names})


def signed_in(role):
    client = APIClient()
    if role != "anonymous":
        user = get_user_model().objects.create_user(role, password="x")
        rights = Permission.objects.filter(codename__in=RIGHTS[role])
        assert rights.count() == len(RIGHTS[role])
        user.user_permissions.set(rights)
        client.force_authenticate(user)
    return client


@pytest.mark.parametrize("role", ROLES)
def test_who_gets_what(world, role):
    client = signed_in(role)
    answers, expected = {}, {}
    for name, cells in CELLS.items():
        for method, cell in zip(METHODS, cells, strict=True):
            cache.clear()  # rates are no matter of rights
            with transaction.atomic():
                response = client.generic(method, world[name], "{}", "application/json")
                transaction.set_rollback(True)
            answers[name, method] = response.status_code
            expected[name, method] = LETTERS[cell[ROLES.index(role)]]
            if response.status_code >= 400 and method != "HEAD":
                problem(response, response.status_code)
    assert {
        each: (answers[each], expected[each]) for each in answers if answers[each] != expected[each]
    } == {}
