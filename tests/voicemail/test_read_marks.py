"""Whatever happens, a message is read if somebody heard it: random histories against a model."""

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_test_home_assistant

from custom_components.pbx_voicemail.const import DOMAIN
from custom_components.pbx_voicemail.errors import client_error
from custom_components.pbx_voicemail.pbx import Capability, Message, PbxError
from custom_components.pbx_voicemail.voicemail.data import PbxData
from custom_components.pbx_voicemail.voicemail.read_marks import ReadMarks
from custom_components.pbx_voicemail.voicemail.read_state import ReadState

from .memory_pbx import MemoryPbx

EXTENSIONS = ("100", "0102")
_numbers = count()


class Source:
    """What polls the PBX in memory, as the coordinator does."""

    renamed: Mapping[str, str] = {}
    last_update_success_time: datetime | None = None
    update_interval = None

    def __init__(self, hass: HomeAssistant, pbx: MemoryPbx, marks: ReadMarks) -> None:
        self.hass = hass
        self.config_entry: ConfigEntry = MockConfigEntry(domain=DOMAIN)
        self.data = PbxData({}, {})
        self.read_state = ReadState(self, pbx, marks, self.async_tell_read)
        self._pbx = pbx

    async def poll(self) -> None:
        self.read_state.poll_begins()
        mailboxes = await self._pbx.mailboxes()
        self.data = PbxData(self.read_state.poll_succeeded(mailboxes), {})

    def async_apply_marks(self) -> None:
        self.data = PbxData(self.read_state.marks.apply(self.read_state.mailboxes), {})

    async def async_request_refresh(self) -> None:
        """A poll comes when the history says so."""

    async def async_tell_read(self, message: Message) -> None:
        try:
            await self._pbx.mark_read(message)
        except PbxError as err:
            raise client_error(HomeAssistantError, err) from err

    async def async_get_recording(self, message: Message) -> bytes:
        raise NotImplementedError

    def async_update_listeners(self) -> None:
        """Nobody listens."""

    def async_add_listener(self, update_callback: Any, context: Any = None) -> Any:
        raise NotImplementedError


class SlowPbx(MemoryPbx):
    """Takes its time to note that a message was heard."""

    def __init__(self, capabilities: Capability) -> None:
        super().__init__(capabilities)
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    @override
    async def mark_read(self, message: Message) -> None:
        self.asked.set()
        await self.may_answer.wait()
        await super().mark_read(message)


async def test_mark_that_is_taken_back_while_the_pbx_is_told(hass: HomeAssistant) -> None:
    """The PBX can be told again, once somebody has marked the message as new on it."""
    pbx = SlowPbx(Capability.READ_STATE | Capability.MARK_READ)
    pbx.messages["1"] = Message("1", "100", read=False)
    source = Source(hass, pbx, ReadMarks(hass, "entry"))
    await source.poll()
    (message,) = source.data.mailbox("100").messages
    marking = asyncio.create_task(source.read_state.async_mark_read([message]))
    await pbx.asked.wait()
    source.read_state.async_mark_unread([message])
    pbx.may_answer.set()
    await marking
    await source.poll()
    pbx.hear("1", read=False)
    await source.poll()

    (message,) = source.data.mailbox("100").messages
    assert message.read is False
    await source.read_state.async_mark_read([message])
    assert pbx.messages["1"].read
    await source.poll()
    assert source.data.mailbox("100").unread == 0


