"""Mailboxes full of made-up messages, the same ones for the same seed."""

from datetime import datetime, timedelta
from pathlib import Path
from random import Random
import wave

from .spool import Spool

_FIRST_EXTENSION = 1000
_NAMES = ("Ann Müller", "张伟", "O'Brien", "José", "Ана", "")


def fill(
    spool: Spool, root: Path, *, extensions: int, messages: int, seed: int, now: datetime
) -> None:
    """Leave `messages` messages for each of `extensions` extensions, the last ones before `now`."""
    random = Random(seed)
    recording = root / "second-of-silence.wav"
    _write_silence(recording)
    for extension in range(_FIRST_EXTENSION, _FIRST_EXTENSION + extensions):
        ages = sorted(random.randrange(30 * 24 * 3600) for _ in range(messages))
        for age in reversed(ages):
            number = f"+4930{random.randrange(10**7):07}"
            name = random.choice(_NAMES)
            spool.leave(
                str(extension),
                f'"{name}" <{number}>' if name else number,
                received=now - timedelta(seconds=age),
                recording=recording,
                duration=random.randrange(2, 180),
            )


def _write_silence(path: Path) -> None:
    with wave.open(str(path), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8000)
        audio.writeframes(bytes(16000))
