"""Queries mailboxes, page by page ("Query Voicemail Messages of Multiple Extensions").

The guide does not say how large pages are at most, whether they count messages of each mailbox
or of all, or whether mailboxes without messages are listed. So pages are put together until each
mailbox has as many messages as it says, or a page brings nothing new.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, overload

from ..errors import PbxRejectedError, PbxReplyError, PbxUnsupportedError
from ..json_values import OFF_LOOP_BYTES, JsonObject, as_text
from ..models import MAX_MESSAGES
from .errors import CLIENT_ERRORS, FirmwareTooOldError, ParameterRefusedError
from .messages import Entries, id_of
from .reply import PARTIAL, as_count, as_objects, decode, errcode_of, refused_values
from .session import Session

_PAGE_SIZES: Final = ("500", "100", "")
"""A PBX that refuses the first is asked with the next one, and at last with none."""

_MAX_PAGES: Final = 2000
"""After so many pages, a PBX that goes on is not believed."""

_SMALL_PAGE: Final = 10
"""No PBX has pages for fewer messages or mailboxes: less than this is all that there is."""


@dataclass(slots=True)
class Listed:
    """What the pages so far have of one mailbox. `total` is how many messages it says it has.

    `is_torn` is whether that number has changed from page to page: a message may be missing.
    `error` is why nothing can be made of the mailbox.
    """

    total: int | None = None
    entries: dict[str, JsonObject] = field(default_factory=dict)
    is_torn: bool = False
    error: PbxReplyError | None = None

    @property
    def is_short(self) -> bool:
        """Whether messages are missing that another page may have."""
        return not self.error and len(self.entries) < (self.total or 0)

    @property
    def is_complete(self) -> bool:
        """Whether no message is missing, or nothing can be done about it."""
        return self.error is not None or not (self.is_torn or self.is_short)


@dataclass(frozen=True, slots=True)
class Answer:
    """The pages of one query, as they came, and what is in them.

    `refused` are the numbers that the PBX says it has no mailbox for.
    """

    pages: tuple[bytes, ...]
    listed: Mapping[str, Listed] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()

    def entries(self, number: str) -> Entries:
        """Return the messages of one mailbox. Raises PbxReplyError if it cannot be read."""
        listed = self.listed.get(number)
        if listed and listed.error:
            raise listed.error
        return listed.entries if listed else {}


@dataclass(frozen=True, slots=True)
class _Page:
    """A page as it came, and decoded unless it is known."""

    body: bytes
    reply: JsonObject | None = None


_NO_PAGE: Final = _Page(b"")


class _Pages:
    """What is in the pages of one query for some numbers."""

    def __init__(self, numbers: Sequence[str]) -> None:
        self.listed: dict[str, Listed] = {}
        self.refused: set[str] = set()
        self._numbers = frozenset(numbers)

    def add(self, reply: JsonObject) -> bool:
        """Add a page. Returns whether another one may bring more."""
        before = self._size
        seen = messages = 0
        for item in as_objects(reply.get("voicemail_list")):
            if (number := as_text(item.get("number"))) in self._numbers:
                seen, messages = seen + 1, messages + self._add_mailbox(number, item)
        if errcode_of(reply) == PARTIAL:
            self.refused |= refused_values(reply) & self._numbers - self.listed.keys()
            if not self.listed and not self.refused:
                raise ParameterRefusedError(PARTIAL)
        absent = self._numbers - self.listed.keys() - self.refused
        is_small = seen < _SMALL_PAGE and messages < _SMALL_PAGE
        is_short = any(one.is_short for one in self.listed.values())
        return (is_short or (bool(absent) and not is_small)) and self._size > before

    @property
    def _size(self) -> int:
        return len(self.listed) + sum(len(one.entries) for one in self.listed.values())

    def _add_mailbox(self, number: str, item: JsonObject) -> int:
        """Add a mailbox, and return how many messages of it are on the page."""
        listed = self.listed.setdefault(number, Listed())
        try:
            return _read_mailbox(listed, item)
        except PbxReplyError as err:
            # The other mailboxes can still be read.
            listed.error = err
            return 0


def _read_mailbox(listed: Listed, item: JsonObject) -> int:
    if (total := as_count(item.get("total_number"))) is None:
        raise PbxReplyError("a mailbox does not say how many messages it has")
    if total > MAX_MESSAGES:
        raise PbxReplyError("a mailbox has too many messages")
    listed.is_torn |= listed.total not in (None, total)
    listed.total = total
    entries = as_objects(item.get("data"))
    for entry in entries:
        listed.entries.setdefault(id_of(entry), entry)
    return len(entries)


class MailboxQuery:
    """Asks for mailboxes."""

    def __init__(self, session: Session) -> None:
        """Take where to ask."""
        self._session = session
        self._sizes = list(_PAGE_SIZES)
        self._is_size_right = False

    @overload
    async def ask(self, numbers: Sequence[str]) -> Answer: ...

    @overload
    async def ask(self, numbers: Sequence[str], known: Sequence[bytes]) -> Answer | None: ...

    async def ask(self, numbers: Sequence[str], known: Sequence[bytes] = ()) -> Answer | None:
        """Return the mailboxes of some numbers, None if all pages are the `known` ones.

        Raises ParameterRefusedError if the PBX refuses the numbers, perhaps for one of them,
        and any other PbxError.
        """
        while True:
            try:
                return await self._ask_for_pages(numbers, known)
            except ParameterRefusedError:
                if self._is_size_right or len(numbers) > 1 or len(self._sizes) == 1:
                    raise
                self._sizes.pop(0)

    async def _ask_for_pages(self, numbers: Sequence[str], known: Sequence[bytes]) -> Answer | None:
        pages: list[_Page] = []
        found = _Pages(numbers)
        read = 0
        """How many pages have been read: those that are known wait for one that is not."""
        while len(pages) < _MAX_PAGES:
            expected = known[len(pages)] if len(pages) < len(known) else None
            page = await self._ask_for_page(numbers, len(pages) + 1, expected)
            pages.append(page)
            if page.body is expected and read == 0:
                if len(pages) == len(known):
                    return None
                continue
            has_more = await _read(found, pages[read:])
            read = len(pages)
            if not has_more:
                bodies = tuple(page.body for page in pages)
                return Answer(bodies, found.listed, frozenset(found.refused))
        raise PbxReplyError("the list has too many pages")

    async def _ask_for_page(
        self, numbers: Sequence[str], number: int, known: bytes | None
    ) -> _Page:
        """Return a page. It is empty if it is one too many for the PBX."""

        async def read(body: bytes) -> _Page:
            if known and body is known:
                return _Page(body)
            if len(body) < OFF_LOOP_BYTES:
                return _Page(body, decode(body))
            return _Page(body, await asyncio.to_thread(decode, body))

        query = {"number": ",".join(numbers)}
        if size := self._sizes[0]:
            query |= {"page": str(number), "page_size": size}
        elif number > 1:
            query["page"] = str(number)
        try:
            page = await self._session.ask_for_list("vm/query", query, read, known or b"")
        except PbxUnsupportedError:
            raise FirmwareTooOldError from None
        except CLIENT_ERRORS:
            raise
        except PbxRejectedError:
            if number == 1:
                raise
            return _NO_PAGE
        self._is_size_right = True
        return page


async def _read(found: _Pages, pages: Sequence[_Page]) -> bool:
    """Read pages. Returns whether another one may bring more."""

    def read() -> bool:
        has_more = False
        for page in pages:
            reply = page.reply or (decode(page.body) if page.body else None)
            has_more = reply is not None and found.add(reply)
        return has_more

    is_large = sum(len(page.body) for page in pages) >= OFF_LOOP_BYTES
    return await asyncio.to_thread(read) if is_large else read()
