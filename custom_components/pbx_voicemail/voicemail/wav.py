"""What a recording is made of: told from its first bytes, since names of files lie.

Formats of WAV files are those of Microsoft's "Multiple Channel Audio Data and WAVE Files".
"""

from collections.abc import Callable, Iterator
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

_RATES: Final = range(4_000, 192_001)
"""The rates of audio that is taken, in samples per second."""

MAX_SAMPLE_BYTES: Final = 30 * 60 * 16_000 * 2
"""How much audio becomes samples, mono: half an hour at the rate that engines take."""

_PIECE_FRAMES: Final = 8192
_MOST_CHUNKS: Final = 1000

AUDIO_SUFFIXES: Final = (".flac", ".mp3", ".ogg", ".wav")
"""What the names of audio files end in."""

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


class CodecError(ValueError):
    """The audio has a codec that takes a program of its own to read."""


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


def wav(samples: bytes | bytearray, rate: int) -> bytes:
    """Return a WAV file of 16-bit mono samples."""
    header = BytesIO()
    with wave.open(header, "wb") as audio:
        audio.setparams((1, 2, rate, len(samples) // 2, "NONE", ""))
        # Only the header, so that tens of megabytes are copied no more than once.
        audio.writeframesraw(b"")
        return header.getvalue() + samples


def mended(body: bytes) -> bytes:
    """Return a WAV file whose header tells at least as much audio as there is.

    Players stop where the header says that the audio ends, and ignore what it says beyond
    the end of the file.
    """
    header = _Wav.read(body)
    size = header.end(body) - header.begin
    if not (header.begin and 0 < header.size < size):
        return body
    return b"".join((body[: header.begin - 4], size.to_bytes(4, "little"), body[header.begin :]))


def samples_of(body: bytes, rate: int, channels: int = 1) -> bytes:
    """Return a WAV file's audio as 16-bit samples, at another rate and for so many channels.

    Raises ValueError as `pieces_of` does.
    """
    return b"".join(pieces_of(body, rate, channels))


def pieces_of(body: bytes, rate: int, channels: int = 1) -> Iterator[bytes]:
    """Return what `samples_of` returns, in pieces of at most a few 100 kB.

    Raises CodecError if the codec needs a program of its own, and ValueError if the file is
    not a WAV file, has a rate that no telephone has, or would become too long.
    """
    header = _Wav.read(body)
    if (decode := _decoder(header)) is None:
        raise CodecError(f"cannot read {header.codec}")
    begin, end = header.audio(body)
    frame = header.channels * (header.bits // 8 if header.codec == "pcm" else 1)
    end -= (end - begin) % frame
    # audioop makes as many samples as it is told to, in one go and with the interpreter locked.
    if (end - begin) // frame * rate * 2 > MAX_SAMPLE_BYTES * header.rate:
        raise ValueError("too long to be read")

    def convert() -> Iterator[bytes]:
        state = None
        for position in range(begin, end, _PIECE_FRAMES * frame):
            data = decode(body[position : min(position + _PIECE_FRAMES * frame, end)])
            if header.channels == 2:
                data = audioop.tomono(data, 2, 0.5, 0.5)
            if header.rate != rate:
                data, state = audioop.ratecv(data, 2, 1, header.rate, rate, state)
            yield audioop.tostereo(data, 2, 1, 1) if channels == 2 else data

    return convert()


def _decoder(header: _Wav) -> Callable[[bytes], bytes] | None:
    """Return what turns a codec into 16-bit samples, None if nothing here does."""
    match header.codec, header.bits:
        case "pcm", 8:
            # 8-bit samples count from 0 to 255 instead of around 0.
            return lambda data: audioop.lin2lin(audioop.bias(data, 1, 128), 1, 2)
        case "pcm", bits:
            return lambda data: audioop.lin2lin(data, bits // 8, 2)
        case "alaw", _:
            return lambda data: audioop.alaw2lin(data, 2)
        case "mulaw", _:
            return lambda data: audioop.ulaw2lin(data, 2)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class _Wav:
    """The header of a WAV file, and where its audio is."""

    codec: str
    channels: int
    rate: int
    bits: int
    begin: int
    size: int

    @classmethod
    def read(cls, body: bytes) -> _Wav:
        """Read the chunks up to the audio; what is not there stays unknown.

        Of several formats the first counts, as it does for FFmpeg.
        """
        form = b""
        begin = size = 0
        for name, position, length in _chunks(body):
            if name == b"data":
                begin, size = position, length
                break
            if name == b"fmt " and not form:
                form = body[position : position + length]
        kind = _number(form, 24 if _number(form, 0, 2) == _EXTENSIBLE else 0, 2)
        return cls(
            codec=_CODECS.get(kind, f"{kind:#06x}"),
            channels=_number(form, 2, 2),
            rate=_number(form, 4, 4),
            bits=_number(form, 14, 2),
            begin=begin,
            size=size,
        )

    def audio(self, body: bytes) -> tuple[int, int]:
        """Return where the audio begins and ends. Raises ValueError if it cannot be read."""
        if not (self.begin and self.channels in (1, 2)):
            raise ValueError("not a WAV file that can be read")
        if self.rate not in _RATES:
            raise ValueError(f"cannot read audio at {self.rate} Hz")
        if self.codec == "pcm" and self.bits not in (8, 16, 24, 32):
            raise ValueError(f"cannot read samples of {self.bits} bits")
        return self.begin, self.end(body)

    def end(self, body: bytes) -> int:
        """Return where the audio ends.

        Its size is believed only if other chunks follow, or nothing: PBXs write zero, the
        largest number, or the size of something else.
        """
        end = self.begin + self.size
        padded = end + (self.size % 2 and body[end : end + 1] == b"\0")
        return end if padded <= len(body) and _is_chunks(body, padded) else len(body)


def _chunks(body: bytes, position: int = len(b"RIFF____WAVE")) -> Iterator[tuple[bytes, int, int]]:
    """Return the name of each chunk, where its content begins, and how long it is said to be."""
    for _ in range(_MOST_CHUNKS):
        if len(start := body[position : position + 8]) < 8:
            return
        position += 8
        size = int.from_bytes(start[4:], "little")
        yield start[:4], position, size
        position += size
        # Some writers leave out the byte that pads a chunk of odd length.
        if size % 2 and body[position : position + 1] == b"\0":
            position += 1


def _is_chunks(body: bytes, position: int) -> bool:
    """Tell whether a file goes on in chunks to its end, or is at its end."""
    for name, content, size in _chunks(body, position):
        position = content + size
        if not (name.isascii() and name.decode().isprintable() and position <= len(body)):
            return False
    return len(body) - position < 8


def _number(form: bytes, begin: int, size: int) -> int:
    return int.from_bytes(form[begin : begin + size], "little")