class Histories(RuleBasedStateMachine):
    """A PBX that people use by phone, beside a Home Assistant in which others mark messages."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.entry_id = f"history {next(_numbers)}"
        self.home = async_test_home_assistant(self.loop)
        self.hass: HomeAssistant = self._run(self.home.__aenter__())
        self.marked: set[str] = set()
        """What was marked in Home Assistant and, where the PBX can be told, it does not know."""
        self.heard: dict[str, bool] = {}
        """What the PBX has to know: what was heard by phone, and what it was told."""

    @initialize(can_tell=st.booleans())
    def set_up(self, can_tell: bool) -> None:
        capabilities = Capability.READ_STATE | Capability.DELETE
        self.pbx = MemoryPbx(capabilities | Capability.MARK_READ if can_tell else capabilities)
        self.can_tell = can_tell
        self._start()

    @rule(extension=st.sampled_from(EXTENSIONS))
    def leave(self, extension: str) -> None:
        message_id = f"{next(_numbers):016x}"
        received = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
        self.pbx.messages[message_id] = Message(
            message_id, extension, received=received, read=False
        )
        self.heard[message_id] = False

    @precondition(lambda self: self.pbx.messages)
    @rule(data=st.data(), read=st.booleans())
    def hear_by_phone(self, data: st.DataObject, read: bool) -> None:
        message_id = self._draw(data)
        self.pbx.hear(message_id, read=read)
        self.heard[message_id] = read

    @precondition(lambda self: self.pbx.messages)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        message_id = self._draw(data)
        del self.pbx.messages[message_id]
        del self.heard[message_id]
        self.marked.discard(message_id)

    @precondition(lambda self: self._known())
    @rule(data=st.data())
    def mark(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self._known()))
        if not message.read and message.id in self.heard:
            self.marked.add(message.id)
        with suppress(HomeAssistantError):
            self._run(self.source.read_state.async_mark_read([message]))
        self._settle_told()
        self._check(message.id, read=True)

    @precondition(lambda self: self._known())
    @rule(data=st.data())
    def unmark(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self._known()))
        try:
            self.source.read_state.async_mark_unread([message])
        except ServiceValidationError:
            assert message.read
            # As the last poll saw it: it may have been marked as new on the PBX since then.
            on_pbx = self.source.read_state.mailboxes[message.extension].find(message.id)
            assert message.id not in self.marked or (on_pbx and on_pbx.read)
        else:
            self.marked.discard(message.id)
            self._check(message.id, read=False)

    @rule()
    def unplug_or_plug_in(self) -> None:
        self.pbx.is_reachable = not self.pbx.is_reachable

    @rule()
    def poll(self) -> None:
        self._run(self.source.poll())
        self._run(self.hass.async_block_till_done(wait_background_tasks=True))
        self._settle_told()
        self._run(self.source.poll())
        shown = {one.id: one.read for one in self._known()}
        expected = {one: read or one in self.marked for one, read in self.heard.items()}
        assert {one.id: one.read for one in self.pbx.messages.values()} == self.heard
        assert shown == expected
        unread = sum(mailbox.unread for mailbox in self.source.data.mailboxes.values())
        assert unread == list(expected.values()).count(False)

    @rule()
    def poll_that_loses_the_mailboxes(self) -> None:
        messages, self.pbx.messages = self.pbx.messages, {}
        self._run(self.source.poll())
        self.pbx.messages = messages

    @rule(in_good_order=st.booleans())
    def restart(self, in_good_order: bool) -> None:
        """What was marked has been written by the time anything else happens."""
        marks = self.source.read_state.marks
        if in_good_order:
            self._run(marks.async_save())
        else:
            self._run(self.hass.async_block_till_done())
            marks._store.make_read_only()
        self._start()

    @override
    def teardown(self) -> None:
        self.pbx.is_reachable = True
        self.poll()
        self._run(self.hass.async_stop(force=True))
        self._run(self.home.__aexit__(None, None, None))
        self._run(self.loop.shutdown_default_executor())
        self.loop.close()

    def _start(self) -> None:
        marks = ReadMarks(self.hass, self.entry_id)
        self._run(marks.async_load())
        self.source = Source(self.hass, self.pbx, marks)
        self.poll()

    def _settle_told(self) -> None:
        """The PBX has the last word of what it was told."""
        if self.can_tell and self.pbx.is_reachable:
            self.heard |= dict.fromkeys(self.marked, True)
            self.marked.clear()

    def _known(self) -> list[Message]:
        return [one for box in self.source.data.mailboxes.values() for one in box.messages]

    def _check(self, message_id: str, *, read: bool) -> None:
        (shown,) = [one.read for one in self._known() if one.id == message_id]
        assert bool(shown) is read

    def _draw(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.pbx.messages)))

    def _run[ResultT](self, coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
        return self.loop.run_until_complete(coroutine)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    deadline=None,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow],
)
