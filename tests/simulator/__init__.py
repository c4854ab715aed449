"""A PBX to talk to: the documented API over real HTTP, on mailboxes as Asterisk keeps them.

Tests run it in their own process, the demo beside Home Assistant, and anybody alone:
`python -m tests.simulator --help`.
"""

from .certificate import Certificate, rsa_certificate
from .server import Simulator
from .spool import Spool, SpooledMessage

__all__ = ["Certificate", "Simulator", "Spool", "SpooledMessage", "rsa_certificate"]
