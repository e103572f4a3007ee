"""Every body in the schema has an example, and every example is what its schema says."""

import csv
import io
import json

import pytest
from jsonschema import Draft202012Validator

from django_ecommerce_sync.api.schema import Schema
from django_ecommerce_sync.api.urls import endpoints

DOCUMENT = Schema(endpoints).document()
OPERATIONS = {
    operation["operationId"]: operation
    for methods in DOCUMENT["paths"].values()
    for operation in methods.values()
}


def resolved(part):
    """The part itself, or the component it refers to."""
    while "$ref" in part:
        found = DOCUMENT
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def bodies(operation):
    """What the operation takes and gives: status (None for requests), media type, content."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield None, media_type, content
    for status, response in operation["responses"].items():
        for media_type, content in resolved(response).get("content", {}).items():
            yield status, media_type, content


def errors(schema, value):
    whole = {**schema, "components": DOCUMENT["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_body_has_examples_that_fit(name):
    for status, media_type, content in bodies(OPERATIONS[name]):
        assert content.get("examples"), (status, media_type)
        for title, example in content["examples"].items():
            assert errors(content["schema"], example["value"]) == [], (status, title)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_address_can_be_asked_as_it_stands(name):
    for parameter in OPERATIONS[name].get("parameters", ()):
        if parameter["in"] == "path":
            assert errors(parameter["schema"], parameter["example"]) == []
        else:
            assert "example" not in parameter
            assert not parameter.get("required")


@pytest.mark.parametrize("name", OPERATIONS)
def test_examples_of_answers_leave_nothing_out(name):
    for status, media_type, content in bodies(OPERATIONS[name]):
        if status not in ("200", "201", "202") or media_type != "application/json":
            continue
        for example in content["examples"].values():
            assert missing(content["schema"], example["value"]) == []


def missing(schema, value, path="$"):
    """The properties the schema has and the value has not."""
    schema = resolved(schema)
    for choice in schema.get("anyOf", ())[:1]:
        return missing(choice, value, path)
    if isinstance(value, list) and "items" in schema:
        assert value, f"{path} is empty"
        return [gap for each in value for gap in missing(schema["items"], each, f"{path}[]")]
    if not isinstance(value, dict) or path.endswith((".errors[]", ".warnings[]")):
        return []
    known = schema.get("properties", {})
    gaps = [f"{path}.{each}" for each in known if each not in value]
    for each in value:
        if value[each] and each in known:
            gaps += missing(known[each], value[each], f"{path}.{each}")
    return gaps


def test_problems_are_what_they_say():
    for name, response in DOCUMENT["components"]["responses"].items():
        (content,) = response["content"].values()
        for example in content["examples"].values():
            assert example["value"]["title"].replace(" ", "") == name
            assert "X-Request-ID" in response["headers"]
    waiting = {
        name
        for name, response in DOCUMENT["components"]["responses"].items()
        if "Retry-After" in response["headers"]
    }
    assert waiting == {"TooManyRequests", "ServiceUnavailable"}


@pytest.mark.parametrize("name", ["products_list", "customers_list", "orders_list"])
def test_files_are_the_same_rows(name):
    content = OPERATIONS[name]["responses"]["200"]["content"]
    (page,) = content["application/json"]["examples"].values()
    (row,) = page["value"]["results"]
    (line,) = content["application/x-ndjson"]["examples"].values()
    assert json.loads(line["value"]) == row
    (table,) = content["text/csv"]["examples"].values()
    (read,) = csv.DictReader(io.StringIO(table["value"]))
    assert list(read) == list(row)
