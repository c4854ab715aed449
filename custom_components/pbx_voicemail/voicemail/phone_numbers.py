"""Compares and formats phone numbers.

A PBX reports the number of a caller in the form that its trunks deliver: national, international
with `+` or `00`, after the dial-out prefix, with or without spaces. Address books contain as many
forms. All forms of a number have the same key.
"""

from dataclasses import dataclass
import re
from typing import Final, NamedTuple
import unicodedata

import phonenumbers
from phonenumbers import (
    CountryCodeSource,
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberFormat,
    ValidationResult,
)

_LONGEST_TEXT: Final = 100
_MAX_DIGITS: Final = 24
"""A number has up to 15 digits (E.164), and prefixes come before them."""

_SHORTEST_EXTERNAL: Final = 6
"""Shorter numbers are internal. Only on some islands do public numbers have five digits."""

_SHORTEST_LIKELY: Final = 9
"""A number with this many digits is not internal, even if the library does not know it."""

_SHORTEST_FOREIGN: Final = 10
"""The shortest number that is read as a country code and a number, without a `+`."""

_NORTH_AMERICA: Final = 1
"""The country code with which the national prefix is optional, and is the same digit."""

# Numbers that were copied on a phone contain invisible marks of text direction.
_SEPARATORS: Final = (
    r"\s\-()\[\]./~\u00ad\u00b7\u2010-\u2015\u2212\u200b-\u200f\u202a-\u202e\u2060-\u2069\uff0d"
)
_TEXT: Final = re.compile(
    rf"\s*+(?:(?:tel|sips?|callto):)?+(?P<number>[\d+\uff0b*#{_SEPARATORS}]++)(?P<rest>.*+)",
    re.IGNORECASE | re.DOTALL,
)
_SEPARATOR: Final = re.compile(rf"[{_SEPARATORS}]+")
_NUMBER: Final = re.compile(r"\+?[0-9]++|[0-9*#]++")
_EXTENSION: Final = re.compile(r"[;,pwx]|ext", re.IGNORECASE)


class NumberPlan:
    """The rules for phone numbers in a country, behind a PBX.

    The key of a public number is its E.164 form, which starts with `+`. The key of anything else,
    such as an internal number, is its digits: `0101` is not `101`.
    """

    def __init__(self, country: str | None, dial_out: str = "") -> None:
        """Load the rules of all countries, which reads files.

        `country` is an ISO 3166 code, None if unknown.
        """
        PhoneMetadata.load_all()
        metadata = country and PhoneMetadata.metadata_for_region(country)
        self._country = country if metadata else None
        self._calling_code = metadata.country_code if metadata else None
        self._needs_prefix = bool(metadata and metadata.national_prefix) and (
            self._calling_code != _NORTH_AMERICA
        )
        self._dial_out = dial_out

    def contact_key(self, digits: str) -> str:
        """Return the key of a number in an address book, where dial-out prefixes are rare."""
        readings = sorted(
            self._readings(digits), key=lambda found: (found.has_dial_out, not found.is_valid)
        )
        return _key(readings[0].number) if readings else _internal_key(digits)

    def caller_keys(self, digits: str) -> list[str]:
        """Return the possible keys of a caller's digits, the likeliest first.

        Some PBXs add the dial-out prefix to the numbers of callers. If the prefix is 0,
        `0015202345678` is a number in Arizona or a German mobile number.
        """
        readings = sorted(self._readings(digits), key=lambda found: not found.is_valid)
        keys = [_key(reading.number) for reading in readings]
        return list(dict.fromkeys(keys)) or [_internal_key(digits)]

    def formatted(self, key: str) -> str:
        """Return a public number, given by its key, as people of the country write it."""
        number = phonenumbers.parse(key)
        is_home = number.country_code == self._calling_code
        form = PhoneNumberFormat.NATIONAL if is_home else PhoneNumberFormat.INTERNATIONAL
        return phonenumbers.format_number(number, form)

    def _readings(self, digits: str) -> list[_Reading]:
        """Return the public numbers that the digits may be."""
        found = [self._complete(digits)]
        if self._dial_out and digits.startswith(self._dial_out):
            rest = digits.removeprefix(self._dial_out)
            found.append(self._complete(rest, has_dial_out=True))
        if not any(reading and reading.is_valid for reading in found):
            found.append(self._incomplete(digits))
        return [reading for reading in found if reading]

    def _complete(self, digits: str, *, has_dial_out: bool = False) -> _Reading | None:
        """Return the number that is reached by dialing these digits in the country."""
        if (number := self._parse(digits)) is None:
            return None
        is_valid = phonenumbers.is_valid_number(number)
        if number.italian_leading_zero and not is_valid:
            # Where numbers start with a 0 that is not a prefix, the library knows all of them.
            return None
        match number.country_code_source:
            case CountryCodeSource.FROM_DEFAULT_COUNTRY:
                is_complete = self._is_complete(number, digits, is_valid=is_valid)
            case CountryCodeSource.FROM_NUMBER_WITHOUT_PLUS_SIGN:
                # Such as 1 212 555 0123 in North America.
                is_complete = is_valid and self._calling_code == _NORTH_AMERICA
            case _:
                is_complete = is_valid or _is_possible(number)
        return _Reading(number, is_valid, has_dial_out) if is_complete else None

    def _is_complete(self, number: PhoneNumber, digits: str, *, is_valid: bool) -> bool:
        """Return whether a national number has its prefix, or does not need one.

        A number range that is newer than the library is possible but not valid.
        """
        national = phonenumbers.national_significant_number(number)
        if self._needs_prefix and national == digits:
            # In some countries, only some numbers have a prefix.
            written = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
            return is_valid and phonenumbers.normalize_digits_only(written) == digits
        return is_valid or (len(national) >= _SHORTEST_LIKELY and _is_possible(number))

    def _incomplete(self, digits: str) -> _Reading | None:
        """Return the number that has lost its `+` or its national prefix."""
        if len(digits) < _SHORTEST_LIKELY or digits.startswith("+"):
            return None
        number = self._parse(digits)
        if number and phonenumbers.is_valid_number(number):
            return _Reading(number)
        number = self._parse(f"+{digits}") if len(digits) >= _SHORTEST_FOREIGN else None
        if number and phonenumbers.is_valid_number(number) and _key(number) == f"+{digits}":
            return _Reading(number)
        return None

    def _parse(self, digits: str) -> PhoneNumber | None:
        is_international = digits.startswith("+")
        if not is_international and (self._country is None or len(digits) < _SHORTEST_EXTERNAL):
            return None
        if not digits[is_international:].isdecimal():
            return None
        try:
            return phonenumbers.parse(digits, self._country, keep_raw_input=True)
        except NumberParseException:
            return None


