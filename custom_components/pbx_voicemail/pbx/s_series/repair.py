"""Repairs a reply whose texts were not escaped, or came in another encoding than UTF-8.

Simple firmware copies a caller's name between two quotes as it came: with bare quotes and
backslashes, control characters, half an emoji, or in Big5 or Shift-JIS, where a backslash
(0x5C) may be the second byte of a letter. Such bytes garble the one text they are in. What
stands around it is read by what this API's replies look like: a text ends where a quote is
followed by the next key, by the next entry of a list, or by the end of the reply.
"""

import re
from typing import Final

_CONTROLS_TO_SPACE: Final = bytes(max(byte, 0x20) for byte in range(256))

# What follows the quote that ends a value. Runs are possessive, so that nothing is read twice.
_END: Final = r"""
    \s*+ (?: , \s*+ "[A-Za-z_]{1,32}" \s*+ :
          | [}\]] [}\]\s]*+ (?: , \s*+ (?: \{ | "[A-Za-z_]{1,32}" \s*+ : ) | \Z ) )
"""
_VALUE: Final = re.compile(
    rf"""(?P<before> : \s*+ ") (?P<content> (?: [^"]++ | "(?!{_END}) )*+ ) (?: " | \Z )""",
    re.VERBOSE,
)
_TO_ESCAPE: Final = re.compile(
    r"""
    (?P<valid> \\ ["\\/bfnrt] | \\u (?![dD][89a-fA-F]) [0-9a-fA-F]{4}
             | \\u [dD][89abAB][0-9a-fA-F]{2} \\u [dD][c-fC-F][0-9a-fA-F]{2} )
    | (?P<half> \\u [dD][89a-fA-F][0-9a-fA-F]{2} )
    | (?P<bare> [\\"] )
    """,
    re.VERBOSE,
)


def repair(body: bytes) -> str:
    """Return a reply with every text in it escaped. Takes time in proportion to its length."""
    return _VALUE.sub(
        lambda value: f'{value["before"]}{_escape(value["content"])}"', decode_text(body)
    )


def decode_text(body: bytes) -> str:
    """Return a reply as text, with a space for each control and U+FFFD for each foreign byte."""
    return body.translate(_CONTROLS_TO_SPACE).decode(errors="replace")


def _escape(content: str) -> str:
    # The quote behind it ends the text, so a backslash at its end escapes nothing.
    content = content if _ends_whole(content) else f"{content}\\"
    return _TO_ESCAPE.sub(_escape_one, content)


def _ends_whole(content: str) -> bool:
    """Tell whether the backslashes at the end of a text are all part of pairs."""
    return (len(content) - len(content.rstrip("\\"))) % 2 == 0


def _escape_one(found: re.Match[str]) -> str:
    if found["half"]:
        return "\N{REPLACEMENT CHARACTER}"
    return f"\\{found['bare']}" if found["bare"] else found[0]
