"""The mailboxes of a P-Series, asked for in groups of numbers.

There is no query for all mailboxes. A group is split in halves if the PBX refuses it, since
it may do so for one number without a mailbox, or if some of its messages are missing. What is
found out by that is not asked for again.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from math import inf
from time import monotonic
from typing import Final

import orjson

from ..errors import PbxError, PbxRejectedError, PbxReplyError
from ..json_values import OFF_LOOP_BYTES, as_text
from ..models import Mailbox
from .errors import CLIENT_ERRORS, ParameterRefusedError
from .messages import Entries, read_mailbox
from .query import Answer, MailboxQuery
from .reply import FAILED, as_objects, decode
from .roster import Roster, number_in

_GROUP_SIZE: Final = 50
"""How many numbers one query is for: they are part of a URL."""

_FULL_ROUND_SECONDS: Final = 5 * 60
"""How often all mailboxes are asked for, however often the PBX reports a message."""

_RETRY_SECONDS: Final = 60 * 60
"""How often numbers are asked for again that had no mailbox."""

_ATTEMPTS: Final = 3
"""How often a mailbox is asked for while its pages do not fit together."""

_MAX_REFUSALS: Final = 3
"""After so many polls, a mailbox that had messages and is refused counts as removed."""

_MAX_FAILURES: Final = 8
"""After so many numbers refused for an unknown reason, and none answered, it is not about them."""

type _Group = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """A mailbox, and the fingerprint of what it was made of.

    Python keys its hash anew in each run, so nobody can make two mailboxes collide.
    """

    mailbox: Mailbox
    fingerprint: int


class Mailboxes:
    """The mailboxes as they were when last asked for."""

    def __init__(self, query: MailboxQuery, roster: Roster, id_key: bytes) -> None:
        """Take where to ask. `id_key` is a secret that goes into the ids of messages."""
        self.size = 0
        """The size of the replies of the last round, in bytes."""
        self.without_mailbox: set[str] = set()
        """The numbers for which the PBX has no mailbox."""
        self.unreadable: dict[str, PbxError] = {}
        """The mailboxes of which nothing is known, and why."""
        self._group_size = _GROUP_SIZE
        self._alone: set[str] = set()
        """The numbers that are asked for alone, since their pages never fit together."""
        self._query = query
        self._roster = roster
        self._id_key = id_key
        self._polling = asyncio.Lock()
        self._numbers: _Group = ()
        self._plan: list[_Group] = []
        self._pages: dict[_Group, tuple[bytes, ...]] = {}
        self._outdated: set[_Group] = set()
        """The groups with a mailbox that has been read again since, in another group."""
        self._refused_in: dict[_Group, frozenset[str]] = {}
        """The numbers that the pages of a group say have no mailbox."""
        self._known: dict[str, _Known] = {}
        self._refusals = Counter[str]()
        self._marked: set[str] = set()
        self._next_full_round = -inf
        self._next_retry = inf
        self._mailboxes: Mapping[str, Mailbox] = {}

    @property
    def incomplete(self) -> int:
        """How many mailboxes never have as many messages as they say."""
        return len(self._alone)

    @property
    def groups(self) -> int:
        """How many queries an unchanged round takes, at least."""
        return len(self._plan)

    @property
    def _exceptions(self) -> int:
        return len(self.without_mailbox | self._alone)

    def mark_changed(self, number: str) -> None:
        """Ask for a mailbox at the next poll: for it alone, if all have just been asked for.

        For all of them, if the number is not known to have one.
        """
        if number in self._numbers:
            self._marked.add(number)
        else:
            self.mark_all_changed()

    def mark_all_changed(self) -> None:
        """Ask for all mailboxes at the next poll, whichever were reported."""
        self._next_full_round = -inf

    async def update(self, only: Collection[str]) -> Mapping[str, Mailbox]:
        """Return the mailboxes that have messages; with `only`, those of these numbers.

        Each mailbox, and the mapping, is the very object of last time if nothing has changed.
        Raises PbxError; what was asked for before that is not lost.
        """
        async with self._polling:
            await self._follow(only)
            marked, self._marked = self._marked, set()
            before = self._exceptions
            # A call to one of these left its message elsewhere, or there is a mailbox by now.
            retried = marked & self.without_mailbox
            is_full = not marked or bool(retried) or monotonic() >= self._next_full_round
            alone: list[_Group] = [(number,) for number in (retried if is_full else marked)]
            if is_full:
                # Set before: what is reported meanwhile may have come too late for this round.
                self._next_full_round = monotonic() + _FULL_ROUND_SECONDS
            try:
                asked = await self._ask_for(self._plan + alone if is_full else alone)
            except BaseException:
                self._marked |= marked
                self.mark_all_changed()
                raise
            if is_full:
                self._pages = {group: self._pages[group] for group in asked}
                self._outdated &= self._pages.keys()
                self._replan(asked, self._exceptions - before)
            return self._update_mapping()

    def holders(self, pbx_id: str) -> set[str]:
        """Return the numbers whose mailboxes had a message when last asked for."""
        needle = f'"{pbx_id}"'.encode()
        return {
            as_text(item.get("number"))
            for pages in list(self._pages.values())
            for page in pages
            if needle in page
            for item in as_objects(decode(page).get("voicemail_list"))
            if any(as_text(e.get("msg_id")) == pbx_id for e in as_objects(item.get("data")))
        }

    async def _follow(self, only: Collection[str]) -> None:
        """Plan anew if other mailboxes are asked for, or if some may have come into being."""
        if only:
            numbers = tuple(number for number in only if number_in(number))
        else:
            if self._roster.extensions is None:
                await self._roster.update()
            numbers = self._roster.numbers
        if numbers != self._numbers:
            self._numbers, self._group_size = numbers, _GROUP_SIZE
            self._plan = _grouped(numbers, _GROUP_SIZE)
            self._alone.clear()
            self._known = {n: known for n, known in self._known.items() if n in numbers}
            self._refusals.clear()
            self.unreadable.clear()
            self.without_mailbox.clear()
            self.mark_all_changed()
        elif monotonic() >= self._next_retry:
            self._plan = self._plan + _grouped(sorted(self.without_mailbox), self._group_size)
            self.without_mailbox.clear()
            self.mark_all_changed()
        if not self.without_mailbox:
            self._next_retry = inf

    def _replan(self, answered: Sequence[_Group], learned: int) -> None:
        """Plan the next round: as few groups as will be answered.

        `learned` is for how many numbers it turned out that they must not be in a group. If
        groups were split for none of them, they were too large.
        """
        if answered == self._plan:
            return
        if answered and not learned:
            self._group_size = max(map(len, answered))
        numbers = set(self._numbers) - self.without_mailbox
        together = [number for number in self._numbers if number in numbers - self._alone]
        alone: list[_Group] = [(n,) for n in self._numbers if n in numbers & self._alone]
        self._plan = _grouped(together, self._group_size) + alone

    async def _ask_for(self, groups: Iterable[_Group]) -> list[_Group]:
        """Ask for groups of mailboxes. Returns the groups in which they were answered."""
        self.size = 0
        waiting, answered = deque(groups), list[_Group]()
        refused: dict[str, PbxRejectedError] = {}
        while waiting:
            group = waiting.popleft()
            try:
                is_answered = await self._ask_for_group(group)
            except CLIENT_ERRORS:
                raise
            except PbxRejectedError as err:
                is_hopeless = not answered and len(refused) >= _MAX_FAILURES
                if not _is_about_number(err) and (err.errno not in FAILED or is_hopeless):
                    raise
                if len(group) == 1:
                    refused[group[0]] = err
                    continue
                is_answered = False
            if not is_answered:
                waiting.extendleft(reversed(_halves(group)))
                continue
            self._forget_refusals(group)
            refused |= dict.fromkeys(self._refused_in[group], ParameterRefusedError(None))
            self.size += sum(map(len, self._pages[group]))
            answered.append(group)
        self._drop(refused, is_all=not answered)
        return answered

    async def _ask_for_group(self, group: _Group) -> bool:
        """Ask for a group of mailboxes. Returns False if it has to be split to have them all."""
        # A message that came and went may leave the pages as they were, but not the mailbox.
        known = () if group in self._outdated else self._pages.get(group, ())
        answer = await self._query.ask(group, known)
        if answer and not _is_complete(answer):
            if len(group) == 1:
                answer = await self._confirm(group, answer)
            # It may just have changed between two pages.
            elif not _is_complete(answer := await self._query.ask(group)):
                return False
        if answer:
            await self._store(group, answer)
        return True

    def _forget_refusals(self, group: _Group) -> None:
        self.without_mailbox -= set(group) - self._refused_in[group]
        for number in set(group) - self._refused_in[group]:
            if self._refusals.pop(number, 0):
                self.unreadable.pop(number, None)

    async def _confirm(self, group: _Group, answer: Answer) -> Answer:
        """Ask for a mailbox again whose pages do not fit together: it changed meanwhile.

        A PBX that says the same twice has no more messages, whatever number it gives.
        """
        for _ in range(_ATTEMPTS):
            before, answer = answer, await self._query.ask(group)
            if _is_complete(answer):
                return answer
            if _is_whole(before) and _is_whole(answer) and _ids(before) == _ids(answer):
                self._alone |= answer.listed.keys()
                return answer
        for listed in answer.listed.values():
            listed.error = PbxReplyError("the list of messages is not complete")
        return answer

    async def _store(self, group: _Group, answer: Answer) -> None:
        """Keep what an answer has. Only mailboxes that have changed are made anew."""
        known = self._known
        errors: dict[str, PbxError] = {}

        def read() -> Mapping[str, _Known]:
            found = {}
            for number in group:
                if number in answer.refused:
                    continue
                try:
                    entries = answer.entries(number)
                    found[number] = self._read(number, entries, known.get(number))
                except PbxReplyError as err:
                    errors[number] = err
            return found

        is_large = sum(map(len, answer.pages)) >= OFF_LOOP_BYTES
        self._known |= await asyncio.to_thread(read) if is_large else read()
        self._outdated |= {other for other in self._pages if not set(other).isdisjoint(group)}
        self._outdated.discard(group)
        self._pages[group], self._refused_in[group] = answer.pages, answer.refused
        for number in group:
            self.unreadable.pop(number, None)
        self.unreadable |= errors

    def _read(self, number: str, entries: Entries, known: _Known | None) -> _Known:
        try:
            fingerprint = hash(orjson.dumps(entries))
        except orjson.JSONEncodeError:
            # orjson can parse deeper nesting than it can serialize.
            raise PbxReplyError("a message is nested too deeply") from None
        if known and known.fingerprint == fingerprint:
            return known
        mailbox = read_mailbox(number, entries, self._id_key)
        return _Known(known.mailbox if known and known.mailbox == mailbox else mailbox, fingerprint)

    def _drop(self, refused: Mapping[str, PbxRejectedError], *, is_all: bool) -> None:
        """Take numbers out of the next rounds that have no mailbox.

        One that had messages must be refused for long. Unless all of them are known to have no
        mailbox, raises the last refusal if all of several numbers are refused, or a single one for
        an unknown reason.
        """
        last = [*refused.values()][-1:]
        is_new = bool(refused.keys() - self.without_mailbox)
        if is_all and is_new and not (len(refused) == 1 and _is_about_number(last[0])):
            raise last[0]
        for number, refusal in refused.items():
            known = self._known.get(number)
            self._refusals[number] += 1
            if known and known.mailbox.count and self._refusals[number] < _MAX_REFUSALS:
                self.unreadable[number] = refusal
                continue
            self._known.pop(number, None)
            self.unreadable.pop(number, None)
            self.without_mailbox.add(number)
            self._next_retry = min(self._next_retry, monotonic() + _RETRY_SECONDS)

    def _update_mapping(self) -> Mapping[str, Mailbox]:
        mailboxes = {
            number: known.mailbox
            for number in self._numbers
            if (known := self._known.get(number)) and known.mailbox.count
            if number not in self.unreadable
        }
        if mailboxes.keys() != self._mailboxes.keys() or any(
            mailbox is not self._mailboxes[number] for number, mailbox in mailboxes.items()
        ):
            self._mailboxes = mailboxes
        return self._mailboxes


def _is_about_number(refusal: PbxRejectedError) -> bool:
    return isinstance(refusal, ParameterRefusedError)


def _grouped(numbers: Iterable[str], size: int) -> list[_Group]:
    return list(batched(numbers, size, strict=False))


def _halves(group: _Group) -> list[_Group]:
    middle = len(group) // 2
    return [group[:middle], group[middle:]]


def _is_complete(answer: Answer) -> bool:
    return all(listed.is_complete for listed in answer.listed.values())


def _is_whole(answer: Answer) -> bool:
    return not any(listed.is_torn for listed in answer.listed.values())


def _ids(answer: Answer) -> Mapping[str, Collection[str]]:
    return {number: listed.entries.keys() for number, listed in answer.listed.items()}
