"""Plans in the admin: made by a button, looked at row by row, applied by another button."""

import pytest
from django.test import Client
from django.urls import reverse

from django_ecommerce_sync.models import PlannedChange, Product, SyncRun
from tests.staff import staff

from .test_admin import EVIL, EVIL_ATTRIBUTE, SYNC_NOW, Tags, feeds, operator, page, root

__all__ = ["feeds", "operator", "root"]

pytestmark = pytest.mark.django_db(transaction=True)

LIST = reverse("admin:ecommerce_sync_plannedchange_changelist")


def apply_address(run):
    return reverse("admin:ecommerce_sync_syncrun_apply", args=[run.pk])


@pytest.fixture
def viewer():
    return staff("view_syncrun", "view_plannedchange")


@pytest.fixture
def run(operator):
    """A plan made by the button: the feed's one product is new."""
    operator.post(SYNC_NOW, {"feed": "shop", "dry_run": "on"})
    run = SyncRun.objects.get()
    assert (run.has_plan, run.status, run.trigger) == (True, "succeeded", "admin")
    return run


@pytest.fixture
def change(run):
    """A row full of what a hostile feed would send."""
    return PlannedChange.objects.create(
        run=run,
        stream="products",
        position=2,
        key=EVIL[:191],
        external_id=EVIL_ATTRIBUTE,
        action="update",
        model="ecommerce_sync.product",
        object_id="7",
        changes={EVIL: [EVIL, EVIL_ATTRIBUTE], "phone": [None, None], "note": [None, EVIL]},
    )


def html(client, address, **query):
    response = client.get(address, query)
    assert response.status_code == 200
    return response.content.decode()


def test_a_run_shows_its_plan_and_leads_to_its_rows(run, viewer):
    text = html(viewer, page(SyncRun, run))
    link = f"{LIST}?run__id__exact={run.pk}"
    assert f'<a href="{link}">' in text
    part = f"{link}&amp;stream=products&amp;action__exact=create"
    assert f'<a href="{part}">1</a>' in text
    rows = html(viewer, part.replace("&amp;", "&"))
    assert f"Plan of shop #{run.pk}" in rows
    assert "<b>price</b> <ins>1.0000</ins>" in rows
    assert "1 planned change" in rows


def test_who_may_not_see_the_rows_sees_the_numbers(run, operator):
    text = html(operator, page(SyncRun, run))
    assert LIST not in text
    assert "<td>1</td>" in text
    assert operator.get(LIST).status_code == 403
    assert Client().get(LIST).status_code == 302


def test_other_runs_show_no_plan(run, operator):
    run = SyncRun.objects.create(feed="shop", dry_run=True, status="succeeded", slot=None)
    text = html(operator, page(SyncRun, run))
    assert "ecs-plan" not in text
    assert apply_address(run) not in text


def test_an_empty_plan_says_so(run, operator):
    SyncRun.objects.update(plan_counts={})
    assert "Nothing would be changed." in html(operator, page(SyncRun, run))


def test_what_a_feed_sends_is_only_text(change, root):
    for address in (LIST, page(PlannedChange, change), page(SyncRun, change.run)):
        text = html(root, address)
        assert Tags(text).dangers == []
        assert EVIL not in text
        assert EVIL_ATTRIBUTE not in text


def test_old_and_new_values_and_those_not_kept(change, root):
    PlannedChange.objects.update(changes={"price": ["5", "6"], "phone": [None, None]})
    for address in (LIST, page(PlannedChange, change)):
        text = html(root, address)
        assert "<b>price</b> <del>5</del> → <ins>6</ins>" in text
        assert '<b>phone</b> <span class="ecs-dry">not kept</span>' in text
        assert reverse("admin:ecommerce_sync_product_change", args=["7"]) in text


