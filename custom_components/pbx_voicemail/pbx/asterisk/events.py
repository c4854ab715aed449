"""The events by which an Asterisk reports that a mailbox has changed."""

import asyncio
from collections.abc import Callable, Collection
from typing import Final

import aiohttp

from ..errors import PbxReplyError
from .ami import Reply, read_block
from .errors import ReportingRightMissingError
from .mailbox_list import Place
from .mailboxes import Mailboxes
from .session import Session

_WAIT_SECONDS: Final = 50
"""How long Asterisk may wait for an event. It does for less if the session would expire."""

_WAIT_TIMEOUT: Final = aiohttp.ClientTimeout(total=_WAIT_SECONDS + 30)

_PAUSE: Final = 0.5
"""How long to wait after other events: unless they are filtered, a busy PBX has many of them."""

_MESSAGE_WAITING: Final = b"Event: MessageWaiting\r\n"


class Events:
    """Waits for events, in the session in which everything else is asked.

    Only `MessageWaiting` is looked at: others may hold anything, even PINs.
    """

    def __init__(self, session: Session, mailboxes: Mailboxes) -> None:
        """Take the session, and the mailboxes that events are about."""
        self.is_listening = False
        """Whether events are being waited for."""
        self._session = session
        self._mailboxes = mailboxes
        self._has_listened = False

    async def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever a mailbox may have changed. Ends only with a PbxError."""
        try:
            while True:
                await self._session.ask(
                    "Events", {"EventMask": "call"}, missing=ReportingRightMissingError
                )
                self.is_listening = True
                if self._has_listened:
                    # What happened meanwhile may have left the counts as they were.
                    self._mailboxes.mark_all_changed()
                self._has_listened = True
                changed()
                await self._wait(changed)
        except asyncio.CancelledError:
            # Asterisk would go on collecting events.
            await self._session.act_if_open("Events", {"EventMask": "off"})
            raise
        finally:
            self.is_listening = False

    async def _wait(self, changed: Callable[[], None]) -> None:
        """Wait for events for as long as the session lasts."""
        number = self._session.logins
        while self._session.is_open and number == self._session.logins:
            response, _ = await self._session.try_once(
                "WaitEvent", {"Timeout": str(_WAIT_SECONDS)}, timeout=_WAIT_TIMEOUT
            )
            if response.reply.is_denied:
                return
            if response.reply.is_error:
                raise PbxReplyError("the manager reports no events")
            places = _read_places(response.reply)
            for place in places:
                self._mailboxes.mark_changed(place)
            if places:
                changed()
            else:
                await asyncio.sleep(_PAUSE)


def _read_places(reply: Reply) -> Collection[Place]:
    """Return the mailboxes that events are about. Some may be called by an alias."""
    places = set()
    for block in reply.blocks:
        if block.startswith(_MESSAGE_WAITING):
            number, _, context = read_block(block).get("Mailbox", "").rpartition("@")
            places.add(Place(context, number))
    return places
