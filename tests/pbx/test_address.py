"""People type addresses in many ways, and mean one thing."""

import pytest

from custom_components.pbx_voicemail.pbx import Address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pbx", Address("pbx", 9011)),
        (" PBX.Local ", Address("pbx.local", 9011)),
        ("192.168.1.100", Address("192.168.1.100", 9011)),
        ("192.168.1.100:8088", Address("192.168.1.100", 8088)),
        ("http://192.168.1.100/", Address("192.168.1.100", 9011)),
        ("https://pbx.example:8088/api/v0.0.1?token=x#y", Address("pbx.example", 8088, tls=True)),
        ("https://pbx.example", Address("pbx.example", 9011, tls=True)),
        ("HTTPS://somebody:secret@pbx", Address("pbx", 9011, tls=True)),
        ("::1", Address("::1", 9011)),
        ("2001:DB8::0:1", Address("2001:db8::1", 9011)),
        ("[2001:db8::1]:8088", Address("2001:db8::1", 8088)),
        ("http://[2001:db8::1]", Address("2001:db8::1", 9011)),
        ("büro.example", Address("büro.example", 9011)),
    ],
)
def test_parse(text: str, expected: Address) -> None:
    assert Address.parse(text) == expected


def test_text_takes_precedence() -> None:
    assert Address.parse("pbx", port=443, tls=True) == Address("pbx", 443, tls=True)
    assert Address.parse("http://pbx:80", port=443, tls=True) == Address("pbx", 80)


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
        Address.parse(text)


@pytest.mark.parametrize(
    ("address", "text", "url"),
    [
        (Address("pbx"), "pbx:9011", "http://pbx:9011"),
        (Address("pbx", 80), "pbx:80", "http://pbx"),
        (Address("::1", 8088, tls=True), "[::1]:8088", "https://[::1]:8088"),
    ],
)
def test_str(address: Address, text: str, url: str) -> None:
    assert str(address) == text
    assert str(address.url).rstrip("/") == url
