"""Contacts are read from the vCards of any program, and malicious ones do no harm."""

from pathlib import Path
from time import process_time

from hypothesis import given, strategies as st
import pytest

from custom_components.pbx_voicemail.voicemail import vcards
from custom_components.pbx_voicemail.voicemail.contacts import VcardsTooLargeError
from custom_components.pbx_voicemail.voicemail.vcards import read_vcards
from tests.measure import MEGABYTE, memory

from .address_books import PROGRAMS, WITHOUT_BACKSLASHES, Person, Program, people, thunderbird

every_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)


def _card(*lines: str, version: str = "3.0") -> str:
    return "\r\n".join(["BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", ""])


def _read(text: str | Path) -> dict[str, tuple[str, ...]]:
    return {contact.name: contact.numbers for contact in read_vcards(text).contacts}


def _seconds(source: str | Path) -> float:
    begin = process_time()
    read_vcards(source)
    return process_time() - begin


@every_program
def test_programs(program: Program, tmp_path: Path) -> None:
    persons = people([f"+49 30 {index}00", f"030/{index}01"] for index in range(100, 300))
    file = tmp_path / "contacts.vcf"
    file.write_bytes(program(persons, b"\x00photo\xff" * 1000))
    contents = read_vcards(file)
    assert contents.skipped == 0
    assert {contact.name for contact in contents.contacts} == {person.name for person in persons}
    assert [len(contact.numbers) for contact in contents.contacts] == [2] * len(persons)
    assert not any("999" in number for c in contents.contacts for number in c.numbers)


@pytest.mark.parametrize(
    ("card", "name"),
    [
        (_card("FN:Ann", "TEL:101"), "Ann"),
        (_card("fn:Ann", "tel;cell:101", version="2.1"), "Ann"),
        (_card("item1.FN:Ann", "item1.TEL:101"), "Ann"),
        (_card("FN:Müller\\, Ann\\; Dr.", "TEL:101"), "Müller, Ann; Dr."),
        (_card("FN:Müller, Ann", "TEL:101"), "Müller, Ann"),
        (_card("FN:A\\\\B\\nC", "TEL:101"), "A\\B C"),
        (_card("FN:Ann\\", "TEL:101"), "Ann"),
        (_card("FN:A", " nn", "\t Müller", "TEL:101"), "Ann Müller"),
        (_card('FN;X="a:b;c":Ann', "TEL:101"), "Ann"),
        (_card("N:Müller;Ann;Maria;Dr.;MBA", "TEL:101"), "Dr. Ann Maria Müller MBA"),
        (_card("N:Müller;Ann,Maria", "TEL:101"), "Ann, Maria Müller"),
        (_card("N:Müller", "TEL:101"), "Müller"),
        (_card("FN:", "N:;;;;", "ORG:ACME;Sales", "TEL:101"), "ACME"),
        (_card("FN:", "N:Müller;Ann", "TEL:101"), "Ann Müller"),
        # Phones write the number if there is no name.
        (_card("FN:+49 30 12", "N:+49 30 12;;;;", "ORG:ACME", "TEL:101"), "ACME"),
        (_card("FN:Ann", "FN:Anna", "TEL:101", version="4.0"), "Ann"),
        (_card("FN;ENCODING=QUOTED-PRINTABLE:M=C3=BCller", "TEL:101"), "Müller"),
        (_card("FN;QUOTED-PRINTABLE:M=FCller", "TEL:101"), "Müller"),
        (_card("FN;encoding=quoted-printable;charset=iso-8859-1:M=FCller", "TEL:101"), "Müller"),
        (_card("FN;CHARSET=SHIFT_JIS;ENCODING=QUOTED-PRINTABLE:=8ER=93c", "TEL:101"), "山田"),
        (_card("FN;CHARSET=NONE;ENCODING=QUOTED-PRINTABLE:=41nn", "TEL:101"), "Ann"),
        (_card("FN;ENCODING=QUOTED-PRINTABLE:A=", "nn", "TEL:101"), "Ann"),
        (_card("FN;ENCODING=8BIT:Ann", "TEL;ENCODING=8BIT:101", version="2.1"), "Ann"),
        # Continued lines can look like properties, and a lost end must not hide the next card.
        (_card("NOTE;QUOTED-PRINTABLE:a=", "FN:Bob", "FN:Ann", "TEL:101"), "Ann"),
        (_card("NOTE;QUOTED-PRINTABLE:a=", version="2.1") + _card("FN:Ann", "TEL:101"), "Ann"),
        (
            _card("AGENT:", "BEGIN:VCARD", "FN:Bob", "TEL:1", "END:VCARD", "FN:Ann", "TEL:101"),
            "Ann",
        ),
        (_card("FN:Ann", "KIND:individual", "TEL:101", version="4.0"), "Ann"),
        (_card("FN:\u202eAnn\x07", "TEL:101"), "Ann"),
        (_card("FN:" + "A" * 1000, "TEL:101"), "A" * 255),
        ("\ufeff" + _card("FN:Ann", "TEL:101"), "Ann"),
        (_card("FN:Ann", "TEL:101").replace("\r\n", "\n"), "Ann"),
        (_card("FN:Ann", "TEL:101").replace("\r\n", "\r"), "Ann"),
        ("Dear all,\n" + _card("FN:Ann", "TEL:101") + "Regards", "Ann"),
        ("begin:vcard \nfn:Ann\nTEL:101\nend:vcard\t", "Ann"),
    ],
)
def test_names(card: str, name: str) -> None:
    assert _read(card) == {name: ("101",)}
    assert read_vcards(card).skipped == 0


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("FN:Müller".encode("windows-1252"), "Müller"),
        ("FN;CHARSET=ISO-8859-15:Šimon €".encode("iso-8859-15"), "Šimon €"),
        ("FN;CHARSET=SHIFT_JIS:山田".encode("shift_jis"), "山田"),
        ("FN;CHARSET=UTF-8:Müller".encode(), "Müller"),
        (b"FN;CHARSET=UTF-8:M\xfcller", "M\N{REPLACEMENT CHARACTER}ller"),
    ],
)
def test_bytes(raw: bytes, name: str, tmp_path: Path) -> None:
    file = tmp_path / "contacts.vcf"
    file.write_bytes(b"BEGIN:VCARD\n" + raw + b"\nTEL:101\nEND:VCARD\n")
    assert _read(file) == {name: ("101",)}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "contacts.vcf"
    file.write_text(_card("FN:Müller", "TEL:101"), encoding)
    assert _read(file) == {"Müller": ("101",)}


