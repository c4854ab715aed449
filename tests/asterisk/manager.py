"""Another program at the manager of the same Asterisk, without the web."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
import re

from .program import Asterisk
from .settings import SECRET, USERNAME


async def act(asterisk: Asterisk, action: str, **fields: str) -> str:
    """Have something done, and return the answers to it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", asterisk.ports.manager)
    login = {"Action": "Login", "Username": USERNAME, "Secret": SECRET, "Events": "off"}
    actions = (login, {"Action": action, **fields}, {"Action": "Logoff"})
    for one in actions:
        lines = (f"{key}: {value}\r\n" for key, value in one.items())
        writer.write(("".join(lines) + "\r\n").encode())
    answers = await reader.read(-1)
    writer.close()
    await writer.wait_closed()
    return answers.decode(errors="replace")


async def ids_in(asterisk: Asterisk, place: str, folder: str) -> Collection[str]:
    """Return Asterisk's own ids of the messages in a folder of `mailbox` or `mailbox@context`."""
    mailbox, _, context = place.partition("@")
    answers = await act(
        asterisk, "VoicemailBoxSummary", Context=context or "default", Mailbox=mailbox
    )
    return re.findall(rf"^Folder: {folder}\r\n(?:[^\r\n]+\r\n)*?ID: (.*)\r$", answers, re.MULTILINE)


async def move(asterisk: Asterisk, place: str, folder: str, to_folder: str, index: int = 0) -> None:
    """Move a message, by default the first of a folder."""
    await _change(asterisk, "VoicemailMove", place, folder, index, ToFolder=to_folder)


async def remove(asterisk: Asterisk, place: str, folder: str = "INBOX", index: int = 0) -> None:
    """Delete a message, by default the first of a folder."""
    await _change(asterisk, "VoicemailRemove", place, folder, index)


async def forward(asterisk: Asterisk, place: str, to_place: str) -> None:
    """Copy the first new message of a mailbox to another one."""
    to_mailbox, _, to_context = to_place.partition("@")
    await _change(
        asterisk,
        "VoicemailForward",
        place,
        "INBOX",
        0,
        ToMailbox=to_mailbox,
        ToContext=to_context or "default",
        ToFolder="INBOX",
    )


async def _change(
    asterisk: Asterisk, action: str, place: str, folder: str, index: int, **fields: str
) -> None:
    mailbox, _, context = place.partition("@")
    answers = await act(
        asterisk,
        action,
        Context=context or "default",
        Mailbox=mailbox,
        Folder=folder,
        ID=list(await ids_in(asterisk, place, folder))[index],
        **fields,
    )
    assert "successful" in answers


@dataclass(frozen=True, slots=True)
class Lamp:
    """What Asterisk tells telephones about a mailbox, for their message-waiting lamps."""

    mailbox: str
    is_on: bool


@asynccontextmanager
async def lamps(asterisk: Asterisk) -> AsyncIterator[list[Lamp]]:
    """Note, for a while, what Asterisk tells telephones."""
    reader, writer = await asyncio.open_connection("127.0.0.1", asterisk.ports.manager)
    writer.write(
        f"Action: Login\r\nUsername: {USERNAME}\r\nSecret: {SECRET}\r\nEvents: call\r\n\r\n".encode()
    )
    seen: list[Lamp] = []
    await reader.readuntil(b"Message: Authentication accepted\r\n\r\n")

    async def note() -> None:
        while True:
            block = (await reader.readuntil(b"\r\n\r\n")).decode()
            if "Event: MessageWaiting\r\n" in block:
                fields = dict(line.partition(": ")[::2] for line in block.split("\r\n"))
                seen.append(Lamp(fields["Mailbox"], fields["Waiting"] == "1"))

    task = asyncio.create_task(note())
    try:
        yield seen
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        writer.close()
        await writer.wait_closed()


async def counts(asterisk: Asterisk, mailbox: str) -> tuple[int, int]:
    """Return how many new and old messages Asterisk counts in a mailbox."""
    answers = await act(asterisk, "VoicemailUsersList")
    (block,) = [
        block
        for block in answers.split("\r\n\r\n")
        if f"VMContext: default\r\nVoiceMailbox: {mailbox}\r\n" in block
    ]
    fields = dict(line.partition(": ")[::2] for line in block.split("\r\n"))
    return int(fields["NewMessageCount"]), int(fields["OldMessageCount"])
