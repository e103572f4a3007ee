"""Which rows are put forward as duplicates, how sure that is, and which never are."""

import tempfile
from pathlib import Path

import pytest

from django_ecommerce_sync.models import CandidateState, Customer, MergeCandidate, Product
from django_ecommerce_sync.sync.merging import MergeRefused, dismiss, find, merge, propose, spelling
from tests.merging.conftest import customer, order, product

pytestmark = pytest.mark.django_db

HOME = {"street": "Hauptstraße 5", "postal_code": "53111", "city": "Bonn"}


def found(model):
    """Pairs of names of rows with their score and the codes of their reasons."""
    search = find(model)
    pairs = MergeCandidate.objects.filter(state=CandidateState.OPEN)
    assert search.found == pairs.count()
    return [(pair.score, [reason["code"] for reason in pair.reasons]) for pair in pairs]


def people(*rows):
    for number, row in enumerate(rows):
        email = row.pop("email", f"nobody{number}@example.com")
        first, _, last = row.pop("name", "").partition(" ")
        Customer.objects.create(email=email, first_name=first, last_name=last, **row)
    return found(Customer)


def things(*rows):
    for number, row in enumerate(rows):
        product(f"SKU-{number}", **row)
    return found(Product)


class TestCustomers:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("ann.bee@gmail.com", "annbee@gmail.com"),
            ("annbee@gmail.com", "a.n.n.bee+shop@googlemail.com"),
            ("ann@outlook.com", "ann+news@outlook.com"),
            ("ann@proton.me", "ann+1@proton.me"),
            ("ann@icloud.com", "ann+x@icloud.com"),
            ("ann@fastmail.com", "ann+x@fastmail.com"),
        ],
    )
    def test_two_spellings_of_one_mailbox(self, one, other):
        assert people({"email": one}, {"email": other}) == [(90, ["same_mailbox"])]

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("ann.bee@example.com", "annbee@example.com"),
            ("ann@example.com", "ann+news@example.com"),
            ("ann.bee@outlook.com", "annbee@outlook.com"),
            ("ann@gmail.com", "ann@outlook.com"),
        ],
    )
    def test_where_a_provider_may_tell_them_apart_they_are_two(self, one, other):
        assert people({"email": one}, {"email": other}) == []

    @pytest.mark.parametrize(
        ("one", "other", "score"),
        [("Ann Bee", "Bee Ann", 97), ("Ann Bee", "Anne Bee", 97), ("Ann Bee", "Zoe Cee", 75)],
    )
    def test_names_make_a_shared_mailbox_surer_or_less_sure(self, one, other, score):
        rows = ({"email": "a.b@gmail.com", "name": one}, {"email": "ab@gmail.com", "name": other})
        assert people(*rows) == [(score, ["same_mailbox"])]

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("+49 170 1234567", "0170/1234567"),
            ("0049 (0)170 1234567", "+49 170 12 345 67"),
            ("(555) 013-4567", "+1 555 013 4567"),
            ("5550134567", "555.013.4567 ext. 12"),
        ],
    )
    def test_one_phone_number_and_name(self, one, other):
        rows = ({"phone": one, "name": "Ann Bee"}, {"phone": other, "name": "Bee, Dr. Ann"})
        assert people(*rows) == [(93, ["same_phone"])]

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("+49 170 1234567", "+43 170 1234567"),
            ("+49 30 12345678", "12345678"),
            ("0000000000", "0000000000"),
            ("112", "112"),
        ],
    )
    def test_numbers_that_are_not_the_same_or_nobodys(self, one, other):
        assert people({"phone": one, "name": "A Bee"}, {"phone": other, "name": "A Bee"}) == []

    @pytest.mark.parametrize(
        ("one", "other", "score"),
        [
            ("Ann Bee", "ANN BÉE", 93),
            ("Jonathan Smith", "Jonhatan Smith", 88),
            ("Ann Bee", "A. Bee", 88),
            ("Ann Bee", "Ann Marie Bee", 93),
            ("Ann Bee", "Peter Bee", None),
            ("John Bee", "John Bee Jr.", None),
            ("Ann Bee", "Ann", None),
            ("Ann Bee", "", None),
        ],
    )
    def test_a_shared_phone_is_one_person_only_with_a_similar_name(self, one, other, score):
        rows = ({"phone": "0170 1234567", "name": one}, {"phone": "0170 1234567", "name": other})
        assert people(*rows) == ([(score, ["same_phone"])] if score else [])

    @pytest.mark.parametrize(
        ("change", "score"),
        [
            ({}, 88),
            ({"street": "hauptstr. 5"}, 88),
            ({"street": "5 Hauptstrasse"}, 88),
            ({"city": "Bad Godesberg"}, 88),
            ({"street": "Hauptstraße 7"}, None),
            ({"postal_code": "53113"}, None),
            ({"street": ""}, None),
        ],
    )
    def test_one_name_and_address(self, change, score):
        rows = (
            {"name": "Ann Bee", "address": HOME},
            {"name": "Ann Bee", "address": HOME | change},
        )
        assert people(*rows) == ([(score, ["same_address"])] if score else [])

    def test_a_slip_in_the_name_makes_an_address_less_sure(self):
        rows = (
            {"name": "Jonathan Bee", "address": HOME},
            {"name": "Jonahtan Bee", "address": {**HOME, "street": "Hauptstr 5"}},
        )
        assert people(*rows) == [(80, ["same_address"])]

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"name": "Anna Bee"}, {"name": "Annika Bee"}),
            ({"name": "Alexander Bee"}, {"name": "Alexandra Bee"}),
            ({"name": "Ann Bee"}, {"name": "A. Bee"}),
            (
                {"name": "Anna Bee", "phone": "0170 1234567"},
                {"name": "Anne Bee", "phone": "0170 7654321"},
            ),
        ],
    )
    def test_similar_names_of_one_household_are_two_people(self, one, other):
        assert people({**one, "address": HOME}, {**other, "address": HOME}) == []

    def test_people_of_one_household_are_not_one(self):
        assert (
            people({"name": "Ann Bee", "address": HOME}, {"name": "Tom Bee", "address": HOME}) == []
        )

    def test_a_company_is_a_name_where_there_is_no_other(self):
        rows = [{"company": "Bee Ltd", "phone": "0170 1234567"} for _ in range(2)]
        assert people(*rows) == [(93, ["same_phone"])]

    def test_pieces_of_evidence_add_up(self):
        row = {"name": "Ann Bee", "address": HOME, "phone": "0170 1234567"}
        assert people({**row}, {**row}) == [(96, ["same_phone", "same_address"])]
        Customer.objects.all().delete()
        rows = ({**row, "email": "ab@gmail.com"}, {**row, "email": "a.b@gmail.com"})
        assert people(*rows) == [(100, ["same_mailbox", "same_phone", "same_address"])]

    @pytest.mark.parametrize("address", [[], "Bonn", {"street": {"x": 1}, "postal_code": [1]}, 5])
    def test_an_address_of_another_shape_says_nothing(self, address):
        assert (
            people({"name": "A B", "address": address}, {"name": "A B", "address": address}) == []
        )


