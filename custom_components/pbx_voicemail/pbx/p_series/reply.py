"""Decodes replies: to the JSON object in them, or to the error that they contain."""

from collections.abc import Sequence
import re
from typing import Final, cast

import orjson

from ..errors import PbxAuthError, PbxRejectedError, PbxReplyError, PbxUnsupportedError
from ..json_values import Json, JsonObject, as_text
from .errors import BlockedError, ParameterRefusedError, TokenLimitError

SUCCESS: Final = "0"
PARTIAL: Final = "1"

FAILED: Final = frozenset({"-1", "10009"})
"""Errcodes of failures for which the PBX gives no reason."""

ACCESS_DENIED: Final = "10005"
NOT_FOUND: Final = "60001"

_NO_INTERFACE: Final = frozenset({"10001", "10002", "10003"})
_TOKEN_EXPIRED: Final = "10004"  # noqa: S105
_WRONG_PARAMETER: Final = frozenset({"40001", "40002", "40003", "40004", NOT_FOUND})
_BLOCKED: Final = "70004"

_LIMIT: Final = "MAX LIMITATION"
_TOKEN: Final = re.compile(r"TOKEN.{0,40}(?:EXPIRED|INVALID)|(?:EXPIRED|INVALID).{0,40}TOKEN")
_LONGEST_TEXT: Final = 256
_ERRCODE: Final = re.compile(r"-?[0-9]{1,10}", re.ASCII)


def decode(body: bytes) -> JsonObject:
    """Return the object in a reply that succeeded, be it for a part of what was asked for.

    Raises PbxRejectedError, or a class derived from it for some errcodes, if the PBX refuses
    the request, and PbxReplyError if it is not a reply of this API.
    """
    reply = _parse(body)
    if not isinstance(reply, dict) or "errcode" not in reply:
        raise PbxReplyError("the reply has no errcode")
    errcode = errcode_of(reply)
    if errcode not in (SUCCESS, PARTIAL):
        raise _rejection(errcode, cast("JsonObject", reply))
    return cast("JsonObject", reply)


def errcode_of(reply: JsonObject) -> str:
    """Return the errcode, `?` if it is not a number, since it is logged and displayed."""
    errcode = as_text(reply.get("errcode"))
    return errcode if _ERRCODE.fullmatch(errcode) else "?"


def as_count(value: Json) -> int | None:
    """Return a number of things, None if it is not one."""
    text = as_text(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def as_objects(value: Json) -> Sequence[JsonObject]:
    """Return the objects in a list, which may be left out or null if it is empty.

    Raises PbxReplyError for anything else: to ignore it would turn garbage into "no messages".
    """
    if value is None:
        return ()
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    raise PbxReplyError("the reply has something else where a list of objects belongs")


def refused_values(reply: JsonObject) -> frozenset[str]:
    """Return the values of parameters that a reply calls invalid."""
    return frozenset(
        as_text(item.get("value")) for item in as_objects(reply.get("invalid_param_list"))
    )


def _parse(body: bytes) -> Json:
    reason = ""
    # Callers choose their names, also in other encodings than UTF-8.
    for text in (body, None):
        try:
            return cast("Json", orjson.loads(text or body.decode(errors="replace")))
        except orjson.JSONDecodeError as err:
            reason = err.msg
    # Not raised from the parser's error, which contains the whole reply.
    raise PbxReplyError("the reply is not JSON") from ValueError(reason)


def _rejection(errcode: str, reply: JsonObject) -> PbxRejectedError:
    text = as_text(reply.get("errmsg"))[:_LONGEST_TEXT].upper()
    if errcode == _BLOCKED:
        return BlockedError(errcode)
    if _LIMIT in text:
        return TokenLimitError(errcode)
    if errcode == _TOKEN_EXPIRED or _TOKEN.search(text):
        return PbxAuthError(errcode)
    if errcode in _NO_INTERFACE:
        return PbxUnsupportedError(errcode)
    if errcode in _WRONG_PARAMETER or reply.get("invalid_param_list"):
        return ParameterRefusedError(errcode)
    return PbxRejectedError(errcode)
