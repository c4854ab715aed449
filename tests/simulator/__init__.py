"""A simulated PBX: the documented API over real HTTP, on mailboxes in Asterisk's format.

Tests run it in their own process. The demo and `python -m tests.simulator --help` run it as a
process.
"""

from .certificate import Certificate, rsa_certificate
from .p_series import PSeriesSimulator
from .server import Simulator
from .spool import Spool, SpooledMessage

__all__ = [
    "Certificate",
    "PSeriesSimulator",
    "Simulator",
    "Spool",
    "SpooledMessage",
    "rsa_certificate",
]
