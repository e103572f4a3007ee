import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from requests.structures import CaseInsensitiveDict

from django_ecommerce_sync.feeds.quotas import pause

#: What the source's clock shows; ours shows something else.
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
DATE = format_datetime(NOON, usegmt=True)
SOON = int(NOON.timestamp()) + 9


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        # The draft's structured form, one quota or several: the longest wait counts.
        ({"RateLimit": '"default";r=0;t=5'}, 5),
        ({"ratelimit": '"default";r=0;t=5'}, 5),
        ({"RateLimit": '"default";r=1;t=5'}, 0),
        ({"RateLimit": '"burst";r=0;t=2, "daily";r=500;t=3000'}, 2),
        ({"RateLimit": '"burst";r=0;t=2, "daily";r=0;t=3000'}, 3000),
        ({"RateLimit": '"default";r=0'}, 0),
        ({"RateLimit": '"default"; r=0; pk=:cHsdsRa894==:; t=5'}, 5),
        ({"RateLimit": "limit=100, remaining=0, reset=5"}, 5),
        ({"RateLimit": "limit=100, remaining=7, reset=5"}, 0),
        ({"RateLimit": "nonsense"}, 0),
        # The older pair of headers, in its three spellings.
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "5"}, 5),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "5"}, 5),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "5"}, 5),
        ({"RateLimit-Remaining": "1", "RateLimit-Reset": "5"}, 0),
        ({"RateLimit-Remaining": "-1", "RateLimit-Reset": "5"}, 5),
        ({"RateLimit-Remaining": "0.0", "RateLimit-Reset": "5.5"}, 5),
        ({"RateLimit-Remaining": "0"}, 0),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "soon"}, 0),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "-5"}, 0),
        ({"RateLimit-Reset": "5"}, 0),
        # A reset that is a point in time, by the source's clock.
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(SOON), "Date": DATE}, 9),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{SOON}000", "Date": DATE}, 9),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(SOON - 99), "Date": DATE}, 0),
        # Shopify: 40 calls that run out at 2 a second; the last tenth is kept free.
        ({"X-Shopify-Shop-Api-Call-Limit": "1/40"}, 0),
        ({"X-Shopify-Shop-Api-Call-Limit": "35/40"}, 0),
        ({"X-Shopify-Shop-Api-Call-Limit": "36/40"}, 0.5),
        ({"X-Shopify-Shop-Api-Call-Limit": "39/40"}, 2),
        ({"X-Shopify-Shop-Api-Call-Limit": "40/40"}, 2.5),
        ({"X-Shopify-Shop-Api-Call-Limit": "400/400"}, 2.05),
        ({"X-Shopify-Shop-Api-Call-Limit": "39"}, 0),
        ({"X-Shopify-Shop-Api-Call-Limit": "1/0"}, 0),
        ({"X-Shopify-Shop-Api-Call-Limit": "a/b"}, 0),
        # All at once.
        ({"RateLimit": '"d";r=0;t=5', "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "8"}, 8),
    ],
)
def test_what_a_source_says_of_its_quota(headers, seconds):
    assert pause(CaseInsensitiveDict(headers)) == pytest.approx(seconds)


@pytest.mark.parametrize("date", [{}, {"Date": "now"}, {"Date": "Mon, 1 Jan 99999 00:00:00 GMT"}])
def test_without_the_sources_clock_ours_has_to_do(date):
    soon = str(int(time.time()) + 30)
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": soon, **date}
    assert pause(CaseInsensitiveDict(headers)) == pytest.approx(30, abs=2)


@pytest.mark.parametrize("value", ["9" * 5000, "0;t=" + "9" * 5000, '"";r=0;t=' + "9" * 5000])
@pytest.mark.parametrize("name", ["RateLimit", "RateLimit-Remaining", "RateLimit-Reset"])
def test_no_number_is_too_long(name, value):
    headers = {"RateLimit-Remaining": "0", "RateLimit-Reset": "5", name: value}
    assert pause(CaseInsensitiveDict(headers)) >= 0
