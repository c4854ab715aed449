"""All forms of a phone number are the same number, and no other number is."""

from itertools import islice
from random import Random

from hypothesis import example, given, strategies as st
import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType
import pytest

from custom_components.pbx_voicemail.voicemail.contacts import Contact, Directory
from custom_components.pbx_voicemail.voicemail.phone_numbers import (
    NumberPlan,
    caller_digits,
    contact_digits,
)

from .address_books import COUNTRIES, Country, Number

every_country = pytest.mark.parametrize("home", COUNTRIES.values(), ids=COUNTRIES)


def _numbers(count: int, seed: int) -> list[Number]:
    """Return as many numbers of each country."""
    random = Random(seed)
    return [
        number
        for country in COUNTRIES.values()
        for number in islice(country.numbers(random), count)
    ]


def _directory(home: Country, *numbers: Number, with_dial_out: bool = True) -> Directory:
    contacts = [
        Contact(number.e164, None, (written[index % len(written)],))
        for index, number in enumerate(numbers)
        if (written := number.written(home))
    ]
    plan = NumberPlan(home.region, home.dial_out if with_dial_out else "")
    return Directory.of(contacts, plan)


@every_country
@pytest.mark.parametrize("with_dial_out", [False, True])
def test_every_form_finds_its_contact(home: Country, with_dial_out: bool) -> None:
    numbers = _numbers(100, seed=1)
    directory = _directory(home, *numbers, with_dial_out=with_dial_out)
    missed = [
        (number.e164, form)
        for number in numbers
        for form in number.delivered(home, dial_out=with_dial_out)
        if not directory.may_know(form) or directory.name_of(form) != number.e164
    ]
    assert missed == []


@every_country
def test_no_form_finds_another_contact(home: Country) -> None:
    numbers = _numbers(230, seed=2)
    known, unknown = numbers[::2], numbers[1::2]
    assert len(unknown) > 1000
    directory = _directory(home, *known)
    found = [
        (number.e164, form, name)
        for number in unknown
        for form in number.delivered(home, dial_out=True)
        if (name := directory.name_of(form))
    ]
    assert found == []


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_every_country(region: str) -> None:
    """The example numbers of the library have the same key in all forms."""
    plan = NumberPlan(region)
    for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
        number = phonenumbers.example_number_for_type(region, kind)
        if number is None or len(phonenumbers.national_significant_number(number)) < 6:
            # Five digits may as well be an internal number.
            continue
        key = phonenumbers.format_number(number, PhoneNumberFormat.E164)
        for form in (
            key,
            phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL),
            phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL),
            phonenumbers.format_number_for_mobile_dialing(number, region, with_formatting=False),
        ):
            digits = caller_digits(form or key)
            assert digits is not None
            assert plan.contact_key(digits) == key
            assert plan.caller_keys(digits) == [key]


def _may_be(digits: str, key: str, home: Country) -> bool:
    """Return whether digits are a form of a number in a country."""
    number = key.removeprefix("+")
    if digits.startswith(("+", home.international)):
        # The library removes an unnecessary national prefix after the country code.
        code = digits.removeprefix("+").removeprefix(home.international)[:1]
        return number.startswith(code) and number[-4:] == digits[-4:]
    national = number.removeprefix(home.code) if number.startswith(home.code) else None
    if national and digits in (
        national,
        home.trunk + national,
        f"{home.code}{home.trunk}{national}",
    ):
        return True
    return digits == number


@given(
    plus=st.sampled_from(["", "", "+"]),
    begin=st.sampled_from(["", "0", "00", "1", "9", "39", "49", "0049", "01149", "030", "2125"]),
    rest=st.text("0123456789", min_size=1, max_size=13),
    region=st.sampled_from(["DE", "US", "FR", "IT", "CH", "ES"]),
)
@example("", "0", "101", "DE")
@example("+", "49", "030123456", "DE")
@example("", "", "2345678", "DE")
def test_no_digits_are_read_as_another_number(
    plus: str, begin: str, rest: str, region: str
) -> None:
    digits = plus + begin + rest
    home = COUNTRIES[region]
    plan = NumberPlan(region)
    key = plan.contact_key(digits)
    keys = plan.caller_keys(digits)
    assert keys[0] == key
    for key in keys:
        if key.startswith("+"):
            assert _may_be(digits, key, home)
        else:
            assert digits.replace("+", "00") == key


