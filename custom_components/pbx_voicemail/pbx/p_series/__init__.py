"""Yeastar's P-Series: its appliances from P550 up, its Software and its Cloud Edition.

What is known of its API is from the developer guides of these editions on help.yeastar.com, whose
pages are named where a fact is used. Where they leave something open, each possible answer works.
"""

from collections.abc import Mapping
from typing import ClassVar, override

from ..client import Connection, Endpoint, Family, PbxClient
from ..errors import PbxRejectedError, PbxReplyError
from .client import PSeriesClient
from .errors import BlockedError
from .reply import decode
from .requests import MAX_SHORT_BYTES, Requests


class PSeries(Family):
    """PBXs with an API at `/openapi/v1.0`."""

    key = "p_series"
    apis: ClassVar[Mapping[str, str]] = {"p_series": "openapi/v1.0 (Yeastar P-Series)"}
    endpoints = (
        Endpoint(8088, tls=True),
        Endpoint(443, tls=True),
        Endpoint(8088, tls=False),
        Endpoint(80, tls=False),
    )
    login_step = "login_p_series"
    accepts_token = False
    """A token lives for half an hour, and only client ID and secret get the next one."""
    longest_interval = 3600
    mac_prefixes = ("F4B549",)
    """Of Yeastar, whatever the series (IEEE, MA-L)."""

    @override
    async def probe(self, connection: Connection) -> Mapping[str, str]:
        """Ask for what needs a token, without one: only this API answers with an errcode.

        First for something that does not exist: a request without a token may count as a failed
        attempt, of which five block this address.
        """
        requests = Requests(connection)
        try:
            await _ask(requests, "heartbeat")
        except PbxReplyError:
            await _ask(requests, "system/information")
        return {}

    @override
    def product_name(self, remembered: Mapping[str, str]) -> str:
        return "Yeastar P-Series PBX"

    @override
    def create(self, connection: Connection) -> PbxClient:
        return PSeriesClient(connection)


async def _ask(requests: Requests, path: str) -> None:
    try:
        decode(await requests.ask(path, max_bytes=MAX_SHORT_BYTES))
    except BlockedError:
        raise
    except PbxRejectedError as err:
        if err.errno is None:
            # An HTTP status, which any server may answer with.
            raise PbxReplyError("the answer is not that of this API") from err
