"""The admin: every page, for everyone who may see it and nobody else."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from celery import Celery, current_app
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_ecommerce_sync.feeds import MemoryFeed, Stream
from django_ecommerce_sync.models import (
    COUNTS,
    Customer,
    Order,
    OrderLine,
    Product,
    RevokedToken,
    SyncChange,
    SyncIssue,
    SyncLink,
    SyncRun,
    SyncSchedule,
)
from tests.staff import staff

pytestmark = pytest.mark.django_db(transaction=True)

EVIL = "<script>alert(1)</script>"
EVIL_ATTRIBUTE = '"><img src=x onerror=alert(1)>'
MODELS = (Product, Customer, Order, SyncRun, SyncIssue, SyncLink, SyncChange, SyncSchedule)
HISTORY = (SyncRun, SyncIssue, SyncLink, SyncChange)
STREAMS = [Stream("products", fields={"sku": "sku", "price": "price"})]
RUNS = reverse("admin:ecommerce_sync_syncrun_changelist")
SYNC_NOW = reverse("admin:ecommerce_sync_syncrun_sync_now")


@pytest.fixture(autouse=True)
def feeds(settings):
    def feed(*rows):
        options = {"streams": STREAMS, "rows": {"products": rows}}
        return {"BACKEND": MemoryFeed, "OPTIONS": options}

    settings.ECOMMERCE_SYNC = {
        "RUNNER": "inline",
        "FEEDS": {
            "shop": feed({"sku": "A", "price": "1"}),
            "depot": feed({"sku": "B", "price": "x"}),
        },
    }


@pytest.fixture
def broker_down():
    """Celery, with a broker nobody can reach."""
    before = current_app._get_current_object()
    options = {"max_retries": 0, "socket_connect_timeout": 0.2}
    with Celery("down", broker="redis://127.0.0.1:1/0") as app:
        app.conf.broker_transport_options = options
        yield
    before.set_current()


@pytest.fixture
def rows():
    """One row of each model, full of what a hostile feed would send."""
    now = timezone.now()
    counts = {EVIL: {**dict.fromkeys(COUNTS, 0), "read": 3, "rejected": 3}}
    run = SyncRun.objects.create(
        feed=EVIL,
        status="partial",
        slot=None,
        counts=counts,
        error_code="boom",
        error=EVIL_ATTRIBUTE,
        started_at=now,
        finished_at=now,
    )
    product = Product.objects.create(
        sku=EVIL, name=EVIL_ATTRIBUTE, price=1, url="javascript:alert(1)"
    )
    customer = Customer.objects.create(email="ann@example.com", first_name=EVIL)
    order = Order.objects.create(
        order_id=EVIL, source=EVIL, customer=customer, customer_name=EVIL_ATTRIBUTE
    )
    OrderLine.objects.create(order=order, position=1, product=product, name=EVIL)
    return {
        SyncRun: run,
        Product: product,
        Customer: customer,
        Order: order,
        SyncIssue: SyncIssue.objects.create(
            run=run,
            feed=EVIL,
            stream=EVIL,
            position=1,
            external_id=EVIL,
            key=EVIL,
            field=EVIL,
            code=EVIL,
            message=EVIL_ATTRIBUTE,
            excerpt=EVIL_ATTRIBUTE,
        ),
        SyncLink: SyncLink.objects.create(
            feed=EVIL,
            stream=EVIL,
            external_id=EVIL_ATTRIBUTE,
            model="ecommerce_sync.product",
            object_id=str(product.pk),
            first_run=run.pk,
            last_changed_run=run.pk,
        ),
        SyncChange: SyncChange.objects.create(
            feed=EVIL,
            stream=EVIL,
            run=run.pk,
            model="ecommerce_sync.product",
            object_id=str(product.pk),
            action="updated",
            fields={EVIL: [EVIL, EVIL_ATTRIBUTE]},
        ),
        SyncSchedule: SyncSchedule.objects.create(feed=EVIL, cron="0 5 * * *", last_run=run),
    }


@pytest.fixture
def root():
    return staff(is_superuser=True)


@pytest.fixture
def viewer():
    return staff(*(f"view_{model._meta.model_name}" for model in MODELS))


@pytest.fixture
def operator():
    return staff("view_syncrun", "view_syncissue", "run_sync")


def page(model, row=None):
    name = f"admin:ecommerce_sync_{model._meta.model_name}"
    return reverse(f"{name}_change", args=[row.pk]) if row else reverse(f"{name}_changelist")


class Tags(HTMLParser):
    """What a browser would make of a page: its elements, handlers and links."""

    def __init__(self, html):
        super().__init__()
        self.scripts, self.dangers = [], []
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self._inside = tag == "script"
        for name, value in attrs:
            runs = name.startswith("on") or (value or "").startswith("javascript:")
            if runs and name != "value":  # in a text field even javascript: is only text
                self.dangers.append((tag, name, value))

    def handle_data(self, data):
        if self._inside and "alert(1)" in data:
            self.dangers.append(("script", "", data))


class TestPages:
    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize("who", ["root", "viewer"])
    def test_lists_and_rows_can_be_seen(self, model, who, rows, request):
        client = request.getfixturevalue(who)
        assert client.get(page(model)).status_code == 200
        assert client.get(page(model), {"q": "x"}).status_code == 200
        assert client.get(page(model, rows[model])).status_code == 200

    @pytest.mark.parametrize("model", MODELS)
    def test_nobody_sees_them_without_permission(self, model, rows):
        client = staff()
        assert client.get(page(model)).status_code == 403
        assert client.get(page(model, rows[model])).status_code == 403
        assert Client().get(page(model)).status_code == 302

    @pytest.mark.parametrize("model", MODELS)
    def test_what_a_feed_sends_is_only_text(self, model, rows, root):
        for address in (page(model), page(model, rows[model])):
            html = root.get(address).content.decode()
            assert Tags(html).dangers == []
            assert EVIL not in html
            assert EVIL_ATTRIBUTE not in html

    @pytest.mark.parametrize("model", HISTORY)
    def test_history_cannot_be_rewritten(self, model, rows, root):
        row = rows[model]
        name = f"admin:ecommerce_sync_{model._meta.model_name}"
        assert root.get(reverse(f"{name}_add")).status_code == 403
        assert root.post(page(model, row), {"feed": "other"}).status_code == 403
        assert root.post(reverse(f"{name}_delete", args=[row.pk])).status_code == 403
        delete = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        root.post(page(model), delete)
        assert model.objects.filter(pk=row.pk, feed=EVIL).exists()

    def test_revoked_tokens_are_not_shown(self):
        assert not admin.site.is_registered(RevokedToken)

    @pytest.mark.parametrize("model", [Product, Customer, Order])
    def test_a_row_can_be_added(self, model, root):
        name = f"admin:ecommerce_sync_{model._meta.model_name}_add"
        assert root.get(reverse(name)).status_code == 200

    def test_where_a_row_comes_from_is_shown_and_fixed(self, rows, root):
        html = root.get(page(Product, rows[Product])).content.decode()
        assert page(SyncLink, rows[SyncLink]) in html
        assert 'name="source"' not in root.get(page(Order, rows[Order])).content.decode()
        assert 'name="version"' not in html

    def test_a_customers_orders_are_one_click_away(self, rows, root):
        customer = rows[Customer]
        link = f"{page(Order)}?customer__id__exact={customer.pk}"
        assert (
            f'<a href="{link}">1 order</a>' in root.get(page(Customer, customer)).content.decode()
        )
        assert root.get(link).status_code == 200

    @pytest.mark.parametrize("model", MODELS)
    def test_a_list_asks_no_more_of_the_database_for_more_rows(
        self, model, rows, root, django_assert_max_num_queries
    ):
        copies = 10
        for number in range(copies):
            double(rows[model], number)
        with django_assert_max_num_queries(copies):
            root.get(page(model))


def double(row, number):
    """Another row like this one, referring to rows of its own."""
    row.pk = None
    for field, value in (
        ("feed", f"feed{number}"),
        ("sku", f"sku{number}"),
        ("email", f"e{number}@example.com"),
        ("order_id", f"order{number}"),
    ):
        if hasattr(row, field):
            setattr(row, field, value)
    if isinstance(row, SyncIssue):
        row.run = SyncRun.objects.create(feed=f"feed{number}")
    if isinstance(row, SyncSchedule):
        row.last_run = SyncRun.objects.create(feed=f"feed{number}")
    if isinstance(row, SyncRun):
        row.requested_by = User.objects.create(username=f"person{number}")
    if isinstance(row, Order):
        row.customer = Customer.objects.create(email=f"c{number}@example.com")
    row._state.adding = True
    row.save(force_insert=True)


class TestSyncNow:
    def test_the_button_is_there_for_those_who_may(self, operator, viewer):
        assert SYNC_NOW in operator.get(RUNS).content.decode()
        assert SYNC_NOW not in viewer.get(RUNS).content.decode()

    def test_one_feed(self, operator):
        response = operator.post(SYNC_NOW, {"feed": "shop"})
        run = SyncRun.objects.get()
        assert response.url == page(SyncRun, run)
        assert (run.feed, run.status, run.trigger) == ("shop", "succeeded", "admin")
        assert run.requested_by == operator.user
        assert Product.objects.filter(sku="A").exists()

    def test_all_feeds(self, operator):
        assert operator.post(SYNC_NOW, {"feed": ""}).url == RUNS
        assert sorted(SyncRun.objects.values_list("feed", flat=True)) == ["depot", "shop"]

    def test_dry_run(self, operator):
        operator.post(SYNC_NOW, {"feed": "shop", "dry_run": "on"})
        assert SyncRun.objects.get().dry_run
        assert not Product.objects.exists()

    def test_a_feed_that_is_busy_is_said_so(self, operator):
        busy = SyncRun.objects.create(feed="shop")
        response = operator.post(SYNC_NOW, {"feed": "shop"}, follow=True)
        assert response.redirect_chain[0][0] == page(SyncRun, busy)
        assert "already queued or running" in response.content.decode()

    def test_an_unknown_feed_starts_nothing(self, operator):
        response = operator.post(SYNC_NOW, {"feed": EVIL}, follow=True)
        assert "No such feed is configured." in response.content.decode()
        assert not SyncRun.objects.exists()

    def test_a_broker_out_of_reach_is_said_so(self, operator, settings, broker_down):
        settings.ECOMMERCE_SYNC["RUNNER"] = "celery"
        response = operator.post(SYNC_NOW, {"feed": "shop"}, follow=True)
        assert "The broker cannot be reached" in response.content.decode()
        assert SyncRun.objects.get().status == "queued"

    def test_a_feed_that_cannot_be_built_is_said_so(self, operator, settings):
        settings.ECOMMERCE_SYNC["FEEDS"]["shop"] = {"BACKEND": "nowhere.Feed"}
        response = operator.post(SYNC_NOW, {"feed": "shop"}, follow=True)
        assert "cannot be imported" in response.content.decode()


class TestPermission:
    @pytest.fixture
    def addresses(self, rows):
        names = ("retry", "cancel")
        pk = rows[SyncRun].pk
        return [
            SYNC_NOW,
            *(reverse(f"admin:ecommerce_sync_syncrun_{name}", args=[pk]) for name in names),
        ]

    def test_starting_and_stopping_needs_run_sync(self, addresses, viewer):
        assert [viewer.post(address).status_code for address in addresses] == [403, 403, 403]
        assert SyncRun.objects.count() == 1

    def test_starting_and_stopping_needs_a_post(self, addresses, root):
        assert [root.get(address).status_code for address in addresses] == [405, 405, 405]
        assert SyncRun.objects.count() == 1

    def test_starting_and_stopping_needs_a_csrf_token(self, addresses, operator):
        operator.handler.enforce_csrf_checks = True
        assert [operator.post(address).status_code for address in addresses] == [403, 403, 403]

    def test_starting_and_stopping_needs_a_login(self, addresses):
        assert [Client().post(address).status_code for address in addresses] == [302, 302, 302]

    def test_a_link_to_a_row_without_a_page_is_plain_text(self, rows, root):
        SyncLink.objects.update(model="shop.gadget")
        html = root.get(page(SyncLink, rows[SyncLink])).content.decode()
        assert "shop.gadget" in html
        assert "admin/shop/gadget" not in html

    def test_actions_need_run_sync(self, viewer, rows):
        action = {"action": "cancel_selected", "_selected_action": [rows[SyncRun].pk]}
        viewer.post(RUNS, action)
        rows[SyncRun].refresh_from_db()
        assert not rows[SyncRun].cancel_requested
        assert "cancel_selected" not in viewer.get(RUNS).content.decode()


class TestRejectedRows:
    @pytest.fixture
    def issues(self, operator):
        for feed in ("depot", "shop", "depot"):
            rows = SyncRun.objects.create(feed=feed, slot=None, status="partial")
            issue = {"run": rows, "feed": feed, "stream": "products", "external_id": "B"}
            SyncIssue.objects.create(**issue, code="required", message="Needed.")
        return list(SyncIssue.objects.order_by("pk"))

    def retry(self, client, issues):
        data = {"action": "retry_selected", "_selected_action": [issue.pk for issue in issues]}
        return client.post(page(SyncIssue), data, follow=True)

    def test_are_retried_alone(self, operator, issues):
        response = self.retry(operator, issues[:1])
        run = SyncRun.objects.latest("pk")
        assert (run.retry_of, run.retry_choice) == (issues[0].run, {"issues": [issues[0].pk]})
        assert (run.trigger, run.requested_by) == ("admin", operator.user)
        assert response.redirect_chain[0][0] == page(SyncRun, run)

    def test_of_several_runs_are_retried_with_a_run_for_each_feed(self, operator, issues):
        self.retry(operator, issues)
        depot, shop = SyncRun.objects.order_by("-pk")[:2][::-1]
        assert (depot.feed, depot.retry_choice) == (
            "depot",
            {"issues": [issues[0].pk, issues[2].pk]},
        )
        assert (shop.feed, shop.retry_choice) == ("shop", {"issues": [issues[1].pk]})
        assert depot.retry_of == issues[2].run

    def test_that_have_landed_are_not(self, operator, issues):
        SyncIssue.objects.update(state="resolved")
        assert "None of these rows is open." in self.retry(operator, issues).content.decode()
        assert SyncRun.objects.count() == 3

    def test_too_many_are_refused(self, operator, issues, monkeypatch):
        monkeypatch.setattr("django_ecommerce_sync.sync.retries.MAX_CHOSEN", 2)
        assert "at most 2 can be chosen" in self.retry(operator, issues).content.decode()
        assert SyncRun.objects.count() == 3

    def test_need_run_sync(self, viewer, issues):
        self.retry(viewer, issues)
        assert SyncRun.objects.count() == 3

    def test_tell_what_has_arrived(self, operator, issues):
        run = SyncRun.objects.create(feed="depot", slot=None)
        SyncIssue.objects.update(arrived_at=timezone.now(), retried_in=run.pk)
        html = operator.get(page(SyncIssue, issues[0])).content.decode()
        assert f'<a href="{page(SyncRun, run)}">{run.pk}</a>' in html


class TestRunPage:
    def rejected_run(self, operator):
        operator.post(SYNC_NOW, {"feed": "depot"})
        return SyncRun.objects.get()

    def test_shows_counts_and_rejects(self, operator):
        run = self.rejected_run(operator)
        html = operator.get(page(SyncRun, run)).content.decode()
        assert "Rejected rows (1)" in html
        assert "ecs-partial" in html
        assert f"{page(SyncIssue)}?run__id__exact={run.pk}" in html

    def test_the_link_to_all_rejects_works(self, operator):
        run = self.rejected_run(operator)
        response = operator.get(page(SyncIssue), {"run__id__exact": run.pk})
        assert response.status_code == 200
        assert response.context["cl"].result_count == 1

    def test_retry_rejected(self, operator, settings):
        run = self.rejected_run(operator)
        address = reverse("admin:ecommerce_sync_syncrun_retry", args=[run.pk])
        assert address in operator.get(page(SyncRun, run)).content.decode()
        options = settings.ECOMMERCE_SYNC["FEEDS"]["depot"]["OPTIONS"]
        options["rows"] = {"products": [{"sku": "B", "price": "2"}]}
        operator.post(address)
        again = SyncRun.objects.latest("pk")
        assert (again.retry_of, again.status) == (run, "succeeded")
        assert Product.objects.get().sku == "B"

    def test_repeats_are_told_together_with_a_link_to_them(self, operator):
        run = self.rejected_run(operator)
        issue = {"run": run, "feed": "depot", "stream": "orders", "code": "required"}
        for field in ("lines[0].sku", "lines[12].sku", "lines[1].skus", "linesXsku"):
            SyncIssue.objects.create(**issue, field=field, message=EVIL, position=5)
        html = operator.get(page(SyncRun, run)).content.decode()
        found = re.findall(rf'href="({page(SyncIssue)}\?[^"]*code=[^"]*)">(\d+)</a>', html)
        shown = [(n, operator.get(unescape(address)).context["cl"]) for address, n in found]
        fields = [(n, sorted(issue.field for issue in cl.result_list)) for n, cl in shown]
        assert fields == [
            ("2", ["lines[0].sku", "lines[12].sku"]),
            ("1", ["linesXsku"]),
            ("1", ["lines[1].skus"]),
            ("1", ["price"]),
        ]
        assert EVIL not in html

    def test_a_group_is_retried_alone(self, operator, settings):
        settings.ECOMMERCE_SYNC["FEEDS"]["depot"]["OPTIONS"]["rows"] = {
            "products": [{"sku": "B", "price": "x"}, {"sku": "", "price": "1"}]
        }
        run = self.rejected_run(operator)
        group = {"stream": "products", "code": "invalid_decimal", "field": "price"}
        html = operator.get(page(SyncRun, run)).content.decode()
        assert all(f'name="{name}" value="{value}"' in html for name, value in group.items())
        operator.post(reverse("admin:ecommerce_sync_syncrun_retry", args=[run.pk]), group)
        again = SyncRun.objects.latest("pk")
        assert (again.retry_of, again.retry_choice) == (run, group)
        assert again.counts["products"]["read"] == 1
        assert "code: invalid_decimal" in operator.get(page(SyncRun, again)).content.decode()

    def test_a_group_that_is_not_there_starts_nothing(self, operator):
        run = self.rejected_run(operator)
        address = reverse("admin:ecommerce_sync_syncrun_retry", args=[run.pk])
        response = operator.post(address, {"code": "nope"}, follow=True)
        assert response.redirect_chain[0][0] == page(SyncRun, run)
        assert "no open rejected row like that" in response.content.decode()
        assert SyncRun.objects.count() == 1

    def test_rows_that_have_landed_are_not_offered_again(self, operator):
        run = self.rejected_run(operator)
        run.issues.update(state="resolved")
        html = operator.get(page(SyncRun, run)).content.decode()
        assert "0 open" in html
        assert reverse("admin:ecommerce_sync_syncrun_retry", args=[run.pk]) not in html

    def test_retry_as_an_action(self, operator):
        run = self.rejected_run(operator)
        operator.post(RUNS, {"action": "retry_selected", "_selected_action": [run.pk]})
        assert SyncRun.objects.latest("pk").retry_of == run

    def test_cancel(self, operator):
        run = SyncRun.objects.create(feed="shop")
        address = reverse("admin:ecommerce_sync_syncrun_cancel", args=[run.pk])
        assert address in operator.get(page(SyncRun, run)).content.decode()
        operator.post(address)
        run.refresh_from_db()
        assert run.status == "cancelled"

    def test_cancel_as_an_action(self, operator):
        run = SyncRun.objects.create(feed="shop")
        operator.post(RUNS, {"action": "cancel_selected", "_selected_action": [run.pk]})
        run.refresh_from_db()
        assert run.status == "cancelled"

    def test_a_finished_run_has_nothing_to_press(self, operator):
        operator.post(SYNC_NOW, {"feed": "shop"})
        html = operator.get(page(SyncRun, SyncRun.objects.get())).content.decode()
        assert "Retry rejected" not in html
        assert "Cancel run" not in html
        assert "refresh" not in html

    def test_an_active_run_refreshes_itself_when_asked(self, viewer):
        counts = {"products": {"read": 100}}
        run = SyncRun.objects.create(feed="shop", counts=counts, totals={"products": 400})
        html = viewer.get(page(SyncRun, run)).content.decode()
        assert '<progress value="100" max="400">' in html
        assert 'href="?refresh"' in html
        assert "http-equiv" not in html
        refreshing = viewer.get(page(SyncRun, run) + "?refresh").content.decode()
        assert '<meta http-equiv="refresh" content="5">' in refreshing

    def test_only_so_many_rejects_are_shown(self, viewer):
        run = SyncRun.objects.create(feed="shop", status="partial", slot=None)
        SyncIssue.objects.bulk_create(
            SyncIssue(run=run, feed="shop", stream="products", code="x", message="no")
            for _ in range(60)
        )
        html = viewer.get(page(SyncRun, run)).content.decode()
        assert "Rejected rows (60)" in html
        assert "10 rejected rows more" in html


class TestSchedule:
    def save(self, root, **data):
        address = reverse("admin:ecommerce_sync_syncschedule_add")
        return root.post(address, {"feed": "shop", "cron": "0 5 * * *", "enabled": "on", **data})

    def test_a_schedule_can_be_made(self, root):
        assert self.save(root).status_code == 302
        assert SyncSchedule.objects.get().cron == "0 5 * * *"

    def test_a_cron_line_must_be_one(self, root):
        assert "cron line has five fields" in self.save(root, cron="daily").content.decode()
        assert not SyncSchedule.objects.exists()

    def test_the_feed_must_be_configured(self, root):
        html = self.save(root, feed="shpo").content.decode()
        assert "No feed is configured as “shpo”. There is: shop, depot." in html

    def test_a_new_line_makes_the_old_moment_worthless(self, root):
        old = SyncSchedule.objects.create(feed="shop", cron="0 5 * * *", next_run_at=timezone.now())
        data = {"feed": "shop", "cron": "0 6 * * *", "enabled": "on"}
        root.post(page(SyncSchedule, old), data)
        old.refresh_from_db()
        assert (old.cron, old.next_run_at) == ("0 6 * * *", None)

    def test_an_unchanged_line_keeps_its_moment(self, root):
        moment = timezone.now()
        old = SyncSchedule.objects.create(feed="shop", cron="0 5 * * *", next_run_at=moment)
        root.post(page(SyncSchedule, old), {"feed": "shop", "cron": "0 5 * * *", "enabled": "on"})
        old.refresh_from_db()
        assert old.next_run_at == moment


def test_run_sync_is_a_permission_of_the_runs():
    content_type = ContentType.objects.get_for_model(SyncRun)
    assert Permission.objects.filter(codename="run_sync", content_type=content_type).exists()
