"""The address of a PBX, and parsing what users enter."""

from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Self, override

from yarl import URL


@dataclass(frozen=True, slots=True)
class Address:
    """The host and port of a PBX's API, and whether to use TLS.

    `host` is a name or an IP address in its normal form, IPv6 without brackets. `path` is a
    prefix of all paths, without slashes at its ends.
    """

    host: str
    port: int
    tls: bool = False
    path: str = ""

    @property
    def url(self) -> URL:
        """The base URL of the API."""
        return URL.build(
            scheme="https" if self.tls else "http",
            host=self.host,
            port=self.port,
            path=f"/{self.path}" if self.path else "",
        )

    @override
    def __str__(self) -> str:
        """Return `host:port`, the host in brackets if it is IPv6."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PartialAddress:
    """As much of an address as a user entered. None and an empty path are left open."""

    host: str
    port: int | None = None
    tls: bool | None = None
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a name, an IP address, `host:port`, or a URL.

        User, query and fragment of a URL are ignored. Raises ValueError if there is no valid
        host.
        """
        text = text.strip()
        if _is_bare_ipv6(text):
            text = f"[{text}]"
        url = URL(text if "://" in text else f"//{text}")
        if url.scheme not in ("", "http", "https") or not url.host:
            raise ValueError("not the address of a PBX")
        # `build` is stricter than the parser: it does not accept a space in the host, for example.
        URL.build(scheme="http", host=url.host)
        return cls(
            host=url.host.lower(),
            port=url.explicit_port,
            tls=url.scheme == "https" if url.scheme else None,
            path=url.path.strip("/"),
        )


def _is_bare_ipv6(text: str) -> bool:
    """Return whether the colons in a text are those of an IPv6 address, not of `host:port`."""
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True
