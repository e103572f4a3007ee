import pytest

from django_ecommerce_sync.exceptions import ConfigurationError
from django_ecommerce_sync.feeds.addresses import (
    NOWHERE,
    has_user,
    is_http,
    is_plain_http,
    label,
    origin,
    refuse_user,
    same_site,
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:s3cret@shop.test:8443/a/b?token=s3cret#s3cret", "https://shop.test:8443/a/b"),
        ("HTTP://Shop.Test", "http://shop.test"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        ("http://[s3cret", "An address that cannot be read"),
        ("http://shop.test:s3cret/", "An address that cannot be read"),
        ("/srv/feeds/a.csv", "/srv/feeds/a.csv"),
        ("file:///srv/a.csv", "file:///srv/a.csv"),
    ],
)
def test_labels_show_no_secret(url, shown):
    assert label(url) == shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://Shop.test/a", ("http", "shop.test", 80)),
        ("https://shop.test", ("https", "shop.test", 443)),
        ("https://me:pw@shop.test:8443/", ("https", "shop.test", 8443)),
        # The parser of the standard library takes the host behind the @ in these two.
        ("http://a.test\\@b.test/", ("http", "a.test", 80)),
        ("http://a.test:80\\@b.test:81/", ("http", "a.test", 80)),
        ("http://[", NOWHERE),
        ("http://a.test:99999/", NOWHERE),
    ],
)
def test_whom_a_secret_is_meant_for(url, expected):
    assert origin(url) == expected


@pytest.mark.parametrize(
    ("target", "follows"),
    [
        ("http://shop.test/b", True),
        ("http://SHOP.test:80/b", True),
        ("https://shop.test/b", True),
        ("https://shop.test:8443/b", False),
        ("http://shop.test:81/b", False),
        ("http://www.shop.test/b", False),
        ("http://shop.test.evil.test/b", False),
        ("http://me@shop.test/b", False),
        ("http://shop.test@evil.test/b", False),
        ("http://evil.test\\@shop.test/b", False),
        ("file://shop.test/etc/passwd", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_where_secrets_may_follow(target, follows):
    assert same_site("http://shop.test/a", target) is follows


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://shop.test/a", "http://shop.test/a"),
        ("http://shop.test:8000/a", "https://shop.test/a"),
        ("http://[", "http://["),
    ],
)
def test_no_way_down_or_aside(url, target):
    assert not same_site(url, target)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://shop.test/", True),
        ("HTTP://shop.test/", True),
        (" http://shop.test/", True),
        ("http://8.8.8.8/", True),
        ("http://[2606:2800:220:1::1]/", True),
        ("https://shop.test/", False),
        ("http://localhost:8000/", False),
        ("http://127.0.0.1/", False),
        ("http://10.1.2.3/", False),
        ("http://[::1]/", False),
        ("/srv/feeds/a.csv", False),
        ("file:///srv/a.csv", False),
        ("", False),
    ],
)
def test_what_crosses_a_network_without_tls(url, expected):
    assert is_plain_http(url) is expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://a", True), ("HTTPS://a", True), (" https://a", True), ("/http://a", False)],
)
def test_web_addresses(url, expected):
    assert is_http(url) is expected


@pytest.mark.parametrize("user", ["me", "me:s3cret", ":s3cret", "me:s3/cret", "me:s3@cret"])
def test_users_in_addresses_are_refused_without_showing_them(user):
    url = f"https://{user}@shop.test/a"
    assert has_user(url) or "/" in user
    if has_user(url):
        with pytest.raises(ConfigurationError, match="Basic") as caught:
            refuse_user(url)
        assert "s3" not in str(caught.value)