class TestProducts:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("4006381333931", "4006381333931"),
            ("036000291452", "0036000291452"),
            ("036000291452", "00036000291452"),
            ("96385074", "96385074"),
        ],
    )
    def test_one_gtin_with_and_without_leading_zeros(self, one, other):
        assert things({"gtin": one}, {"gtin": other}) == [(97, ["same_gtin"])]

    @pytest.mark.parametrize(
        "gtin",
        ["4006381333932", "12345", "2012345678900", "0212345678909", "00000000000000", "x"],
        ids=["check digit", "too short", "in-store", "in-store UPC", "zeros", "no digits"],
    )
    def test_numbers_that_are_no_gtin_say_nothing(self, gtin):
        assert things({"gtin": gtin}, {"gtin": gtin}) == []

    @pytest.mark.parametrize(
        ("one", "other", "score"),
        [
            ({"name": "Pen 12 pack"}, {"name": "Pen single 1"}, 80),
            ({"name": "Wireless mouse 12"}, {"name": "Wireless mouse 13"}, 80),
            ({"brand": "Acme"}, {"brand": "Other"}, 85),
            ({"name": "Blue pen"}, {"name": "Kugelschreiber blau"}, 97),
        ],
    )
    def test_what_speaks_against_one_gtin(self, one, other, score):
        code = {"gtin": "4006381333931"}
        assert things({**code, **one}, {**code, **other}) == [(score, ["same_gtin"])]

    def test_one_brand_and_part_number_however_it_is_spelled(self):
        rows = ({"brand": "Acme", "mpn": "AB-12/3"}, {"brand": "ACME", "mpn": "ab 12 3"})
        assert things(*rows) == [(93, ["same_mpn"])]

    @pytest.mark.parametrize("brands", [("Acme", "Other"), ("Acme", ""), ("", "")])
    def test_a_part_number_without_its_brand_says_nothing(self, brands):
        assert things(*({"brand": brand, "mpn": "AB-123"} for brand in brands)) == []

    @pytest.mark.parametrize(
        ("one", "other", "score"),
        [
            ("Wireless Mouse Silent", "wireless mouse, silent", 82),
            ("Wireless Mouse Silent", "Mouse silent wireless", 82),
            ("Wireless Mouse Silent", "Wireles Mouse Silent", 74),
            ("Phone Case 64GB", "Phone case 64 GB", 82),
            ("Milk Chocolate 1,5 kg", "Milk chocolate 1.50 KG", 82),
            ("iPhone Smart 12 64GB", "iPhone Smart 12 128GB", None),
            ("iPhone Smart 12", "iPhone Smart 13", None),
            ("iPhone Smart 12", "iPhone Smart 12 Pro", None),
            ("Cotton Shirt Red", "Cotton Shirt Blue", None),
            ("Running shoe men", "Running shoe women", None),
            ("Gift", "Gift", None),
        ],
    )
    def test_titles_that_are_nearly_equal_and_those_that_are_not(self, one, other, score):
        assert things({"name": one}, {"name": other}) == (
            [(score, ["same_offer"])] if score else []
        )

    @pytest.mark.parametrize(
        ("change", "score"),
        [
            ({}, 88),
            ({"brand": ""}, 82),
            ({"brand": "Other"}, None),
            ({"price": 10}, None),
            ({"currency": "USD"}, None),
            ({"mpn": "Y"}, None),
            ({"gtin": "4006381333931"}, None),
            ({"attributes": {"Color": "blue"}}, None),
            ({"attributes": {"Color": "RED", "rating": 5}}, 88),
        ],
    )
    def test_an_offer_is_one_only_if_nothing_speaks_against_it(self, change, score):
        base = {
            "name": "Wireless Mouse",
            "brand": "Acme",
            "mpn": "X",
            "gtin": "0036000291452",
            "attributes": {"color": "red"},
        }
        other = {**base, "mpn": "", "gtin": "", **change}
        assert things(base, other) == ([(score, ["same_offer"])] if score else [])

    def test_a_price_of_nothing_says_nothing(self):
        assert things(*({"name": "Wireless Mouse", "price": 0} for _ in range(2))) == []

    def test_variants_of_one_thing_are_never_duplicates(self):
        row = {"gtin": "4006381333931", "name": "Wireless Mouse", "group_key": "mouse"}
        assert things({**row}, {**row}) == []
        Product.objects.all().delete()
        assert things({**row}, {**row, "group_key": "other"}) == [
            (100, ["same_gtin", "same_offer"])
        ]


