"""The interface of a PBX: what every family's client offers, and what a family is.

The rest of the code knows `PbxClient` and `Family` alone. It asks a client for its
capabilities, never which family it belongs to.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from enum import Flag, auto
from typing import ClassVar

import aiohttp

from .address import Address
from .errors import PbxError, PbxSetupError
from .models import Extension, Mailbox, Message, PbxInfo


class Capability(Flag):
    """What a PBX can do beyond listing its messages."""

    READ_STATE = auto()
    """Its messages say whether they were heard."""
    MARK_READ = auto()
    """It can be told that a message was heard."""
    DELETE = auto()
    """It deletes messages."""
    RECORDINGS = auto()
    """It gives out the audio of messages."""
    EXTENSION_LIST = auto()
    """It lists its extensions, those without messages too."""
    PUSH = auto()
    """It reports changes, so that a poll can follow at once."""
    LOCAL_CLOCK = auto()
    """It gives dates in its local time, so its time zone has to be known."""
    BARE_TOKEN = auto()
    """It accepts a token without a user name."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signs us in: a token that somebody got from the PBX, or a user and a secret.

    `secret` is the password, or what the family keeps of it (`Family.stored_secret`).
    """

    token: str | None = field(default=None, repr=False)
    username: str | None = None
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What a client needs to reach one PBX.

    The session is the caller's to close; it must keep no cookies and reuse no connections.
    `api` is the version of the API that a person chose, None to find it out. `fingerprint`,
    the SHA-256 of a certificate in hexadecimal, pins that certificate, and `old_tls` admits
    TLS that OpenSSL refuses by default. `id_key` is a secret of up to 64 bytes without which
    nobody can work out the id of a message. `remembered` and `tokens` are what
    `PbxClient.remember` and `PbxClient.tokens` returned in an earlier run, and `has_worked` is
    whether the credentials were accepted then.
    """

    session: aiohttp.ClientSession = field(repr=False)
    address: Address
    credentials: Credentials = Credentials()
    api: str | None = None
    time_zone: tzinfo = UTC
    fingerprint: str | None = None
    old_tls: bool = False
    id_key: bytes = field(default=b"", repr=False)
    remembered: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    has_worked: bool = False


class PbxClient(ABC):
    """One PBX. It signs in when it has to, and every call may raise a PbxError."""

    reply_bytes: int = 0
    """The size of the last reply about mailboxes, in bytes."""

    @property
    def is_catching_up(self) -> bool:
        """Whether the last call of `mailboxes` left mailboxes to be asked for in the next one."""
        return False

    @property
    def unreadable(self) -> Mapping[str, PbxError]:
        """The mailboxes that the last call of `mailboxes` could not read, by extension, and why.

        Nothing is known of them, while all others are as they were returned.
        """
        return {}

    @property
    def setup_errors(self) -> Collection[PbxSetupError]:
        """What the owner has to set right, though the last call of `mailboxes` succeeded."""
        return ()

    @property
    @abstractmethod
    def address(self) -> Address:
        """Where the PBX is reached."""

    @property
    @abstractmethod
    def capabilities(self) -> Capability:
        """What the PBX can do; known for certain once it has answered."""

    @abstractmethod
    async def info(self) -> PbxInfo:
        """Return what the PBX says about itself, an empty PbxInfo if it says nothing."""

    @abstractmethod
    async def extensions(self) -> tuple[Extension, ...] | None:
        """Return all extensions, with or without a mailbox, None if the PBX has no list."""

    @abstractmethod
    async def mailboxes(self, only: Collection[str] = ()) -> Mapping[str, Mailbox]:
        """Return the mailboxes that have messages, by extension.

        With `only`, those of these extensions. Mailboxes that are `unreadable` are left out. A
        mailbox that has not changed since the last call is the very object returned then.
        """

    @abstractmethod
    async def recording(self, message: Message) -> bytes:
        """Return the audio of a message as the PBX keeps it.

        Raises PbxGoneError if the message is no longer there, and PbxUnclearError if it
        cannot be told apart from another one.
        """

    @abstractmethod
    async def delete(self, message: Message) -> None:
        """Delete a message. Raises PbxGoneError and PbxUnclearError as `recording` does."""

    async def mark_read(self, message: Message) -> None:
        """Tell the PBX that a message was heard. Needs `Capability.MARK_READ`."""
        raise NotImplementedError

    async def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` once connected and whenever a mailbox may have changed.

        Runs until the connection breaks, and then raises PbxError or returns. Needs
        `Capability.PUSH`. It only hurries the next poll, and never replaces it.
        """
        raise NotImplementedError

    @abstractmethod
    async def close(self) -> None:
        """Give back what was got by signing in. Raises nothing; the client can be used again."""

    def remember(self) -> Mapping[str, str]:
        """Return what is worth keeping for the next start. It holds no secret."""
        return {}

    def tokens(self) -> Mapping[str, str]:
        """Return what has to be kept to go on without another login. It is secret.

        Empty once `close` has given it back, and where nothing outlives the client.
        """
        return {}

    @abstractmethod
    def describe(self) -> Mapping[str, object]:
        """Return what may be published about the connection: no caller, secret or address."""

    @property
    def id_context(self) -> str | None:
        """What message ids depend on besides the messages, None if on nothing or unknown.

        It has to be stored with the ids; `find_renamed` needs it.
        """
        return None

    async def find_renamed(
        self, known: Mapping[str, Collection[str]], id_context: str | None
    ) -> Mapping[str, str]:
        """Return the messages of the last answer that had another id before, old id to new.

        `known` are the ids that were stored for each extension, and `id_context` is what was
        stored with them. Only a family whose ids can change has to override this.
        """
        return {}

    def set_time_zone(self, zone: tzinfo) -> None:  # noqa: B027
        """Read dates in another time zone from now on. Matters with `Capability.LOCAL_CLOCK`."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A port on which a family's PBXs usually listen."""

    port: int
    tls: bool


class Family(ABC):
    """A kind of PBX, with an API of its own."""

    key: ClassVar[str]
    """Names the family in stored data."""
    apis: ClassVar[Mapping[str, str]]
    """The versions of the API that a person may choose, each with its label."""
    endpoints: ClassVar[tuple[Endpoint, ...]]
    """Where to look for it, the most likely first."""
    login_step: ClassVar[str]
    """The step of the configuration flow that asks for user name and password."""
    accepts_token: ClassVar[bool]
    """Whether a token can stand in for user name and password."""
    longest_interval: ClassVar[int]
    """The longest interval between polls, in seconds."""
    mac_prefixes: ClassVar[tuple[str, ...]] = ()
    """How the MAC addresses of its makers begin: six hexadecimal digits in upper case."""

    @abstractmethod
    async def probe(self, connection: Connection) -> Mapping[str, str]:
        """Find out, without credentials, whether a PBX of this family answers.

        Returns what is worth remembering for the client. Raises PbxReplyError if something
        else answers, PbxSetupError if a PBX answers that has to be set up first, and any
        other PbxError if nothing can be said.
        """

    @abstractmethod
    def create(self, connection: Connection) -> PbxClient:
        """Return a client. It connects when it is first asked something."""

    def product_name(self, remembered: Mapping[str, str]) -> str:
        """Return what to call a PBX before it tells its model, by what `probe` returned."""
        return "PBX"

    def stored_secret(self, password: str) -> str:
        """Return what of a password has to be kept to sign in with."""
        return password
