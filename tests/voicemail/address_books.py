"""Address books as programs export them, and phone numbers as people write them.

The numbers follow rules that are written here, not those of the library under test.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from random import Random
from typing import Final

FAMILY_NAMES: Final = ("Müller", "O'Neill", "d’Arc", "Śliwińska", "山田", "Ødegård", "van der Berg")
GIVEN_NAMES: Final = ("Ann", "José", "Zoë", "Łukasz", "太郎", "Márta", "Jean-Luc")


@dataclass(frozen=True, eq=False)
class Country:
    """How phone numbers are assigned and written in a country."""

    region: str
    code: str
    areas: Sequence[tuple[str, int]]
    """Area codes as in E.164, and the number of digits after them."""
    trunk: str
    """The prefix of national numbers."""
    international: str
    dial_out: str
    first_digits: str = "2345678"
    """What the digits after the area code start with."""
    write: Callable[[str, str], str] = "{} {}".format
    """How people write the area code, after its prefix, and the other digits."""

    def numbers(self, random: Random) -> Iterator[Number]:
        """Yield different numbers, endlessly."""
        seen = set()
        for area, length in cycle(self.areas):
            rest = random.choice(self.first_digits)
            rest += "".join(random.choices("0123456789", k=length - 1))
            if (area, rest) not in seen:
                seen.add((area, rest))
                yield Number(self, area, rest)


@dataclass(frozen=True)
class Number:
    """A phone number in all its forms."""

    country: Country
    area: str
    rest: str

    @property
    def e164(self) -> str:
        return f"+{self.country.code}{self.area}{self.rest}"

    def written(self, home: Country) -> list[str]:
        """Return the forms in which people of a country store it."""
        abroad = [
            f"+{self.country.code} {self.area} {self.rest[:3]} {self.rest[3:]}",
            self.e164,
            f"{home.international} {self.country.code} {self.area} {self.rest}",
            f"+{self.country.code}-{self.area}-{self.rest}",
        ]
        if self.country.trunk:
            abroad.append(f"+{self.country.code} ({self.country.trunk}){self.area} {self.rest}")
        if self.country is not home:
            return abroad
        return [self.country.write(self.country.trunk + self.area, self.rest), *abroad[:2]]

    def delivered(self, home: Country, *, dial_out: bool) -> list[str]:
        """Return the forms in which a PBX in a country may report it as a caller."""
        digits = f"{self.country.code}{self.area}{self.rest}"
        forms = [f"+{digits}", f"{home.international}{digits}"]
        forms.append(f"{home.international} {self.country.code} {self.area}-{self.rest}")
        if self.country is home:
            national = home.trunk + self.area
            forms += [national + self.rest, home.write(national, self.rest)]
            forms.append(f"{national} {self.rest[:2]}-{self.rest[2:]}")
            if home.region == "US":
                forms.append(f"1{national}{self.rest}")
        if dial_out:
            forms += [home.dial_out + form for form in forms if not form.startswith(("+", "("))]
        return forms


def _pairs(area: str, rest: str) -> str:
    digits = area + rest
    return " ".join(digits[i : i + 2] for i in range(0, len(digits), 2))


COUNTRIES: Final = {
    country.region: country
    for country in (
        Country(
            "DE",
            "49",
            [("30", 8), ("89", 7), ("221", 7), ("6221", 6), ("151", 8), ("171", 7), ("1520", 7)],
            trunk="0",
            international="00",
            dial_out="0",
            write="{}/{}".format,
        ),
        Country(
            "US",
            "1",
            [("212", 7), ("415", 7), ("312", 7), ("617", 7), ("305", 7)],
            trunk="",
            international="011",
            dial_out="9",
            write=lambda area, rest: f"({area}) {rest[:3]}-{rest[3:]}",
        ),
        Country(
            "GB",
            "44",
            [("20", 8), ("121", 7), ("1865", 6), ("7712", 6), ("7400", 6)],
            trunk="0",
            international="00",
            dial_out="9",
            first_digits="78",
            write=lambda area, rest: f"{area} {rest[:-4]} {rest[-4:]}",
        ),
        Country(
            "FR",
            "33",
            [("1", 8), ("4", 8), ("6", 8), ("7", 8)],
            trunk="0",
            international="00",
            dial_out="0",
            first_digits="456",
            write=_pairs,
        ),
        Country(
            "IT",
            "39",
            [("06", 8), ("02", 8), ("055", 7), ("347", 7), ("333", 7)],
            trunk="",
            international="00",
            dial_out="0",
        ),
        Country(
            "CH",
            "41",
            [("44", 7), ("22", 7), ("31", 7), ("79", 7), ("76", 7)],
            trunk="0",
            international="00",
            dial_out="0",
            write=lambda area, rest: f"{area} {rest[:3]} {rest[3:5]} {rest[5:]}",
        ),
        Country(
            "ES",
            "34",
            [("91", 7), ("93", 7), ("60", 7), ("66", 7)],
            trunk="",
            international="00",
            dial_out="0",
            write=_pairs,
        ),
        Country(
            "JP",
            "81",
            [("3", 8), ("6", 8), ("90", 8), ("80", 8)],
            trunk="0",
            international="010",
            dial_out="0",
            first_digits="3456",
            write=lambda area, rest: f"{area}-{rest[:-4]}-{rest[-4:]}",
        ),
        Country(
            "AU",
            "61",
            [("2", 8), ("3", 8), ("7", 8), ("4", 8)],
            trunk="0",
            international="0011",
            dial_out="0",
            first_digits="9",
            write=lambda area, rest: f"({area}) {rest[:4]} {rest[4:]}",
        ),
    )
}


@dataclass(frozen=True)
class Person:
    """A person in an address book, with a unique name."""

    given: str
    family: str
    numbers: Sequence[str]
    organization: str = ""

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


def people(numbers: Iterable[Sequence[str]]) -> list[Person]:
    """Return a person for each list of numbers."""
    names = zip(cycle(GIVEN_NAMES), cycle(FAMILY_NAMES[:-1] + FAMILY_NAMES[2:]), strict=False)
    return [
        Person(given, f"{family} {index}", written, "ACME; Söhne, Inc." if index % 5 == 0 else "")
        for index, ((given, family), written) in enumerate(zip(names, numbers, strict=False))
    ]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _folded(lines: Iterable[str], length: int = 75) -> bytes:
    """Fold lines as RFC 6350 does: after a number of octets, but not inside of a character."""
    folded = bytearray()
    for line in lines:
        if line.isascii():
            parts = [line[begin : begin + length] for begin in range(0, len(line), length)]
            folded += "\r\n ".join(parts).encode() + b"\r\n"
            continue
        room = length
        for character in line:
            octets = character.encode()
            if len(octets) > room:
                folded += b"\r\n "
                room = length - 1
            folded += octets
            room -= len(octets)
        folded += b"\r\n"
    return bytes(folded)


def google(persons: Iterable[Person], photo: bytes = b"") -> bytes:
    """Return vCards 3.0 as Google Contacts writes them, with custom labels."""
    lines: list[str] = []
    for person in persons:
        name, family, given = map(_escaped, (person.name, person.family, person.given))
        lines += ["BEGIN:VCARD", "VERSION:3.0", f"FN:{name}", f"N:{family};{given};;;"]
        for index, number in enumerate(person.numbers, 1):
            if index % 2:
                lines.append(f"TEL;TYPE=CELL:{number}")
            else:
                lines += [f"item{index}.TEL:{number}", f"item{index}.X-ABLabel:Ferienhaus"]
        if person.organization:
            lines.append(f"ORG:{_escaped(person.organization)}")
        lines += ["PHOTO:https://lh3.googleusercontent.com/contacts/" + "A" * 120]
        lines += ["NOTE:Old number: TEL\\:030 999\\nEND:VCARD", "CATEGORIES:myContacts"]
        lines.append("END:VCARD")
    return _folded(lines)


def apple(persons: Iterable[Person], photo: bytes = b"") -> bytes:
    """Return vCards 3.0 as Apple's Contacts writes them, with photos and a group."""
    lines: list[str] = []
    for person in persons:
        name, family, given = map(_escaped, (person.name, person.family, person.given))
        lines += ["BEGIN:VCARD", "VERSION:3.0", "PRODID:-//Apple Inc.//macOS 15.1//EN"]
        lines += [f"N:{family};{given};;;", f"FN:{name}"]
        if person.organization:
            lines.append(f"ORG:{_escaped(person.organization)};")
        for number in person.numbers:
            # Numbers that were copied on a phone are inside marks of text direction.
            lines.append(f"TEL;type=CELL;type=VOICE;type=pref:\u202a{number}\u202c")
        if photo:
            lines.append(f"PHOTO;ENCODING=b;TYPE=JPEG:{b64encode(photo).decode()}")
        lines += ["X-ABUID:5AD380FD-B2DE-4261-BA99-DE1D1DB52FBE\\:ABPerson", "END:VCARD"]
    lines += ["BEGIN:VCARD", "VERSION:3.0", "N:Family", "FN:Family"]
    lines += ["X-ADDRESSBOOKSERVER-KIND:group", "TEL:030 1", "END:VCARD"]
    return _folded(lines)


