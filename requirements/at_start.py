"""Prints the packages that Home Assistant installs at startup: the requirements of its default integrations.

scripts/lock runs this in an environment that contains Home Assistant without these packages.
"""

import json
from pathlib import Path

import homeassistant
from homeassistant.bootstrap import DEFAULT_INTEGRATIONS

COMPONENTS = Path(homeassistant.__file__).parent / "components"

wanted = {*DEFAULT_INTEGRATIONS, "dhcp", "history", "media_source", "my", "recorder"}
known: set[str] = set()
while wanted:
    domain = wanted.pop()
    known.add(domain)
    manifest = json.loads((COMPONENTS / domain / "manifest.json").read_text())
    wanted |= set(manifest.get("dependencies", ())) - known
    for requirement in manifest.get("requirements", ()):
        print(requirement)
