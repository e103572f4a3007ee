import random

import pytest

from django_ecommerce_sync.exceptions import RecordError
from django_ecommerce_sync.feeds import BadRow, JSONLinesFeed, Stream
from django_ecommerce_sync.feeds.reshaping import reshaped

from .reading import codes, rows

BAD = BadRow(RecordError("json_syntax", "Line 7: x.", field="f", value={"a": 1}))


def records(found, **options):
    """What a stream with these options makes of some rows."""
    return list(reshaped(found, Stream("orders", fields={"order_id": "no"}, **options)))


def node(id, parent=None, **values):
    return {"id": id, **({"up": parent} if parent else {}), **values}


def children_of(record):
    return [child["id"] for child in record["children"]]


def test_a_stream_that_asks_for_nothing_gets_its_rows():
    assert records([{"a": 1}, BAD]) == [{"a": 1}, BAD]


# -- group_by --------------------------------------------------------------------------------


def test_groups_and_bad_rows_come_in_the_order_of_their_first_rows():
    found = [{"no": 1, "n": 1}, BAD, {"no": 2}, {"n": 2}, {"no": 1, "n": 3}, {"no": "1", "n": 4}]
    one, bad, two, missing = records(found, group_by="no")
    assert one == {"no": 1, "n": 1, "rows": [found[0], found[4], found[5]]}
    assert two == {"no": 2, "rows": [{"no": 2}]}
    assert (bad.error.code, bad.error.message, bad.error.field, bad.error.value) == (
        "json_syntax",
        "Line 7: x.",
        "f",
        {"a": 1},
    )
    assert missing.error.code == "group_missing"


def test_a_group_that_memory_should_not_hold(monkeypatch):
    monkeypatch.setattr("django_ecommerce_sync.feeds.reshaping.MAX_GROUP", 1000)
    found = [{"no": 1, "n": "x" * 300}, {"no": 2}, *[{"no": 1, "n": "x" * 300}] * 3]
    assert codes(records(found, group_by="no")) == [
        "record_too_large",
        {"no": 2, "rows": [{"no": 2}]},
    ]


# -- parent ----------------------------------------------------------------------------------


def test_children_before_and_after_their_parents_at_any_depth():
    found = [
        node("c1", "p2"),
        node("p1", title="x"),
        node("g1", "c2"),
        node("p2"),
        node("c2", "p1"),
        node("c3", "p1"),
        node("g2", "c1"),
    ]
    one, two = records(found, parent="up")
    assert (one["id"], one["title"], children_of(one)) == ("p1", "x", ["c2", "c3"])
    assert [children_of(child) for child in one["children"]] == [["g1"], []]
    assert (two["id"], children_of(two), children_of(two["children"][0])) == ("p2", ["c1"], ["g2"])


def test_the_order_of_rows_changes_nothing_but_the_order_of_records():
    parents = [node(f"p{n}") for n in range(20)]
    found = parents + [node(f"c{n}-{m}", f"p{n}") for n in range(20) for m in range(n % 4)]
    random.Random(7).shuffle(found)
    made = {record["id"]: set(children_of(record)) for record in records(found, parent="up")}
    assert made == {f"p{n}": {f"c{n}-{m}" for m in range(n % 4)} for n in range(20)}


def test_the_id_is_where_the_stream_has_it():
    found = [{"ref": {"gid": "p"}}, {"ref": {"gid": "c"}, "up": "p"}]
    (record,) = records(found, parent="up", external_id="ref.gid")
    assert [child["ref"] for child in record["children"]] == [{"gid": "c"}]


def test_rows_whose_parent_is_nowhere_are_rejected_in_their_place():
    found = [node("c", "gone"), node("p"), node("g", "c"), BAD, node("a", "b"), node("b", "a")]
    made = records(found, parent="up")
    assert codes(made) == [
        "parent_missing",
        {"id": "p", "children": []},
        "parent_missing",
        "json_syntax",
        "parent_missing",
        "parent_missing",
    ]
    assert "'gone'" in made[0].error.message
    assert made[0].error.value == "gone"


def test_of_several_parents_with_one_id_the_last_gets_the_children():
    first, last = records([node("p", n=1), node("c", "p"), node("p", n=2)], parent="up")
    assert (children_of(first), children_of(last)) == ([], ["c"])


def test_children_that_go_too_deep_cost_their_record():
    chain = [node("0"), *(node(str(n), str(n - 1)) for n in range(1, 5000)), node("x")]
    assert codes(records(chain, parent="up")) == ["too_deep", {"id": "x", "children": []}]


def test_parents_from_a_file(tmp_path):
    path = tmp_path / "bulk.jsonl"
    path.write_text('{"id": "p"}\n{"id": "v", "__parentId": "p"}\n{"id"\n')
    feed = JSONLinesFeed(url=path, stream="products", fields={"sku": "id"}, parent="__parentId")
    assert codes(rows(feed)) == [
        {"id": "p", "children": [{"id": "v", "__parentId": "p", "children": []}]},
        "json_syntax",
    ]


# -- each ------------------------------------------------------------------------------------


def test_each_element_is_a_record_with_the_outer_row_beside_it():
    found = [{"id": 1, "t": "x", "variants": [{"sku": "a"}, {"sku": "b", "t": "y"}]}]
    outer = {"id": 1, "t": "x"}
    assert records(found, each="variants") == [
        {"sku": "a", "parent": outer},
        {"sku": "b", "t": "y", "parent": outer},
    ]


@pytest.mark.parametrize("row", [{"a": {"b": [{"c": 1}], "d": 2}}, {"a.b": [{"c": 1}], "d": 2}])
def test_a_list_further_in_is_left_out_of_the_outer_row(row):
    ((record),) = records([row], each="a.b")
    assert record["c"] == 1
    assert record["parent"] in ({"a": {"d": 2}}, {"d": 2})
    assert codes(records([row], each="a.b")) == [record]
    assert "b" in row.get("a", {"b": 1})


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({}, "no_records"),
        ({"v": None}, "no_records"),
        ({"v": []}, "no_records"),
        ({"v": "x"}, "not_a_list"),
        ({"v": {}}, "not_a_list"),
    ],
)
def test_a_row_without_elements_is_rejected_by_its_id(value, code):
    made = records([{"id": 7, **value}, BAD, {"v": [{"sku": "a"}]}], each="v")
    assert codes(made) == [code, "json_syntax", {"sku": "a", "parent": {}}]
    assert "'7'" in made[0].error.message


def test_an_element_that_is_no_object_costs_itself():
    made = records([{"v": [{"sku": "a"}, 5]}], each="v")
    assert codes(made) == [{"sku": "a", "parent": {}}, "not_an_object"]
    assert "Element 1 " in made[1].error.message


def test_parents_then_groups_then_elements():
    found = [node("c1", "p1"), node("p1", no=5), node("p2", no=5), node("c2", "p2")]
    made = records(found, parent="up", group_by="no", each="rows")
    assert [(record["id"], children_of(record)) for record in made] == [
        ("p1", ["c1"]),
        ("p2", ["c2"]),
    ]
