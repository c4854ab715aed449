"""Detects the format of audio files, and decodes WAV files to plain samples.

Formats are detected from the first bytes, since file names can be wrong. The codecs of WAV files
are those of Microsoft's "Multiple Channel Audio Data and WAVE Files".
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

_SAMPLE_RATES: Final = range(4_000, 192_001)
"""The supported sample rates, in Hz."""

MAX_DECODED_BYTES: Final = 30 * 60 * 16_000 * 2
"""The most audio that is decoded: half an hour in mono at 16 kHz, which engines expect."""

_BLOCK_FRAMES: Final = 8192
_MAX_CHUNKS: Final = 1000

AUDIO_SUFFIXES: Final = (".flac", ".mp3", ".ogg", ".wav")
"""The suffixes of audio file names."""

_BROWSER_CODECS: Final = frozenset({"pcm", "float", "alaw", "mulaw", "mpeg", "ogg", "flac"})


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The format of an audio file.

    `suffix` is the usual file name suffix. `sample_rate` is in Hz, zero if unknown.
    """

    codec: str
    content_type: str
    suffix: str
    sample_rate: int = 0

    @property
    def is_wav(self) -> bool:
        """Whether the file is a WAV file, with any codec."""
        return self.suffix == ".wav"

    @property
    def is_playable(self) -> bool:
        """Whether browsers can play it."""
        return self.codec in _BROWSER_CODECS


class CodecError(ValueError):
    """The audio has a codec that is not decoded here."""


def detect_format(start: bytes) -> AudioFormat:
    """Return the format of a file, given its first 64 bytes or more.

    Anything unknown gets a content type that browsers do not display, so that a PBX cannot
    serve a web page.
    """
    if start.startswith(b"RIFF") and start[8:12] == b"WAVE":
        header = _WavHeader.parse(start)
        return AudioFormat(header.codec, "audio/wav", ".wav", header.sample_rate)
    if start.startswith(b"OggS"):
        return AudioFormat("ogg", "audio/ogg", ".ogg")
    if start.startswith(b"fLaC"):
        return AudioFormat("flac", "audio/flac", ".flac")
    if start.startswith(b"ID3") or (start[:1] == b"\xff" and start[1:2] >= b"\xe0"):
        return AudioFormat("mpeg", "audio/mpeg", ".mp3")
    return AudioFormat("unknown", "application/octet-stream", ".bin")


