"""Whatever happens to mailboxes, every message is announced once: random histories against a model."""

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
class Left:
    """A message that somebody left, and whether it is news no more."""

    extension: str
    caller: str
    received: str
    is_old: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        return self.extension, self.caller, self.received

    def told(self, number: int) -> dict[str, str]:
        return {
            "voicemailfile": f"msg{number:04}.wav",
            "messagefrom": self.caller,
            "voicemaildate": self.received,
            "voicemaillength": "3",
        }


class Histories(RuleBasedStateMachine):
    """A PBX as its users change it, beside a Home Assistant that polls, restarts and dies."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.entry_id = f"history {next(_numbers)}"
        self.home = async_test_home_assistant(self.loop)
        self.hass: HomeAssistant = self._run(self.home.__aenter__())
        self.now = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
        self.left: list[Left] = []
        self.unwritten: list[Left] = []
        self.chosen: tuple[str, ...] = ()
        self.known: Mapping[str, ParsedMailbox] = {}
        self.announced: Counter[tuple[str, str, str]] = Counter()
        self.expected: Counter[tuple[str, str, str]] = Counter()

    @initialize(chosen=CHOICES, there=st.lists(st.sampled_from(EXTENSIONS), max_size=4))
    def set_up(self, chosen: tuple[str, ...], there: list[str]) -> None:
        for extension in there:
            self.leave(extension, "6000")
        self.chosen = chosen
        for message in self.left:
            message.is_old = True
        self._begin()

    @rule(extension=st.sampled_from(EXTENSIONS), caller=st.sampled_from(["6000", "7001"]))
    def leave(self, extension: str, caller: str) -> None:
        """Within the same second, the same caller's are exact twins."""
        self.left.append(Left(extension, caller, f"{self.now:%Y-%m-%d %H:%M:%S}"))

    @rule(step=st.integers(-7200, 7200).filter(bool))
    def clock(self, step: int) -> None:
        """Go on, or be set back by daylight saving or by hand."""
        self.now += timedelta(seconds=step, microseconds=0)
        # Never back to a second in which something was left.
        while any(m.received == f"{self.now:%Y-%m-%d %H:%M:%S}" for m in self.left):
            self.now += timedelta(seconds=1)

    @precondition(lambda self: self.left)
    @rule(data=st.data())
    def take_away(self, data: st.DataObject) -> None:
        """Delete a message, or hear it: those behind it are renumbered.

        Nobody can tell which of exact twins is gone, so the one not seen yet is.
        """
        gone = data.draw(st.sampled_from(self.left))
        twins = [message for message in self.left if message.key == gone.key]
        self.left.remove(min(twins, key=lambda twin: twin.is_old))
        self.now += timedelta(hours=3)

    @rule()
    def poll(self) -> None:
        self._look(self._tell())
        self._run(self.hass.async_block_till_done())
        self.unwritten.clear()
        self._check_that_all_is_written()

    @rule()
    def poll_that_loses_the_mailboxes(self) -> None:
        mailboxes = self._read({})
        for extension in self._followed():
            assert not self._take(mailboxes.get(extension) or Mailbox(extension))

    @rule(chosen=st.none() | CHOICES)
    def restart(self, chosen: tuple[str, ...] | None) -> None:
        """Stop in good order, and start again, perhaps with another choice."""
        self.poll()
        self._run(self.arrivals.async_save())
        self._check_that_no_more_is_written()
        if chosen is not None and set(chosen) != set(self.chosen):
            before, self.chosen = self._followed(), chosen
            for message in self.left:
                if message.extension not in before:
                    message.is_old = True
            self._begin()
            for message in self.left:
                if message.extension not in self._followed():
                    message.is_old = False
            return
        self._begin()

    @rule(look=st.booleans())
    def kill(self, look: bool) -> None:
        """Die, perhaps between saying and writing down: what was just said is said again."""
        if look:
            self._look(self._tell())
        self.arrivals._store.make_read_only()
        for message in self.unwritten:
            message.is_old = False
        self.unwritten.clear()
        self._begin()

    @override
    def teardown(self) -> None:
        self.poll()
        assert self.announced == self.expected
        self._run(self.hass.async_stop(force=True))
        self._run(self.home.__aexit__(None, None, None))
        self._run(self.loop.shutdown_default_executor())
        self.loop.close()

    def _followed(self) -> list[str]:
        return [number for number in EXTENSIONS if not self.chosen or number in self.chosen]

    def _tell(self) -> dict[str, Any]:
        return {
            "voicemails": [
                {
                    "extid": extension,
                    "voicemail": [m.told(n) for n, m in enumerate(messages)],
                }
                for extension in self._followed()
                if (messages := [m for m in self.left if m.extension == extension])
            ]
        }

    def _read(self, reply: dict[str, Any]) -> Mapping[str, Mailbox]:
        self.known = read_mailboxes(reply, UTC, self.known)
        return self._mailboxes

    @property
    def _mailboxes(self) -> Mapping[str, Mailbox]:
        return {number: read.mailbox for number, read in self.known.items()}

    def _begin(self) -> None:
        self.arrivals = Arrivals(self.hass, self.entry_id, self.chosen)
        self._run(self.arrivals.async_start(self._read(self._tell())))
        self.poll()

    def _take(self, mailbox: Mailbox) -> list[Arrival]:
        """Have what is new announced, all at once."""
        arrivals = self.arrivals.find_new(mailbox)
        self.arrivals.async_mark_announced(mailbox, [arrival.message for arrival in arrivals])
        return arrivals

    def _look(self, reply: dict[str, Any]) -> None:
        mailboxes = self._read(reply)
        for extension in self._followed():
            for arrival in self._take(mailboxes.get(extension) or Mailbox(extension)):
                message = arrival.message
                assert message.received is not None
                received = f"{message.received:%Y-%m-%d %H:%M:%S}"
                self.announced[extension, str(message.caller), received] += 1
        for left in self.left:
            if left.extension in self._followed() and not left.is_old:
                left.is_old = True
                self.expected[left.key] += 1
                self.unwritten.append(left)
        assert self.announced == self.expected

    def _written(self) -> dict[str, set[str]]:
        journal = Store[dict[str, Any]](self.hass, 1, f"pbx_voicemail.{self.entry_id}")
        content = self._run(journal.async_load())
        assert content is not None
        announced = {number: set(ids.split()) for number, ids in content["announced"].items()}
        messages = sum(map(len, announced.values()))
        assert len(prepare_save_json(content)[1]) <= 300 + 60 * len(EXTENSIONS) + 40 * messages
        return announced

    def _check_that_all_is_written(self) -> None:
        written = self._written()
        for extension, mailbox in self._mailboxes.items():
            assert {message.id for message in mailbox.messages} <= written[extension]

    def _check_that_no_more_is_written(self) -> None:
        """The journal holds what is on the PBX and, of mailboxes that are empty, what was."""
        written = self._written()
        assert set(written) <= set(self._followed())
        for extension, mailbox in self._mailboxes.items():
            assert {message.id for message in mailbox.messages} == written[extension]

    def _run[ResultT](self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        return self.loop.run_until_complete(work)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    deadline=None,
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
