"""Speech-to-text and AI task entities for tests, set up as other integrations do it.

They store the audio that they receive, so that tests can compare it.
"""

import asyncio
from collections.abc import AsyncIterable, Sequence
from typing import override

from homeassistant.components import ai_task, conversation, stt
from homeassistant.config_entries import ConfigEntry, ConfigFlow
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity import Entity
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    mock_config_flow,
    mock_integration,
    mock_platform,
    setup_test_component_platform,
)

STT_ENGINE = "stt.test_engine"
AI_TASK_ENGINE = "ai_task.test_engine"


class SttEngine(stt.SpeechToTextEntity):
    """A speech-to-text engine that accepts what Whisper accepts: audio at 16 kHz."""

    _attr_name = "Test engine"
    _attr_unique_id = "test-engine"

    def __init__(
        self,
        *,
        rates: Sequence[stt.AudioSampleRates] = (stt.AudioSampleRates.SAMPLERATE_16000,),
        channels: Sequence[stt.AudioChannels] = (stt.AudioChannels.CHANNEL_MONO,),
        codecs: Sequence[stt.AudioCodecs] = (stt.AudioCodecs.PCM,),
    ) -> None:
        self.received: list[tuple[stt.SpeechMetadata, bytes]] = []
        self.text: str | None = "Please call me back."
        self.error: Exception | None = None
        self.has_received = asyncio.Event()
        self.may_respond = asyncio.Event()
        self.may_respond.set()
        self.active = 0
        self.max_active = 0
        self._rates, self._channels, self._codecs = list(rates), list(channels), list(codecs)

    @property
    @override
    def supported_languages(self) -> list[str]:
        return ["de-DE", "en-GB", "en-US"]

    @property
    @override
    def supported_formats(self) -> list[stt.AudioFormats]:
        return [stt.AudioFormats.WAV]

    @property
    @override
    def supported_codecs(self) -> list[stt.AudioCodecs]:
        return self._codecs

    @property
    @override
    def supported_bit_rates(self) -> list[stt.AudioBitRates]:
        return [stt.AudioBitRates.BITRATE_16]

    @property
    @override
    def supported_sample_rates(self) -> list[stt.AudioSampleRates]:
        return self._rates

    @property
    @override
    def supported_channels(self) -> list[stt.AudioChannels]:
        return self._channels

    @override
    async def async_process_audio_stream(
        self, metadata: stt.SpeechMetadata, stream: AsyncIterable[bytes]
    ) -> stt.SpeechResult:
        self.active += 1
        self.max_active = max(self.max_active, self.active)
        try:
            chunks = [chunk async for chunk in stream]
            self.received.append((metadata, b"".join(chunks)))
            self.has_received.set()
            await self.may_respond.wait()
        finally:
            self.active -= 1
        if self.error:
            raise self.error
        state = stt.SpeechResultState.ERROR if self.text is None else stt.SpeechResultState.SUCCESS
        return stt.SpeechResult(self.text, state)


class AiTaskEngine(ai_task.AITaskEntity):
    """An AI task that accepts attachments."""

    _attr_name = "Test engine"
    _attr_unique_id = "test-ai-task"
    _attr_supported_features = (
        ai_task.AITaskEntityFeature.GENERATE_DATA | ai_task.AITaskEntityFeature.SUPPORT_ATTACHMENTS
    )

    def __init__(self) -> None:
        self.received: list[tuple[str, str, bytes]] = []

    @override
    async def _async_generate_data(
        self, task: ai_task.GenDataTask, chat_log: conversation.ChatLog
    ) -> ai_task.GenDataTaskResult:
        assert task.attachments
        (attachment,) = task.attachments
        audio = await self.hass.async_add_executor_job(attachment.path.read_bytes)
        self.received.append((task.instructions, attachment.mime_type, audio))
        return ai_task.GenDataTaskResult(chat_log.conversation_id, " Please call me back.\n")


async def add_engine(hass: HomeAssistant, entity: Entity) -> None:
    """Set up an engine, in an integration of its own."""
    domain = ai_task.DOMAIN if isinstance(entity, ai_task.AITaskEntity) else stt.DOMAIN

    async def set_up(hass: HomeAssistant, entry: ConfigEntry) -> bool:
        await hass.config_entries.async_forward_entry_setups(entry, [entry.data["platform"]])
        return True

    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, domain, {})
    mock_integration(hass, MockModule("test", async_setup_entry=set_up))
    mock_platform(hass, "test.config_flow")
    setup_test_component_platform(hass, domain, [entity], from_config_entry=True)
    entry = MockConfigEntry(domain="test", data={"platform": domain})
    entry.add_to_hass(hass)
    with mock_config_flow("test", ConfigFlow):
        assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
