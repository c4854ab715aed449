"""TLS with a real Asterisk, whose certificate nobody has signed."""

from dataclasses import replace

import aiohttp
import pytest

from custom_components.pbx_voicemail.pbx import (
    Address,
    Certificate,
    Connection,
    Credentials,
    PbxCertificateError,
    PbxTlsError,
    family,
    fetch_certificate,
)

from .fixtures import CERTIFICATE, Put, audio_of
from .program import Asterisk
from .settings import SECRET, USERNAME

FAMILY = family("asterisk")


@pytest.fixture
def connection(asterisk: Asterisk, session: aiohttp.ClientSession) -> Connection:
    return Connection(
        session=session,
        address=Address("127.0.0.1", asterisk.ports.tls, tls=True),
        credentials=Credentials(username=USERNAME, secret=SECRET),
        fingerprint=CERTIFICATE.fingerprint,
    )


async def test_certificate_that_it_shows(connection: Connection) -> None:
    shown = await fetch_certificate(connection.session, connection.address)
    assert shown == Certificate(CERTIFICATE.fingerprint, needs_old_tls=False)


async def test_pinned(connection: Connection, mailbox: str, put: Put) -> None:
    assert await FAMILY.probe(connection) == {}
    put(mailbox)
    client = FAMILY.create(connection)
    (message,) = (await client.mailboxes([mailbox]))[mailbox].messages
    assert await client.recording(message) == audio_of("6000")
    await client.close()


async def test_nothing_is_sent_to_another_one(connection: Connection, requests: list[str]) -> None:
    for fingerprint, error in ((None, PbxTlsError), ("0" * 64, PbxCertificateError)):
        untrusted = replace(connection, fingerprint=fingerprint)
        with pytest.raises(error):
            await FAMILY.probe(untrusted)
        with pytest.raises(error):
            await FAMILY.create(untrusted).info()
