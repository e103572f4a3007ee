import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from django_ecommerce_sync import urls
from django_ecommerce_sync.api.views.base import ApiView
from django_ecommerce_sync.models import Order, SyncRun

from .conftest import APIClient, problem

METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
#: What anonymous visitors may reach, and how: everything else must answer 401.
OPEN = {
    "token": {"post"},
    "token-refresh": {"post"},
    "token-verify": {"post"},
    "token-blacklist": {"post"},
    "health-live": {"get", "head"},
    "health-ready": {"get", "head"},
    "schema": {"get", "head"},
    "swagger": {"get", "head"},
}
READ, WRITE = {"get", "head"}, {"put", "patch", "delete"}
#: What somebody with the rights named may do, by route.
RIGHTS = {
    "list": {"view": READ, "add": {"post"}},
    "detail": {"view": READ, "change": {"put", "patch"}, "delete": {"delete"}},
    "bulk": {},
    "by-sku": {"view": READ, "change": {"patch"}, "delete": {"delete"}},
    "by-email": {"view": READ, "change": {"patch"}, "delete": {"delete"}},
}
#: An argument of each route's address.
ARGUMENTS = {"pk": "1", "sku": "a/b", "email": "eve@example.com"}


def routes(patterns):
    for pattern in patterns:
        assert isinstance(pattern, URLPattern), "an include would hide routes from this test"
        yield pattern


ROUTES = {pattern.name: pattern for pattern in routes(urls.urlpatterns)}


def url_of(name):
    if name == "nowhere":
        return "/api/nothing/here/"
    names = ROUTES[name].pattern.regex.groupindex
    return reverse(f"ecommerce_sync:{name}", kwargs={each: ARGUMENTS[each] for each in names})


def test_the_project_includes_all_of_them():
    included = [p for p in get_resolver().url_patterns if isinstance(p, URLResolver)]
    assert any(p.app_name == "ecommerce_sync" for p in included)
    assert len(ROUTES) == len(urls.urlpatterns), "two routes have one name"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ROUTES)
def test_anonymous_visitors_reach_only_what_is_open(db, anonymous, name, method):
    response = anonymous.generic(method.upper(), url_of(name))
    if name == "nowhere":
        assert response.status_code == 404
    elif method in OPEN.get(name, ()):
        assert response.status_code in (200, 400)
    elif name in OPEN:
        assert response.status_code == 405
    else:
        problem(response, 401, "not_authenticated") if method != "head" else None
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", set(ROUTES) - set(OPEN) - {"nowhere"})
def test_without_rights_nothing_is_allowed(stranger, name, method):
    assert stranger.generic(method.upper(), url_of(name)).status_code in (403, 405)


def test_every_view_names_its_permissions():
    for pattern in ROUTES.values():
        view = pattern.callback.cls
        assert issubclass(view, ApiView)
        assert view.required_permissions is not ApiView.required_permissions or (
            view.get_permissions is not ApiView.get_permissions
        )


def someone_with(*codenames, name="carl"):
    user = get_user_model().objects.create_user(name, password="x")
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.mark.parametrize("model", ["product", "customer", "order"])
@pytest.mark.parametrize("right", ["view", "add", "change", "delete"])
def test_a_right_opens_its_methods_and_no_others(db, model, right):
    own = f"{right}_{model}"
    # Whoever writes a row is answered with it.
    client = someone_with(own, *([f"view_{model}"] if right in ("add", "change") else ()))
    for kind, allowed in RIGHTS.items():
        if f"{model}-{kind}" not in ROUTES:
            continue
        for method in READ | WRITE | {"post"}:
            response = client.generic(method.upper(), url_of(f"{model}-{kind}"))
            shown = allowed.get("view", ()) if right in ("add", "change") else ()
            if method in allowed.get(right, ()) or method in shown:
                assert response.status_code in (200, 201, 400, 404)
            else:
                assert response.status_code in (403, 405), (method, kind)


def test_putting_rows_there_needs_both_rights(db):
    rights = [
        f"{verb}_{name}" for verb in ("view", "add", "change") for name in ("product", "customer")
    ]
    client = someone_with(*rights)
    assert client.put(url_of("product-by-sku"), {"price": "1"}).status_code == 201
    assert client.put(url_of("customer-by-email"), {}).status_code == 201


def test_starting_runs_is_a_right_of_its_own(db):
    run = SyncRun.objects.create(feed="shop", status="failed", slot=None)
    viewer = someone_with("view_syncrun", "view_syncissue", "change_syncrun", "add_syncrun")
    assert viewer.get(f"/api/sync-runs/{run.pk}/").status_code == 200
    assert viewer.get(f"/api/sync-runs/{run.pk}/issues/").status_code == 200
    for path in ("refresh/", f"sync-runs/{run.pk}/cancel/", f"sync-runs/{run.pk}/retry/"):
        problem(viewer.post(f"/api/{path}"), 403, "permission_denied")


def test_rejected_rows_need_a_right_of_their_own(db):
    run = SyncRun.objects.create(feed="shop")
    viewer = someone_with("view_syncrun")
    for path in ("issues/", "issues/groups/"):
        problem(viewer.get(f"/api/sync-runs/{run.pk}/{path}"), 403)


def test_moving_orders_is_changing_them(db):
    order = Order.objects.create(order_id="1")
    url = f"/api/orders/{order.pk}/transition/"
    others = someone_with("view_order", "add_order", "delete_order", "add_orderevent")
    problem(others.post(url, {"to": "paid"}), 403, "permission_denied")
    get_user_model().objects.all().delete()
    mover = someone_with("view_order", "change_order")
    assert mover.post(url, {"to": "paid"}).status_code == 200


def test_the_log_of_an_order_needs_a_right_of_its_own(db):
    order = Order.objects.create(order_id="1")
    url = f"/api/orders/{order.pk}/events/"
    for lacking in ("view_order", "view_orderevent"):
        problem(someone_with(lacking).get(url), 403)
        get_user_model().objects.all().delete()
    assert someone_with("view_order", "view_orderevent").get(url).status_code == 200


def test_orders_are_not_open_through_customers(db):
    Order.objects.create(order_id="1")
    viewer = someone_with("view_customer")
    problem(viewer.get("/api/orders/"), 403)


def test_permissions_can_be_replaced(anonymous, db, settings):
    settings.ECOMMERCE_SYNC = {
        "API": {
            "PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
            "SCHEMA_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
        }
    }
    assert anonymous.get("/api/products/").status_code == 200
    problem(anonymous.get("/api/schema/"), 401)
    problem(anonymous.get("/swagger/"), 401)


def test_ids_are_plain_digits():
    for pattern in ROUTES.values():
        if "pk" in pattern.pattern.regex.groupindex:
            assert "(?P<pk>[0-9]+)" in pattern.pattern.regex.pattern