class TestSearch:
    def test_it_says_what_it_did(self):
        customer("ab@gmail.com")
        customer("a.b@gmail.com")
        customer("c@example.com")
        search = find(Customer)
        assert (search.rows, search.compared, search.found, search.new) == (3, 1, 1, 1)
        assert search.as_dict()["model"] == "customers"
        again = find(Customer)
        assert (again.found, again.new, again.dropped) == (1, 0, 0)
        assert MergeCandidate.objects.count() == 1

    def test_it_finds_pairs_across_the_chunks_it_reads(self, monkeypatch):
        monkeypatch.setattr("django_ecommerce_sync.sync.merging.candidates._ROWS", 2)
        monkeypatch.setattr("django_ecommerce_sync.sync.merging.candidates._PAIRS", 1)
        for number in range(5):
            customer(f"{'a.b' if number % 2 else 'ab'}+{number}@gmail.com")
        assert find(Customer).found == 10  # every two of five

    def test_what_is_alike_no_more_is_dropped(self):
        one = customer("ab@gmail.com")
        customer("a.b@gmail.com")
        find(Customer)
        Customer.objects.filter(pk=one.pk).update(email="z@gmail.com")
        assert find(Customer).dropped == 1
        assert not MergeCandidate.objects.exists()

    def test_a_score_that_has_changed_is_renewed(self):
        one = customer("ab@gmail.com", first_name="Ann", last_name="Bee")
        customer("a.b@gmail.com", first_name="Ann", last_name="Bee")
        find(Customer)
        assert MergeCandidate.objects.get().score == 97
        Customer.objects.filter(pk=one.pk).update(first_name="Zoe", last_name="Cee")
        assert find(Customer).new == 0
        assert MergeCandidate.objects.get().score == 75

    def test_dismissed_pairs_are_not_found_again(self):
        customer("ab@gmail.com")
        customer("a.b@gmail.com")
        find(Customer)
        candidate = MergeCandidate.objects.get()
        dismiss(candidate)
        search = find(Customer)
        assert (search.found, search.new, search.dropped) == (0, 0, 0)
        candidate.refresh_from_db()
        assert candidate.state == CandidateState.DISMISSED
        with pytest.raises(MergeRefused, match="not open any more"):
            dismiss(candidate)

    def test_products_leave_the_candidates_of_customers_alone(self):
        customer("ab@gmail.com")
        customer("a.b@gmail.com")
        find(Customer)
        find(Product)
        assert MergeCandidate.objects.count() == 1

    def test_a_block_that_says_nothing_is_skipped_and_told(self):
        for number in range(30):
            product(f"G{number}", name="Gift card")
        product("A", gtin="4006381333931")
        product("B", gtin="4006381333931")
        search = find(Product, largest=20)
        assert search.found == search.compared == 1
        (skipped,) = search.skipped_blocks
        first = Product.objects.get(sku="G0")
        assert (skipped.rule, skipped.blocks, skipped.largest) == ("title", 3, 30)
        assert skipped.example == first.pk

    def test_no_personal_data_is_left_in_files(self, monkeypatch, tmp_path):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        customer("secret.ann@gmail.com", phone="0170 1234567", first_name="Secret")
        written = []
        cleanup = tempfile.TemporaryDirectory.cleanup

        def look_and_clean(directory):
            written.extend(path.read_bytes() for path in Path(directory.name).iterdir())
            cleanup(directory)

        monkeypatch.setattr(tempfile.TemporaryDirectory, "cleanup", look_and_clean)
        find(Customer)
        assert written
        assert not any(b"secret" in content.lower() for content in written)
        assert list(tmp_path.iterdir()) == []

    def test_a_row_that_goes_takes_its_pairs_along(self):
        one = customer("ab@gmail.com")
        customer("a.b@gmail.com")
        find(Customer)
        one.delete()
        assert not MergeCandidate.objects.exists()

    def test_only_customers_and_products_can_be_searched(self):
        row = order(1)
        with pytest.raises(MergeRefused, match="Only customers and products can be merged"):
            find(type(row))


