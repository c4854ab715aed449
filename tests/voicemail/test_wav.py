"""Formats are detected by content, and WAV files are decoded to samples."""

from io import BytesIO
from itertools import islice
import math
import wave

import audioop
import pytest

from custom_components.pbx_voicemail.voicemail.wav import (
    AudioFormat,
    CodecError,
    decode_blocks,
    detect_format,
    encode_wav,
    repair_data_size,
)
from tests.conftest import FIXTURES

GSM = (FIXTURES / "recordings" / "gsm.wav").read_bytes()
RECORDED = (FIXTURES / "asterisk-voicemail" / "101" / "INBOX" / "msg0001.wav").read_bytes()


def _tone(rate: int = 8000, seconds: float = 0.5) -> bytes:
    """Return 16-bit samples of a tone of 400 Hz."""
    return b"".join(
        round(12000 * math.sin(2 * math.pi * 400 * moment / rate)).to_bytes(
            2, "little", signed=True
        )
        for moment in range(round(rate * seconds))
    )


def decode(body: bytes, sample_rate: int, channels: int = 1) -> bytes:
    """Return all blocks at once."""
    return b"".join(decode_blocks(body, sample_rate, channels))


def _wav(kind: int, data: bytes, *, bits: int, channels: int = 1, rate: int = 8000) -> bytes:
    """Return a WAV file as its specification has it, with a chunk of odd length before the audio."""
    form = (
        kind.to_bytes(2, "little")
        + channels.to_bytes(2, "little")
        + rate.to_bytes(4, "little")
        + (rate * channels * bits // 8 % 2**32).to_bytes(4, "little")
        + (channels * bits // 8).to_bytes(2, "little")
        + bits.to_bytes(2, "little")
    )
    chunks = b"".join(
        name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)
        for name, content in ((b"LIST", b"odd"), (b"fmt ", form), (b"data", data))
    )
    return b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WAVE" + chunks


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (RECORDED, AudioFormat("pcm", "audio/wav", ".wav", 8000)),
        (GSM, AudioFormat("gsm", "audio/wav", ".wav", 8000)),
        (_wav(6, b"", bits=8), AudioFormat("alaw", "audio/wav", ".wav", 8000)),
        (_wav(0x1234, b"", bits=8), AudioFormat("0x1234", "audio/wav", ".wav", 8000)),
        (RECORDED[:20], AudioFormat("0x0000", "audio/wav", ".wav")),
        (b"OggS\0\2", AudioFormat("ogg", "audio/ogg", ".ogg")),
        (b"fLaC\0", AudioFormat("flac", "audio/flac", ".flac")),
        (b"ID3\4", AudioFormat("mpeg", "audio/mpeg", ".mp3")),
        (b"\xff\xfb\x90", AudioFormat("mpeg", "audio/mpeg", ".mp3")),
        (b"<html><script>", AudioFormat("unknown", "application/octet-stream", ".bin")),
        (b"RIFF\0\0\0\0AVI ", AudioFormat("unknown", "application/octet-stream", ".bin")),
        (b"\xff", AudioFormat("unknown", "application/octet-stream", ".bin")),
        (b"", AudioFormat("unknown", "application/octet-stream", ".bin")),
    ],
)
def test_detected_format(start: bytes, expected: AudioFormat) -> None:
    assert detect_format(start) == expected


def test_extensible_format_has_the_codec_inside() -> None:
    file = BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setparams((1, 2, 16000, 0, "NONE", ""))
        audio.writeframes(_tone(16000))
    extended = bytearray(file.getvalue())
    form = bytes(extended[20:36])
    extensible = b"\xfe\xff" + form[2:] + b"\x16\0\x10\0\0\0\0\0" + b"\1\0" + bytes(14)
    extended[16:36] = len(extensible).to_bytes(4, "little") + extensible
    assert detect_format(bytes(extended)) == AudioFormat("pcm", "audio/wav", ".wav", 16000)
    assert decode(bytes(extended), 16000) == _tone(16000)


