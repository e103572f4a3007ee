import re
from io import StringIO

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from django_ecommerce_sync.api.conf import ApiSettings
from django_ecommerce_sync.api.schema import Schema
from django_ecommerce_sync.api.urls import endpoints
from django_ecommerce_sync.models import COUNTS
from tests import openapi

from .conftest import problem


@pytest.fixture(scope="module")
def schema():
    return Schema(endpoints).document()


def operations(schema):
    return [
        (path, method, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def test_it_is_valid_and_built_without_a_warning():
    schema = Schema(endpoints).document()
    assert not GENERATOR_STATS, (GENERATOR_STATS._warn_cache, GENERATOR_STATS._error_cache)
    validate_schema(schema)
    assert schema["openapi"] == "3.1.0"
    assert schema["info"]["title"] == "E-commerce sync"


def test_a_project_that_documents_everything_gets_no_warning_from_us(db):
    text = StringIO()
    call_command("spectacular", fail_on_warn=True, validate=True, stdout=text)
    assert "operationId: products_list" in text.getvalue()


def test_spectaculars_settings_are_put_back(schema):
    assert spectacular_settings.TITLE == ""
    assert spectacular_settings.OAS_VERSION.startswith("3.0")


def test_it_has_our_addresses_only(schema):
    assert {path.split("/")[1] for path in schema["paths"]} == {"api"}
    assert len(operations(schema)) == 61


def test_names_are_unique_and_stable(schema):
    ids = [operation["operationId"] for _path, _method, operation in operations(schema)]
    assert len(ids) == len(set(ids))
    assert {"products_list", "orders_create", "refresh", "sync_runs_retry"} <= set(ids)
    enums = {name for name, part in schema["components"]["schemas"].items() if "enum" in part}
    assert enums == {
        "Availability",
        "CandidateState",
        "ChangeAction",
        "CustomerField",
        "CustomerStatus",
        "FulfillmentStatus",
        "IssueState",
        "OnError",
        "OrderEventKind",
        "OrderField",
        "OrderState",
        "OrderStatus",
        "PaymentStatus",
        "PlannedAction",
        "ProductField",
        "ProductStatus",
        "RowOutcome",
        "RunStatus",
        "SentRowStatus",
    }


def test_what_must_be_filled_in_comes_first(schema):
    order = ("path", "query", "header")
    for _path, _method, operation in operations(schema):
        places = [order.index(each["in"]) for each in operation.get("parameters", ())]
        assert places == sorted(places), operation["operationId"]


def test_groups_come_in_the_order_in_which_one_gets_to_know_them(schema):
    tags = [operation["tags"][0] for _path, _method, operation in operations(schema)]
    assert list(dict.fromkeys(tags)) == [tag["name"] for tag in schema["tags"]]


def test_every_group_of_operations_is_introduced(schema):
    used = {tag for _path, _method, operation in operations(schema) for tag in operation["tags"]}
    assert used == {tag["name"] for tag in schema["tags"]}


def shared(schema, response):
    """The response itself, or the one of the components it stands for."""
    name = response.get("$ref", "").removeprefix("#/components/responses/")
    return schema["components"]["responses"][name] if name else response


def test_every_operation_documents_its_problems(schema):
    for path, method, operation in operations(schema):
        codes = set(operation["responses"])
        responses = {
            code: shared(schema, response) for code, response in operation["responses"].items()
        }
        assert {"406", "500"} <= codes
        if operation["security"]:
            assert {"401", "403"} <= codes
        if "{" in path:
            assert ("404" in codes) != (method == "put" and "by-" in path)
        if "requestBody" in operation:
            assert {"400", "411", "413", "415"} <= codes
            lines = ["application/x-ndjson"] if path.endswith("/bulk/") else []
            assert list(operation["requestBody"]["content"]) == ["application/json", *lines]
        for code, response in responses.items():
            assert response["description"] or code.startswith("2")
            if code[0] in "45":
                assert list(response["content"]) == ["application/problem+json"]


def parameters(operation):
    return {(each["in"], each["name"]) for each in operation.get("parameters", ())}


@pytest.mark.parametrize("name", ["products", "customers", "orders"])
def test_conditional_requests_are_documented(schema, name):
    row = schema["paths"][f"/api/{name}/{{id}}/"]
    assert ("header", "If-None-Match") in parameters(row["get"])
    assert "ETag" in row["get"]["responses"]["200"]["headers"]
    assert set(row["get"]["responses"]["304"]) == {"description", "headers"}
    for method in ("put", "patch", "delete"):
        assert ("header", "If-Match") in parameters(row[method])
        assert "412" in row[method]["responses"]
    created = schema["paths"][f"/api/{name}/"]["post"]
    assert "ETag" in created["responses"]["201"]["headers"]


def test_every_post_can_be_repeated_but_those_for_tokens(schema):
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            is_repeatable = method == "post" and not path.startswith("/api/token/")
            assert (("header", "Idempotency-Key") in parameters(operation)) == is_repeatable, path
            if is_repeatable:
                assert {"400", "409", "422"} <= set(operation["responses"]), path
                (success, *_) = operation["responses"].values()
                assert "Idempotency-Replayed" in success["headers"], path


@pytest.mark.parametrize(
    ("name", "key"), [("Product", "sku"), ("Customer", "email"), ("Order", "order_id")]
)
def test_bulk_requests_are_documented(schema, name, key):
    post = schema["paths"][f"/api/{name.lower()}s/bulk/"]["post"]
    assert parameters(post) == {
        ("header", "Idempotency-Key"),
        ("query", "dry_run"),
        ("query", "on_error"),
    }
    content = post["requestBody"]["content"]
    rows = content["application/json"]["schema"]
    assert rows["items"] == {"$ref": f"#/components/schemas/Bulk{name}Request"}
    row = schema["components"]["schemas"][f"Bulk{name}Request"]
    assert (row["required"], row["properties"][key]["type"]) == ([key], "string")
    assert post["requestBody"]["required"]
    (answer,) = post["responses"]["200"]["content"].values()
    assert answer["schema"] == {"$ref": "#/components/schemas/BulkResponse"}
    assert {"400", "403", "409", "413", "415", "422"} <= set(post["responses"])
    counts = schema["components"]["schemas"]["Counts"]
    assert list(counts["properties"]) == list(COUNTS)


def test_put_by_key_may_create(schema):
    put = schema["paths"]["/api/products/by-sku/{sku}/"]["put"]
    assert put["summary"] == "Create or replace one product by its SKU"
    assert set(put["responses"]["201"]["headers"]) == {"ETag", "Location"}
    assert "Location" not in put["responses"]["200"]["headers"]
    assert "201" not in schema["paths"]["/api/products/{id}/"]["put"]["responses"]


@pytest.mark.parametrize("name", ["Product", "Customer", "Order"])
def test_lists_are_documented(schema, name):
    lists = schema["paths"][f"/api/{name.lower()}s/"]["get"]
    shape = {("query", "fields"), ("query", "omit")}
    shape |= {("query", "expand")} if name == "Order" else set()
    assert shape | {("query", "cursor"), ("query", "with_count")} <= parameters(lists)
    one = schema["paths"][f"/api/{name.lower()}s/{{id}}/"]["get"]
    assert parameters(one) - {("path", "id"), ("header", "If-None-Match")} == shape
    assert {"400", "404"} <= set(one["responses"])
    content = lists["responses"]["200"]["content"]
    assert list(content) == ["application/json", "text/csv", "application/x-ndjson"]
    assert content["text/csv"]["schema"] == {"type": "string"}
    page = schema["components"]["schemas"][f"Paginated{name}List"]["properties"]
    for nullable in ("count", "next", "previous"):
        assert "null" in page[nullable]["type"]
        assert "nullable" not in page[nullable]


@pytest.mark.parametrize("name", ["Product", "Customer", "Order"])
def test_rows_may_be_read_in_part_but_are_written_whole(schema, name):
    either = [{"$ref": f"#/components/schemas/{each}"} for each in (name, f"Partial{name}")]
    parts = schema["components"]["schemas"]
    assert parts[f"Paginated{name}List"]["properties"]["results"]["items"] == {"anyOf": either}
    row = schema["paths"][f"/api/{name.lower()}s/{{id}}/"]
    read, written = (
        row[method]["responses"]["200"]["content"]["application/json"]["schema"]
        for method in ("get", "put")
    )
    assert (read, written) == ({"anyOf": either}, either[0])
    assert set(parts[name]["required"]) == set(parts[name]["properties"])
    assert "required" not in parts[f"Partial{name}"]
    assert parts[f"Partial{name}"]["properties"] == parts[name]["properties"]


def test_relations_shown_in_place_are_documented(schema):
    schemas = schema["components"]["schemas"]
    for owner, name, related in (
        ("Order", "customer", "Customer"),
        ("OrderLine", "product", "Product"),
    ):
        kinds = schemas[owner]["properties"][name]["anyOf"]
        assert {"$ref": f"#/components/schemas/{related}"} in kinds
        assert "anyOf" not in schemas[f"{owner}Request"]["properties"][name]


def test_bearer_scheme(schema):
    schemes = schema["components"]["securitySchemes"]
    assert schemes["jwtAuth"] == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    products = schema["paths"]["/api/products/"]["get"]
    assert {"jwtAuth": []} in products["security"]


def test_money_is_documented_as_text(schema):
    price = schema["components"]["schemas"]["Product"]["properties"]["price"]
    assert (price["type"], price["format"]) == ("string", "decimal")


def sent(schema, name, field):
    return schema["components"]["schemas"][name]["properties"][field]


#: Component, field, what is taken, what is not.
VALUES = [
    ("ProductRequest", "price", ["0", "9.9", ".5", "5."], ["", ".", "-1", "1e3", "1.00000", "x"]),
    ("OrderRequest", "subtotal", ["0", "5"], ["", "-1", "-", "+5"]),
    ("ProductRequest", "currency", ["EUR", ""], ["XXX", "EURO", "eu"]),
    ("ProductRequest", "sku", ["a", " a/b ", "ü 1"], ["", " ", "a\tb", "\x7f"]),
    (
        "CustomerRequest",
        "email",
        [None, "", "a@b", " Ä@ü.de "],
        ["a", "a@", "@b", "a b@c", "a@b,c"],
    ),
    ("BulkCustomerRequest", "email", ["a@b"], [None, "", "a"]),
    ("OrderRequest", "customer_email", ["", "a@b"], ["a"]),
    ("ProductRequest", "pinned", [[], ["sku", "price"]], [["id"], ["pinned"], ["nope"], [""]]),
    ("OrderRequest", "pinned", [["lines"]], [["source"]]),
    ("OrderRequest", "lines", [[]], [[{"quantity": 1}] * 1001]),
    ("ProductRequest", "attributes", [{}, [], "x", 1, False], [None]),
    ("RefreshRequest", "feeds", [["shop"]], [[], [" "]]),
    ("RetryRequest", "issues", [[1]], [[], [0]]),
]


@pytest.mark.parametrize(("component", "field", "taken", "refused"), VALUES)
def test_values_are_described_as_narrowly_as_they_are_taken(
    schema, component, field, taken, refused
):
    whole = {**sent(schema, component, field), "components": schema["components"]}
    validator = Draft202012Validator(whole)
    assert [value for value in taken if not validator.is_valid(value)] == []
    assert [value for value in refused if validator.is_valid(value)] == []


def test_answers_may_come_to_have_other_values(schema):
    assert "pattern" not in sent(schema, "Product", "currency")
    assert "pattern" not in sent(schema, "Product", "pinned")["items"]


@pytest.mark.parametrize("name", ["Refresh", "Retry", "MergeRequest", "Transition"])
def test_options_have_no_other_names(schema, name):
    assert schema["components"]["schemas"][f"{name}Request"]["additionalProperties"] is False
    assert "additionalProperties" not in schema["components"]["schemas"]["ProductRequest"]


def query(schema, name, path="/api/products/"):
    found = schema["paths"][path]["get"]["parameters"]
    return next(each for each in found if each["name"] == name)


def test_names_in_a_query_are_listed(schema):
    for name in ("fields", "omit"):
        assert query(schema, name)["schema"]["items"] == {
            "$ref": "#/components/schemas/ProductField"
        }
    assert schema["components"]["schemas"]["ProductField"]["enum"] == list(
        schema["components"]["schemas"]["Product"]["properties"]
    )
    ordering = query(schema, "ordering")
    assert {"price", "-price"} <= set(ordering["schema"]["items"]["enum"])
    assert ordering["explode"] is False


def test_searches_are_bounded_in_the_schema_too(schema):
    pattern = re.compile(query(schema, "search")["schema"]["pattern"])
    for text in ("", " ", "red sock", " a b c d e ", "x" * 64):
        assert pattern.search(text), text
    for text in ("a b c d e f", "x" * 65):
        assert not pattern.search(text), text


def test_keys_in_addresses_are_described(schema):
    (key,) = (
        each
        for each in schema["paths"]["/api/customers/by-email/{email}/"]["put"]["parameters"]
        if each["in"] == "path"
    )
    assert key["schema"]["maxLength"] == 254
    assert not re.search(key["schema"]["pattern"], "nobody")


def test_it_is_served_as_json_and_yaml(anonymous):
    response = anonymous.get("/api/schema/")
    assert response["Content-Type"] == "application/json"
    assert response.json()["openapi"] == "3.1.0"
    assert b"openapi: 3.1.0" in anonymous.get("/api/schema/?format=yaml").content


def test_mounted_under_a_prefix_it_names_the_server(schema):
    document = Schema(endpoints)
    assert "servers" not in document.document()
    assert document.document("/shop")["servers"] == [{"url": "/shop"}]


def page():
    return Client().get("/swagger/")


def test_page_runs_nothing_inline_and_nothing_from_elsewhere(db):
    response = page()
    text = response.content.decode()
    assert response.status_code == 200
    assert re.search(r"default-src 'self'(;|$)", response["Content-Security-Policy"])
    assert "unsafe" not in response["Content-Security-Policy"]
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"(src|href)=\"(https?:)?//", text)


def test_page_finds_all_its_files(db):
    files = re.findall(r"(?:src|href)=\"/static/([^\"]+)\"", page().content.decode())
    assert len(files) == 6
    assert all(finders.find(file) for file in files)


@pytest.fixture
def hashed(settings, tmp_path):
    settings.STATIC_ROOT = str(tmp_path)
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
    }
    return tmp_path