@dataclass(frozen=True, slots=True)
class _Reading:
    """A public number that digits may be, and whether they start with the dial-out prefix.

    `is_valid` is False if the library does not know the range of the number.
    """

    number: PhoneNumber
    is_valid: bool = True
    has_dial_out: bool = False


def caller_digits(caller: str) -> str | None:
    """Return the digits of a caller's number, after `+` if it has one.

    Returns None if the caller is not a number, or a SIP address with a number.
    """
    if caller.isdecimal() and caller.isascii():
        return caller if len(caller) <= _MAX_DIGITS else None
    split = _split(caller)
    return split.digits if not split.rest or split.rest[0] in "@;" else None


def contact_digits(number: str) -> tuple[str | None, bool]:
    """Return the digits of a number in an address book, and whether it has an extension.

    The extension, or a comment after the number, is left out. Returns None for the digits if the
    text is not a number.
    """
    split = _split(number)
    if not split.rest:
        return split.digits, False
    if _EXTENSION.match(split.rest):
        return split.digits, any(c.isdecimal() for c in split.rest)
    return (split.digits if split.is_spaced else None), False


class _Split(NamedTuple):
    """The number at the start of a text, the rest, and whether a space is between them."""

    digits: str | None
    rest: str
    is_spaced: bool


def _split(text: str) -> _Split:
    if len(text) > _LONGEST_TEXT or not (match := _TEXT.fullmatch(text)):
        return _Split(None, "", is_spaced=False)
    number = _SEPARATOR.sub("", match["number"]).replace("\uff0b", "+")
    if not number.isascii():
        number = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in number)
    is_number = len(number) <= _MAX_DIGITS and _NUMBER.fullmatch(number)
    last = match["number"][-1]
    is_spaced = last.isspace() or last in "(["
    return _Split(number if is_number else None, match["rest"], is_spaced)


def _is_possible(number: PhoneNumber) -> bool:
    result = phonenumbers.is_possible_number_with_reason(number)
    return bool(result == ValidationResult.IS_POSSIBLE)


def _key(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _internal_key(digits: str) -> str:
    """Return a key that cannot be that of a public number, even if the digits have a `+`."""
    return f"00{digits[1:]}" if digits.startswith("+") else digits
