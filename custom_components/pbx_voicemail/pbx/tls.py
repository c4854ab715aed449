"""TLS with certificates that are pinned instead of verified, and with outdated versions of TLS."""

from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
import ssl
from typing import Final, override

import aiohttp

from .address import Address

_HANDSHAKE_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
"""How long to wait for a certificate. Some servers without TLS do not answer at all."""

_NO_FINGERPRINT: Final = ""
"""Matches no certificate, so that nothing is sent after the handshake."""


class CertificateMismatchError(ssl.SSLError):
    """The certificate is not the pinned one. `fingerprint` is that of the one received."""

    def __init__(self, fingerprint: str) -> None:
        """Set the fingerprint, the SHA-256 in hexadecimal."""
        super().__init__("the certificate is not the pinned one")
        self.fingerprint = fingerprint


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate of a server, by its fingerprint: the SHA-256 in hexadecimal.

    `needs_old_tls` is whether the server only supports versions, keys or ciphers that OpenSSL
    no longer accepts by default, such as TLS 1.0 and 1.1, or Diffie-Hellman with 1024 bits.
    """

    fingerprint: str
    needs_old_tls: bool


async def fetch_certificate(session: aiohttp.ClientSession, address: Address) -> Certificate | None:
    """Return the certificate of a server, None if it does not support TLS.

    The certificate is not verified, and no request is sent after the handshake.
    """
    for old_tls in (False, True):
        try:
            await session.head(
                replace(address, tls=True).url,
                allow_redirects=False,
                timeout=_HANDSHAKE_TIMEOUT,
                ssl=pinned_context(_NO_FINGERPRINT, old_tls=old_tls),
            )
        except aiohttp.ClientConnectorSSLError as err:
            if isinstance(err.os_error, CertificateMismatchError):
                return Certificate(err.os_error.fingerprint, needs_old_tls=old_tls)
        except TimeoutError:
            return None
        except aiohttp.ClientError, OSError:
            # Servers with only old versions may just close the connection.
            continue
    return None


@cache
def pinned_context(fingerprint: str, *, old_tls: bool) -> ssl.SSLContext:
    """Return a context that trusts one certificate and does not verify its signature.

    With `old_tls` it also accepts what OpenSSL no longer does by default (see `Certificate`),
    but prefers newer versions. Does not read files.
    """
    context = _PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.fingerprint = fingerprint
    context.sslobject_class = _PinnedConnection
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if old_tls:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.options |= ssl.OP_LEGACY_SERVER_CONNECT
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


class _PinnedContext(ssl.SSLContext):
    fingerprint: str


class _PinnedConnection(ssl.SSLObject):
    @override
    def do_handshake(self) -> None:
        """Complete the handshake. Raises CertificateMismatchError for any other certificate."""
        super().do_handshake()
        context = self.context
        fingerprint = sha256(self.getpeercert(binary_form=True) or b"").hexdigest()
        if not isinstance(context, _PinnedContext) or fingerprint != context.fingerprint:
            raise CertificateMismatchError(fingerprint)