def test_playable_formats() -> None:
    assert detect_format(RECORDED).is_playable
    assert not detect_format(GSM).is_playable
    assert not detect_format(b"?").is_playable


@pytest.mark.parametrize(
    ("kind", "bits", "encoded"),
    [
        (1, 16, _tone()),
        (1, 8, audioop.bias(audioop.lin2lin(_tone(), 2, 1), 1, 128)),
        (1, 24, audioop.lin2lin(_tone(), 2, 3)),
        (1, 32, audioop.lin2lin(_tone(), 2, 4)),
        (6, 8, audioop.lin2alaw(_tone(), 2)),
        (7, 8, audioop.lin2ulaw(_tone(), 2)),
    ],
)
def test_telephone_codecs(kind: int, bits: int, encoded: bytes) -> None:
    samples = decode(_wav(kind, encoded, bits=bits), 8000)
    assert len(samples) == len(_tone())
    difference = audioop.add(samples, audioop.mul(_tone(), 2, -1), 2)
    assert audioop.rms(difference, 2) < 0.03 * audioop.rms(_tone(), 2)


@pytest.mark.parametrize("rate", [8000, 11000, 16000, 22000, 44100, 48000])
def test_resampled(rate: int) -> None:
    """Duration, volume and pitch stay the same."""
    samples = decode(encode_wav(_tone(), 8000), rate)
    assert len(samples) / 2 / rate == pytest.approx(0.5, abs=0.001)
    assert audioop.rms(samples, 2) == pytest.approx(audioop.rms(_tone(), 2), rel=0.03)
    assert audioop.cross(samples, 2) == pytest.approx(400, abs=2)


def test_stereo() -> None:
    both = audioop.tostereo(_tone(), 2, 1, 1)
    assert decode(_wav(1, both, bits=16, channels=2), 8000) == _tone()
    assert decode(encode_wav(_tone(), 8000), 8000, channels=2) == both


def test_wrong_data_size() -> None:
    """The size is zero if the file was streamed, and too large if it was cut off."""
    body = _wav(1, _tone(), bits=16)
    begin = body.index(b"data") + 4
    for length in b"\0\0\0\0", b"\xff\xff\xff\xff":
        assert decode(body[:begin] + length + body[begin + 4 :], 8000) == _tone()
    assert decode(body + b"\0", 8000) == _tone()
    assert decode(body[:-1], 8000) == _tone()[:-2]


def _with_size(body: bytes, chunk: bytes, size: int) -> bytes:
    """Return a WAV file with another size in the header of a chunk."""
    begin = body.index(chunk) + 4
    return body[:begin] + (size % 2**32).to_bytes(4, "little") + body[begin + 4 :]


