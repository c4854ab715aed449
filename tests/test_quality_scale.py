"""Home Assistant's quality scale: every rule is answered, and what is done can be pointed at.

Nobody else reads the ledger of a custom integration, so this is all that keeps it true.
"""

import ast
from collections.abc import Iterator, Mapping
import re
from typing import Any, Final

from homeassistant.util.yaml import load_yaml_dict
import pytest
import voluptuous as vol

from .conftest import INTEGRATION
from .demo.home import REPOSITORY

# https://developers.home-assistant.io/docs/core/integration-quality-scale/rules
RULES: Final = {
    # Bronze
    "action-setup",
    "appropriate-polling",
    "brands",
    "common-modules",
    "config-flow-test-coverage",
    "config-flow",
    "dependency-transparency",
    "docs-actions",
    "docs-conditions",
    "docs-high-level-description",
    "docs-installation-instructions",
    "docs-removal-instructions",
    "docs-triggers",
    "entity-event-setup",
    "entity-unique-id",
    "has-entity-name",
    "runtime-data",
    "test-before-configure",
    "test-before-setup",
    "unique-config-entry",
    # Silver
    "action-exceptions",
    "config-entry-unloading",
    "docs-configuration-parameters",
    "docs-installation-parameters",
    "entity-unavailable",
    "integration-owner",
    "log-when-unavailable",
    "parallel-updates",
    "reauthentication-flow",
    "test-coverage",
    # Gold
    "devices",
    "diagnostics",
    "discovery-update-info",
    "discovery",
    "docs-data-update",
    "docs-examples",
    "docs-known-limitations",
    "docs-supported-devices",
    "docs-supported-functions",
    "docs-troubleshooting",
    "docs-use-cases",
    "dynamic-devices",
    "entity-category",
    "entity-device-class",
    "entity-disabled-by-default",
    "entity-translations",
    "exception-translations",
    "icon-translations",
    "reconfiguration-flow",
    "repair-issues",
    "stale-devices",
    # Platinum
    "async-dependency",
    "inject-websession",
    "strict-typing",
}

STATUS: Final = vol.Any(
    "done",
    {
        vol.Required("status"): vol.In(["exempt", "todo"]),
        vol.Required("comment"): vol.All(str, vol.Length(min=20)),
    },
)

LEDGER: Final[Mapping[str, Any]] = load_yaml_dict(str(INTEGRATION / "quality_scale.yaml"))["rules"]

