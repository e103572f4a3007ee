"""Which addresses are reached, and that whoever answers there is who he says."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from django_ecommerce_sync.exceptions import ConfigurationError, FeedError, FeedUnreachable
from django_ecommerce_sync.feeds import JSONFeed, connections
from django_ecommerce_sync.feeds.connections import is_public
from django_ecommerce_sync.feeds.transport import Transport

from .reading import FIELDS, rows
from .wire import Resolver, Wire, sends

ANSWER = sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")

#: IANA's registries of special-purpose addresses (IPv4, IPv6), multicast, and what was given back.
RESERVED = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "233.252.0.0/24", "240.0.0.0/4",
    "255.255.255.255/32",
    "::/128", "::1/128", "::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/32",
    "2001:2::/48", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "3fff::/20", "5f00::/16",
    "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
]  # fmt: skip
#: How IPv6 carries an IPv4 address: what stands before its 32 bits, and how many bits come after.
CARRIERS = {"mapped": ("::ffff:0:0", 0), "NAT64": ("64:ff9b::", 0), "6to4": ("2002::", 80)}


def edges(network):
    """The first address of a network, one inside, and the last."""
    network = ipaddress.ip_network(network)
    return [network[0], network[network.num_addresses // 2], network[-1]]


def carried(carrier, address):
    prefix, shift = CARRIERS[carrier]
    return str(ipaddress.IPv6Address(int(ipaddress.ip_address(prefix)) | int(address) << shift))


@pytest.mark.parametrize("network", RESERVED)
def test_no_address_of_a_reserved_network_is_public(network):
    assert [str(address) for address in edges(network) if is_public(str(address))] == []


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("network", [network for network in RESERVED if "." in network])
def test_nor_is_one_that_is_carried_by_ipv6(carrier, network):
    wrapped = [carried(carrier, address) for address in edges(network)]
    assert [address for address in wrapped if is_public(address)] == []


@pytest.mark.parametrize(
    "address",
    [
        "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.0", "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.169.0.0",
        "198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:200::", "2606:2800:220:1::1",
        "2400::", "2001:db9::", "2a00::1",
    ],
)  # fmt: skip
def test_their_neighbours_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_public_address_may_be_carried(carrier):
    assert is_public(carried(carrier, ipaddress.ip_address("93.184.216.34")))


def test_a_zone_does_not_hide_an_address():
    assert not is_public("fe80::1%eth0")


# -- S16, S17: names are resolved once, and that is where we go ------------------------------------


@pytest.fixture
def outside(settings):
    """A transport that has no leave to reach private addresses."""
    settings.ECOMMERCE_SYNC = {}
    transport = Transport(timeout=2, deadline=10)
    yield transport
    transport.close()


def failure(transport, url):
    with pytest.raises(FeedError) as caught:
        transport.get(url)
    return caught.value


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "2130706433", "017700000001", "0x7f000001", "0x7f.1",
        "0177.0.0.1", "127.1", "0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
    ],
)  # fmt: skip
def test_private_addresses_are_refused_in_every_spelling(outside, host):
    with Wire(ANSWER) as wire:
        error = failure(outside, f"http://{host}:{wire.port}/")
        assert isinstance(error, FeedUnreachable)
        assert error.code == "forbidden_address"
        assert "allow_private_addresses=True" in error.message
        assert wire.connections == 0


@pytest.mark.parametrize("network", RESERVED)
def test_a_name_for_a_reserved_address_is_refused(outside, monkeypatch, network):
    resolver = Resolver(monkeypatch, [str(edges(network)[0])])
    assert failure(outside, "http://shop.test/").code == "forbidden_address"
    assert resolver.asked == ["shop.test"]


@pytest.mark.parametrize("user", ["me@", "me:s3cret@", "93.184.216.34@", "93.184.216.34:80@"])
def test_a_user_before_the_host_is_refused(outside, user):
    with Wire(ANSWER) as wire:
        with pytest.raises(ConfigurationError, match="Basic") as caught:
            outside.get(f"http://{user}127.0.0.1:{wire.port}/")
        assert "s3cret" not in str(caught.value)
        assert wire.connections == 0


def test_one_private_address_among_public_ones_is_enough(outside, monkeypatch):
    with Wire(ANSWER) as wire:
        Resolver(monkeypatch, ["93.184.216.34", "127.0.0.1"])
        error = failure(outside, f"http://shop.test:{wire.port}/")
        assert error.code == "forbidden_address"
        assert "127.0.0.1" in error.message
        assert wire.connections == 0


def test_a_name_that_moves_after_the_check_is_not_followed(outside, monkeypatch):
    monkeypatch.setattr(connections, "is_public", lambda address: address == "127.0.0.2")
    with Wire(ANSWER, host="127.0.0.2") as public, Wire(ANSWER) as private:
        private_port = private.port
        resolver = Resolver(monkeypatch, ["127.0.0.2"], ["127.0.0.1"])
        outside.get(f"http://rebind.test:{public.port}/").close()
        assert (resolver.asked, public.connections) == (["rebind.test"], 1)
        error = failure(outside, f"http://rebind.test:{private_port}/")
        assert (error.code, resolver.asked[1:]) == ("forbidden_address", ["rebind.test"])
        assert private.connections == 0


def test_the_next_address_is_tried_when_one_is_not_there(outside, monkeypatch):
    outside.allow_private = True
    with Wire(ANSWER, host="127.0.0.3") as wire:
        Resolver(monkeypatch, ["127.0.0.2", "127.0.0.3"])
        outside.get(f"http://shop.test:{wire.port}/").close()
        assert wire.connections == 1


@pytest.mark.parametrize("host", ["nobody.invalid", "a..b", f"{'a' * 70}.test"])
def test_names_nobody_knows(outside, no_waiting, host):
    error = failure(outside, f"http://{host}/x?token=s3cret")
    assert isinstance(error, FeedUnreachable)
    assert error.message == f"http://{host}/x has a host name that cannot be resolved."


def test_a_feed_may_allow_private_addresses(settings):
    settings.ECOMMERCE_SYNC = {}
    with Wire(ANSWER) as wire:
        options = {"url": wire.url, "stream": "products", "fields": FIELDS}
        assert rows(JSONFeed(**options, allow_private_addresses=True)) == []
        assert wire.connections == 1


# -- S21: TLS ------------------------------------------------------------------------------------


class Authority:
    """A private certificate authority with a server for each occasion."""

    def __init__(self, folder):
        self.ca = trustme.CA()
        self.path = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.path)
        self.names = []

    def server(self, *names, expired=False, context=None):
        now = datetime.now(UTC)
        dates = {"not_before": now - timedelta(9), "not_after": now - timedelta(1)}
        context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names, **(dates if expired else {})).configure_cert(context)
        context.sni_callback = lambda sock, name, context: self.names.append(name)
        return Wire(ANSWER, context=context)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def trusting(authority):
    transport = Transport(timeout=2, deadline=10, allow_private=True, ca_bundle=authority.path)
    yield transport
    transport.close()


def test_an_authority_of_ones_own_is_trusted_where_it_is_named(authority, trusting, no_waiting):
    with authority.server("127.0.0.1") as server:
        trusting.get(server.url).close()
        stranger = Transport(timeout=2, deadline=10, allow_private=True)
        error = failure(stranger, server.url)
        stranger.close()
    assert (error.code, no_waiting) == ("tls_error", [])
    assert "ca_bundle" in error.message


def test_the_address_is_pinned_but_the_name_is_proved(authority, trusting, monkeypatch):
    with authority.server("shop.test") as server:
        resolver = Resolver(monkeypatch, ["127.0.0.1"])
        trusting.get(f"https://shop.test:{server.port}/").close()
    assert (resolver.asked, authority.names) == (["shop.test"], ["shop.test"])


def test_a_certificate_for_another_name(authority, trusting, no_waiting, monkeypatch):
    with authority.server("other.test") as server:
        Resolver(monkeypatch, ["127.0.0.1"])
        error = failure(trusting, f"https://shop.test:{server.port}/")
    assert (error.code, no_waiting) == ("tls_error", [])
    assert "not valid for 'shop.test'" in error.message


def test_a_certificate_for_another_address(authority, trusting, no_waiting):
    with authority.server("127.0.0.2") as server:
        assert failure(trusting, server.url).code == "tls_error"


def test_a_certificate_that_has_expired(authority, trusting, no_waiting):
    with authority.server("127.0.0.1", expired=True) as server:
        error = failure(trusting, server.url)
    assert (error.code, no_waiting) == ("tls_error", [])
    assert "expired" in error.message


def test_a_certificate_that_signs_itself(tmp_path, trusting, no_waiting):
    other = Authority(tmp_path)
    with other.server("127.0.0.1") as server:
        trusting.ca_bundle = ""
        assert failure(trusting, server.url).code == "tls_error"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_tls_before_1_2_is_refused(authority, trusting, no_waiting):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with authority.server("127.0.0.1", context=context) as server:
        assert failure(trusting, server.url).code == "tls_error"


def test_the_bounds_of_tls_are_ours_not_the_platforms(trusting):
    kept = trusting._open().poolmanager.connection_pool_kw
    assert kept["ssl_minimum_version"] == ssl.TLSVersion.TLSv1_2


def test_environment_variables_do_not_add_authorities(authority, monkeypatch, no_waiting):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority.path)
    monkeypatch.setenv("CURL_CA_BUNDLE", authority.path)
    transport = Transport(timeout=2, deadline=10, allow_private=True)
    with authority.server("127.0.0.1") as server:
        assert failure(transport, server.url).code == "tls_error"
    transport.close()


def test_a_bundle_that_is_not_there(tmp_path):
    transport = Transport(ca_bundle=str(tmp_path / "none.pem"))
    with pytest.raises(ConfigurationError, match=r"none\.pem"):
        transport.get("https://127.0.0.1/")