@pytest.mark.parametrize(
    "card",
    [
        _card("FN:Family", "X-ADDRESSBOOKSERVER-KIND:group", "TEL:101"),
        _card("FN:Family", "KIND:GROUP", "TEL:101", version="4.0"),
        _card("TEL:101"),
        _card("FN:", "N:;;;;", "TEL:101"),
        _card("FN:101", "TEL:101"),
        _card("FN:Ann"),
        _card("FN:Ann", "TEL:"),
        _card("FN:Ann", "EMAIL:ann@example.com"),
        "BEGIN:VCALENDAR\nFN:Ann\nTEL:101\nEND:VCALENDAR",
        "",
        "\x00\xff",
    ],
)
def test_left_out(card: str) -> None:
    contents = read_vcards(card)
    assert (contents.contacts, contents.skipped) == ([], 0)


@pytest.mark.parametrize(
    "broken",
    [
        "BEGIN:VCARD\nFN:Bob\nTEL:102\n",
        _card("FN;X", "TEL:102"),
        _card("FN:Bob", 'TEL;X="a:102'),
        _card("FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=FC", "TEL:102"),
        _card("FN:Bob", *["TEL:102"] * 1000),
    ],
)
def test_broken_cards_are_skipped_and_counted(broken: str) -> None:
    contents = read_vcards(broken + _card("FN:Ann", "TEL:101") + broken)
    assert [contact.name for contact in contents.contacts] == ["Ann"]
    assert contents.skipped == 2


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    persons = people([f"{index}", f"{index}0"] for index in range(100, 110))
    text = thunderbird(persons).decode()
    monkeypatch.setattr(vcards, "_MAX_CONTACTS", 4)
    contents = read_vcards(text)
    assert (len(contents.contacts), contents.skipped) == (4, 6)
    monkeypatch.setattr(vcards, "_MAX_NUMBERS", 5)
    contents = read_vcards(text)
    assert (len(contents.contacts), contents.skipped) == (2, 8)
    monkeypatch.setattr(vcards, "_MAX_CHARACTERS", 1000)
    with pytest.raises(VcardsTooLargeError):
        read_vcards(text)


def test_a_person_has_not_more_than_fifty_numbers() -> None:
    numbers = [f"TEL:{number}" for number in range(100, 199)]
    assert [*map(len, _read(_card("FN:Ann", *numbers)).values())] == [50]


def test_nothing_of_a_contact_is_in_a_repr() -> None:
    contents = read_vcards(_card("FN:Ann", "TEL:101"))
    assert "Ann" not in repr(contents) + repr(contents.contacts)


