"""The numbers that can have messages: extensions, and groups that share a mailbox.

They are in "Query Extension List" and "Query Group Voicemail List" of the guide.
"""

from collections.abc import Mapping, Sequence
from itertools import count
import re
from typing import Final

from ..errors import PbxRejectedError, PbxReplyError, PbxUnsupportedError
from ..json_values import Json, JsonObject, as_text
from ..models import MAX_EXTENSIONS, Extension
from ..text import printable
from .errors import CLIENT_ERRORS, ParameterRefusedError
from .reply import as_count, as_objects
from .session import Session

_PAGES: Final[Sequence[Mapping[str, str]]] = (
    {"page_size": "100", "sort_by": "number", "order_by": "asc"},
    {},
)
"""What to ask for in pages. A PBX that refuses the first is asked with the second one."""

_NUMBER: Final = re.compile(r"(?!\.+\Z)[\w.+*#-]{1,32}")
"""A number of any other form is left out: it is part of paths and ids, and commas separate it."""

_BROADCAST: Final = "broadcast"
"""A group of this mode has no mailbox: its members get copies."""


class Roster:
    """The numbers as last listed. E-mail addresses and the like in the lists are not kept."""

    def __init__(self, session: Session) -> None:
        """Take where to ask."""
        self.extensions: tuple[Extension, ...] | None = None
        """None before the first list."""
        self._session = session
        self._groups: list[Extension] = []
        self._pages = list(_PAGES)

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers, none before the first list."""
        return tuple(extension.number for extension in self.extensions or ())

    async def update(self) -> tuple[Extension, ...]:
        """Ask for the lists, and return them. Raises PbxError, and the last ones stay."""
        found: dict[str, Extension] = {}
        for entry in await self._list("extension/list", "data", "caller_id_name"):
            found.setdefault(entry.number, entry)
        self._groups = await self._list_shared_groups()
        for entry in self._groups:
            found.setdefault(entry.number, entry)
        self.extensions = tuple(found.values())
        return self.extensions

    async def _list_shared_groups(self) -> list[Extension]:
        """Return the groups with a mailbox of their own, none where the PBX has no list of them.

        If the PBX refuses the list for another reason, they are those of the last list.
        """
        try:
            return await self._list("vm_group/list", "vm_group_list", "name")
        except PbxUnsupportedError:
            return []
        except CLIENT_ERRORS:
            raise
        except PbxRejectedError:
            return self._groups

    async def _ask_for_page(self, path: str, page: int) -> JsonObject:
        while True:
            query = {"page": str(page), **self._pages[0]}
            try:
                return await self._session.ask(path, query)
            except ParameterRefusedError:
                if page > 1 or len(self._pages) == 1:
                    raise
                self._pages.pop(0)

    async def _list(self, path: str, key: str, name_key: str) -> list[Extension]:
        """Return all pages of a list, as far as each page brings something new."""
        seen: dict[str, Extension | None] = {}
        for page in count(1):
            reply = await self._ask_for_page(path, page)
            entries = as_objects(reply.get(key))
            before = len(seen)
            for entry in entries:
                seen.setdefault(as_text(entry.get("number")), _read(entry, name_key))
            if len(seen) > MAX_EXTENSIONS:
                raise PbxReplyError("the list has too many numbers")
            total = as_count(reply.get("total_number"))
            if len(seen) == before or (total is not None and len(seen) >= total):
                break
        if total is not None and len(seen) < total <= MAX_EXTENSIONS:
            raise PbxReplyError("the list is not complete")
        return [extension for extension in seen.values() if extension]


def number_in(value: Json) -> str:
    """Return the number of an extension, empty if it is not valid."""
    number = as_text(value)
    return number if _NUMBER.fullmatch(number) else ""


def _read(entry: JsonObject, name_key: str) -> Extension | None:
    number = number_in(entry.get("number"))
    if not number or as_text(entry.get("mode")) == _BROADCAST:
        return None
    name = printable(as_text(entry.get(name_key)))
    return Extension(number, None if name == number else name)
