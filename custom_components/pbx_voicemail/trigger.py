"""Trigger for automations: a voicemail message is received."""

from asyncio import Task
from collections.abc import Mapping
from enum import StrEnum
import re
from typing import Any, Final, override
import unicodedata

from homeassistant.components.event.const import (
    EventEntityCapabilityAttribute,
    EventEntityStateAttribute,
)
from homeassistant.const import CONF_OPTIONS, EntityStateAttribute, Platform
from homeassistant.core import CALLBACK_TYPE, Context, HomeAssistant, State, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.automation import DomainSpec
from homeassistant.helpers.trigger import (
    ENTITY_STATE_TRIGGER_SCHEMA,
    NotTriggeredReasonReporter,
    StatelessEntityTriggerBase,
    Trigger,
    TriggerActionRunner,
    TriggerConfig,
    TriggerNotTriggeredReporter,
)
import voluptuous as vol

from .event import NEW_MESSAGE
from .identifiers import entities_of_kind

_EVENTS: Final[Mapping[str, DomainSpec]] = {Platform.EVENT: DomainSpec()}

_CALLERS: Final = "callers"
_NAME_OR_NUMBER: Final = "name_or_number"
_URGENT_ONLY: Final = "urgent_only"

_ENTITY_ATTRIBUTES: Final = frozenset[str](
    [*EntityStateAttribute, *EventEntityCapabilityAttribute, *EventEntityStateAttribute]
)
"""Attributes that any event entity may have."""

_WRITTEN_NUMBER: Final = re.compile(r"[\d\s()+./-]*\d[\d\s()+./-]*")


class Callers(StrEnum):
    """Callers whose messages count: known ones are contacts and extensions of the PBX."""

    ANY = "any"
    KNOWN = "known"
    UNKNOWN = "unknown"


_SCHEMA: Final = ENTITY_STATE_TRIGGER_SCHEMA.extend(
    {
        vol.Required(CONF_OPTIONS, default={}): {
            vol.Required(_CALLERS, default=Callers.ANY): vol.Coerce(Callers),
            vol.Optional(_NAME_OR_NUMBER, default=""): cv.string,
            vol.Required(_URGENT_ONLY, default=False): cv.boolean,
        },
    }
)


class MessageReceivedTrigger(StatelessEntityTriggerBase):
    """Runs an automation once for each message that an event entity announces.

    An event entity writes one state for each message, even if several arrive at once, and none
    with a new time after a restart or an outage. The variable `trigger.message` has the message.
    """

    _domain_specs = _EVENTS
    _schema = _SCHEMA

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Initialize the trigger from its options."""
        super().__init__(hass, config)
        self._callers: Callers = self._options[_CALLERS]
        self._name_or_number: str = self._options[_NAME_OR_NUMBER].strip()
        self._urgent_only: bool = self._options[_URGENT_ONLY]

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Leave out event entities that do not announce messages, such as others in the same area."""
        return entities_of_kind(self._hass, super().entity_filter(entities), NEW_MESSAGE)

    @override
    def is_valid_state(
        self, state: State, report_not_triggered: NotTriggeredReasonReporter
    ) -> bool:
        """Return whether the options allow the message."""
        name = state.attributes.get("caller_name") or ""
        number = state.attributes.get("caller") or ""
        is_known = state.attributes.get("caller_known") is True
        return (
            self._callers in (Callers.ANY, Callers.KNOWN if is_known else Callers.UNKNOWN)
            and (not self._urgent_only or state.attributes.get("urgent") is True)
            and (
                _has_text(name, self._name_or_number)
                or _has_text(number, self._name_or_number)
                or _has_digits(number, self._name_or_number)
            )
        )

    @override
    async def async_attach_runner(
        self,
        run_action: TriggerActionRunner,
        did_not_trigger: TriggerNotTriggeredReporter | None = None,
    ) -> CALLBACK_TYPE:
        """Pass the message to the automation in addition to the states."""

        @callback
        def run_with_message(
            extra_trigger_payload: dict[str, Any], description: str, context: Context | None = None
        ) -> Task[Any]:
            message = _message_in(extra_trigger_payload["to_state"])
            payload = {**extra_trigger_payload, "message": message}
            return run_action(payload, description, context)

        return await super().async_attach_runner(run_with_message, did_not_trigger)


def _message_in(state: State) -> dict[str, Any]:
    """Return the attributes of a message, without those of every event entity."""
    return {
        name: value for name, value in state.attributes.items() if name not in _ENTITY_ATTRIBUTES
    }


def _has_text(text: str, part: str) -> bool:
    """Return whether a text contains another. Case is ignored."""
    return _comparable(part) in _comparable(text)


def _comparable(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _has_digits(number: str, part: str) -> bool:
    """Return whether a number contains the digits of a text. Punctuation and spaces are ignored."""
    if not _WRITTEN_NUMBER.fullmatch(part):
        return False
    return re.sub(r"\D", "", part) in re.sub(r"\D", "", number)


async def async_get_triggers(hass: HomeAssistant) -> dict[str, type[Trigger]]:
    """Return the triggers of this integration."""
    return {"message_received": MessageReceivedTrigger}
