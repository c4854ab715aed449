"""Random histories of mailboxes, compared with a model: every message is announced once."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, override

from homeassistant.core import HomeAssistant
from homeassistant.helpers.json import prepare_save_json
from homeassistant.helpers.storage import Store
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from pytest_homeassistant_custom_component.common import async_test_home_assistant

from custom_components.pbx_voicemail.pbx import Mailbox
from custom_components.pbx_voicemail.pbx.s_series.mailboxes import ParsedMailbox, read_mailboxes
from custom_components.pbx_voicemail.voicemail.arrivals import Arrival, Arrivals

EXTENSIONS = ("100", "101", "0102")
_numbers = count()

CHOICES = st.sampled_from([(), ("100",), ("100", "101"), ("0102",)])


@dataclass(eq=False, slots=True)
class LeftMessage:
    """A message on the PBX. `is_announced` is whether it must not be announced any more."""

    extension: str
    caller: str
    received: str
    is_announced: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        return self.extension, self.caller, self.received

    def as_entry(self, number: int) -> dict[str, str]:
        return {
            "voicemailfile": f"msg{number:04}.wav",
            "messagefrom": self.caller,
            "voicemaildate": self.received,
            "voicemaillength": "3",
        }


class History(RuleBasedStateMachine):
    """A PBX on which messages come and go, and a Home Assistant that polls, restarts and crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.entry_id = f"history {next(_numbers)}"
        self.hass_context = async_test_home_assistant(self.loop)
        self.hass: HomeAssistant = self._run(self.hass_context.__aenter__())
        self.now = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
        self.messages: list[LeftMessage] = []
        self.unsaved: list[LeftMessage] = []
        self.chosen: tuple[str, ...] = ()
        self.known: Mapping[str, ParsedMailbox] = {}
        self.announced: Counter[tuple[str, str, str]] = Counter()
        self.expected: Counter[tuple[str, str, str]] = Counter()

    @initialize(chosen=CHOICES, extensions=st.lists(st.sampled_from(EXTENSIONS), max_size=4))
    def set_up(self, chosen: tuple[str, ...], extensions: list[str]) -> None:
        for extension in extensions:
            self.leave(extension, "6000")
        self.chosen = chosen
        for message in self.messages:
            message.is_announced = True
        self._start()

    @rule(extension=st.sampled_from(EXTENSIONS), caller=st.sampled_from(["6000", "7001"]))
    def leave(self, extension: str, caller: str) -> None:
        """Leave a message. Two from the same caller in the same second are twins."""
        self.messages.append(LeftMessage(extension, caller, f"{self.now:%Y-%m-%d %H:%M:%S}"))

    @rule(step=st.integers(-7200, 7200).filter(bool))
    def clock(self, step: int) -> None:
        """Set the clock forward or back, as daylight saving time does or the user."""
        self.now += timedelta(seconds=step, microseconds=0)
        # Never to a second in which a message was left.
        while any(m.received == f"{self.now:%Y-%m-%d %H:%M:%S}" for m in self.messages):
            self.now += timedelta(seconds=1)

    @precondition(lambda self: self.messages)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """Remove a message, as deleting or hearing it does, so that others are renumbered.

        Twins cannot be told apart, so one that has not been announced counts as removed.
        """
        gone = data.draw(st.sampled_from(self.messages))
        twins = [message for message in self.messages if message.key == gone.key]
        self.messages.remove(min(twins, key=lambda twin: twin.is_announced))
        self.now += timedelta(hours=3)

    @rule()
    def poll(self) -> None:
        self._poll_once(self._reply())
        self._run(self.hass.async_block_till_done())
        self.unsaved.clear()
        self._assert_all_are_saved()

    @rule()
    def poll_that_loses_the_mailboxes(self) -> None:
        mailboxes = self._read({})
        for extension in self._chosen_extensions():
            assert not self._announce(mailboxes.get(extension) or Mailbox(extension))

    @rule(chosen=st.none() | CHOICES)
    def restart(self, chosen: tuple[str, ...] | None) -> None:
        """Stop regularly, and start again, with the same or other chosen extensions."""
        self.poll()
        self._run(self.arrivals.async_save())
        self._assert_no_others_are_saved()
        if chosen is not None and set(chosen) != set(self.chosen):
            before, self.chosen = self._chosen_extensions(), chosen
            for message in self.messages:
                if message.extension not in before:
                    message.is_announced = True
            self._start()
            for message in self.messages:
                if message.extension not in self._chosen_extensions():
                    message.is_announced = False
            return
        self._start()

    @rule(polls_first=st.booleans())
    def kill(self, polls_first: bool) -> None:
        """Crash, possibly before announced messages are saved. They are announced again."""
        if polls_first:
            self._poll_once(self._reply())
        self.arrivals._store._all.make_read_only()
        self.arrivals._store._latest.make_read_only()
        for message in self.unsaved:
            message.is_announced = False
        self.unsaved.clear()
        self._start()

    @override
    def teardown(self) -> None:
        self.poll()
        assert self.announced == self.expected
        self._run(self.hass.async_stop(force=True))
        self._run(self.hass_context.__aexit__(None, None, None))
        self._run(self.loop.shutdown_default_executor())
        self.loop.close()

    def _chosen_extensions(self) -> list[str]:
        return [number for number in EXTENSIONS if not self.chosen or number in self.chosen]

    def _reply(self) -> dict[str, Any]:
        return {
            "voicemails": [
                {
                    "extid": extension,
                    "voicemail": [m.as_entry(n) for n, m in enumerate(messages)],
                }
                for extension in self._chosen_extensions()
                if (messages := [m for m in self.messages if m.extension == extension])
            ]
        }

    def _read(self, reply: dict[str, Any]) -> Mapping[str, Mailbox]:
        self.known = read_mailboxes(reply, UTC, self.known)
        return self._mailboxes

    @property
    def _mailboxes(self) -> Mapping[str, Mailbox]:
        return {number: read.mailbox for number, read in self.known.items()}

    def _start(self) -> None:
        self.arrivals = Arrivals(self.hass, self.entry_id, self.chosen)
        self._run(self.arrivals.async_start(self._read(self._reply())))
        self.poll()

    def _announce(self, mailbox: Mailbox) -> list[Arrival]:
        """Announce all new messages of a mailbox."""
        arrivals = self.arrivals.find_new(mailbox)
        self.arrivals.async_mark_announced(mailbox, [arrival.message for arrival in arrivals])
        return arrivals

    def _poll_once(self, reply: dict[str, Any]) -> None:
        mailboxes = self._read(reply)
        for extension in self._chosen_extensions():
            for arrival in self._announce(mailboxes.get(extension) or Mailbox(extension)):
                message = arrival.message
                assert message.received is not None
                received = f"{message.received:%Y-%m-%d %H:%M:%S}"
                self.announced[extension, str(message.caller), received] += 1
        for left in self.messages:
            if left.extension in self._chosen_extensions() and not left.is_announced:
                left.is_announced = True
                self.expected[left.key] += 1
                self.unsaved.append(left)
        assert self.announced == self.expected

    def _saved_ids(self) -> dict[str, set[str]]:
        journal = Store[dict[str, Any]](self.hass, 1, f"pbx_voicemail.{self.entry_id}")
        data = self._run(journal.async_load())
        assert data is not None
        announced = {number: set(ids.split()) for number, ids in data["announced"].items()}
        added = Store[dict[str, str]](self.hass, 1, f"pbx_voicemail.{self.entry_id}.latest")
        for message_id, number in (self._run(added.async_load()) or {}).items():
            announced.setdefault(number, set()).add(message_id)
        messages = sum(map(len, announced.values()))
        assert len(prepare_save_json(data)[1]) <= 300 + 60 * len(EXTENSIONS) + 40 * messages
        return announced

    def _assert_all_are_saved(self) -> None:
        saved = self._saved_ids()
        for extension, mailbox in self._mailboxes.items():
            assert {message.id for message in mailbox.messages} <= saved[extension]

    def _assert_no_others_are_saved(self) -> None:
        """The journal has the ids of the messages on the PBX, and the last ids of empty mailboxes."""
        saved = self._saved_ids()
        assert set(saved) <= set(self._chosen_extensions())
        for extension, mailbox in self._mailboxes.items():
            assert {message.id for message in mailbox.messages} == saved[extension]

    def _run[ResultT](self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        return self.loop.run_until_complete(work)


TestHistories = History.TestCase
TestHistories.settings = settings(
    deadline=None,
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
