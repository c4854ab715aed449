"""What a PBX answers: from bytes to the JSON object in them, or to the error it means."""

from collections.abc import Mapping, Sequence
import re
from typing import Final, cast

import orjson

from ..errors import (
    PbxAuthError,
    PbxLockedError,
    PbxRejectedError,
    PbxReplyError,
    PbxUnsupportedError,
)
from .repair import decode_text, repair

type Json = str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None
type JsonObject = Mapping[str, Json]

NO_SUCH_EXTENSION: Final = "10006"
NO_SUCH_FILE: Final = "20018"

_LOCKED = frozenset({"20002"})
_LOCK_OUT_SECONDS = 10 * 60
"""How long a PBX refuses an address after five failed logins (OpenVox UC API, "Login")."""


_TOKEN_GONE = frozenset({"20004", "20005", "20006"})

_UNSUPPORTED = frozenset({"10002", "10003"})

_BOM = b"\xef\xbb\xbf"

OFF_LOOP_BYTES: Final = 64 * 1024
"""Replies from this size on, in bytes, are parsed in a thread."""

_START = 1024
_MAX_REPAIRED_BYTES = 16 * 1024 * 1024
"""No more is repaired: that takes ten times as long as to parse what is well."""

_ERRNO = re.compile(r"-?[0-9]{1,10}", re.ASCII)


def decode(body: bytes) -> JsonObject:
    """Return the object in a successful reply.

    Raises PbxReplyError if it is not one of this API's, and PbxRejectedError, or the
    kind of it that the errno stands for, if the PBX says so.
    """
    reply = _parse(body)
    if not isinstance(reply, dict):
        raise PbxReplyError("the reply is not a JSON object")
    status = text(reply.get("status"))
    if not status:
        raise PbxReplyError("the reply has no status")
    if status.casefold() != "success":
        raise _rejection(_errno(text(reply.get("errno"))))
    return cast("JsonObject", reply)


async def decode_now(body: bytes) -> JsonObject:
    """Return the object in a short reply, as `decode` does."""
    return decode(body)


def text(value: Json) -> str:
    """Return a scalar as text, since PBXs send numbers for strings and back."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def objects(value: Json) -> Sequence[JsonObject]:
    """Return the objects of a documented list.

    A PBX may leave an empty list out, and put a list's only object in its place.
    Anything else raises PbxReplyError: to skip it would turn rubbish into "no messages".
    """
    if value is None or value == "":
        return ()
    if isinstance(value, dict):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    raise PbxReplyError("the reply has something else where a list of objects belongs")


def _parse(body: bytes) -> Json:
    """Parse JSON, forgiving what a caller's name can do to it.

    Names reach the PBX from anywhere, in any encoding, and it may pass them on as they
    came. One of them must not make every message unreadable.
    """
    body = body.removeprefix(_BOM)
    reason = ""
    is_worth_it = body[:_START].lstrip().startswith(b"{") and len(body) <= _MAX_REPAIRED_BYTES
    for read in (bytes, decode_text, repair) if is_worth_it else (bytes,):
        try:
            return cast("Json", orjson.loads(read(body)))
        except orjson.JSONDecodeError as err:
            reason = err.msg
    # The parser's own error keeps the whole document, callers and all.
    raise PbxReplyError("the reply is not JSON") from ValueError(reason)


def _errno(value: str) -> str | None:
    """Return an errno, `?` for one that is no number: it ends up in logs and dialogs."""
    return (value if _ERRNO.fullmatch(value) else "?") if value else None


def _rejection(errno: str | None) -> PbxRejectedError:
    if errno in _TOKEN_GONE:
        return PbxAuthError(errno)
    if errno in _LOCKED:
        return PbxLockedError(errno, _LOCK_OUT_SECONDS)
    if errno in _UNSUPPORTED:
        return PbxUnsupportedError(errno)
    return PbxRejectedError(errno)
