"""TLS with a PBX whose certificate no authority has signed, or whose TLS is from another decade."""

from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
import ssl
from typing import Final, override

import aiohttp

from .address import Address

_HANDSHAKE_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
"""How long a port may take to show a certificate. Some that speak no TLS just stay silent."""

_NO_FINGERPRINT: Final = ""
"""Matches no certificate, so that nothing is ever sent after the handshake."""


class CertificateMismatchError(ssl.SSLError):
    """The certificate is not the pinned one. `fingerprint` is the SHA-256 of the one shown."""

    def __init__(self, fingerprint: str) -> None:
        """Take the fingerprint in hexadecimal."""
        super().__init__("the certificate is not the pinned one")
        self.fingerprint = fingerprint


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate that a port shows, by its SHA-256 in hexadecimal.

    `needs_old_tls` is whether only versions, keys or ciphers lead to it that OpenSSL no
    longer uses by default: TLS 1.0 and 1.1, or Diffie-Hellman with 1024 bits.
    """

    fingerprint: str
    needs_old_tls: bool


async def fetch_certificate(session: aiohttp.ClientSession, address: Address) -> Certificate | None:
    """Return the certificate shown at an address, None if nothing there speaks TLS.

    The connection ends with the handshake: no request is sent, and any certificate will do.
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
            # Servers that know only old versions may just hang up on a new one.
            continue
    return None


@cache
def pinned_context(fingerprint: str, *, old_tls: bool) -> ssl.SSLContext:
    """Return a context that trusts one certificate, whoever signed it.

    With `old_tls` it also takes what OpenSSL refuses by default (see `Certificate`), and
    still prefers what is new. Reads no files.
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
        """Finish the handshake, and refuse any certificate but the pinned one."""
        super().do_handshake()
        context = self.context
        shown = sha256(self.getpeercert(binary_form=True) or b"").hexdigest()
        if not isinstance(context, _PinnedContext) or shown != context.fingerprint:
            raise CertificateMismatchError(shown)
