"""What a recording is made of: told from its first bytes, since names of files lie.

Formats of WAV files are those of Microsoft's "Multiple Channel Audio Data and WAVE Files".
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Final
import wave

import audioop

_PCM: Final = 0x0001
_ALAW: Final = 0x0006
_MULAW: Final = 0x0007
_EXTENSIBLE: Final = 0xFFFE

_CODECS: Final = {
    _PCM: "pcm",
    0x0002: "adpcm_ms",
    0x0003: "float",
    _ALAW: "alaw",
    _MULAW: "mulaw",
    0x0011: "adpcm_ima",
    0x0031: "gsm",
    0x0045: "g726",
}

_PLAYED_BY_BROWSERS: Final = frozenset({"pcm", "float", "alaw", "mulaw", "mpeg", "ogg", "flac"})


@dataclass(frozen=True, slots=True)
class Sound:
    """What kind of audio a file has. `suffix` is the usual one for its name.

    `rate` is in samples per second, zero where it is not known.
    """

    codec: str
    content_type: str
    suffix: str
    rate: int = 0

    @property
    def is_wav(self) -> bool:
        """Tell whether it is a WAV file, whatever is in it."""
        return self.suffix == ".wav"

    @property
    def is_playable(self) -> bool:
        """Tell whether browsers play it."""
        return self.codec in _PLAYED_BY_BROWSERS


def recognise(start: bytes) -> Sound:
    """Tell what a file is, by its first 64 bytes or more.

    The type is one of audio or of nothing, so that no browser takes it for a page.
    """
    if start.startswith(b"RIFF") and start[8:12] == b"WAVE":
        header = _Wav.read(start)
        return Sound(header.codec, "audio/wav", ".wav", header.rate)
    if start.startswith(b"OggS"):
        return Sound("ogg", "audio/ogg", ".ogg")
    if start.startswith(b"fLaC"):
        return Sound("flac", "audio/flac", ".flac")
    if start.startswith(b"ID3") or (start[:1] == b"\xff" and start[1:2] >= b"\xe0"):
        return Sound("mpeg", "audio/mpeg", ".mp3")
    return Sound("unknown", "application/octet-stream", ".bin")


def wav(samples: bytes, rate: int) -> bytes:
    """Return a WAV file of 16-bit mono samples."""
    file = BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setparams((1, 2, rate, 0, "NONE", ""))
        audio.writeframes(samples)
    return file.getvalue()


def samples_of(body: bytes, rate: int, channels: int = 1) -> bytes:
    """Return a WAV file's audio as 16-bit samples, at another rate and for so many channels.

    Raises ValueError if it is not a WAV file, or one whose codec needs a program of its own.
    """
    header = _Wav.read(body)
    data = header.data(body)
    match header.codec:
        case "pcm":
            width = header.bits // 8
            # 8-bit samples count from 0 to 255 instead of around 0.
            data = audioop.bias(data, 1, 128) if width == 1 else data
            data = audioop.lin2lin(data[: len(data) - len(data) % width], width, 2)
        case "alaw":
            data = audioop.alaw2lin(data, 2)
        case "mulaw":
            data = audioop.ulaw2lin(data, 2)
        case _:
            raise ValueError(f"cannot read {header.codec}")
    if header.channels == 2:
        data = audioop.tomono(data[: len(data) - len(data) % 4], 2, 0.5, 0.5)
    if header.rate != rate:
        data, _ = audioop.ratecv(data, 2, 1, header.rate, rate, None)
    return audioop.tostereo(data, 2, 1, 1) if channels == 2 else data


@dataclass(frozen=True, slots=True)
class _Wav:
    """The header of a WAV file, and where its audio is."""

    codec: str = "unknown"
    channels: int = 0
    rate: int = 0
    bits: int = 0
    begin: int = 0
    size: int = 0

    @classmethod
    def read(cls, body: bytes) -> _Wav:
        """Read the chunks up to the audio; what is not there stays unknown."""
        kind = channels = rate = bits = 0
        position = len(b"RIFF____WAVE")
        while len(chunk := body[position : position + 8]) == 8:
            name, size = chunk[:4], int.from_bytes(chunk[4:], "little")
            position += 8
            if name == b"data":
                codec = _CODECS.get(kind, f"{kind:#06x}")
                return cls(codec, channels, rate, bits, position, size)
            if name == b"fmt ":
                form = body[position : position + size]
                kind, channels = _number(form, 0, 2), _number(form, 2, 2)
                rate, bits = _number(form, 4, 4), _number(form, 14, 2)
                if kind == _EXTENSIBLE:
                    kind = _number(form, 24, 2)
            position += size + size % 2
        return cls(_CODECS.get(kind, f"{kind:#06x}"), channels, rate, bits)

    def data(self, body: bytes) -> bytes:
        """Return the audio, to the end of the file if it is said to be longer."""
        if not (self.begin and self.rate and self.channels in (1, 2)):
            raise ValueError("not a WAV file that can be read")
        if self.codec == "pcm" and self.bits not in (8, 16, 24, 32):
            raise ValueError(f"cannot read samples of {self.bits} bits")
        # Of a file that was streamed, the length is not known and told as zero.
        return body[self.begin : self.begin + self.size] if self.size else body[self.begin :]


def _number(form: bytes, begin: int, size: int) -> int:
    return int.from_bytes(form[begin : begin + size], "little")
