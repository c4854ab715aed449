"""The mailboxes of an Asterisk: asked for where they may have changed, and believed with care.

The list of mailboxes counts messages, and only those of three folders. A summary lists them all,
but it is no snapshot: Asterisk walks from folder to folder, and messages move meanwhile.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, replace
from math import inf
from time import monotonic
from typing import Final

from ..errors import PbxError, PbxTimeoutError
from ..models import Mailbox
from .errors import MailboxLockedError
from .mailbox_list import ListedMailbox, MailboxList, Place
from .session import Session
from .summary import Summary, ask_for_summary, newest_first

_AT_ONCE: Final = 4
"""How many summaries are asked for at the same time."""

_SWEEP_SECONDS: Final = 60 * 60
"""How often every mailbox is asked for, since counts stay equal when one message comes and another
goes, and do not cover all folders."""

_SWEEP_AT_ONCE: Final = 25
"""How many of them are asked for in one poll."""

_LOOKS: Final = 3
"""How often a mailbox is asked for in one poll if its summary cannot be believed yet."""

_MAX_DOUBTS: Final = 3
"""How many polls in a row ask again because counts and summary differ: they do for good if Asterisk
cannot read one of its files."""

_LOCKED_POLLS: Final = 3
"""After so many polls that could not read a mailbox at all, a person has to know."""


@dataclass(frozen=True, slots=True)
class _State:
    """What is known of a mailbox.

    `listed` is its entry in the list when it was last asked for, at `asked`, and `uncounted` are
    the messages that no count covers. `doubts` is how many polls in a row could not
    bring list and summary together.
    """

    mailbox: Mailbox
    listed: ListedMailbox
    uncounted: AbstractSet[str]
    asked: float
    doubts: int


class Mailboxes:
    """The mailboxes as they were when last asked for."""

    def __init__(self, session: Session, mailbox_list: MailboxList, id_key: bytes) -> None:
        """Take where to ask. `id_key` is a secret that goes into the ids of messages."""
        self._session = session
        self._list = mailbox_list
        self._id_key = id_key
        self._states: dict[str, _State] = {}
        self._locked: dict[str, int] = {}
        self._named: set[str] = set()
        self._next_sweep = -inf
        self._polling = asyncio.Lock()
        self._last: tuple[object, Collection[str]] = (None, ())
        self._mailboxes: Mapping[str, Mailbox] = {}

    @property
    def doubtful(self) -> int:
        """How many mailboxes have counts that differ from what is in them."""
        return sum(state.doubts > 0 for state in self._states.values())

    def name(self, place: Place) -> None:
        """Ask for a mailbox at the next poll, whatever its counts."""
        if place.extension in self._list.mailboxes:
            self._named.add(place.extension)

    def name_all(self) -> None:
        """Ask for all mailboxes that had messages at the next polls: counts may hide changes."""
        for extension, state in self._states.items():
            if state.mailbox.count:
                self._states[extension] = replace(state, asked=-inf)
        self._next_sweep = -inf

    async def update(self, only: Collection[str]) -> Mapping[str, Mailbox]:
        """Return the mailboxes that have messages; with `only`, those of these extensions.

        Each mailbox, and the mapping, is the very object of last time if nothing has changed.
        Raises PbxError; what was learned before it is not asked for again.
        """
        async with self._polling:
            await self._list.update()
            mailboxes, only = self._list.mailboxes, tuple(only)
            is_same = mailboxes is self._last[0] and only == self._last[1]
            if is_same and not self._named and monotonic() < self._next_sweep:
                return self._mailboxes
            self._last = (None, ())
            chosen = [
                listed for extension, listed in mailboxes.items() if not only or extension in only
            ]
            await self._ask_for(list(self._due(chosen)))
            self._forget_missing()
            self._keep(chosen)
            self._last = (mailboxes, only)
            return self._mailboxes

    def _due(self, chosen: Sequence[ListedMailbox]) -> Iterator[ListedMailbox]:
        """Return the mailboxes that may have changed, and some of those not seen for long."""
        now = monotonic()
        swept = []
        for listed in chosen:
            extension = listed.place.extension
            state = self._states.get(extension)
            if (
                state is None
                or extension in self._named
                or listed.counts != state.listed.counts
                or 0 < state.doubts < _MAX_DOUBTS
            ):
                yield listed
            elif now - state.asked >= _SWEEP_SECONDS:
                swept.append((state.asked, extension, listed))
        swept.sort(key=lambda one: one[:2])
        for _, _, listed in swept[:_SWEEP_AT_ONCE]:
            yield listed

    async def _ask_for(self, due: Collection[ListedMailbox]) -> None:
        """Ask for mailboxes, a few at a time. The first failure ends it."""
        waiting = iter(due)

        async def work() -> None:
            for listed in waiting:
                self._named.discard(listed.place.extension)
                try:
                    await self._look_at(listed)
                except BaseException:
                    self._named.add(listed.place.extension)
                    raise

        workers = [asyncio.create_task(work()) for _ in range(min(_AT_ONCE, len(due)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _look_at(self, listed: ListedMailbox) -> None:
        """Bring what is known of a mailbox up to date. Raises PbxError."""
        known = self._states.get(listed.place.extension)
        before: Summary | None = None
        for _ in range(_LOOKS):
            summary = await ask_for_summary(self._session, listed.place, self._id_key)
            if summary is None:
                return
            is_confirmed = before is not None and summary.entries == before.entries
            if _is_whole(summary, listed, known, is_confirmed=is_confirmed):
                self._accept(summary, listed, known)
                return
            before = summary
            if summary.may_be_cut and (known or summary.counts != listed.counts):
                # What is locked now will be for a while.
                break
        if before is None:
            return
        if known is None and before.may_be_cut:
            raise self._lock_error(listed.place.extension)
        self._accept(before, listed, known, keeps=True)

    def _lock_error(self, extension: str) -> PbxError:
        """Return what it means that nothing is known of a mailbox and its folders are locked."""
        self._locked[extension] = self._locked.get(extension, 0) + 1
        if self._locked[extension] < _LOCKED_POLLS:
            return PbxTimeoutError("the PBX keeps a mailbox locked")
        return MailboxLockedError(extension)

    def _accept(
        self,
        summary: Summary,
        listed: ListedMailbox,
        known: _State | None,
        *,
        keeps: bool = False,
    ) -> None:
        """Take a summary for true. With `keeps`, what is missing from it stays for now."""
        extension = listed.place.extension
        messages = list(summary.messages())
        uncounted = summary.uncounted
        doubts = 0
        if summary.counts != listed.counts or keeps:
            is_same = known is not None and known.listed.counts == listed.counts
            doubts = known.doubts + 1 if known and is_same and not keeps else 1
        if known and keeps:
            kept = known.mailbox.ids - summary.ids
            messages += [message for message in known.mailbox.messages if message.id in kept]
            uncounted |= known.uncounted & kept
        mailbox = Mailbox.of(extension, newest_first(messages))
        if known and mailbox == known.mailbox:
            mailbox = known.mailbox
        self._locked.pop(extension, None)
        self._states[extension] = _State(mailbox, listed, uncounted, monotonic(), doubts)

    def _forget_missing(self) -> None:
        """Drop what is known of mailboxes that are not in the list any more."""
        for extension in self._states.keys() - self._list.mailboxes.keys():
            del self._states[extension]
        self._named &= self._list.mailboxes.keys()

    def _keep(self, chosen: Collection[ListedMailbox]) -> None:
        """Note the mailboxes that have messages, and when one is to be asked for again."""
        states = {
            listed.place.extension: state
            for listed in chosen
            if (state := self._states.get(listed.place.extension))
        }
        mailboxes = {
            extension: state.mailbox for extension, state in states.items() if state.mailbox.count
        }
        if mailboxes.keys() != self._mailboxes.keys() or any(
            mailbox is not self._mailboxes[extension] for extension, mailbox in mailboxes.items()
        ):
            self._mailboxes = mailboxes
        is_doubtful = any(0 < state.doubts < _MAX_DOUBTS for state in states.values())
        oldest = min((state.asked for state in states.values()), default=monotonic())
        self._next_sweep = -inf if is_doubtful else oldest + _SWEEP_SECONDS


def _is_whole(
    summary: Summary, listed: ListedMailbox, known: _State | None, *, is_confirmed: bool
) -> bool:
    """Return whether a summary can be taken for all that is in a mailbox.

    `is_confirmed` is whether Asterisk gave the same one twice. It is proof of what is missing
    only where no lock may have ended both.
    """
    if is_confirmed and not summary.may_be_cut:
        return True
    if summary.counts != listed.counts:
        return False
    if known is None:
        return not summary.may_be_cut or summary.is_walked or is_confirmed
    return summary.is_walked or not known.uncounted - summary.ids