def encode_wav(samples: bytes | bytearray, sample_rate: int) -> bytes:
    """Return a WAV file of 16-bit mono samples."""
    header = BytesIO()
    with wave.open(header, "wb") as audio:
        audio.setparams((1, 2, sample_rate, len(samples) // 2, "NONE", ""))
        # Writes the header only, so that tens of megabytes are copied once.
        audio.writeframesraw(b"")
        return header.getvalue() + samples


def repair_data_size(body: bytes) -> bytes:
    """Return a WAV file, with the size of its audio corrected if the header says less.

    Players stop at the size in the header, but ignore one that is beyond the end of the file.
    """
    header = _WavHeader.parse(body)
    start, size = header.data_start, header.data_end(body) - header.data_start
    if not (start and 0 < header.data_size < size):
        return body
    return b"".join((body[: start - 4], size.to_bytes(4, "little"), body[start:]))


def decode_blocks(body: bytes, sample_rate: int, channels: int = 1) -> Iterator[bytes]:
    """Return the audio of a WAV file as 16-bit samples, resampled and with so many channels.

    They come in blocks of at most a few 100 kB. Raises CodecError if the codec is not supported,
    and ValueError if the file is not a WAV file, has an unsupported sample rate, or is too long.
    """
    header = _WavHeader.parse(body)
    if (decoder := _decoder(header)) is None:
        raise CodecError(f"cannot read {header.codec}")
    start, end = header.data_range(body)
    frame = header.channels * (header.bits // 8 if header.codec == "pcm" else 1)
    end -= (end - start) % frame
    # A header with a very low rate would turn a small file into gigabytes of samples.
    if (end - start) // frame * sample_rate * 2 > MAX_DECODED_BYTES * header.sample_rate:
        raise ValueError("too long to be read")

    def convert() -> Iterator[bytes]:
        state = None
        for position in range(start, end, _BLOCK_FRAMES * frame):
            data = decoder(body[position : min(position + _BLOCK_FRAMES * frame, end)])
            if header.channels == 2:
                data = audioop.tomono(data, 2, 0.5, 0.5)
            if header.sample_rate != sample_rate:
                data, state = audioop.ratecv(data, 2, 1, header.sample_rate, sample_rate, state)
            yield audioop.tostereo(data, 2, 1, 1) if channels == 2 else data

    return convert()


def _decoder(header: _WavHeader) -> Callable[[bytes], bytes] | None:
    """Return a function that decodes to 16-bit samples, None if the codec is not supported."""
    match header.codec, header.bits:
        case "pcm", 8:
            # 8-bit samples are unsigned.
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
class _WavHeader:
    """The header of a WAV file. What the file leaves out is zero."""

    codec: str
    channels: int
    sample_rate: int
    bits: int
    data_start: int
    data_size: int

    @classmethod
    def parse(cls, body: bytes) -> _WavHeader:
        """Parse the chunks up to the audio.

        If there is more than one `fmt` chunk, the first counts, as it does for FFmpeg.
        """
        fmt = b""
        data_start = data_size = 0
        for name, start, size in _chunks(body):
            if name == b"data":
                data_start, data_size = start, size
                break
            if name == b"fmt " and not fmt:
                fmt = body[start : start + size]
        codec = _uint(fmt, 24 if _uint(fmt, 0, 2) == _EXTENSIBLE else 0, 2)
        return cls(
            codec=_CODECS.get(codec, f"{codec:#06x}"),
            channels=_uint(fmt, 2, 2),
            sample_rate=_uint(fmt, 4, 4),
            bits=_uint(fmt, 14, 2),
            data_start=data_start,
            data_size=data_size,
        )

    def data_range(self, body: bytes) -> tuple[int, int]:
        """Return where the audio starts and ends. Raises ValueError if it cannot be decoded."""
        if not (self.data_start and self.channels in (1, 2)):
            raise ValueError("not a WAV file that can be read")
        if self.sample_rate not in _SAMPLE_RATES:
            raise ValueError(f"cannot read audio at {self.sample_rate} Hz")
        if self.codec == "pcm" and self.bits not in (8, 16, 24, 32):
            raise ValueError(f"cannot read samples of {self.bits} bits")
        return self.data_start, self.data_end(body)

    def data_end(self, body: bytes) -> int:
        """Return where the audio ends.

        The size in the header is used only if other chunks or nothing follow, because PBXs
        write zero, the largest number, or the size of something else.
        """
        end = self.data_start + self.data_size
        padded = end + (self.data_size % 2 and body[end : end + 1] == b"\0")
        return end if padded <= len(body) and _has_only_chunks(body, padded) else len(body)


def _chunks(body: bytes, position: int = len(b"RIFF____WAVE")) -> Iterator[tuple[bytes, int, int]]:
    """Return the name of each chunk, the start of its content, and the size in its header."""
    for _ in range(_MAX_CHUNKS):
        if len(start := body[position : position + 8]) < 8:
            return
        position += 8
        size = int.from_bytes(start[4:], "little")
        yield start[:4], position, size
        position += size
        # Some writers leave out the byte that pads a chunk of odd length.
        if size % 2 and body[position : position + 1] == b"\0":
            position += 1


def _has_only_chunks(body: bytes, position: int) -> bool:
    """Return whether the rest of a file is empty or consists of chunks."""
    for name, start, size in _chunks(body, position):
        position = start + size
        if not (name.isascii() and name.decode().isprintable() and position <= len(body)):
            return False
    return len(body) - position < 8


def _uint(data: bytes, start: int, size: int) -> int:
    return int.from_bytes(data[start : start + size], "little")
