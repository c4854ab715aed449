"""Where a PBX is reached: what a person types, made exact."""

from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Self, override

from yarl import URL

DEFAULT_PORT = 9011
"""The port of the API (OpenVox UC API, "Login")."""


@dataclass(frozen=True, slots=True)
class Address:
    """The host and port of a PBX's API, and whether to speak TLS there.

    `host` is a name or an IP address in its normal form, IPv6 without brackets. `path` is
    the prefix before all paths, without slashes around it.
    """

    host: str
    port: int = DEFAULT_PORT
    tls: bool = False
    path: str = ""

    @classmethod
    def parse(cls, text: str, *, port: int = DEFAULT_PORT, tls: bool = False) -> Self:
        """Read a name, an IP address, `host:port`, or a URL.

        A scheme or a port in the text wins over the arguments; user, path, query and
        fragment of a URL are dropped. Raises ValueError if no host can be made out.
        """
        text = text.strip()
        if _is_bare_ipv6(text):
            text = f"[{text}]"
        url = URL(text if "://" in text else f"//{text}")
        if url.scheme not in ("", "http", "https") or not url.host:
            raise ValueError("not the address of a PBX")
        # The builder refuses more than the parser does, a space in the host for one.
        URL.build(scheme="http", host=url.host)
        return cls(
            host=url.host.lower(),
            port=port if url.explicit_port is None else url.explicit_port,
            tls=url.scheme == "https" if url.scheme else tls,
        )

    @property
    def url(self) -> URL:
        """What all paths of the API are below."""
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


def _is_bare_ipv6(text: str) -> bool:
    """Tell `::1`, whose colons are its own, from `host:port`."""
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True
