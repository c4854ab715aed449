"""The mailboxes of an Asterisk. Only those that may have changed are asked for.

The list of mailboxes has the counts of three folders. A summary has all messages, but it is no
snapshot: Asterisk reads one folder after the other, and messages are moved meanwhile. So the two
are compared before a message counts as gone.
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

_RECHECK_SECONDS: Final = 60 * 60
"""How often every mailbox is asked for. Counts stay equal when one message comes and another goes,
and do not cover all folders."""

_RECHECKS_PER_POLL: Final = 25
"""How many of them are asked for in one poll."""

_ATTEMPTS: Final = 3
"""How often a mailbox is asked for in one poll while its summary may lack messages."""

_MAX_MISMATCHES: Final = 3
"""How many polls in a row ask again because counts and summary differ. They always do where Asterisk
cannot read one of its files."""

_LOCKED_POLLS: Final = 3
"""After so many polls in which a mailbox could not be read at all, the owner has to act."""


@dataclass(frozen=True, slots=True)
class _State:
    """What is known of a mailbox.

    `listed` is its entry in the list when it was last asked for, at `asked`, and `uncounted` are
    the messages that no count covers. `mismatches` is in how many polls in a row the counts and
    the summary differed.
    """

    mailbox: Mailbox
    listed: ListedMailbox
    uncounted: AbstractSet[str]
    asked: float
    mismatches: int


class Mailboxes:
    """The mailboxes as they were when last asked for."""

    def __init__(self, session: Session, mailbox_list: MailboxList, id_key: bytes) -> None:
        """Take where to ask. `id_key` is a secret that goes into the ids of messages."""
        self._session = session
        self._list = mailbox_list
        self._id_key = id_key
        self._states: dict[str, _State] = {}
        self._locked: dict[str, int] = {}
        self._marked: set[str] = set()
        self._next_recheck = -inf
        self._polling = asyncio.Lock()
        self._last: tuple[object, Collection[str]] = (None, ())
        self._mailboxes: Mapping[str, Mailbox] = {}

    @property
    def mismatched(self) -> int:
        """How many mailboxes have counts that differ from what is in them."""
        return sum(state.mismatches > 0 for state in self._states.values())

    @property
    def is_catching_up(self) -> bool:
        """Whether the last poll left mailboxes to be asked for in the next one."""
        return self._next_recheck <= monotonic()

    def mark_changed(self, place: Place) -> None:
        """Ask for a mailbox at the next poll, whatever its counts."""
        if place.extension in self._list.mailboxes:
            self._marked.add(place.extension)

    def mark_all_changed(self) -> None:
        """Ask for all mailboxes that have messages during the next polls, whatever their counts."""
        for extension, state in self._states.items():
            if state.mailbox.count:
                self._states[extension] = replace(state, asked=-inf)
        self._next_recheck = -inf

    async def update(self, only: Collection[str]) -> Mapping[str, Mailbox]:
        """Return the mailboxes that have messages; with `only`, those of these extensions.

        Each mailbox, and the mapping, is the very object of last time if nothing has changed.
        Raises PbxError; what was stored before that is not asked for again.
        """
        async with self._polling:
            await self._list.update()
            mailboxes, only = self._list.mailboxes, tuple(only)
            is_same = mailboxes is self._last[0] and only == self._last[1]
            if is_same and not self._marked and monotonic() < self._next_recheck:
                return self._mailboxes
            self._last = (None, ())
            chosen = [
                listed for extension, listed in mailboxes.items() if not only or extension in only
            ]
            await self._ask_for(list(self._due(chosen)))
            self._forget_missing()
            self._update_mapping(chosen)
            self._last = (mailboxes, only)
            return self._mailboxes

    def _due(self, chosen: Sequence[ListedMailbox]) -> Iterator[ListedMailbox]:
        """Return the mailboxes that may have changed, and some that were not checked for an hour."""
        now = monotonic()
        old = []
        for listed in chosen:
            extension = listed.place.extension
            state = self._states.get(extension)
            if (
                state is None
                or extension in self._marked
                or listed.counts != state.listed.counts
                or 0 < state.mismatches < _MAX_MISMATCHES
            ):
                yield listed
            elif now - state.asked >= _RECHECK_SECONDS:
                old.append((state.asked, extension, listed))
        old.sort(key=lambda one: one[:2])
        for _, _, listed in old[:_RECHECKS_PER_POLL]:
            yield listed

    async def _ask_for(self, due: Collection[ListedMailbox]) -> None:
        """Ask for mailboxes, a few at a time. The first failure ends it."""
        waiting = iter(due)

        async def work() -> None:
            for listed in waiting:
                self._marked.discard(listed.place.extension)
                try:
                    await self._refresh(listed)
                except BaseException:
                    self._marked.add(listed.place.extension)
                    raise

        workers = [asyncio.create_task(work()) for _ in range(min(_AT_ONCE, len(due)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _refresh(self, listed: ListedMailbox) -> None:
        """Bring what is known of a mailbox up to date. Raises PbxError."""
        known = self._states.get(listed.place.extension)
        before: Summary | None = None
        for _ in range(_ATTEMPTS):
            summary = await ask_for_summary(self._session, listed.place, self._id_key)
            if summary is None:
                return
            is_confirmed = before is not None and summary.entries == before.entries
            if _is_whole(summary, listed, known, is_confirmed=is_confirmed):
                self._store(summary, listed, known)
                return
            before = summary
            if summary.may_be_cut and (known or summary.counts != listed.counts):
                # What is locked now will be for a while.
                break
        if before is None:
            return
        if known is None and before.may_be_cut:
            raise self._lock_error(listed.place.extension)
        self._store(before, listed, known, keep_missing=True)

    def _lock_error(self, extension: str) -> PbxError:
        """Return the error for a locked mailbox of which nothing is known."""
        self._locked[extension] = self._locked.get(extension, 0) + 1
        if self._locked[extension] < _LOCKED_POLLS:
            return PbxTimeoutError("the PBX keeps a mailbox locked")
        return MailboxLockedError(extension)

    def _store(
        self,
        summary: Summary,
        listed: ListedMailbox,
        known: _State | None,
        *,
        keep_missing: bool = False,
    ) -> None:
        """Store what a summary says. With `keep_missing`, messages that it lacks stay for now."""
        extension = listed.place.extension
        messages = list(summary.messages())
        uncounted = summary.uncounted
        mismatches = 0
        if summary.counts != listed.counts or keep_missing:
            is_same = known is not None and known.listed.counts == listed.counts
            mismatches = known.mismatches + 1 if known and is_same and not keep_missing else 1
        if known and keep_missing:
            kept = known.mailbox.ids - summary.ids
            messages += [message for message in known.mailbox.messages if message.id in kept]
            uncounted |= known.uncounted & kept
        mailbox = Mailbox.of(extension, newest_first(messages))
        if known and mailbox == known.mailbox:
            mailbox = known.mailbox
        self._locked.pop(extension, None)
        self._states[extension] = _State(mailbox, listed, uncounted, monotonic(), mismatches)

    def _forget_missing(self) -> None:
        """Drop what is known of mailboxes that are not in the list any more."""
        for extension in self._states.keys() - self._list.mailboxes.keys():
            del self._states[extension]
        self._marked &= self._list.mailboxes.keys()

    def _update_mapping(self, chosen: Collection[ListedMailbox]) -> None:
        """Update what `update` returns, and when a mailbox has to be checked again."""
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
        has_mismatch = any(0 < state.mismatches < _MAX_MISMATCHES for state in states.values())
        oldest = min((state.asked for state in states.values()), default=monotonic())
        self._next_recheck = -inf if has_mismatch else oldest + _RECHECK_SECONDS


def _is_whole(
    summary: Summary, listed: ListedMailbox, known: _State | None, *, is_confirmed: bool
) -> bool:
    """Return whether a summary has all messages of a mailbox.

    `is_confirmed` is whether Asterisk returned the same one twice, which proves it unless a
    lock may have ended both.
    """
    if is_confirmed and not summary.may_be_cut:
        return True
    if summary.counts != listed.counts:
        return False
    if known is None:
        return not summary.may_be_cut or summary.is_walked or is_confirmed
    return summary.is_walked or not known.uncounted - summary.ids