@pytest.mark.parametrize(
    ("region", "caller", "number", "shown"),
    [
        ("DE", "0301234567", "+49301234567", "030 1234567"),
        ("DE", "+442079460018", "+442079460018", "+44 20 7946 0018"),
        ("US", "2125550123", "+12125550123", "(212) 555-0123"),
        ("US", "12125550123", "+12125550123", "(212) 555-0123"),
        ("US", "+16135550123", "+16135550123", "(613) 555-0123"),
        ("GB", "020 7946 0018", "+442079460018", "020 7946 0018"),
        ("FR", "+33612345678", "+33612345678", "06 12 34 56 78"),
        ("IT", "+390612345678", "+390612345678", "06 1234 5678"),
        ("IT", "3471234567", "+393471234567", "347 123 4567"),
        ("CH", "0041791234567", "+41791234567", "079 123 45 67"),
        ("ES", "912345678", "+34912345678", "912 34 56 78"),
        ("JP", "0312345678", "+81312345678", "03-1234-5678"),
        ("AU", "0298765432", "+61298765432", "(02) 9876 5432"),
        # Mobile numbers in Argentina: 15 in the country is 9 from abroad.
        ("AR", "011 15 2345-6789", "+5491123456789", "011 15-2345-6789"),
        # Without + or national prefix.
        ("DE", "49301234567", "+49301234567", "030 1234567"),
        ("DE", "1711234567", "+491711234567", "0171 1234567"),
        ("CH", "442079460018", "+442079460018", "+44 20 7946 0018"),
        ("US", "442079460018", "+442079460018", "+44 20 7946 0018"),
        # Without area code.
        ("DE", "2345678", None, "2345678"),
        # Internal numbers and short codes.
        ("DE", "101", None, "101"),
        ("DE", "0101", None, "0101"),
        ("IT", "0101", None, "0101"),
        ("DE", "110", None, "110"),
        ("US", "911", None, "911"),
        ("DE", "*21#", None, "*21#"),
        ("DE", "*21*0301234567#", None, "*21*0301234567#"),
        ("LU", "2023", None, "2023"),
        # Too short or too long.
        ("DE", "+4912", None, "+4912"),
        ("US", "+1212555012", None, "+1212555012"),
        ("DE", "+123456789012345678", None, "+123456789012345678"),
        ("DE", "+", None, "+"),
        # Not a number.
        ("DE", "anonymous", None, "anonymous"),
        ("DE", "Ann 0301234567", None, "Ann 0301234567"),
        ("DE", "0301234567 Ann", None, "0301234567 Ann"),
        ("DE", "", None, ""),
        # URIs, and digits of other scripts.
        ("DE", "sip:+49301234567@example.com", "+49301234567", "030 1234567"),
        ("DE", "0301234567@example.com;user=phone", "+49301234567", "030 1234567"),
        ("DE", "tel:+49-30-1234567", "+49301234567", "030 1234567"),
        ("DE", "\uff0b\uff14\uff19 30 1234567", "+49301234567", "030 1234567"),
        # Without a country, only international numbers are known.
        (None, "+49301234567", "+49301234567", "+49 30 1234567"),
        (None, "0301234567", None, "0301234567"),
        ("AQ", "0301234567", None, "0301234567"),
    ],
)
def test_shown_and_dialled(region: str | None, caller: str, number: str | None, shown: str) -> None:
    directory = Directory.of((), NumberPlan(region))
    assert directory.number_of(caller) == number
    assert directory.formatted(caller) == shown


