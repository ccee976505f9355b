"""HOST:PORT: what is one, and which of them stay on this machine."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_operations.addresses import Address, parse_address
from voice_operations.operator_error import OperatorError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:50061", "127.0.0.1", 50061),
        ("0.0.0.0:1", "0.0.0.0", 1),
        ("[::1]:50061", "::1", 50061),
        ("[2001:db8::7]:65535", "2001:db8::7", 65535),
        ("localhost:80", "localhost", 80),
        ("inference-0.inference.voice.svc.cluster.local:50061", "inference-0.inference.voice.svc.cluster.local", 50061),
        ("docker_service:9", "docker_service", 9),
    ],
)
def test_an_address_is_read_and_written_the_same(text: str, host: str, port: int) -> None:
    address = parse_address(text)
    assert (address.host, address.port) == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "localhost",
        ":50061",
        "127.0.0.1:",
        "127.0.0.1:no",
        "127.0.0.1:²",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:000001",
        "::1:50061",
        "[::1]",
        "[localhost]:5",
        "[127.0.0.1]:5",
        "127.1:5",
        "0x7f000001:5",
        "2130706433:5",
        "256.0.0.1:5",
        "dns:///node:5",
        "unix:/node.sock",
        "a b:5",
        "-a:5",
        f"{'a' * 64}:5",
        "http://node:5",
    ],
)
def test_what_is_no_address_is_refused_by_one_line(text: str) -> None:
    with pytest.raises(OperatorError) as refused:
        parse_address(text)
    assert f"{text} is not HOST:PORT" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_port_0_is_for_those_who_listen() -> None:
    assert parse_address("127.0.0.1:0", listening=True).port == 0
    with pytest.raises(OperatorError):
        parse_address("127.0.0.1:0")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost", "LocalHost", "localhost."]
)
def test_loopback(host: str) -> None:
    assert Address(host, 1).is_loopback


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "::",
        "10.0.0.1",
        "128.0.0.1",
        "::ffff:10.0.0.1",
        "localhost.example.com",
        "node",
        "127.0.0.1.evil.org",
    ],
)
def test_beyond_loopback(host: str) -> None:
    assert not Address(host, 1).is_loopback


@given(st.ip_addresses(), st.integers(1, 65_535))
def test_every_ip_address_comes_back(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    address = Address(str(ip), port)
    assert parse_address(str(address)) == address


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_an_operator_error(text: str) -> None:
    try:
        address = parse_address(text)
    except OperatorError:
        return
    assert str(address) == text
