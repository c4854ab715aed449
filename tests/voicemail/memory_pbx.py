"""A PBX in memory, behind the interface that all families implement."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import override

from custom_components.pbx_voicemail.pbx import (
    Address,
    Capability,
    Extension,
    Mailbox,
    Message,
    PbxClient,
    PbxConnectionError,
    PbxGoneError,
    PbxInfo,
)


class MemoryPbx(PbxClient):
    """Holds messages by id. Its users hear and delete them as they like."""

    def __init__(self, capabilities: Capability) -> None:
        self.messages: dict[str, Message] = {}
        self.is_reachable = True
        self._capabilities = capabilities

    @property
    @override
    def address(self) -> Address:
        return Address("pbx.test", 9011)

    @property
    @override
    def capabilities(self) -> Capability:
        return self._capabilities

    @override
    async def info(self) -> PbxInfo:
        return PbxInfo()

    @override
    async def extensions(self) -> tuple[Extension, ...] | None:
        return None

    @override
    async def mailboxes(self, only: Collection[str] = ()) -> Mapping[str, Mailbox]:
        numbers = {message.extension for message in self.messages.values()}
        return {
            number: Mailbox.of(
                number, [one for one in self.messages.values() if one.extension == number]
            )
            for number in numbers
        }

    @override
    async def recording(self, message: Message) -> bytes:
        raise PbxGoneError("there is no audio in memory")

    @override
    async def delete(self, message: Message) -> None:
        del self.messages[message.id]

    @override
    async def mark_read(self, message: Message) -> None:
        if not self.is_reachable:
            raise PbxConnectionError("unplugged")
        self.hear(message.id, read=True)

    def hear(self, message_id: str, *, read: bool) -> None:
        if message_id not in self.messages:
            raise PbxGoneError("the message is gone")
        self.messages[message_id] = replace(self.messages[message_id], read=read)

    @override
    async def close(self) -> None:
        pass

    @override
    def describe(self) -> Mapping[str, object]:
        return {}
