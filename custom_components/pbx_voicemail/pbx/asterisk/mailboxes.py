"""The mailboxes of an Asterisk. Only those that may have changed are asked for.

The list of mailboxes has the counts of three folders. A summary has all messages, but it is no
snapshot: Asterisk reads one folder after the other, and messages are moved meanwhile. So the two
are compared before a message counts as gone.
"""

import asyncio
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, replace
from math import inf
from time import monotonic
from typing import Final

from ..errors import PbxError, PbxReplyError, PbxSetupError, PbxTimeoutError
from ..models import Mailbox
from .errors import MailboxLockedError
from .mailbox_list import ListedMailbox, MailboxList, Place
from .session import Session
from .summary import Summary, ask_for_summary, newest_first

_AT_ONCE: Final = 4
"""How many summaries are asked for at the same time. More would not be faster, because of locks."""

_LONGEST_POLL: Final = 10
"""After so many seconds, the rest is left to the next polls: Home Assistant waits for the first one
when it starts, and what is reported meanwhile waits for any."""

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

_LOCKED_ATTEMPTS: Final = 3
"""After so many attempts to read a mailbox that stays locked, the owner has to act."""

_FIRST_RETRY: Final = 30
"""After how many seconds a mailbox that could not be read is asked for again. Twice as many each
time: Asterisk waits seconds for a lock, and the poll waits with it."""