_LENGTH = len(_tone())
_SIZES = [0, 1, 7, _LENGTH // 2, _LENGTH - 1, _LENGTH + 1, _LENGTH + 2, 2**31 - 1, 2**31, 2**32 - 1]


@pytest.mark.parametrize("size", _SIZES)
@pytest.mark.parametrize("chunk", [b"RIFF", b"data"])
def test_wrong_sizes(chunk: bytes, size: int) -> None:
    """PBXs write a placeholder, the size of something else, or a planned size."""
    body = _with_size(_wav(1, _tone(), bits=16), chunk, size)
    assert detect_format(body) == AudioFormat("pcm", "audio/wav", ".wav", 8000)
    assert len(_tone()) - len(decode(body, 8000)) <= 2
    assert decode(body, 8000) == _tone()[: len(decode(body, 8000))]


@pytest.mark.parametrize("size", _SIZES)
def test_repaired_data_size(size: int) -> None:
    """Players stop at a size that is too small. Any other size stays as the PBX wrote it."""
    body = _with_size(_wav(1, _tone(), bits=16), b"data", size)
    written = int.from_bytes(repair_data_size(body)[len(body) - _LENGTH - 4 :][:4], "little")
    assert written >= _LENGTH - 1 or written == 0
    if size == 0 or size >= _LENGTH - 1:
        assert repair_data_size(body) is body


@pytest.mark.parametrize("body", [b"", b"OggS", RECORDED, RECORDED[:30], GSM])
def test_nothing_to_repair(body: bytes) -> None:
    assert repair_data_size(body) is body


@pytest.mark.parametrize("odd", [b"", b"\0"])
def test_chunks_after_the_audio(odd: bytes) -> None:
    audio = audioop.lin2ulaw(_tone(), 2) + odd
    body = _wav(7, audio, bits=8)
    for rest in b"LIST\4\0\0\0INFO", b"LIST\3\0\0\0abc\0id3 \1\0\0\0a", b"bad":
        assert decode(body + rest, 8000) == audioop.ulaw2lin(audio, 2)


def test_chunk_without_padding() -> None:
    body = _wav(1, _tone(), bits=16)
    assert decode(body.replace(b"odd\0", b"odd"), 8000) == _tone()


def test_too_many_chunks() -> None:
    with pytest.raises(ValueError, match="read"):
        decode(b"RIFF____WAVE" + b"junk\0\0\0\0" * 100_000, 8000)


def test_first_of_two_formats() -> None:
    """FFmpeg uses the first, too. Otherwise the audio would be converted at a wrong rate."""
    first = _wav(0x31, b"", bits=0)[24:]
    second = _wav(0x31, b"audio", bits=0, rate=192_000_000)[24:]
    body = b"RIFF____WAVE" + first.removesuffix(b"data\0\0\0\0") + second
    assert detect_format(body) == AudioFormat("gsm", "audio/wav", ".wav", 8000)


@pytest.mark.parametrize("rate", [0, 1, 10, 3999, 192_001, 2**31, 2**32 - 1])
def test_unsupported_sample_rates(rate: int) -> None:
    """Resampling from 1 Hz would multiply the size by 16,000."""
    with pytest.raises(ValueError, match="cannot read audio at"):
        decode(_wav(1, _tone(), bits=16, rate=rate), 16000)


@pytest.mark.parametrize("kind", [1, 6, 7])
def test_half_an_hour_at_most(kind: int) -> None:
    half_an_hour = bytes(30 * 60 * 8000)
    blocks = decode_blocks(_wav(kind, half_an_hour, bits=8), 16000)
    assert max(map(len, islice(blocks, 10))) < 100_000
    with pytest.raises(ValueError, match="too long to be read"):
        decode_blocks(_wav(kind, half_an_hour + b"\0", bits=8), 16000)
    # Without resampling, twice as much is allowed.
    decode_blocks(_wav(kind, 2 * half_an_hour, bits=8), 8000)


def test_blocks_are_continuous() -> None:
    """Even if a block would end inside a sample, or inside a pair of them."""
    for channels, encoded in (
        (1, _tone(seconds=5)),
        (2, audioop.tostereo(_tone(seconds=5), 2, 1, 1)),
    ):
        body = _wav(1, encoded + b"\1", bits=16, channels=channels)
        assert decode(body, 8000) == _tone(seconds=5)
        whole, _ = audioop.ratecv(_tone(seconds=5), 2, 1, 8000, 16000, None)
        assert decode(body, 16000) == whole


def test_unsupported_codec() -> None:
    with pytest.raises(CodecError, match="cannot read gsm"):
        decode(GSM, 8000)


@pytest.mark.parametrize(
    "body",
    [
        GSM,
        b"",
        b"RIFF",
        RECORDED[:30],
        b"OggS" + bytes(100),
        _wav(1, _tone(), bits=12),
        _wav(1, _tone(), bits=16, channels=6),
        _wav(1, _tone(), bits=16, rate=0),
    ],
)
def test_invalid_files(body: bytes) -> None:
    with pytest.raises(ValueError, match="read"):
        decode(body, 16000)
