"""OpenVox UC PBXs (API v0.0.1), and Yeastar's S-Series, K2 and Cloud PBXs (API v1.1.0)."""

from collections.abc import Mapping
from typing import ClassVar, override

from ..client import Connection, Endpoint, Family, PbxClient
from .api import Api, version_in
from .client import SSeriesClient
from .login import stored_secret
from .versions import API_VERSIONS, MAC_PREFIXES


class SSeries(Family):
    """PBXs of both manufacturers, with an API at `/api/v…`."""

    key = "s_series"
    apis: ClassVar[Mapping[str, str]] = {
        version.name: f"{version.name} ({version.manufacturer})" for version in API_VERSIONS
    }
    endpoints = (
        Endpoint(9011, tls=False),
        Endpoint(9011, tls=True),
        Endpoint(8088, tls=True),
        Endpoint(8088, tls=False),
        Endpoint(443, tls=True),
        Endpoint(80, tls=False),
    )
    login_step = "login"
    accepts_token = True
    longest_interval = 1500
    """A token expires after 30 minutes without a request (OpenVox UC API, "Login")."""
    mac_prefixes = MAC_PREFIXES

    @override
    async def probe(self, connection: Connection) -> Mapping[str, str]:
        api = Api(connection)
        await api.find_version()
        return api.remember()

    @override
    def product_name(self, remembered: Mapping[str, str]) -> str:
        version = version_in(remembered)
        return f"{version.manufacturer} PBX" if version else super().product_name(remembered)

    @override
    def create(self, connection: Connection) -> PbxClient:
        return SSeriesClient(connection)

    @override
    def stored_secret(self, password: str) -> str:
        return stored_secret(password)