@pytest.mark.parametrize(
    ("region", "dial_out", "caller", "number"),
    [
        ("DE", "0", "00301234567", "+49301234567"),
        ("DE", "0", "0301234567", "+49301234567"),
        ("DE", "0", "000442079460018", "+442079460018"),
        ("DE", "0", "00442079460018", "+442079460018"),
        ("US", "9", "92125550123", "+12125550123"),
        ("US", "9", "912125550123", "+12125550123"),
        ("US", "9", "9011442079460018", "+442079460018"),
        ("IT", "0", "0612345678", "+390612345678"),
        ("IT", "0", "00612345678", "+390612345678"),
        ("IT", "0", "03471234567", "+393471234567"),
        ("DE", "0", "0101", None),
        ("DE", "0", "0", None),
        ("DE", "", "00301234567", None),
    ],
)
def test_prefix_for_an_outside_line(
    region: str, dial_out: str, caller: str, number: str | None
) -> None:
    assert Directory.of((), NumberPlan(region, dial_out)).number_of(caller) == number


def test_digits_that_two_contacts_have_name_neither() -> None:
    plan = NumberPlan("DE", "0")
    arizona, mobile = (
        Contact("Ann", None, ("+1 520 234 5678",)),
        Contact("Bob", None, ("0152 02345678",)),
    )
    caller = "0015202345678"
    assert Directory.of([arizona], plan).name_of(caller) == "Ann"
    assert Directory.of([mobile], plan).name_of(caller) == "Bob"
    assert Directory.of([mobile], plan).number_of(caller) == "+4915202345678"
    assert Directory.of([arizona, mobile], plan).name_of(caller) is None


@pytest.mark.parametrize(
    ("number", "digits", "has_extension"),
    [
        ("+49 (0)30 / 123 45-67", "+490301234567", False),
        ("\u202a+49 30 1234567\u202c", "+49301234567", False),
        ("030\xa01234567 (office)", "0301234567", False),
        ("030 1234567 privat", "0301234567", False),
        ("tel:+1-212-555-0123;ext=102", "+12125550123", True),
        ("+1 212 555 0123 ext. 102", "+12125550123", True),
        ("+1 212 555 0123 x102", "+12125550123", True),
        ("0301234567,,12", "0301234567", True),
        ("tel:101;phone-context=example.com", "101", False),
        ("\u0660\u0663\u0660 \u0661\u0662\u0663", "030123", False),
        ("1-800-FLOWERS", None, False),
        ("anna@example.com", None, False),
        ("12+34", None, False),
        ("030 1234567 0301234568 0301234569", None, False),
        ("7" * 1000, None, False),
        ("", None, False),
        (" ", None, False),
    ],
)
def test_numbers_in_address_books(number: str, digits: str | None, has_extension: bool) -> None:
    assert contact_digits(number) == (digits, has_extension)


def test_those_who_share_a_number() -> None:
    plan = NumberPlan("DE")

    def name(*contacts: Contact) -> str | None:
        return Directory.of(contacts, plan).name_of("0301234567")

    ann, ann_again, bob = (
        Contact(name, None, (number,))
        for name, number in (
            ("Ann", "030 1234567"),
            ("Ann", "+49301234567"),
            ("Bob", "0301234567"),
        )
    )
    assert name(ann, ann_again) == "Ann"
    assert name(ann, bob) == "Ann, Bob"
    staff = [Contact(f"Clerk {index}", "ACME", ("0301234567",)) for index in range(5)]
    assert name(*staff) == "ACME"
    assert name(staff[0]) == "Clerk 0"
    assert name(ann, bob, *staff) == "Ann, Bob, Clerk 0, …"
    # A number with an extension belongs to whoever has the number itself.
    clerk = Contact("Clerk", "ACME", ("030 1234567 ext. 12",))
    assert name(clerk) == "Clerk"
    assert name(clerk, Contact("Reception", "ACME", ("030 1234567",))) == "Reception"


@given(st.text(max_size=200))
def test_any_text_is_a_caller(text: str) -> None:
    directory = Directory.of((), NumberPlan("DE", "0"))
    assert directory.name_of(text) is None
    assert directory.formatted(text) or not text
    assert caller_digits(text) is None or len(text) >= 1
