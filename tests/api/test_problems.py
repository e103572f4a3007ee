import json
import logging

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError

from django_ecommerce_sync.models import Product

from .conftest import problem

URL = "/api/products/"


def send(client, text, content_type="application/json", **headers):
    return client.generic("POST", URL, text, content_type=content_type, **headers)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "nothing",
        "\ufeff{}",
        '{"sku": NaN}',
        '{"sku": Infinity}',
        '{"price": 1' + "0" * 5000 + "}",
        '{"sku": "a", "sku": "b"}',
        '{"attributes": {"a": 1, "a": 1}}',
        "{'sku': 1}",
        '{"sku": "a"} x',
        b'{"sku": "\xff"}',
        "[" * 2000 + "]" * 2000,
        "[" * 400_000,
        '{"a":' * 100_000 + "1" + "}" * 100_000,
    ],
    ids=range(14),
)
def test_what_is_no_json_is_refused(client, text):
    problem(send(client, text), 400)


@pytest.mark.parametrize("text", ["[]", "null", '"text"', "1", "[1]", "true"])
def test_json_that_is_no_object_is_refused(client, text):
    problem(send(client, text), 400)


@pytest.mark.parametrize(
    ("text", "pointer", "code"),
    [
        ('{"sku": "a\\u0000"}', "/sku", "bad_unicode"),
        ('{"status": "\\ud800"}', "/status", "bad_unicode"),
        ('{"attributes": {"a": ["x", "\\udfff"]}}', "/attributes/a/1", "bad_unicode"),
        ('{"attributes": {"a/b~": "\\u0000"}}', "/attributes/a~1b~0", "bad_unicode"),
        ('{"attributes": {"\\ud800": 1}}', "/attributes", "bad_unicode"),
        ('{"x": ' + "[" * 70 + "]" * 70 + "}", "", "too_deep"),
    ],
)
def test_what_no_column_can_hold_is_named(client, text, pointer, code):
    document = problem(send(client, text), 400, "invalid")
    assert [(e["pointer"], e["code"]) for e in document["errors"]] == [(pointer, code)]


def test_empty_body_is_an_empty_object(client):
    errors = problem(send(client, ""), 400)["errors"]
    assert {entry["pointer"] for entry in errors} == {"/sku", "/price"}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/json; charset=latin-1",
        "application/xml",
    ],
)
def test_only_json_in_utf8_is_taken(client, content_type):
    document = problem(send(client, "sku=a&price=1", content_type), 415)
    assert document["code"] == "unsupported_media_type"


def test_charset_utf8_may_be_said(client):
    text = json.dumps({"sku": "ü", "price": 1}, ensure_ascii=False).encode()
    response = send(client, text, 'application/json; charset="UTF-8"')
    assert response.status_code == 201


@pytest.mark.parametrize("announced", [True, False])
def test_large_bodies_are_refused(client, announced):
    text = json.dumps({"sku": "a", "price": 1, "description": "x" * 1024 * 1024})
    headers = {} if announced else {"CONTENT_LENGTH": str(1024 * 1024 - 1)}
    response = send(client, text, **headers)
    assert response.status_code == (413 if announced else 400)  # cut at the announced length
    if announced:
        problem(response, 413, "too_large")


def test_the_limit_of_bodies_can_be_set(client, settings):
    settings.ECOMMERCE_SYNC = {"API": {"MAX_BODY_SIZE": 40}}
    problem(send(client, json.dumps({"sku": "a" * 40, "price": 1})), 413)
    assert send(client, json.dumps({"sku": "a", "price": 1})).status_code == 201


@pytest.mark.parametrize(
    "path", ["products/", "customers/bulk/", "refresh/", "token/", "token/refresh/"]
)
def test_a_body_without_a_length_is_refused_not_taken_for_none(client, path):
    """Servers hand such a body over as an empty one: it would be carried out as if it said {}."""
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "content_type": "application/json"}
    problem(client.generic("POST", f"/api/{path}", "", **chunked), 411, "length_required")