def outlook(persons: Iterable[Person], photo: bytes = b"") -> bytes:
    """Return vCards 2.1 as Outlook writes them: in Windows-1252, else quoted-printable."""
    cards = bytearray()
    for person in persons:
        cards += b"BEGIN:VCARD\r\nVERSION:2.1\r\nX-MS-OL-DEFAULT-POSTAL-ADDRESS:2\r\n"
        for name, text in (("N", f"{person.family};{person.given}"), ("FN", person.name)):
            try:
                value = text.encode("windows-1252")
                cards += f"{name};LANGUAGE=de;CHARSET=Windows-1252:".encode() + value + b"\r\n"
            except UnicodeEncodeError:
                cards += f"{name};CHARSET=UTF-8;{_quoted(text)}\r\n".encode()
        types = cycle(("WORK;VOICE", "CELL;VOICE", "HOME;FAX"))
        for number, kind in zip(person.numbers, types, strict=False):
            cards += f"TEL;{kind}:{number}\r\n".encode()
        cards += b"ADR;WORK;PREF;ENCODING=QUOTED-PRINTABLE:;;Stra=DFe 1=0D=0A=\r\n"
        cards += b"TEL:030 999=0D=0A=\r\nFN:Nobody;Berlin\r\n"
        if photo:
            cards += b"X-MS-CARDPICTURE;TYPE=JPEG;ENCODING=BASE64:\r\n"
            encoded = b64encode(photo)
            for begin in range(0, len(encoded), 72):
                cards += b" " + encoded[begin : begin + 72] + b"\r\n"
            cards += b"\r\n"
        cards += b"REV:20261126T101500Z\r\nEND:VCARD\r\n"
    return bytes(cards)


