"""Repairs JSON whose strings are not escaped, or have another encoding than UTF-8.

Some firmware puts a caller's name between quotes as it is: with bare quotes and backslashes,
control characters, half a surrogate pair, or in Big5 or Shift-JIS, where a backslash (0x5C) may be
the second byte of a character. The repair garbles such a string, but no other. It relies on what
replies look like: a string ends where a quote is followed by the next key, by the next object of a
list, or by the end of the reply.
"""

import re
from typing import Final

_CONTROLS_TO_SPACE: Final = bytes(max(byte, 0x20) for byte in range(256))

# What follows the quote that ends a value. Possessive quantifiers prevent backtracking.
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
    """Return a reply with every string in it escaped. The time is linear in its length."""
    return _VALUE.sub(
        lambda value: f'{value["before"]}{_escape(value["content"])}"', decode_text(body)
    )


def decode_text(body: bytes) -> str:
    """Return a reply as text. Control characters become spaces, and invalid bytes U+FFFD."""
    return body.translate(_CONTROLS_TO_SPACE).decode(errors="replace")


def _escape(content: str) -> str:
    # A single backslash at the end would escape the quote that ends the string.
    content = f"{content}\\" if _ends_in_single_backslash(content) else content
    return _TO_ESCAPE.sub(_escape_match, content)


def _ends_in_single_backslash(content: str) -> bool:
    """Return whether the number of backslashes at the end of a string is odd."""
    return (len(content) - len(content.rstrip("\\"))) % 2 == 1


def _escape_match(match: re.Match[str]) -> str:
    if match["half"]:
        return "\N{REPLACEMENT CHARACTER}"
    return f"\\{match['bare']}" if match["bare"] else match[0]
