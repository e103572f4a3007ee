"""The Swagger page in a real browser that reaches nothing but the demo."""

import base64
import json
import os
import re
import shutil
from importlib.util import find_spec

import pytest

from .conftest import missing

pytestmark = pytest.mark.clients

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: Where pictures of the page are kept, if anybody wants them.
PICTURES = os.environ.get("PICTURES")
#: An answer of 401 that was asked for, and what Swagger UI says about its own address bar.
HARMLESS = r"status of 401|^Deprecated: escaping deep link"
STORE = "ecommerce_sync.session"


@pytest.fixture(scope="module")
def browser():
    if not find_spec("playwright"):
        missing("playwright (make clients installs it)")
    from playwright import sync_api

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        missing(f"a browser: {', '.join(BROWSERS)}")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tab:
    """A tab of its own session, which writes down what it asks for and complains of."""

    def __init__(self, browser, shop):
        self.shop = shop
        self.complaints, self.strangers = [], []
        self.page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        self.page.on("console", self.hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.route("**/*", self.let_through)
        self.page.set_default_timeout(60_000)

    def hear(self, message):
        if message.type == "error":  # what the policy forbids is one, too
            self.complaints.append(message.text)

    def let_through(self, route):
        if route.request.url.startswith(self.shop.url):
            return route.continue_()
        self.strangers.append(route.request.url)
        return route.abort()

    def open(self):
        self.policy = self.page.goto(f"{self.shop.url}/swagger/").headers["content-security-policy"]
        self.page.wait_for_selector(".opblock")

    def sign_in(self, password=None):
        self.page.fill("#username", self.shop.user)
        self.page.fill("#password", password or self.shop.password)
        self.page.press("#password", "Enter")

    def stored(self):
        return json.loads(self.page.evaluate(f"sessionStorage.getItem('{STORE}')") or "null")

    def store(self, session):
        self.page.evaluate(f"sessionStorage.setItem('{STORE}', {json.dumps(json.dumps(session))})")

    def try_out(self, operation):
        """Carry the operation out as it stands; its status and its body."""
        block = self.page.locator(f"[id$='-{operation}']")
        if "is-open" not in block.get_attribute("class"):  # the address may have opened it
            block.locator(".opblock-summary").click()
        block.locator("button.execute").click()
        answer = block.locator(".live-responses-table .response")
        answer.wait_for()
        block.scroll_into_view_if_needed()
        status = answer.locator(".response-col_status").inner_text()
        return int(re.match(r"\d+", status)[0]), answer.locator("code, pre").first.inner_text()

    def picture(self, name):
        if PICTURES:
            self.page.screenshot(path=f"{PICTURES}/{name}.png")


@pytest.fixture
def tab(browser, shop):
    tab = Tab(browser, shop)
    tab.open()
    yield tab
    assert tab.strangers == []
    tab.page.context.close()


def test_a_visit(tab):
    assert re.search(r"default-src 'self'(;|$)", tab.policy)
    assert tab.page.is_visible("#sign-in")
    assert tab.page.is_hidden("#signed-in")
    tab.picture("1-signed-out")
    status, body = tab.try_out("products_list")
    assert status == 401
    assert "not_authenticated" in body
    tab.page.reload()
    tab.sign_in()
    tab.page.wait_for_selector("#signed-in", state="visible")
    assert tab.page.inner_text("#who") == tab.shop.user
    assert tab.page.is_hidden("#sign-in")
    tab.picture("2-signed-in")
    tab.page.reload()
    tab.page.wait_for_selector("#signed-in", state="visible")
    status, body = tab.try_out("products_retrieve")
    assert status == 200
    assert "ALD-FUR-0043" in body
    tab.picture("3-tried")
    status, body = tab.try_out("products_partial_update")
    assert status == 200
    tab.page.click("#sign-out")
    tab.page.wait_for_selector("#sign-in", state="visible")
    assert tab.stored() is None
    assert tab.page.input_value("#password") == ""
    assert [text for text in tab.complaints if not re.search(HARMLESS, text)] == []


def test_a_wrong_password_is_told(tab):
    tab.sign_in("wrong")
    tab.page.wait_for_selector("#message:not(:empty)")
    assert "name and password" in tab.page.inner_text("#message")
    assert tab.stored() is None
    tab.picture("4-wrong-password")


def test_an_old_token_is_exchanged_and_a_dead_session_is_told(tab):
    tab.sign_in()
    tab.page.wait_for_selector("#signed-in", state="visible")
    first = tab.stored()
    old = expired(first["access"])
    tab.store({**first, "access": old})
    tab.page.reload()
    tab.page.wait_for_selector(".opblock")
    status, _body = tab.try_out("products_retrieve")
    assert status == 200
    second = tab.stored()
    assert second["refresh"] != first["refresh"]
    # Used up: shown again it ends the whole sign-in, and the page says so.
    tab.store({**first, "access": old})
    tab.page.reload()
    tab.page.wait_for_selector(".opblock")
    status, _body = tab.try_out("products_retrieve")
    assert status == 401
    assert "sign in again" in tab.page.inner_text("#message")
    assert tab.page.is_visible("#sign-in")
    tab.picture("5-session-over")


def expired(token):
    """The token as it looks when its time is over; the page reads that from its claims."""
    head, claims, signature = token.split(".")
    read = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    spelt = base64.urlsafe_b64encode(json.dumps({**read, "exp": 1}).encode()).decode().rstrip("=")
    return f"{head}.{spelt}.{signature}"
