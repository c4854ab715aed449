"""Sensors that count messages, and show the latest one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import MATCH_ALL, UnitOfTime
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import PbxConfigEntry
from .entity import ExtensionEntity, HubEntity, async_add_extension_entities
from .pbx import Message
from .voicemail.data import PbxData

# The coordinator polls the PBX.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class PbxHubSensorEntityDescription(SensorEntityDescription):
    """Describes a sensor of the PBX itself."""

    value_fn: Callable[[PbxData], int]


@dataclass(frozen=True, kw_only=True)
class PbxLatestSensorEntityDescription(SensorEntityDescription):
    """Describes a sensor of the latest message of an extension."""

    value_fn: Callable[[Message], int | datetime | None]


HUB_SENSORS = (
    PbxHubSensorEntityDescription(
        key="messages",
        translation_key="messages",
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda data: sum(mailbox.count for mailbox in data.mailboxes.values()),
    ),
    PbxHubSensorEntityDescription(
        key="unread_messages",
        translation_key="unread_messages",
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda data: sum(mailbox.unread for mailbox in data.mailboxes.values()),
    ),
    PbxHubSensorEntityDescription(
        key="mailboxes_with_messages",
        translation_key="mailboxes_with_messages",
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda data: len(data.mailboxes),
    ),
)

UNREAD_SENSOR = SensorEntityDescription(
    key="unread_messages",
    translation_key="unread_messages",
    state_class=SensorStateClass.MEASUREMENT,
)

MESSAGES_SENSOR = SensorEntityDescription(
    key="messages",
    translation_key="messages",
    state_class=SensorStateClass.MEASUREMENT,
)

LATEST_CALLER_SENSOR = SensorEntityDescription(
    key="latest_caller",
    translation_key="latest_caller",
)

LATEST_SENSORS = (
    PbxLatestSensorEntityDescription(
        key="latest_message",
        translation_key="latest_message",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda message: message.received,
    ),
    PbxLatestSensorEntityDescription(
        key="latest_duration",
        translation_key="latest_duration",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        entity_registry_enabled_default=False,
        value_fn=lambda message: message.duration,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: PbxConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensors of the PBX and of its extensions."""
    coordinator = entry.runtime_data
    async_add_entities(HubSensor(coordinator, description) for description in HUB_SENSORS)

    def create(extension: str) -> Iterator[SensorEntity]:
        yield MessagesSensor(coordinator, extension, MESSAGES_SENSOR)
        yield UnreadSensor(coordinator, extension, UNREAD_SENSOR)
        yield LatestCallerSensor(coordinator, extension, LATEST_CALLER_SENSOR)
        for latest in LATEST_SENSORS:
            yield LatestSensor(coordinator, extension, latest)

    await async_add_extension_entities(coordinator, async_add_entities, create)


class HubSensor(HubEntity, SensorEntity):
    """Counts the messages or mailboxes of the PBX."""

    entity_description: PbxHubSensorEntityDescription

    @property
    @override
    def available(self) -> bool:
        """Return whether all mailboxes are known."""
        return super().available and not self.coordinator.data.unreadable

    @property
    @override
    def native_value(self) -> int:
        """Return the count."""
        return self.entity_description.value_fn(self.coordinator.data)


class LatestCallerEntity(ExtensionEntity):
    """An entity that shows the latest caller, whose name can change without a message."""

    @property
    def latest_name(self) -> str | None:
        """The name of the latest caller, None if it is unknown."""
        latest = self.mailbox.latest
        return self.coordinator.callers.name_of(latest) if latest else None

    @property
    def latest_number(self) -> str | None:
        """The number of the latest caller as people write it, None if it is unknown."""
        latest = self.mailbox.latest
        return self.coordinator.callers.formatted_number_of(latest) if latest else None


class MessagesSensor(LatestCallerEntity, SensorEntity):
    """Counts the messages of an extension, with the latest one in the attributes."""

    # The recorder must not keep who called whom, and when.
    _unrecorded_attributes = frozenset({MATCH_ALL})

    @property
    @override
    def native_value(self) -> int:
        """Return the number of messages."""
        return self.mailbox.count

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return the extension and its latest message, each value None if there is none."""
        latest = self.mailbox.latest
        return {
            "extension": self.extension,
            "latest_caller": latest and latest.caller,
            "latest_caller_name": self.latest_name,
            "latest_caller_formatted": self.latest_number,
            "latest_received": latest and latest.received,
            "latest_duration": latest and latest.duration,
            "latest_message_id": latest and latest.id,
        }

    @property
    @override
    def _written(self) -> tuple[object, ...]:
        return *super()._written, self.mailbox, self.latest_name, self.latest_number


class UnreadSensor(ExtensionEntity, SensorEntity):
    """Counts the unread messages of an extension."""

    @property
    @override
    def native_value(self) -> int:
        """Return the number of unread messages."""
        return self.mailbox.unread


class LatestCallerSensor(LatestCallerEntity, SensorEntity):
    """Shows the name of the latest caller, or the number without a name."""

    @property
    @override
    def native_value(self) -> str | None:
        """Return the name or the number, unknown if there is no message."""
        return self.latest_name or self.latest_number


class LatestSensor(ExtensionEntity, SensorEntity):
    """Shows a property of the latest message, unknown if there is none."""

    entity_description: PbxLatestSensorEntityDescription

    @property
    @override
    def native_value(self) -> int | datetime | None:
        """Return the property of the latest message."""
        latest = self.mailbox.latest
        return self.entity_description.value_fn(latest) if latest else None
