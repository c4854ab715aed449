"""Time that goes on for a simulated P-Series and its tokens, and for nothing that waits."""

from datetime import UTC, datetime, timedelta
import time

import pytest

from custom_components.pbx_voicemail.pbx.p_series import login, mailboxes, session, tokens
from tests.simulator import PSeriesSimulator


class Clock:
    """Sets the clocks of a PBX and of its clients forward: frozen time would freeze time-outs."""

    def __init__(self, pbx: PSeriesSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
        """Replace the clocks for as long as the test runs."""
        self._passed = timedelta()
        for module in login, mailboxes, session, tokens:
            for name in {"time", "monotonic"} & vars(module).keys():
                real = getattr(time, name)
                monkeypatch.setattr(
                    module, name, lambda real=real: real() + self._passed.total_seconds()
                )
        monkeypatch.setattr(pbx, "clock", lambda: datetime.now(UTC) + self._passed)

    def tick(self, passed: timedelta) -> None:
        """Let some time pass."""
        self._passed += passed
