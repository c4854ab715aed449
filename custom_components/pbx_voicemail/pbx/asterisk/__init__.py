"""Asterisk 18.20, 20.5, 21 and newer, by its own web server: FreePBX and others have it, too.

The web server carries AMI, the manager's interface, and gives out recordings as files.
"""

from collections.abc import Mapping
from typing import ClassVar, override

from ..client import Connection, Endpoint, Family, PbxClient
from ..errors import PbxReplyError
from .client import AsteriskClient
from .web_server import WebServer


class Asterisk(Family):
    """Asterisk, whoever put it into a product."""

    key = "asterisk"
    apis: ClassVar[Mapping[str, str]] = {"asterisk": "Asterisk"}
    endpoints = (Endpoint(8089, tls=True), Endpoint(8088, tls=False))
    login_step = "login_asterisk"
    accepts_token = False
    longest_interval = 3600
    """Nothing expires that a login would not renew."""

    @override
    async def probe(self, connection: Connection) -> Mapping[str, str]:
        """Ping the manager, which denies that to whoever is not signed in."""
        response = await WebServer(connection).act("Ping")
        if not response.reply.is_denied:
            raise PbxReplyError("the answer is not that of Asterisk's manager")
        return {}

    @override
    def create(self, connection: Connection) -> PbxClient:
        return AsteriskClient(connection)