@every_program
def test_photos_cost_little(program: Program, tmp_path: Path) -> None:
    persons = people([[f"+49 30 {index}"] for index in range(100, 300)])
    file = tmp_path / "contacts.vcf"
    file.write_bytes(program(persons, b"photo" * 15_000))
    before = memory()
    assert _seconds(file) < 10
    assert memory() - before < 50 * MEGABYTE


HOSTILE = {
    "parameters": "TEL;a" + "=b" * 1_000 + "\n",
    "values": "TEL;a=b" + "=," * 1_000 + "\n",
    "many parameters": "TEL" + ";a" * 1_000 + "\n",
    "quotes": "TEL;a" + '="b"' * 500 + "\n",
    "an open quote": 'TEL;a="' + "b" * 2_000 + "\n",
    "many quotes": "TEL;" + '"' * 2_000 + "\n",
    "a long name": "A" * 4_000 + "\n",
    "groups": "a." * 2_000 + "TEL:1\n",
    "backslashes": "FN:" + "\\" * 4_000 + "\n",
    "fields": "N:" + ";" * 4_000 + "\n",
    "subfields": "N:" + "," * 4_000 + "\n",
    "soft line breaks": "FN;QUOTED-PRINTABLE:=\n" + "=\n" * 2_000,
    "escapes": "FN;QUOTED-PRINTABLE:" + "=41" * 1_300 + "\n",
    "continuations": " \n" * 2_000,
    "begins": "BEGIN:VCARD\n" * 300,
    "agents": "AGENT:\nBEGIN:VCARD\n" * 200,
    "ends": "END:VCARD\n" * 400,
    "blanks": "\n" * 4_000,
    "spaces": "TEL" + " " * 4_000 + "x\n",
    "a long number": "TEL:" + "1" * 4_000 + "\n",
    "a codec": "FN;CHARSET=idna;QUOTED-PRINTABLE:" + "=C3=BC" * 500 + "\n",
}


@pytest.mark.parametrize("part", HOSTILE.values(), ids=HOSTILE)
def test_time_is_linear(part: str) -> None:
    """One megabyte, as one card and as many, takes seconds."""
    begin, end = "BEGIN:VCARD\nFN:Ann\nTEL:101\n", "END:VCARD\n"
    assert _seconds(begin + part * (MEGABYTE // len(part)) + end) < 5
    assert _seconds((begin + part + end) * (MEGABYTE // len(part))) < 5


def test_one_line_without_end() -> None:
    before = memory()
    assert _seconds("BEGIN:VCARD\nFN:" + "A" * 20 * MEGABYTE) < 5
    assert memory() - before < 100 * MEGABYTE


_MARKS = ("BEGIN:VCARD\n", "END:VCARD\n", "AGENT:\n", "KIND:group\n")
_PROPERTIES = ("FN:", "N:", "TEL:", "TEL;TYPE=CELL:", "ORG:", "NOTE;QUOTED-PRINTABLE:")
_ENCODINGS = (";CHARSET=UTF-8", ";ENCODING=QUOTED-PRINTABLE:", "=\n", "=C3", "\udcfc")
_PUNCTUATION = ("\n ", "\n", "\\", ";", ",", '"')
_PARTS = st.sampled_from(
    (*_MARKS, *_PROPERTIES, *_ENCODINGS, *_PUNCTUATION, "Ann", "ü", "101", "+49 30 1")
)


@given(st.lists(_PARTS | st.text(max_size=5), max_size=60).map("".join))
def test_any_text_can_be_read(text: str) -> None:
    contents = read_vcards(text)
    assert len(contents.contacts) + contents.skipped <= text.upper().count("BEGIN")
    for contact in contents.contacts:
        assert contact.name.isprintable()
        assert all(number.isprintable() for number in contact.numbers)


_NAMES = st.text(
    st.characters(categories=("L", "M", "P", "S"), exclude_characters="\\"), min_size=1
)


@given(st.lists(st.tuples(_NAMES, _NAMES), max_size=5), st.sampled_from(PROGRAMS))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, names: list[tuple[str, str]], program: Program
) -> None:
    if program in WITHOUT_BACKSLASHES:
        names = [(given.replace(";", ""), family.replace(";", "")) for given, family in names]
    persons = [Person("A" + given, "B" + family, ["+49 30 1"]) for given, family in names]
    file = tmp_path_factory.getbasetemp() / "written.vcf"
    file.write_bytes(program(persons, b""))
    found = [contact.name for contact in read_vcards(file).contacts]
    assert found == [" ".join(person.name.split())[:255] for person in persons]