@pytest.mark.parametrize(("method", "path"), [("PUT", "1/"), ("PATCH", "1/"), ("PUT", "by-sku/a/")])
def test_rows_are_not_changed_by_a_body_without_a_length(client, product, method, path):
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "content_type": "application/json"}
    problem(client.generic(method, URL + path, "", **chunked), 411, "length_required")


def test_reading_needs_no_length(client):
    assert client.get(URL, HTTP_TRANSFER_ENCODING="chunked").status_code == 200
    told = client.post(URL, {"sku": "a", "price": "1"}, HTTP_TRANSFER_ENCODING="chunked")
    assert told.status_code == 201, "a server that has read the chunks tells how long they are"


def test_methods_that_do_not_exist(client):
    problem(client.put(URL, {}), 405, "method_not_allowed")
    problem(client.generic("TRACE", URL), 405)
    problem(client.options(URL), 405)
    assert client.post(URL, {}, HTTP_X_HTTP_METHOD_OVERRIDE="GET").status_code == 400


def test_formats_that_do_not_exist(client):
    problem(client.get(URL, HTTP_ACCEPT="application/xml"), 406, "not_acceptable")
    for name in ("xml", ""):
        problem(client.get(f"{URL}?format={name}"), 404)


@pytest.mark.parametrize("path", ["", "x", "x/", "products/1/x/", "%00/", "productsx/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_addresses_that_do_not_exist(anonymous, path, method):
    document = problem(getattr(anonymous, method)(f"/api/{path}"), 404, "not_found")
    assert document["instance"].startswith("/api/")


def test_a_forgotten_slash(anonymous):
    response = anonymous.get("/api/products?page=2")
    assert (response.status_code, response["Location"]) == (301, "/api/products/?page=2")
    document = problem(anonymous.post("/api/products", {}), 404)
    assert "slash" in document["detail"]


def test_request_ids_are_given_and_taken(client):
    given = client.get(URL)["X-Request-ID"]
    assert len(given) == 32
    assert client.get(URL, HTTP_X_REQUEST_ID="abc-1")["X-Request-ID"] == "abc-1"
    assert client.get(URL, HTTP_X_REQUEST_ID="a b<script>")["X-Request-ID"] != "a b<script>"


def failing(error):
    def save(self, *args, **kwargs):
        raise error

    return save


def test_what_nobody_expected_is_a_500_without_a_trace(client, monkeypatch, caplog, settings):
    settings.DEBUG = True
    monkeypatch.setattr(Product, "save", failing(RuntimeError("the secret reason")))
    client.raise_request_exception = False
    with caplog.at_level(logging.ERROR, "django_ecommerce_sync.api"):
        response = client.post(URL, {"sku": "a", "price": "1"}, HTTP_X_REQUEST_ID="r-1")
    document = problem(response, 500, "error")
    assert "secret" not in response.content.decode()
    assert "the secret reason" in caplog.text
    assert document["request_id"] == "r-1"
    assert "r-1" in caplog.text


@pytest.mark.parametrize("error", [OperationalError("gone away"), InterfaceError("closed")])
def test_a_database_that_does_not_answer_is_a_503(client, monkeypatch, error):
    monkeypatch.setattr(Product, "save", failing(error))
    response = client.post(URL, {"sku": "a", "price": "1"})
    problem(response, 503, "unavailable")
    assert response["Retry-After"] == "2"
    assert "gone" not in response.content.decode()


def test_suspicious_requests_are_400(client, monkeypatch):
    monkeypatch.setattr(Product, "save", failing(SuspiciousOperation("path")))
    problem(client.post(URL, {"sku": "a", "price": "1"}), 400)


def test_several_errors_are_all_told(client):
    document = problem(client.post(URL, {"price": "x", "status": "gone"}), 400)
    assert {entry["pointer"] for entry in document["errors"]} == {"/sku", "/price", "/status"}
    assert document["detail"].endswith("(2 more)")
    assert document["type"] == "about:blank"
    assert document["title"] == "Bad Request"