def test_page_works_with_hashed_files(db, hashed):
    call_command("collectstatic", interactive=False, verbosity=0)
    text = page().content.decode()
    files = re.findall(r"(?:src|href)=\"/static/([^\"]+)\"", text)
    assert re.search(r"ecommerce_sync/swagger\.[0-9a-f]{12}\.js", text)
    assert all((hashed / file).exists() for file in files)


def test_page_lets_a_static_server_in(db, settings):
    settings.STATIC_URL = "https://static.example.com/assets/"
    policy = page()["Content-Security-Policy"]
    assert "default-src 'self' https://static.example.com;" in policy


def test_page_is_html_only(db, anonymous):
    problem(anonymous.get("/swagger/", HTTP_ACCEPT="application/json"), 406)


def test_settings_have_no_other_names():
    assert "PAGE_SIZE" in ApiSettings.names()
    assert all(name.isupper() for name in ApiSettings.names())


def test_the_published_document_is_this_one():
    assert openapi.PATH.read_text(encoding="utf-8") == openapi.text(), "run: make openapi"


def test_the_published_document_stands_alone(schema):
    published = openapi.document()
    validate_schema(published)
    assert {"contact", "license", "title", "version", "description"} == set(published["info"])
    assert published["servers"][0]["variables"]["origin"]["default"].startswith("http://127.0.0.1")
    assert published["paths"] == schema["paths"]
    assert "servers" not in schema