def test_long_values_are_short_in_the_list_only(change, root):
    PlannedChange.objects.update(changes={"name": ["", "long " * 50]})
    assert "long " * 50 not in html(root, LIST)
    assert "long " * 50 in html(root, page(PlannedChange, change))


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ({"action__exact": "update"}, 1),
        ({"action__exact": "archive"}, 0),
        ({"stream": "products"}, 2),
        ({"q": "onerror"}, 1),
        ({"run__id__exact": "999999"}, 0),
    ],
)
def test_filters_and_search(change, root, query, number):
    assert f"{number} planned change" in html(root, LIST, **query)


@pytest.mark.parametrize("number", ["x", "9" * 30, "-1"])
def test_a_run_that_can_be_none_breaks_nothing(change, root, number):
    assert root.get(LIST, {"run__id__exact": number}).status_code in (200, 302)


def test_streams_are_offered_without_reading_the_rows(change, root):
    other = SyncRun(feed="shop", planned=True, dry_run=True, slot=None, status="succeeded")
    other.plan_counts = {"orders": {"create": 1}}
    other.save()
    assert "?stream=orders" in html(root, LIST)
    assert "stream=orders" not in html(root, LIST, run__id__exact=change.run_id)


def test_plans_cannot_be_rewritten(change, root):
    name = "admin:ecommerce_sync_plannedchange"
    assert root.get(reverse(f"{name}_add")).status_code == 403
    assert root.post(page(PlannedChange, change), {"key": "x"}).status_code == 403
    assert root.post(reverse(f"{name}_delete", args=[change.pk])).status_code == 403
    assert PlannedChange.objects.filter(pk=change.pk, key=change.key).exists()


def test_a_list_asks_no_more_of_the_database_for_more_rows(
    change, root, django_assert_max_num_queries
):
    for _ in range(20):
        change.pk = None
        change.save(force_insert=True)
    with django_assert_max_num_queries(9):
        root.get(LIST)


# -- applying ------------------------------------------------------------------------------------


def test_apply(run, operator):
    assert apply_address(run) in html(operator, page(SyncRun, run))
    response = operator.post(apply_address(run))
    applied = SyncRun.objects.get(plan=run)
    assert response.url == page(SyncRun, applied)
    assert (applied.status, applied.trigger) == ("succeeded", "admin")
    assert applied.requested_by == operator.user
    assert Product.objects.get().sku == "A"
    assert page(SyncRun, run) in html(operator, page(SyncRun, applied))


def test_what_was_applied_cannot_be_applied_again(run, operator):
    operator.post(apply_address(run))
    applied = SyncRun.objects.get(plan=run)
    text = html(operator, page(SyncRun, run))
    assert apply_address(run) not in text
    assert page(SyncRun, applied) in text
    response = operator.post(apply_address(run), follow=True)
    assert response.redirect_chain[0][0] == page(SyncRun, run)
    assert f"was applied by run {applied.pk}" in response.content.decode()
    assert SyncRun.objects.count() == 2


def test_a_plan_that_is_not_complete_says_why(run, operator):
    SyncRun.objects.update(status="failed")
    text = html(operator, page(SyncRun, run))
    assert "its plan is not complete" in text
    assert apply_address(run) not in text


def test_a_feed_that_is_busy_is_said_so(run, operator):
    SyncRun.objects.create(feed="shop")
    response = operator.post(apply_address(run), follow=True)
    assert "already queued or running" in response.content.decode()
    assert not Product.objects.exists()


def test_applying_needs_run_sync_a_post_a_token_and_a_login(run, operator, viewer, root):
    address = apply_address(run)
    assert address not in html(viewer, page(SyncRun, run))
    assert viewer.post(address).status_code == 403
    assert root.get(address).status_code == 405
    assert Client().post(address).status_code == 302
    operator.handler.enforce_csrf_checks = True
    assert operator.post(address).status_code == 403
    assert SyncRun.objects.count() == 1


def test_a_plan_that_is_gone_is_not_found(operator):
    assert operator.post(reverse("admin:ecommerce_sync_syncrun_apply", args=[7])).status_code == 404
