"""``manage.py ecommerce_sync merge``."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_ecommerce_sync.models import Customer, Merge, MergeCandidate, Product
from django_ecommerce_sync.sync.merging import expire, propose
from tests.merging.conftest import customer, picture, product

pytestmark = pytest.mark.django_db


def command(*arguments):
    """Run it; exit code and standard output."""
    out, code = StringIO(), 0
    try:
        call_command("ecommerce_sync", "merge", *map(str, arguments), stdout=out, stderr=StringIO())
    except SystemExit as exit:
        code = exit.code
    return code, out.getvalue()


def document(*arguments):
    code, out = command(*arguments, "--format", "json")
    assert code == 0
    return json.loads(out)


def failure(*arguments):
    """The exit code and the message of a command that must fail."""
    with pytest.raises(CommandError) as error:
        command(*arguments)
    return error.value.returncode, str(error.value)


@pytest.fixture
def pair(db):
    name = {"first_name": "Ann", "last_name": "Bee"}
    customer("ab@gmail.com", **name)
    customer("a.b@gmail.com", **name, phone="0170 1234567")
    command("--find")
    return MergeCandidate.objects.get()


def test_find_tells_what_it_found(pair):
    for number in range(200):
        product(number, name="Gift card")
    code, out = command("--find")
    assert code == 0
    assert "customers: 1 likely duplicates among 2 rows, 0 of them new, 0 dropped" in out
    assert "products: 0 likely duplicates among 200 rows" in out
    assert "skipped, too many rows are alike: 3 × title: the largest has 200 rows" in out
    customers, products = document("--find")
    assert (customers["model"], customers["found"], customers["rows"]) == ("customers", 1, 2)
    assert products["skipped_blocks"][0]["largest"] == 200


def test_find_can_be_about_one_model(pair):
    assert [found["model"] for found in document("--find", "--only", "products")] == ["products"]


def test_the_open_pairs_are_listed(pair):
    code, out = command()
    assert code == 0
    header, line = out.splitlines()
    assert header.split() == ["pair", "score", "of", "rows", "why"]
    assert line.split()[:3] == [str(pair.pk), "97", "customers"]
    assert "delivered to the same mailbox" in line
    (listed,) = document()
    assert (listed["pair"], listed["score"], listed["state"]) == (pair.pk, 97, "open")
    assert document("--only", "products") == []


def test_a_pair_is_shown_side_by_side(pair):
    code, out = command(pair.pk)
    assert code == 0
    assert f"{pair.second_id} into {pair.first_id}" in out
    assert [line.split()[0] for line in out.splitlines()[3:]] == ["email", "phone"]
    shown = document(pair.pk, "--into", pair.second_id, "--take", "phone=other")
    assert shown["survivor_id"] == pair.second_id
    assert {field["name"]: field["merged"] for field in shown["fields"]} == {
        "email": "a.b@gmail.com",
        "phone": "",
    }
    conflicts = {field["name"]: field["conflict"] for field in shown["fields"]}
    assert conflicts == {"email": True, "phone": False}


def test_a_pair_is_merged_and_the_merge_undone(pair):
    before = picture()
    code, out = command(pair.pk, "--apply", "--take", "email=other")
    record = Merge.objects.get()
    assert code == 0
    assert f"'merge --undo {record.pk}'" in out
    assert Customer.objects.get().email == "a.b@gmail.com"
    (logged,) = document("--log")
    assert (logged["merge"], logged["survivor_id"]) == (record.pk, pair.first_id)
    assert "customers" in command("--log")[1]
    assert document("--log", "--only", "products") == []
    code, out = command("--undo", record.pk)
    assert (code, out) == (
        0,
        f"Merge {record.pk} is undone: customers {pair.second_id} is back.\n",
    )
    assert picture() == before


def test_an_old_merge_can_no_longer_be_undone(pair):
    command(pair.pk, "--apply")
    record = Merge.objects.get()
    assert document("--log")[0]["can_be_undone"] is True
    expire(timezone.now())
    assert document("--log")[0]["can_be_undone"] is False
    assert "no longer possible" in command("--log")[1]
    code, message = failure("--undo", record.pk)
    assert code == 1
    assert f"Merge {record.pk} can no longer be undone" in message


def test_a_dry_run_of_one_pair_only_shows_it(pair):
    before = picture()
    assert "into" in command(pair.pk, "--apply", "--dry-run")[1]
    assert picture() == before


def test_a_pair_is_dismissed(pair):
    assert command(pair.pk, "--dismiss") == (0, f"Pair {pair.pk} is dismissed.\n")
    assert document() == []
    assert failure(pair.pk, "--dismiss") == (1, f"Pair {pair.pk} is not open any more.")


class TestAuto:
    @pytest.fixture
    def pairs(self, pair):
        product("A", gtin="4006381333931")
        product("B", gtin="4006381333931")
        product("C", brand="Acme", mpn="X1")
        product("D", brand="Acme", mpn="X1")
        command("--find")
        return pair

    def test_all_that_score_as_much_are_merged(self, pairs):
        code, out = command("--auto", 95)
        assert code == 0
        assert len(out.splitlines()) == 2
        assert Customer.objects.count() == 1
        assert set(Product.objects.values_list("sku", flat=True)) == {"A", "C", "D"}

    def test_a_dry_run_merges_nothing_and_says_the_same(self, pairs):
        before = picture()
        tell = {"pair", "score", "survivor_id", "other_id"}
        rehearsed = document("--auto", 90, "--dry-run")
        assert picture() == before
        merged = document("--auto", 90)
        assert [{name: one[name] for name in tell} for one in rehearsed] == [
            {name: one[name] for name in tell} for one in merged
        ]
        assert len(merged) == 3

    def test_it_can_be_about_one_model(self, pairs):
        assert {one["model"] for one in document("--auto", 90, "--only", "products")} == {
            "products"
        }
        assert Customer.objects.count() == 2

    def test_of_three_that_are_one_each_goes_once(self, db):
        for number in range(3):
            customer(f"ab+{number}@gmail.com", first_name="Ann", last_name="Bee")
        command("--find")
        rehearsed = document("--auto", 95, "--dry-run")
        assert len(document("--auto", 95)) == len(rehearsed) == 2
        assert Customer.objects.count() == 1
        assert Merge.objects.values("survivor_id").distinct().count() == 1

    def test_a_refusal_is_told_and_the_rest_is_merged(self, pairs):
        first, second = product("E", price=1), product("F", currency="USD", compare_at_price=3)
        Product.objects.filter(pk=first.pk).update(currency="")
        MergeCandidate.objects.filter(pk=propose(first, second).pk).update(score=99)
        Product.objects.filter(pk=second.pk)._raw_delete("default")
        code, out = command("--auto", 95)
        assert code == 1
        assert f"refused: Product {second.pk} is not there any more." in out
        assert Customer.objects.count() == 1


def test_what_is_refused_exits_with_1(pair):
    code, message = failure(pair.pk, "--apply", "--take", "nose=other")
    assert code == 1
    assert message.startswith("There is no field 'nose'; there is: email, first_name")
    Customer.objects.filter(pk=pair.second_id)._raw_delete("default")
    told = f"Customer {pair.second_id} is not there any more."
    assert failure(pair.pk, "--apply") == (1, told)
    assert failure(pair.pk) == (1, told)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--apply"], "Which pair?"),
        (["--dismiss"], "Which pair?"),
        ([99], "There is no pair 99"),
        (["--undo", 99], "There is no merge 99"),
    ],
)
def test_what_is_not_there_is_a_usage_error(db, arguments, sentence):
    code, message = failure(*arguments)
    assert sentence in message
    assert code == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--auto", "101"], "no score"),
        ([1, "--take", "phone"], "no choice"),
        ([1, "--apply", "--dismiss"], "not allowed with"),
        (["--only", "orders"], "invalid choice"),
    ],
)
def test_wrong_arguments_are_told(db, arguments, sentence):
    assert sentence in failure(*arguments)[1]
