"""Parsing what users enter as an address."""

import pytest

from custom_components.pbx_voicemail.pbx import Address, PartialAddress


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pbx", PartialAddress("pbx")),
        (" PBX.Local ", PartialAddress("pbx.local")),
        ("192.168.1.100", PartialAddress("192.168.1.100")),
        ("192.168.1.100:8088", PartialAddress("192.168.1.100", 8088)),
        ("http://192.168.1.100/", PartialAddress("192.168.1.100", tls=False)),
        ("https://pbx:8088/a?token=x#y", PartialAddress("pbx", 8088, tls=True, path="a")),
        ("https://pbx.example", PartialAddress("pbx.example", tls=True)),
        ("http://pbx:80/asterisk/", PartialAddress("pbx", 80, tls=False, path="asterisk")),
        ("pbx/asterisk", PartialAddress("pbx", path="asterisk")),
        ("HTTPS://somebody:secret@pbx", PartialAddress("pbx", tls=True)),
        ("::1", PartialAddress("::1")),
        ("2001:DB8::0:1", PartialAddress("2001:db8::1")),
        ("[2001:db8::1]:8088", PartialAddress("2001:db8::1", 8088)),
        ("http://[2001:db8::1]", PartialAddress("2001:db8::1", tls=False)),
        ("büro.example", PartialAddress("büro.example")),
    ],
)
def test_parse(text: str, expected: PartialAddress) -> None:
    assert PartialAddress.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "http://",
        "ftp://pbx",
        "two words",
        "pbx:port",
        "pbx:99999",
        "[::1",
        "a/b://c",
        ":9011",
    ],
)
def test_invalid_addresses(text: str) -> None:
    with pytest.raises(ValueError):
        PartialAddress.parse(text)


@pytest.mark.parametrize(
    ("address", "text", "url"),
    [
        (Address("pbx", 9011), "pbx:9011", "http://pbx:9011"),
        (Address("pbx", 80), "pbx:80", "http://pbx"),
        (Address("::1", 8088, tls=True), "[::1]:8088", "https://[::1]:8088"),
        (Address("pbx", 443, tls=True, path="a/b"), "pbx:443", "https://pbx/a/b"),
    ],
)
def test_str(address: Address, text: str, url: str) -> None:
    assert str(address) == text
    assert str(address.url).rstrip("/") == url