def thunderbird(persons: Iterable[Person], photo: bytes = b"") -> bytes:
    """Return vCards 4.0 as Thunderbird writes them: some numbers are URIs."""
    lines: list[str] = []
    for person in persons:
        name, family, given = map(_escaped, (person.name, person.family, person.given))
        lines += ["BEGIN:VCARD", "VERSION:4.0", f"N:{family};{given};;;", f"FN;PREF=1:{name}"]
        for number in person.numbers:
            if number.startswith("+"):
                lines.append(f'TEL;VALUE=URI;TYPE="voice,cell":tel:{number.replace(" ", "-")}')
            else:
                lines.append(f"TEL;TYPE=work;VALUE=TEXT:{number}")
        if photo:
            lines.append(f"PHOTO;VALUE=URL:data:image/jpeg;base64,{b64encode(photo).decode()}")
        lines += ["UID:urn:uuid:4fbe8971-0bc3-424c-9c26-36c3e1eff6b1", "END:VCARD"]
    return _folded(lines)


def phone(persons: Iterable[Person], photo: bytes = b"") -> bytes:
    """Return vCards 2.1 as Android phones write them: names are quoted-printable."""
    cards = ""
    for person in persons:
        cards += "BEGIN:VCARD\r\nVERSION:2.1\r\n"
        cards += f"N;CHARSET=UTF-8;{_quoted(f'{person.family};{person.given};;;')}\r\n"
        cards += f"FN;CHARSET=UTF-8;{_quoted(person.name)}\r\n"
        cards += "".join(f"TEL;CELL:{number}\r\n" for number in person.numbers)
        cards += "END:VCARD\r\n"
    return cards.encode()


def _quoted(text: str) -> str:
    """Encode all octets except semicolons, with a soft line break after 20 of them."""
    octets = [";" if octet == 0x3B else f"={octet:02X}" for octet in text.encode()]
    lines = ["".join(octets[begin : begin + 20]) for begin in range(0, len(octets), 20)]
    return "ENCODING=QUOTED-PRINTABLE:" + "=\r\n".join(lines)


type Program = Callable[[Iterable[Person], bytes], bytes]

PROGRAMS: Final = (google, apple, outlook, thunderbird, phone)
WITHOUT_BACKSLASHES: Final = (outlook, phone)
"""In their names, a semicolon cannot be escaped."""
