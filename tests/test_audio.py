"""What is in a file is told by its bytes, and becomes samples that an engine takes."""

from io import BytesIO
import math
import wave

import audioop
import pytest

from custom_components.pbx_voicemail.audio import Sound, recognise, samples_of, wav

from .conftest import FIXTURES

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


def _wav(kind: int, data: bytes, *, bits: int, channels: int = 1, rate: int = 8000) -> bytes:
    """Return a WAV file as its specification has it, with a chunk of odd length before the audio."""
    form = (
        kind.to_bytes(2, "little")
        + channels.to_bytes(2, "little")
        + rate.to_bytes(4, "little")
        + (rate * channels * bits // 8).to_bytes(4, "little")
        + (channels * bits // 8).to_bytes(2, "little")
        + bits.to_bytes(2, "little")
    )
    chunks = b"".join(
        name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)
        for name, content in ((b"LIST", b"odd"), (b"fmt ", form), (b"data", data))
    )
    return b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WAVE" + chunks


@pytest.mark.parametrize(
    ("start", "sound"),
    [
        (RECORDED, Sound("pcm", "audio/wav", ".wav", 8000)),
        (GSM, Sound("gsm", "audio/wav", ".wav", 8000)),
        (_wav(6, b"", bits=8), Sound("alaw", "audio/wav", ".wav", 8000)),
        (_wav(0x1234, b"", bits=8), Sound("0x1234", "audio/wav", ".wav", 8000)),
        (RECORDED[:20], Sound("0x0000", "audio/wav", ".wav")),
        (b"OggS\0\2", Sound("ogg", "audio/ogg", ".ogg")),
        (b"fLaC\0", Sound("flac", "audio/flac", ".flac")),
        (b"ID3\4", Sound("mpeg", "audio/mpeg", ".mp3")),
        (b"\xff\xfb\x90", Sound("mpeg", "audio/mpeg", ".mp3")),
        (b"<html><script>", Sound("unknown", "application/octet-stream", ".bin")),
        (b"RIFF\0\0\0\0AVI ", Sound("unknown", "application/octet-stream", ".bin")),
        (b"\xff", Sound("unknown", "application/octet-stream", ".bin")),
        (b"", Sound("unknown", "application/octet-stream", ".bin")),
    ],
)
def test_recognised(start: bytes, sound: Sound) -> None:
    assert recognise(start) == sound


def test_extensible_is_named_by_what_it_holds() -> None:
    file = BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setparams((1, 2, 16000, 0, "NONE", ""))
        audio.writeframes(_tone(16000))
    extended = bytearray(file.getvalue())
    form = bytes(extended[20:36])
    extensible = b"\xfe\xff" + form[2:] + b"\x16\0\x10\0\0\0\0\0" + b"\1\0" + bytes(14)
    extended[16:36] = len(extensible).to_bytes(4, "little") + extensible
    assert recognise(bytes(extended)) == Sound("pcm", "audio/wav", ".wav", 16000)
    assert samples_of(bytes(extended), 16000) == _tone(16000)


def test_only_what_browsers_play_is_playable() -> None:
    assert recognise(RECORDED).is_playable
    assert not recognise(GSM).is_playable
    assert not recognise(b"?").is_playable


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
def test_every_telephone_codec_sounds_the_same(kind: int, bits: int, encoded: bytes) -> None:
    samples = samples_of(_wav(kind, encoded, bits=bits), 8000)
    assert len(samples) == len(_tone())
    difference = audioop.add(samples, audioop.mul(_tone(), 2, -1), 2)
    assert audioop.rms(difference, 2) < 0.03 * audioop.rms(_tone(), 2)


@pytest.mark.parametrize("rate", [8000, 11000, 16000, 22000, 44100, 48000])
def test_resampled(rate: int) -> None:
    """As long as before, as loud, and of the same pitch."""
    samples = samples_of(wav(_tone(), 8000), rate)
    assert len(samples) / 2 / rate == pytest.approx(0.5, abs=0.001)
    assert audioop.rms(samples, 2) == pytest.approx(audioop.rms(_tone(), 2), rel=0.03)
    assert audioop.cross(samples, 2) == pytest.approx(400, abs=2)


def test_stereo_comes_and_goes() -> None:
    both = audioop.tostereo(_tone(), 2, 1, 1)
    assert samples_of(_wav(1, both, bits=16, channels=2), 8000) == _tone()
    assert samples_of(wav(_tone(), 8000), 8000, channels=2) == both


def test_length_that_nobody_knew() -> None:
    """A file that was streamed tells zero, one that was cut short tells too much."""
    body = _wav(1, _tone(), bits=16)
    begin = body.index(b"data") + 4
    for length in b"\0\0\0\0", b"\xff\xff\xff\xff":
        assert samples_of(body[:begin] + length + body[begin + 4 :], 8000) == _tone()
    assert samples_of(body + b"\0", 8000) == _tone()
    assert samples_of(body[:-1], 8000) == _tone()[:-2]


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
def test_what_cannot_be_read(body: bytes) -> None:
    with pytest.raises(ValueError, match="read"):
        samples_of(body, 16000)
