"""What a real Asterisk says when something is not set up, and what the client makes of it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
import traceback

import aiohttp
import pytest

from custom_components.pbx_voicemail.pbx import (
    Address,
    Connection,
    PbxClient,
    PbxConnectionError,
    PbxError,
    PbxInfo,
    PbxLoginError,
    PbxNotReadyError,
    PbxReplyError,
    PbxSetupError,
    family,
)
from custom_components.pbx_voicemail.pbx.asterisk import session as session_module
from custom_components.pbx_voicemail.pbx.asterisk.errors import (
    LoginInUseError,
    ManagerNotOnWebError,
    RecordingsNotLinkedError,
    ReportingRightMissingError,
    StaticContentOffError,
    UserRightMissingError,
    VoicemailNotLoadedError,
)

from .fixtures import MakeClient, Put, audio_of
from .program import Asterisk
from .settings import SECRET

RELOAD_MANAGER = "manager reload"
RELOAD_WEB = "module reload http"

FAMILY = family("asterisk")


@pytest.fixture
def connection(asterisk: Asterisk, session: aiohttp.ClientSession) -> Connection:
    return Connection(session=session, address=Address("127.0.0.1", asterisk.ports.web))


async def test_found_without_credentials(connection: Connection, requests: list[str]) -> None:
    assert await FAMILY.probe(connection) == {}
    assert requests == ["/rawman"]


async def test_version_is_all_that_it_says_about_itself(client: PbxClient) -> None:
    info = await client.info()
    assert info.firmware_version
    assert info.firmware_version.partition(".")[0].isdigit()
    assert info == PbxInfo("Sangoma", "Asterisk", firmware_version=info.firmware_version)


async def test_manager_is_not_on_the_web(
    asterisk: Asterisk, connection: Connection, make_client: MakeClient
) -> None:
    new, known = make_client(), make_client(has_worked=True)
    with asterisk.set_up(RELOAD_MANAGER, has_web_manager=False):
        with pytest.raises(ManagerNotOnWebError):
            await FAMILY.probe(connection)
        with pytest.raises(ManagerNotOnWebError):
            await new.info()
        # It may just be starting.
        with pytest.raises(PbxNotReadyError):
            await known.mailboxes(["1000"])
    await known.mailboxes(["1000"])


async def test_prefix(asterisk: Asterisk, connection: Connection, make_client: MakeClient) -> None:
    with asterisk.set_up(RELOAD_WEB, prefix="pbx"):
        with pytest.raises(ManagerNotOnWebError):
            await FAMILY.probe(connection)
        address = replace(connection.address, path="pbx")
        assert await FAMILY.probe(replace(connection, address=address)) == {}


async def test_something_else_answers(asterisk: Asterisk, connection: Connection) -> None:
    address = replace(connection.address, port=asterisk.ports.manager)
    with pytest.raises(PbxReplyError):
        await FAMILY.probe(replace(connection, address=address))


async def test_nothing_answers(asterisk: Asterisk, connection: Connection) -> None:
    address = replace(connection.address, port=asterisk.ports.tls)
    with pytest.raises(PbxConnectionError):
        await FAMILY.probe(replace(connection, address=address))


@pytest.mark.parametrize(
    ("username", "secret"),
    [("homeassistant", "wrong"), ("nobody", SECRET), ("elsewhere", SECRET), ("", "")],
    ids=["secret", "name", "address", "nothing"],
)
async def test_refused_login_is_the_last(
    make_client: MakeClient, requests: list[str], username: str, secret: str
) -> None:
    client = make_client(username, secret, has_worked=True)
    for do in (client.info, client.extensions, client.mailboxes):
        with pytest.raises(PbxLoginError):
            await do()
    with pytest.raises(PbxLoginError):
        await client.listen(lambda: None)
    assert len(requests) <= 2


async def test_user_without_the_right_to_read(make_client: MakeClient) -> None:
    client = make_client("stranger")
    for do in (client.info, client.extensions, client.mailboxes):
        with pytest.raises(ReportingRightMissingError):
            await do()


async def test_user_without_the_right_to_change(
    make_client: MakeClient, mailbox: str, put: Put
) -> None:
    put(mailbox)
    client = make_client("reader")
    await client.info()
    (message,) = (await client.mailboxes([mailbox]))[mailbox].messages
    assert await client.recording(message) == audio_of("6000")
    for do in (client.delete, client.mark_read):
        with pytest.raises(UserRightMissingError):
            await do(message)
    assert (await client.mailboxes([mailbox]))[mailbox].unread == 1


async def _answers(client: PbxClient) -> bool:
    try:
        await client.info()
    except PbxNotReadyError:
        return False
    return True


async def test_user_who_is_signed_in_elsewhere(make_client: MakeClient) -> None:
    first, second = make_client("once"), make_client("once")
    restarted = make_client("once", has_worked=True)
    await first.info()
    with pytest.raises(LoginInUseError):
        await second.info()
    # The session of a Home Assistant that was killed ends by itself.
    with pytest.raises(PbxNotReadyError):
        await restarted.info()
    await first.close()
    # Asterisk takes a moment to end a session.
    async with asyncio.timeout(10):
        while not await _answers(restarted):
            await asyncio.sleep(0.1)


async def test_app_voicemail_is_not_loaded(asterisk: Asterisk, make_client: MakeClient) -> None:
    new, known = make_client(), make_client()
    await known.info()
    asterisk.command("module unload app_voicemail.so")
    try:
        with pytest.raises(VoicemailNotLoadedError):
            await new.info()
        with pytest.raises(PbxNotReadyError):
            await known.mailboxes()
    finally:
        asterisk.command("module load app_voicemail.so")
    await known.mailboxes(["1000"])


async def test_what_does_not_pass_is_no_start(
    asterisk: Asterisk, client: PbxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.info()
    monkeypatch.setattr(session_module, "_START_SECONDS", 0)
    with (
        asterisk.set_up(RELOAD_MANAGER, has_web_manager=False),
        pytest.raises(ManagerNotOnWebError),
    ):
        await client.mailboxes()


async def test_reload_of_voicemail_loses_no_mailbox(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox)
    before = await client.mailboxes([mailbox])
    for _ in range(3):
        reload = asyncio.create_task(
            asyncio.to_thread(asterisk.command, "module reload app_voicemail.so")
        )
        while not reload.done():
            assert await client.mailboxes([mailbox]) is before


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"is_linked": False}, RecordingsNotLinkedError),
        ({"has_static_content": False}, StaticContentOffError),
    ],
    ids=["link", "static"],
)
async def test_recordings_are_not_given_out(
    asterisk: Asterisk,
    client: PbxClient,
    mailbox: str,
    put: Put,
    settings: dict[str, bool],
    error: type[PbxSetupError],
) -> None:
    put(mailbox)
    (message,) = (await client.mailboxes([mailbox]))[mailbox].messages
    with asterisk.set_up(RELOAD_WEB, **settings):
        with pytest.raises(error):
            await client.recording(message)
        await client.mark_read(message)
    assert await client.recording(message) == audio_of("6000")


async def test_no_error_says_who_or_what(
    asterisk: Asterisk, make_client: MakeClient, connection: Connection, mailbox: str, put: Put
) -> None:
    """Neither the secret nor an owner's address nor a caller is in an error, whole chain and all."""
    put(mailbox, callers=("6001",))
    client = make_client("reader")
    (message,) = (await client.mailboxes([mailbox]))[mailbox].messages
    asks: list[Callable[[], object]] = [
        make_client("reader", "another secret").info,
        make_client("stranger").info,
        lambda: client.delete(message),
    ]
    for ask in asks:
        with pytest.raises(PbxError) as raised:
            await ask()  # type: ignore[misc]
        shown = "".join(traceback.format_exception(raised.value)) + str(raised.value.placeholders)
        for private in (SECRET, "another secret", "example.com", "6001", "reader"):
            assert private not in shown.replace("UserRight", "")
    for shown_object in (client, connection, client.describe(), client.remember()):
        assert SECRET not in repr(shown_object)
        assert "example.com" not in repr(shown_object)