_LONGEST_RETRY: Final = 10 * 60


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


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a mailbox could not be read, `count` times in a row, and when to ask for it again.

    `is_hidden` is whether nothing is known of it, else new messages are still found.
    """

    error: PbxError
    is_hidden: bool
    listed: ListedMailbox
    count: int
    retry: float


class Mailboxes:
    """The mailboxes as they were when last asked for."""

    def __init__(self, session: Session, mailbox_list: MailboxList, id_key: bytes) -> None:
        """Take where to ask. `id_key` is a secret that goes into the ids of messages."""
        self._session = session
        self._list = mailbox_list
        self._id_key = id_key
        self._states: dict[str, _State] = {}
        self._failures: dict[str, _Failure] = {}
        self._left: AbstractSet[str] = frozenset()
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
        """Whether the last poll left mailboxes to be asked for in the next ones."""
        return bool(self._failures or self._left) or self._next_recheck <= monotonic()

    @property
    def unreadable(self) -> Mapping[str, PbxError]:
        """The mailboxes of which nothing is known, since they could not be read, and why."""
        left = self._left - self._states.keys()
        return {
            **dict.fromkeys(left, PbxTimeoutError("the PBX takes longer than one poll may")),
            **{number: one.error for number, one in self._failures.items() if one.is_hidden},
        }

    @property
    def setup_errors(self) -> Collection[PbxSetupError]:
        """What the owner has to do about mailboxes that cannot be read."""
        errors = (failure.error for failure in self._failures.values())
        return [error for error in errors if isinstance(error, PbxSetupError)]

    def mark_changed(self, place: Place) -> None:
        """Ask for a mailbox at the next poll, whatever its counts."""
        if place.extension in self._list.mailboxes:
            self._marked.add(place.extension)

    def mark_all_changed(self) -> None:
        """Ask for all mailboxes that have messages during the next polls, whatever their counts."""
        for extension, state in self._states.items():
            if state.mailbox.count:
                self._states[extension] = replace(state, asked=-inf)
        for extension, failure in self._failures.items():
            self._failures[extension] = replace(failure, retry=-inf)
        self._next_recheck = -inf

    async def update(self, only: Collection[str]) -> Mapping[str, Mailbox]:
        """Return the mailboxes that have messages; with `only`, those of these extensions.

        Each mailbox, and the mapping, is the very object of last time if nothing has changed.
        One that cannot be read is in `unreadable` instead. Raises PbxError; mailboxes that were
        read before that are not asked for again.
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
            state, failure = self._states.get(extension), self._failures.get(extension)
            if failure and extension not in self._marked:
                if listed.counts != failure.listed.counts or now >= failure.retry:
                    yield listed
            elif (
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
        """Ask for mailboxes, a few at a time, those with messages first.

        An error that is not of one mailbox ends it.
        """
        waiting = deque(sorted(due, key=lambda listed: listed.counts == (0, 0)))
        deadline = monotonic() + _LONGEST_POLL

        async def work() -> None:
            while waiting and monotonic() < deadline:
                listed = waiting.popleft()
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
        self._left = {listed.place.extension for listed in waiting}

    async def _refresh(self, listed: ListedMailbox) -> None:
        """Bring what is known of a mailbox up to date. Raises PbxError.

        Note why if it is this mailbox alone that cannot be read.
        """
        extension = listed.place.extension
        is_hidden = extension not in self._states
        try:
            error = await self._read(listed)
        except PbxReplyError as err:
            # The list came just before, so the PBX itself is well.
            error, is_hidden = err.with_traceback(None), True
        before = self._failures.pop(extension, None)
        if error is None:
            return
        count = before.count + 1 if before else 1
        if isinstance(error, PbxTimeoutError) and count >= _LOCKED_ATTEMPTS:
            error = MailboxLockedError(extension)
        pause = min(_FIRST_RETRY * 2 ** (count - 1), _LONGEST_RETRY)
        self._failures[extension] = _Failure(error, is_hidden, listed, count, monotonic() + pause)

    async def _read(self, listed: ListedMailbox) -> PbxError | None:
        """Ask for a mailbox, and return an error if it is locked.

        Of one that is known, messages that were there before are taken to be there still.
        """
        known = self._states.get(listed.place.extension)
        before: Summary | None = None
        for _ in range(_ATTEMPTS):
            summary = await ask_for_summary(self._session, listed.place, self._id_key)
            if summary is None:
                return None
            is_confirmed = before is not None and summary.entries == before.entries
            if _is_whole(summary, listed, known, is_confirmed=is_confirmed):
                self._store(summary, listed, known)
                return None
            before = summary
            if summary.may_be_cut and (known or summary.counts != listed.counts):
                # What is locked now will be for a while.
                break
        if before is None:
            return None
        if known or not before.may_be_cut:
            self._store(before, listed, known, keep_missing=True)
        return PbxTimeoutError("the PBX keeps a mailbox locked") if before.may_be_cut else None

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
        self._states[extension] = _State(mailbox, listed, uncounted, monotonic(), mismatches)

    def _forget_missing(self) -> None:
        """Drop what is known of mailboxes that are not in the list any more."""
        known: dict[str, _State] | dict[str, _Failure]
        for known in (self._states, self._failures):
            for extension in known.keys() - self._list.mailboxes.keys():
                del known[extension]
        self._marked &= self._list.mailboxes.keys()

    def _update_mapping(self, chosen: Collection[ListedMailbox]) -> None:
        """Update what `update` returns, and when a mailbox has to be checked again."""
        states = {
            listed.place.extension: state
            for listed in chosen
            if (state := self._states.get(listed.place.extension))
        }
        hidden = self.unreadable
        mailboxes = {
            extension: state.mailbox
            for extension, state in states.items()
            if state.mailbox.count and extension not in hidden
        }
        if mailboxes.keys() != self._mailboxes.keys() or any(
            mailbox is not self._mailboxes[extension] for extension, mailbox in mailboxes.items()
        ):
            self._mailboxes = mailboxes
        has_mismatch = any(
            0 < state.mismatches < _MAX_MISMATCHES
            for extension, state in states.items()
            if extension not in self._failures
        )
        oldest = min((state.asked for state in states.values()), default=monotonic())
        retries = (failure.retry for failure in self._failures.values())
        is_due = has_mismatch or self._left
        self._next_recheck = -inf if is_due else min((oldest + _RECHECK_SECONDS, *retries))


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
