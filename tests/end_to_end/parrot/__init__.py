"""A speech-to-text engine for a real Home Assistant, which hears the same in every message."""

from collections.abc import AsyncIterable
from typing import override

from homeassistant.components import stt
from homeassistant.core import HomeAssistant
from homeassistant.helpers.typing import ConfigType


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Add the engine."""
    await hass.data[stt.DATA_COMPONENT].async_add_entities([Parrot()])
    return True


class Parrot(stt.SpeechToTextEntity):
    """The engine."""

    _attr_name = "Parrot"

    @property
    @override
    def supported_languages(self) -> list[str]:
        return ["en"]

    @property
    @override
    def supported_formats(self) -> list[stt.AudioFormats]:
        return [stt.AudioFormats.WAV]

    @property
    @override
    def supported_codecs(self) -> list[stt.AudioCodecs]:
        return [stt.AudioCodecs.PCM]

    @property
    @override
    def supported_bit_rates(self) -> list[stt.AudioBitRates]:
        return [stt.AudioBitRates.BITRATE_16]

    @property
    @override
    def supported_sample_rates(self) -> list[stt.AudioSampleRates]:
        return [*stt.AudioSampleRates]

    @property
    @override
    def supported_channels(self) -> list[stt.AudioChannels]:
        return [*stt.AudioChannels]

    @override
    async def async_process_audio_stream(
        self, metadata: stt.SpeechMetadata, stream: AsyncIterable[bytes]
    ) -> stt.SpeechResult:
        """Wait until the message has been played."""
        async for _ in stream:
            pass
        return stt.SpeechResult("Call me back.", stt.SpeechResultState.SUCCESS)