class TestPropose:
    def test_somebody_may_put_any_two_rows_side_by_side(self):
        one, two = customer("a@example.com"), customer("b@example.com")
        candidate = propose(two, one)
        assert (candidate.first_id, candidate.second_id, candidate.score) == (one.pk, two.pk, 0)
        assert [reason["code"] for reason in candidate.reasons] == ["proposed"]
        assert propose(one, two) == candidate
        merge(one, two)

    def test_a_search_leaves_it_for_them_to_decide(self):
        candidate = propose(customer("a@example.com"), customer("b@example.com"))
        assert find(Customer).dropped == 0
        assert list(MergeCandidate.objects.all()) == [candidate]

    def test_the_rules_say_what_they_think_of_it(self):
        candidate = propose(customer("ab@gmail.com"), customer("a.b@gmail.com"))
        assert candidate.score == 90
        assert [reason["code"] for reason in candidate.reasons] == ["same_mailbox", "proposed"]

    def test_what_cannot_be_merged_is_refused(self):
        one = customer("a@example.com")
        gone = Customer(pk=999_999)
        for other, sentence in (
            (one, "with itself"),
            (product("A"), "one model"),
            (gone, "not there"),
        ):
            with pytest.raises(MergeRefused, match=sentence):
                propose(one, other)
        with pytest.raises(MergeRefused, match="Only customers and products"):
            propose(order(1), order(2))


def test_what_makes_a_mailbox_is_no_address_at_all():
    assert spelling.mailbox(None) == spelling.mailbox("") == spelling.mailbox("nobody") == ""
    assert spelling.mailbox("+tag@gmail.com") == "+tag@gmail.com"
