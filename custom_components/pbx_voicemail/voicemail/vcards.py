"""Reads contacts from vCards 2.1, 3.0 and 4.0.

The file may contain many megabytes of photos, or be malicious. It is read line by line, and only
short lines without unnecessary parameters are passed to vobject: its parser of files takes
quadratic time for long lines, and its parser of parameters takes exponential time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
import io
from pathlib import Path
import re
from typing import Final, NamedTuple, TextIO

from vobject.base import VObjectError, textLineToContentLine
from vobject.icalendar import stringToTextValues
from vobject.vcard import splitFields

from ..pbx import printable
from .contacts import Contact, VcardsTooLargeError

_MAX_CHARACTERS: Final = 128 * 1024 * 1024
_MAX_CONTACTS: Final = 20_000
_MAX_NUMBERS: Final = 50_000
_MAX_NUMBERS_EACH: Final = 50
_MAX_PROPERTIES: Final = 200
_LONGEST_LINE: Final = 4096

_CARD_MARK: Final = re.compile(r"(?P<mark>BEGIN|END)\s*+:\s*+VCARD\s*+", re.IGNORECASE)
_EMPTY_AGENT: Final = re.compile(r"(?:[\w-]++\.)?+AGENT[^:]*+:\s*+", re.IGNORECASE)
_NEEDED: Final = re.compile(
    r"(?:[\w-]++\.)?+(?:FN|N|ORG|TEL|KIND|X-ADDRESSBOOKSERVER-KIND)\s*+[;:]", re.IGNORECASE
)
# Group, name, parameters and value. Quoted parameters may contain anything except quotes.
_PROPERTY: Final = re.compile(
    r"""(?:[\w-]++\.)?+ ([\w-]++) \s*+ ((?: ; (?: [^:;"] | "[^"]*+" )*+ )*+) : (.*+)""",
    re.DOTALL | re.VERBOSE,
)
# Not all of Python's codecs: some are slow.
_CHARSET: Final = re.compile(
    r"""
    ; \s*+ CHARSET \s*+ = \s*+ "?
    (
        (?: utf-8 | us-ascii | iso-8859 | iso-2022-jp | windows- | cp | shift_jis | euc- | gb
          | big5 | koi8- )
        [\w-]*+
    )
    """,
    re.IGNORECASE | re.ASCII | re.VERBOSE,
)
_QUOTED_PRINTABLE: Final = "QUOTED-PRINTABLE"
_FALLBACK_CHARSET: Final = "windows-1252"
"""Outlook uses it without naming it."""

_RAW: Final = "surrogateescape"
_UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_SURROGATE: Final = re.compile(r"[\udc80-\udcff]")
_KINDS: Final = ("KIND", "X-ADDRESSBOOKSERVER-KIND")
_NAME_ORDER: Final = (3, 1, 2, 0, 4)
"""Prefix, given, additional, family and suffix: the positions of these fields in N."""

_NOT_NUMBER: Final = re.compile(r"[^\d\s+().\-/*#]")


@dataclass(slots=True, repr=False)
class VcardContents:
    """The contacts with a name and a number, and how many cards were skipped."""

    contacts: list[Contact] = field(default_factory=list)
    skipped: int = 0


def read_vcards(source: str | Path) -> VcardContents:
    """Read vCards from a text or a file.

    Skips broken cards, and those that exceed the maximum number of contacts. Raises OSError if
    the file cannot be read, and VcardsTooLargeError.
    """
    contents = VcardContents()
    numbers = 0
    with _open(source) as stream:
        lines = _logical_lines(_physical_lines(stream))
        if stream.errors == _RAW:
            lines = map(_in_own_charset, lines)
        for card in _cards(_without_agents(lines)):
            try:
                contact = _read_contact(card)
            except _BrokenCardError:
                contents.skipped += 1
                continue
            if contact is None:
                continue
            numbers += len(contact.numbers)
            if len(contents.contacts) == _MAX_CONTACTS or numbers > _MAX_NUMBERS:
                numbers -= len(contact.numbers)
                contents.skipped += 1
                continue
            contents.contacts.append(contact)
    return contents


class _BrokenCardError(Exception):
    """A card cannot be read. Has no text, since that would be personal data."""


class _Property(NamedTuple):
    """A property of a card, not decoded."""

    name: str
    params: str
    value: str


type _Card = list[_Property | None]
"""The properties that are needed, None for each that is malformed."""


def _open(source: str | Path) -> TextIO:
    """Open a text or a file as a stream of text.

    In files that are not UTF-16, each property can have a charset of its own, so bytes that are
    not UTF-8 are kept as surrogates.
    """
    if isinstance(source, str):
        return io.TextIOWrapper(io.BytesIO(source.encode(errors="replace")), "utf-8-sig")
    stream = source.open("rb")
    is_utf_16 = stream.read(2) in _UTF_16_MARKS
    stream.seek(0)
    if is_utf_16:
        return io.TextIOWrapper(stream, "utf-16", errors="replace")
    return io.TextIOWrapper(stream, "utf-8-sig", errors=_RAW)


def _physical_lines(stream: TextIO) -> Iterator[str]:
    """Yield lines, truncated to a maximum length. Raises VcardsTooLargeError."""
    characters = 0
    is_new = True
    while line := stream.readline(_LONGEST_LINE):
        characters += len(line)
        if characters > _MAX_CHARACTERS:
            raise VcardsTooLargeError
        if is_new:
            yield line.removesuffix("\n")
        is_new = line.endswith("\n")


def _logical_lines(lines: Iterable[str]) -> Iterator[str]:
    """Yield unfolded lines.

    A line is continued by one that starts with a space or, if it is quoted-printable, by one
    after a `=` at its end.
    """
    parts: list[str] = []
    length = 0
    continues = False
    for line in lines:
        part = line
        if continues and not _CARD_MARK.match(line):
            pass
        elif parts and line[:1] in (" ", "\t"):
            part = line[1:]
        else:
            if parts:
                yield "".join(parts)
            parts, length = [], 0
            if not line:
                continue
        continues = part.endswith("=") and _is_quoted_printable(parts[0] if parts else part)
        if length < _LONGEST_LINE:
            part = part[:-1] if continues else part
            parts.append(part)
            length += len(part)
    if parts:
        yield "".join(parts)


def _in_own_charset(line: str) -> str:
    """Decode a line that was read as UTF-8, using the charset that it names."""
    if not _NEEDED.match(line):
        return line
    charset = _CHARSET.search(line.partition(":")[0])
    if charset is None and not _SURROGATE.search(line):
        return line
    raw = line.encode(errors=_RAW)
    return raw.decode(charset[1] if charset else _FALLBACK_CHARSET, errors="replace")


def _is_quoted_printable(line: str) -> bool:
    return _QUOTED_PRINTABLE in line.partition(":")[0].upper()


def _without_agents(lines: Iterable[str]) -> Iterator[str]:
    """Leave out cards inside of cards, which are those of agents."""
    depth = 0
    is_agent = False
    for line in lines:
        mark = _CARD_MARK.fullmatch(line)
        is_begin = mark is not None and mark["mark"].upper() == "BEGIN"
        if mark and (depth or (is_agent and is_begin)):
            depth += 1 if is_begin else -1
        elif not depth:
            yield line
        is_agent = _EMPTY_AGENT.fullmatch(line) is not None


def _cards(lines: Iterable[str]) -> Iterator[_Card]:
    """Yield all cards, with None in those that do not end or have too many properties."""
    card: _Card | None = None
    for line in lines:
        if mark := _CARD_MARK.fullmatch(line):
            if mark["mark"].upper() == "END":
                if card is not None:
                    yield card
                card = None
            else:
                if card is not None:
                    yield [None]
                card = []
        elif card is not None and len(card) <= _MAX_PROPERTIES and _NEEDED.match(line):
            match = _PROPERTY.fullmatch(line) if len(card) < _MAX_PROPERTIES else None
            card.append(_Property(match[1].upper(), match[2], match[3]) if match else None)
    if card is not None:
        yield [None]


def _read_contact(card: _Card) -> Contact | None:
    """Return a contact, None for a group or a card without a name or a number."""
    if None in card:
        raise _BrokenCardError
    properties = [found for found in card if found]
    if any(found.name in _KINDS and found.value.strip().lower() == "group" for found in properties):
        return None
    numbers = [printable(text) for text in _texts(properties, "TEL")]
    organization = next(filter(None, map(_first_field, _values(properties, "ORG"))), None)
    name = next(filter(_is_name, _names(properties, organization)), None)
    if name is None or not any(numbers):
        return None
    distinct = dict.fromkeys(number for number in numbers if number)
    return Contact(name, organization, tuple(distinct)[:_MAX_NUMBERS_EACH])


def _names(properties: Iterable[_Property], organization: str | None) -> Iterator[str | None]:
    """Yield possible names of a contact, the best first."""
    yield from map(printable, _texts(properties, "FN"))
    for value in _values(properties, "N"):
        fields = [_plain(found) for found in splitFields(value)]
        yield printable(" ".join(fields[i] for i in _NAME_ORDER if i < len(fields)))
    yield organization


def _is_name(name: str | None) -> bool:
    """Return False if it is only a number, which phones write if there is no name."""
    return name is not None and _NOT_NUMBER.search(name) is not None


def _first_field(value: str) -> str | None:
    return printable(_plain(splitFields(value)[0]))


def _plain(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _texts(properties: Iterable[_Property], name: str) -> Iterator[str]:
    """Yield the values of properties that are a single text, without escapes."""
    for value in _values(properties, name):
        # An empty separator never matches: names can contain commas that are not escaped.
        yield stringToTextValues(value, listSeparator="")[0]


def _values(properties: Iterable[_Property], name: str) -> Iterator[str]:
    """Yield the decoded values of properties. Raises _BrokenCardError."""
    for found in properties:
        if found.name == name:
            # vobject adds text after a backslash at the end.
            yield _decode(found).rstrip("\\")


def _decode(found: _Property) -> str:
    if _QUOTED_PRINTABLE not in found.params.upper():
        return found.value
    match = _CHARSET.search(found.params)
    for charset in [match[1]] if match else ["utf-8", _FALLBACK_CHARSET]:
        line = f"{found.name};CHARSET={charset};ENCODING={_QUOTED_PRINTABLE}:{found.value}"
        try:
            return str(textLineToContentLine(line).value)
        except VObjectError, LookupError, ValueError:
            continue
    raise _BrokenCardError