# By path in the integration or in the repository: a file, a heading of it (#) with something
# below, what a module defines (::), or a text (~).
EVIDENCE: Final[Mapping[str, tuple[str, ...]]] = {
    "action-setup": ("__init__.py::async_setup", "tests/test_actions.py::test_no_pbx"),
    "appropriate-polling": (
        "const.py::DEFAULT_SCAN_INTERVAL",
        "tests/test_coordinator.py::test_one_request_a_poll_and_no_state_for_no_news",
        "tests/test_config_flow.py::test_interval_out_of_bounds",
    ),
    "brands": ("brand/icon.png", "brand/logo.png", "tests/validators/brand.py::check"),
    "common-modules": ("coordinator.py::PbxCoordinator", "entity.py::ExtensionEntity"),
    "config-flow-test-coverage": (
        "tests/test_faults.py::test_dialog",
        "tests/test_config_flow.py::test_same_pbx_twice",
        "tests/test_config_flow.py::test_same_pbx_twice_by_login",
        "tests/test_config_flow.py::test_options",
        "tests/test_tls.py::test_certificate_is_shown_and_pinned",
    ),
    "config-flow": ("config_flow.py::PbxConfigFlow.async_step_user", "manifest.json~config_flow"),
    "docs-actions": (
        "README.md#Playing, transcribing, and deleting messages",
        "README.md~pbx_voicemail.get_messages",
        "README.md~pbx_voicemail.delete_message",
        "README.md~pbx_voicemail.save_recording",
        "README.md~pbx_voicemail.transcribe_message",
    ),
    "docs-high-level-description": ("README.md#PBX Voicemail for Home Assistant",),
    "docs-installation-instructions": ("README.md#Installation",),
    "docs-removal-instructions": ("README.md#Removing the integration",),
    "entity-event-setup": (
        "event.py::NewMessageEvent.async_added_to_hass",
        "event.py::NewMessageEvent.async_will_remove_from_hass",
        "tests/test_init.py::test_unload_and_reload_leave_nothing_behind",
    ),
    "entity-unique-id": (
        "coordinator.py::PbxCoordinator.unique_id",
        "tests/test_entity.py::test_every_entity",
    ),
    "has-entity-name": (
        "entity.py::HubEntity._attr_has_entity_name",
        "entity.py::ExtensionEntity._attr_has_entity_name",
    ),
    "runtime-data": ("runtime.py::PbxConfigEntry", "__init__.py~entry.runtime_data ="),
    "test-before-configure": (
        "tests/test_faults.py::test_dialog",
        "tests/test_config_flow.py::test_wrong_token",
    ),
    "test-before-setup": ("tests/test_faults.py::test_start",),
    "unique-config-entry": (
        "tests/test_config_flow.py::test_same_pbx_twice",
        "tests/test_config_flow.py::test_address_of_another_pbx",
        "tests/validators/config_flow.py::check",
    ),
    "action-exceptions": (
        "tests/test_actions.py::test_unknown_extension",
        "tests/test_actions.py::test_delete_what_is_gone",
        "tests/test_actions.py::test_delete_that_fails",
        "tests/test_actions.py::test_save_where_it_cannot_be",
    ),
    "config-entry-unloading": (
        "__init__.py::async_unload_entry",
        "tests/test_init.py::test_unload_and_reload_leave_nothing_behind",
    ),
    "docs-configuration-parameters": ("README.md#Options",),
    "docs-installation-parameters": ("README.md#Configuration",),
    "entity-unavailable": (
        "entity.py::ExtensionEntity.available",
        "tests/test_faults.py::test_polling",
    ),
    "integration-owner": ("manifest.json~@pbx-voicemail",),
    "log-when-unavailable": ("tests/test_faults.py::test_polling",),
    "parallel-updates": (
        "binary_sensor.py::PARALLEL_UPDATES",
        "event.py::PARALLEL_UPDATES",
        "sensor.py::PARALLEL_UPDATES",
    ),
    "reauthentication-flow": (
        "config_flow.py::PbxConfigFlow.async_step_reauth",
        "tests/test_config_flow.py::test_new_token",
        "tests/test_config_flow.py::test_new_password",
        "tests/test_config_flow.py::test_new_token_of_another_pbx",
    ),
    "test-coverage": ("pyproject.toml~fail_under = 98", "scripts/test~--cov"),
    "devices": ("devices.py::register_devices", "tests/test_init.py::test_devices"),
    "diagnostics": (
        "diagnostics.py::async_get_config_entry_diagnostics",
        "tests/test_diagnostics.py::test_nothing_secret_leaves_the_house",
    ),
    "docs-data-update": ("README.md#Data updates",),
    "docs-examples": ("README.md#Examples", "blueprints/automation/pbx_voicemail/notify.yaml"),
    "docs-known-limitations": ("README.md#Known limitations",),
    "docs-supported-devices": ("README.md#Supported devices",),
    "docs-supported-functions": ("README.md#Entities", "README.md#The inbox card"),
    "docs-troubleshooting": ("README.md#Troubleshooting",),
    "docs-use-cases": ("README.md#Use cases",),
    "dynamic-devices": (
        "entity.py::add_extension_entities",
        "tests/test_coordinator.py::test_new_extension_without_reload",
    ),
    "entity-device-class": (
        "sensor.py~SensorDeviceClass.TIMESTAMP",
        "sensor.py~SensorDeviceClass.DURATION",
    ),
    "entity-disabled-by-default": ("sensor.py~entity_registry_enabled_default=False",),
    "entity-translations": (
        "translations/en.json",
        "tests/test_translations.py::test_every_key_in_the_code_has_words_and_no_words_are_left_over",
    ),
    "exception-translations": (
        "failures.py::failure",
        "tests/test_translations.py::test_every_error_of_the_client_has_words",
    ),
    "icon-translations": ("icons.json", "tests/validators/icons.py::check"),
    "reconfiguration-flow": (
        "config_flow.py::PbxConfigFlow.async_step_reconfigure",
        "tests/test_config_flow.py::test_new_address",
        "tests/test_config_flow.py::test_address_of_another_pbx",
    ),
    "repair-issues": (
        "issues.py::Issue",
        "repairs.py::TimeZoneFlow",
        "tests/test_issues.py::test_pbx_in_another_time_zone",
        "tests/test_issues.py::test_removed_pbx_leaves_nothing_to_mend",
    ),
    "stale-devices": (
        "__init__.py::async_remove_config_entry_device",
        "tests/test_init.py::test_remove_device_by_hand",
        "tests/test_config_flow.py::test_choice_of_extensions_leaves_no_orphans",
    ),
    "async-dependency": (
        "pbx/transport.py~aiohttp.ClientSession",
        "tests/pbx/test_independence.py::test_needs_no_home_assistant",
        "tests/pbx/test_client.py::test_large_answer_is_parsed_off_the_loop",
    ),
    "inject-websession": ("connection.py~async_get_clientsession", "pbx/client.py~session"),
    "strict-typing": (
        "pyproject.toml~strict = true",
        "scripts/lint~.venv/bin/mypy",
        "pbx/py.typed",
        "runtime.py::PbxConfigEntry",
    ),
}


