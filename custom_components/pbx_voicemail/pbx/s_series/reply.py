"""Decodes replies: to the JSON object in them, or to the error that they contain."""

from collections.abc import Sequence
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
from ..http import HttpResponse
from ..json_values import Json, JsonObject, as_text
from .repair import decode_text, repair

NO_SUCH_EXTENSION: Final = "10006"
NO_SUCH_FILE: Final = "20018"

_UNSUPPORTED: Final = frozenset({"10002", "10003"})
_LOCKED: Final = frozenset({"20002"})
_INVALID_TOKEN: Final = frozenset({"20004", "20005", "20006"})

_LOCK_OUT_SECONDS: Final = 10 * 60
"""How long a PBX refuses an address after five failed logins (OpenVox UC API, "Login")."""

_BOM: Final = b"\xef\xbb\xbf"

_START_BYTES: Final = 1024
_MAX_REPAIRED_BYTES: Final = 16 * 1024 * 1024
"""Larger replies are not repaired, since that takes ten times as long as parsing."""

_ERRNO: Final = re.compile(r"-?[0-9]{1,10}", re.ASCII)


def decode(body: bytes) -> JsonObject:
    """Return the object in a successful reply.

    Raises PbxRejectedError, or a class derived from it for some errnos, if the PBX refuses the
    request, and PbxReplyError if it is not a reply of this API.
    """
    reply = _parse(body)
    if not isinstance(reply, dict):
        raise PbxReplyError("the reply is not a JSON object")
    status = as_text(reply.get("status"))
    if not status:
        raise PbxReplyError("the reply has no status")
    if status.casefold() != "success":
        raise _rejection(_errno(as_text(reply.get("errno"))))
    return cast("JsonObject", reply)


async def decode_short(response: HttpResponse) -> JsonObject:
    """Do the same as `decode`, as a coroutine function, for replies that need no thread."""
    return decode(response.body)


def as_objects(value: Json) -> Sequence[JsonObject]:
    """Return the objects in a list.

    A PBX may leave out an empty list, and may send a single object without a list. Raises
    PbxReplyError for anything else: to ignore it would turn garbage into "no messages".
    """
    if value is None or value == "":
        return ()
    if isinstance(value, dict):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    raise PbxReplyError("the reply has something else where a list of objects belongs")


def _parse(body: bytes) -> Json:
    """Parse JSON, and repair it if necessary.

    Callers choose their names, and some PBXs pass them on without escaping. One such name must
    not make all messages unreadable.
    """
    body = body.removeprefix(_BOM)
    reason = ""
    can_repair = body[:_START_BYTES].lstrip().startswith(b"{") and len(body) <= _MAX_REPAIRED_BYTES
    for prepare in (bytes, decode_text, repair) if can_repair else (bytes,):
        try:
            return cast("Json", orjson.loads(prepare(body)))
        except orjson.JSONDecodeError as err:
            reason = err.msg
    # Not raised from the parser's error, which contains the whole reply.
    raise PbxReplyError("the reply is not JSON") from ValueError(reason)


def _errno(value: str) -> str | None:
    """Return an errno, `?` if it is not a number, since it is logged and displayed."""
    return (value if _ERRNO.fullmatch(value) else "?") if value else None


def _rejection(errno: str | None) -> PbxRejectedError:
    if errno in _INVALID_TOKEN:
        return PbxAuthError(errno)
    if errno in _LOCKED:
        return PbxLockedError(errno, _LOCK_OUT_SECONDS)
    if errno in _UNSUPPORTED:
        return PbxUnsupportedError(errno)
    return PbxRejectedError(errno)
