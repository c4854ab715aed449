"""Text from a PBX, made fit to be shown: bounded, on one line, without control characters.

Names and numbers of callers are chosen by the callers.
"""

import re
from typing import Final

_LONGEST_TEXT: Final = 255
_LONGEST_PRODUCT_NAME: Final = 64
_LONGEST_RAW_TEXT: Final = 2048
"""What is beyond this is not looked at, least of all by regular expressions."""

# "Ann Müller" <6000>, as Asterisk writes a caller; the quotes escape themselves with \.
_NAMED_CALLER: Final = re.compile(
    r"""(?: "(?P<quoted> (?: \\. | [^"\\] )*+ )" \s*+ | (?P<bare> [^<>"]*+ ) ) <(?P<number> [^<>]*+ )>""",
    re.VERBOSE,
)
# One whose name has lost its form, in another encoding for one. The number is what is left.
_SPOILED_CALLER: Final = re.compile(
    r""" "? (?P<name> [^<>"\\]*+ ) [^<>]*+ <(?P<number> [^<>]*+ )>""", re.VERBOSE
)
_ESCAPED: Final = re.compile(r"\\(.)")
_NOT_IN_PRODUCT_NAME: Final = re.compile(r"[^\w .+/()-]+")
_JOINERS: Final = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
_PUNCTUATION: Final = str.maketrans("", "", " -./()")


def printable(text: str) -> str | None:
    """Return what can be shown of a text on one line, None if nothing can.

    Control characters are dropped, and marks that reverse the direction of the text around
    them. The joiners of Persian and of emoji are part of words.
    """
    text = " ".join(text[:_LONGEST_RAW_TEXT].split())
    if not text.isprintable():
        text = "".join(c for c in text if c.isprintable() or c in _JOINERS)
    text = text.strip()[:_LONGEST_TEXT]
    return text if text.strip(_JOINERS) else None


def product_name(text: str) -> str | None:
    """Return the name of a product, without anything that Markdown could make a link of."""
    return printable(_NOT_IN_PRODUCT_NAME.sub("", text[:_LONGEST_PRODUCT_NAME]))


def split_caller(caller: str) -> tuple[str | None, str | None]:
    """Return number and name of a caller such as `7001`, `anonymous` or `"Ann" <6000>`."""
    caller = caller[:_LONGEST_RAW_TEXT]
    if match := _NAMED_CALLER.fullmatch(caller):
        name = match["bare"] if match["quoted"] is None else _ESCAPED.sub(r"\1", match["quoted"])
        number = match["number"]
    elif match := _SPOILED_CALLER.fullmatch(caller):
        name, number = match["name"], match["number"]
    else:
        return printable(caller), None
    shown_number, shown_name = printable(number), printable(name)
    if shown_name and shown_number and _digits(shown_name) == _digits(shown_number):
        shown_name = None
    return shown_number, shown_name


def _digits(number: str) -> str:
    """Return a number without what people put between its digits."""
    return number.translate(_PUNCTUATION)