def test_every_rule_is_answered() -> None:
    assert len(RULES) == 54
    assert LEDGER.keys() == RULES
    for status in LEDGER.values():
        STATUS(status)


@pytest.mark.parametrize(
    "status",
    ["exempt", "maybe", {"status": "exempt"}, {"status": "todo", "comment": ""}],
    ids=str,
)
def test_no_excuse_without_a_reason(status: object) -> None:
    with pytest.raises(vol.Invalid):
        STATUS(status)


def test_what_is_done_has_evidence_and_nothing_else_has() -> None:
    assert EVIDENCE.keys() == {rule for rule, status in LEDGER.items() if status == "done"}
    assert all(EVIDENCE.values())


@pytest.mark.parametrize("rule", EVIDENCE)
def test_evidence_is_there(rule: str) -> None:
    assert [evidence for evidence in EVIDENCE[rule] if not _is_there(evidence)] == []


@pytest.mark.parametrize(
    "evidence",
    [
        "brand/banner.png",
        "README.md#Never written",
        "README.md#Use",
        "README.md~never written",
        "NOTHING.md#Limits",
        "sensor.py::NeverWritten",
        "sensor.py::HubSensor.never_written",
        "event.py::async_added_to_hass",
        "sensor.py::SensorEntity",
    ],
)
def test_evidence_may_be_missing(evidence: str) -> None:
    assert not _is_there(evidence)


def test_heading_with_nothing_below_is_none() -> None:
    readme = "# All\n## Empty\n\n## Full\n### Below\ntext\n```sh\n# Comment\nmake\n```\n## Last\n"
    assert [*_headings(readme)] == ["All", "Full", "Below"]


def _is_there(evidence: str) -> bool:
    path, kind, name = re.split(r"(#|::|~|$)", evidence, maxsplit=1)
    file = next(
        (base / path for base in (INTEGRATION, REPOSITORY) if (base / path).is_file()), None
    )
    if file is None or not kind:
        return file is not None
    text = file.read_text()
    match kind:
        case "#":
            return name in _headings(text)
        case "::":
            return name in _definitions(ast.parse(text).body)
    return name in text


def _headings(text: str) -> Iterator[str]:
    """Yield the headings of a Markdown text that have something below them."""
    prose = re.sub(r"^```.*?^```$", "(code)", text, flags=re.MULTILINE | re.DOTALL)
    parts = re.split(r"^(#+) (.+)$", prose, flags=re.MULTILINE)[1:]
    sections = [*zip(parts[::3], parts[1::3], parts[2::3], strict=True)]
    for index, (level, heading, body) in enumerate(sections):
        deeper = index + 1 < len(sections) and len(sections[index + 1][0]) > len(level)
        if body.strip() or deeper:
            yield heading


def _definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    """Yield what a module defines, and what its classes do."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield prefix + name
            case ast.ClassDef(name=name, body=members):
                yield prefix + name
                yield from _definitions(members, f"{prefix}{name}.")
            case (
                ast.Assign(targets=[ast.Name(id=name)])
                | ast.AnnAssign(target=ast.Name(id=name))
                | ast.TypeAlias(name=ast.Name(id=name))
            ):
                yield prefix + name
