"""The demo takes every request of the schema as it stands, and answers as documented."""

import json
from time import monotonic, sleep
from urllib.parse import quote

import pytest
import requests
from jsonschema import Draft202012Validator

from django_ecommerce_sync.api.schema import Schema
from django_ecommerce_sync.api.urls import endpoints
from tests.serving import demo_shop

pytestmark = pytest.mark.slow

#: What each demo makes up anew; the page for trying things out fills it in itself.
SECRETS = ("password", "access", "refresh", "token")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with demo_shop(tmp_path_factory.mktemp("examples") / "demo.sqlite3") as shop:
        yield shop


@pytest.fixture(scope="module")
def document():
    return Schema(endpoints).document()


def test_every_example_can_be_sent_as_it_stands(shop, document):
    client = Client(shop)
    sent = [
        client.send(path, method, operation, media_type, body)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for media_type, body in examples(operation)
    ]
    assert {each[2] for each in sent} == {
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    errors = [
        f"{method} {path} ({name}): {fault}"
        for method, path, name, operation, response in sent
        for fault in faults(operation, response, document["components"])
    ]
    assert errors == []


def examples(operation):
    """What can be sent: media type and body, or nothing of both."""
    content = operation.get("requestBody", {}).get("content", {})
    return [
        (media_type, example["value"])
        for media_type, each in content.items()
        for example in each["examples"].values()
    ] or [(None, None)]


class Client:
    """Sends the examples in the order of the document, signed in as the demo says."""

    def __init__(self, shop):
        self.shop = shop
        self.session = requests.Session()
        self.pair = {}

    def send(self, path, method, operation, media_type, body):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                value = quote(str(parameter["example"]), safe="")
                path = path.replace(f"{{{parameter['name']}}}", value)
        name = operation["operationId"]
        text = body if isinstance(body, str) else json.dumps(self.completed(name, body))
        response = self.session.request(
            method,
            self.shop.url + path,
            data=None if body is None else text.encode(),
            headers={"Content-Type": media_type} if media_type else {},
            timeout=30,
        )
        self.learn(name, response)
        return method, path, name, operation, response

    def completed(self, name, body):
        """The body with what only this demo knows."""
        if not name.startswith("token_"):
            return body
        secrets = {"password": self.shop.password, **self.pair, "token": self.pair.get("access")}
        assert set(body) <= {"username", *SECRETS}
        return {key: secrets.get(key, value) for key, value in body.items()}

    def learn(self, name, response):
        if name in ("token_create", "token_refresh"):
            self.pair = response.json()
        if name == "token_blacklist":  # signed out; the others are for somebody who is in
            self.pair = self.session.post(
                f"{self.shop.url}/api/token/",
                json={"username": self.shop.user, "password": self.shop.password},
                timeout=30,
            ).json()
        self.session.headers["Authorization"] = f"Bearer {self.pair['access']}"
        if response.status_code == 202:
            self.wait()

    def wait(self):
        """Until no run is under way: a second request would be answered with that one."""
        deadline = monotonic() + 60
        while self.under_way():
            assert monotonic() < deadline
            sleep(0.1)

    def under_way(self):
        address = f"{self.shop.url}/api/sync-runs/"
        runs = self.session.get(address, timeout=30).json()["results"]
        return [run for run in runs if run["status"] in ("queued", "running")]


def faults(operation, response, components):
    """What of the response is not as documented."""
    status = str(response.status_code)
    if status not in operation["responses"] or not status.startswith("2"):
        return [f"{status} {response.text[:300]}"]
    documented = operation["responses"][status]
    media_type = response.headers.get("Content-Type", "").partition(";")[0]
    gaps = [
        f"no header {name}"
        for name in ("ETag", "Location")
        if name in documented.get("headers", {}) and name not in response.headers
    ]
    if media_type not in documented.get("content", {media_type: None}):
        return [*gaps, f"the body is {media_type}"]
    if not media_type.endswith("json"):
        return gaps
    schema = {**documented["content"][media_type]["schema"], "components": components}
    found = Draft202012Validator(schema).iter_errors(response.json())
    return gaps + [f"{error.json_path}: {error.message[:200]}" for error in found]
