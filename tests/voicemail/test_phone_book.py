"""Contacts are imported, stored and found, without blocking the event loop."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
import logging
from pathlib import Path
from random import Random
import re
from time import process_time, thread_time
from typing import Any

from homeassistant.core import HomeAssistant
import pytest

from custom_components.pbx_voicemail.voicemail import phone_book
from custom_components.pbx_voicemail.voicemail.contacts import VcardsTooLargeError
from custom_components.pbx_voicemail.voicemail.phone_book import ImportResult, PhoneBook

from .address_books import COUNTRIES, PROGRAMS, Country, Number, people

ANN = "BEGIN:VCARD\nVERSION:3.0\nFN:Ann Müller\nTEL:030 1234567\nTEL:101\nEND:VCARD\n"
BOB = "BEGIN:VCARD\nVERSION:3.0\nFN:Bob\nTEL:+44 20 7946 0018\nEND:VCARD\n"
BROKEN = "BEGIN:VCARD\nVERSION:3.0\nFN:Carl\nTEL:102\n"


@pytest.fixture
def hass_storage() -> dict[str, Any]:
    """Use real files: the fixture with this name would keep them in memory."""
    return {}


@pytest.fixture(autouse=True)
def in_germany(hass: HomeAssistant) -> None:
    """Set the country of Home Assistant."""
    hass.config.country = "DE"


@pytest.fixture
async def book(hass: HomeAssistant) -> PhoneBook:
    return await _loaded(hass)


async def _loaded(hass: HomeAssistant, dial_out: str = "") -> PhoneBook:
    book = PhoneBook(hass, "entry", dial_out)
    await book.async_load()
    return book


def _stored(hass: HomeAssistant) -> Path:
    return Path(hass.config.path(".storage", "pbx_voicemail.entry.phone_book"))


async def test_import(book: PhoneBook) -> None:
    before = book.revision
    assert await book.async_import(ANN + BOB + BROKEN) == ImportResult(2, 3, 1)
    assert book.revision > before
    assert (book.contacts, book.numbers) == (2, 3)
    assert book.name_of("+49301234567") == "Ann Müller"
    assert book.name_of("101") == "Ann Müller"
    assert book.name_of("00442079460018") == "Bob"
    assert book.name_of("0301234568") is None
    assert book.name_of("anonymous") is None
    assert book.formatted("+49301234567") == "030 1234567"
    assert book.formatted("101") == "101"
    assert book.dialled("030 1234567") == "+49301234567"
    assert book.dialled("101") is None


async def test_import_replaces(book: PhoneBook) -> None:
    await book.async_import(ANN)
    await book.async_import(BOB)
    assert book.name_of("101") is None
    assert book.name_of("+442079460018") == "Bob"


@pytest.mark.parametrize("text", ["", "hello", BROKEN, ANN.replace("TEL", "EMAIL")])
async def test_nothing_to_import_changes_nothing(book: PhoneBook, text: str) -> None:
    await book.async_import(ANN)
    revision = book.revision
    assert await book.async_import(text) == ImportResult(0, 0, text.count(BROKEN))
    assert (book.name_of("101"), book.revision) == ("Ann Müller", revision)


async def test_import_of_a_file(book: PhoneBook, tmp_path: Path) -> None:
    file = tmp_path / "contacts.vcf"
    file.write_text(ANN)
    assert await book.async_import(file) == ImportResult(1, 2, 0)
    with pytest.raises(FileNotFoundError):
        await book.async_import(tmp_path / "missing.vcf")
    assert book.name_of("101") == "Ann Müller"


async def test_too_large(book: PhoneBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custom_components.pbx_voicemail.voicemail.vcards._MAX_CHARACTERS", 10)
    with pytest.raises(VcardsTooLargeError):
        await book.async_import(ANN)
    assert book.contacts == 0


async def test_restart(hass: HomeAssistant, book: PhoneBook) -> None:
    await book.async_import(ANN + BOB)
    again = await _loaded(hass)
    assert again.name_of("101") == "Ann Müller"
    assert (again.contacts, again.numbers) == (2, 3)


async def test_stored_for_home_assistant_alone(hass: HomeAssistant, book: PhoneBook) -> None:
    assert not _stored(hass).exists()
    await book.async_import(ANN)
    assert _stored(hass).stat().st_mode & 0o777 == 0o600
    await book.async_remove()
    assert not _stored(hass).exists()


async def test_clear(hass: HomeAssistant, book: PhoneBook) -> None:
    await book.async_import(ANN)
    revision = book.revision
    await book.async_clear()
    assert book.name_of("101") is None
    assert book.revision > revision
    assert "Ann" not in _stored(hass).read_text()
    assert (await _loaded(hass)).contacts == 0


async def test_before_it_is_loaded(hass: HomeAssistant) -> None:
    book = PhoneBook(hass, "entry")
    assert book.name_of("101") is None
    assert book.formatted("+49301234567") == "+49301234567"
    assert book.dialled("+49301234567") is None
    assert (book.contacts, book.numbers) == (0, 0)


async def test_another_country(hass: HomeAssistant, book: PhoneBook) -> None:
    await book.async_import(ANN)
    revision = book.revision
    await book.async_follow_country()
    assert book.revision == revision
    hass.config.country = "FR"
    await book.async_follow_country()
    assert book.revision > revision
    assert book.name_of("+49301234567") is None
    assert book.formatted("+49301234567") == "+49 30 1234567"
    hass.config.country = "DE"
    await book.async_follow_country()
    assert book.name_of("+49301234567") == "Ann Müller"


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"version": 1, "minor_version": 1, "key": "", "data": {"contacts": {"Ann": "101"}}}',
        '{"version": 1, "minor_version": 1, "key": "", "data": {"contacts": [{"name": "Ann"}]}}',
        '{"version": 9, "minor_version": 1, "key": "", "data": {"contacts": []}}',
    ],
)
async def test_a_phone_book_that_cannot_be_read(
    hass: HomeAssistant, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = _stored(hass)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    book = await _loaded(hass)
    assert book.contacts == 0
    # The unreadable file is not overwritten.
    await book.async_save()
    assert "Ann" not in caplog.text
    kept = [path.read_text() for path in file.parent.glob(f"{file.name}*")]
    assert kept == [content]
    assert await book.async_import(ANN) == ImportResult(1, 2, 0)
    assert (await _loaded(hass)).contacts == 1


async def test_nothing_of_it_is_logged(
    hass: HomeAssistant, book: PhoneBook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    spoiled = "BEGIN:VCARD\nFN;QUOTED-PRINTABLE;CHARSET=UTF-8:=FCAnn\nTEL;X:101\nTEL:\nEND:VCARD\n"
    await book.async_import(ANN + spoiled)
    await book.async_save()
    book.name_of("101")
    assert "Ann" not in caplog.text
    assert "101" not in "".join(
        record.getMessage() for record in caplog.records if "asyncio" not in record.name
    )
    # An address in memory may contain any digits.
    shown = re.sub(r" at 0x[0-9a-f]+", "", repr(book) + repr(vars(book)))
    for secret in ("Ann", "101", "1234567"):
        assert secret not in shown


async def test_save_waits_for_an_import(hass: HomeAssistant, book: PhoneBook) -> None:
    importing = asyncio.create_task(book.async_import(ANN))
    await asyncio.sleep(0)
    await book.async_save()
    assert (await _loaded(hass)).name_of("101") == "Ann Müller"
    await importing


async def test_imports_follow_one_another(hass: HomeAssistant, book: PhoneBook) -> None:
    await asyncio.gather(*(book.async_import(text) for text in (ANN, BOB, ANN)))
    assert book.name_of("101") == "Ann Müller"
    assert (await _loaded(hass)).name_of("101") == "Ann Müller"


async def test_save_after_an_interrupted_import(hass: HomeAssistant, book: PhoneBook) -> None:
    revision = book.revision
    importing = asyncio.create_task(book.async_import(ANN))
    while book.revision == revision:
        await asyncio.sleep(0)
    importing.cancel()
    await asyncio.wait([importing])
    await book.async_save()
    assert (await _loaded(hass)).name_of("101") == "Ann Müller"


@dataclass(frozen=True)
class LargeBook:
    """The vCards of 5,000 people from three programs, and whose their 7,500 numbers are."""

    vcards: bytes
    owners: Mapping[Number, str]


def _large_book(home: Country) -> LargeBook:
    random = Random(3)
    numbers = [
        number
        for country in COUNTRIES.values()
        for number in islice(country.numbers(random), 5000 if country is home else 500)
    ]
    random.shuffle(numbers)
    remaining = iter(enumerate(numbers))
    # Every other person has two numbers.
    owned = [[*islice(remaining, 1 + index % 2)] for index in range(5000)]
    persons = people(
        [number.written(home)[index % 3] for index, number in indexed] for indexed in owned
    )
    parts = [
        program(persons[start::3], b"photo" * 600) for start, program in enumerate(PROGRAMS[:3])
    ]
    return LargeBook(
        b"".join(parts),
        {
            number: person.name
            for person, indexed in zip(persons, owned, strict=True)
            for _, number in indexed
        },
    )


@pytest.mark.parametrize("home", COUNTRIES.values(), ids=COUNTRIES)
async def test_five_thousand_contacts(hass: HomeAssistant, home: Country, tmp_path: Path) -> None:
    large = await asyncio.to_thread(_large_book, home)
    file = tmp_path / "contacts.vcf"
    file.write_bytes(large.vcards)
    hass.config.country = home.region
    book = await _loaded(hass, home.dial_out)
    loop_start, start = thread_time(), process_time()
    result = await book.async_import(file)
    on_loop, seconds = thread_time() - loop_start, process_time() - start
    print(f"import: {seconds:.2f} s, of which {on_loop * 1000:.0f} ms on the loop")
    assert result == ImportResult(5000, 7500, 0)
    assert seconds < 10
    assert on_loop < 0.2
    found = {
        number: book.name_of(forms[index % len(forms)])
        for index, number in enumerate(large.owners)
        if (forms := number.delivered(home, dial_out=True))
    }
    assert found == large.owners


async def test_fifty_thousand_messages(hass: HomeAssistant) -> None:
    home = COUNTRIES["DE"]
    large = await asyncio.to_thread(_large_book, home)
    book = await _loaded(hass)
    await book.async_import(large.vcards.decode(errors="replace"))
    random = Random(4)
    known = [number.delivered(home, dial_out=False)[1] for number in large.owners]
    unknown = [f"0{random.randrange(10**9, 10**10)}" for _ in range(45_000)]
    callers = [*random.choices(known, k=5_000), *unknown]
    random.shuffle(callers)
    for turn in ("first", "second"):
        start = process_time()
        named = sum(book.name_of(caller) is not None for caller in callers)
        seconds = process_time() - start
        print(f"{turn} lookup of 50,000 callers: {seconds:.2f} s")
        assert 5000 <= named < 5010
        assert seconds < 5
    start = process_time()
    formatted = {book.formatted(caller) for caller in callers[:1000]}
    print(f"1,000 numbers formatted: {process_time() - start:.2f} s")
    assert len(formatted) > 900
    assert book._name_of.cache_info().currsize <= phone_book._CACHE_SIZE
