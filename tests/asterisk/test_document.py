"""What docs/asterisk.md has people copy sets a plain Asterisk up."""

import asyncio
from pathlib import Path
import re
import subprocess

import aiohttp
import pytest

from custom_components.pbx_voicemail.pbx import Address, Connection, Credentials, family
from custom_components.pbx_voicemail.pbx.asterisk.errors import RecordingsNotLinkedError

from ..demo.hass_process import REPOSITORY
from .fixtures import audio_of, put_messages
from .program import Asterisk
from .settings import USERNAME, Settings

MAILBOX = "1000"
INSTALLED = {
    "http.conf": "[general]\nservername=Asterisk\nbindport={port}\nbindaddr=127.0.0.2\n",
    "manager.conf": "[general]\nenabled = yes\nport = {manager}\nbindaddr = 127.0.0.1\n",
}
"""What Debian installs, but for the ports, and for the address that has to be replaced."""


@pytest.mark.parametrize("name", ["asterisk.md", "asterisk.zh-Hans.md"])
async def test_lines_and_commands(
    asterisk_program: Path, session: aiohttp.ClientSession, tmp_path: Path, name: str
) -> None:
    text = await asyncio.to_thread((REPOSITORY / "docs" / name).read_text)
    web, _, manager = re.findall(r"^```ini\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[:3]
    (commands,) = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    settings = Settings({"default": {MAILBOX: "1234,Reception"}}, is_linked=False)
    asterisk = Asterisk(asterisk_program, tmp_path / "asterisk", settings)
    put_messages(asterisk, tmp_path, MAILBOX, ["6000"], "INBOX")
    await asyncio.to_thread(asterisk.start)
    try:
        lines = {
            "http.conf": web.replace("bindaddr=0.0.0.0", "bindaddr=127.0.0.1"),
            "manager.conf": manager.replace("192.168.1.20", "127.0.0.1"),
        }
        for file, installed in INSTALLED.items():
            content = installed.format(port=asterisk.ports.web, manager=asterisk.ports.manager)
            (tmp_path / "asterisk" / "etc" / file).write_text(f"{content}\n{lines[file]}")
        reload, link = commands.split("\n", 1)
        await asyncio.to_thread(_run, reload, asterisk, asterisk_program, tmp_path)
        secret = re.search(r"^secret=(.+)$", manager, re.MULTILINE)
        assert secret
        client = family("asterisk").create(
            Connection(
                session=session,
                address=Address("127.0.0.1", asterisk.ports.web),
                credentials=Credentials(username=USERNAME, secret=secret[1]),
            )
        )
        (message,) = (await client.mailboxes([MAILBOX]))[MAILBOX].messages
        with pytest.raises(RecordingsNotLinkedError):
            await client.recording(message)
        await asyncio.to_thread(_run, link, asterisk, asterisk_program, tmp_path)
        assert await client.recording(message) == audio_of("6000")
        await client.delete(message)
        assert await client.mailboxes([MAILBOX]) == {}
        await client.close()
    finally:
        asterisk.kill()


def _run(commands: str, asterisk: Asterisk, program: Path, folder: Path) -> None:
    """Run commands in a shell that finds this Asterisk and its mailboxes."""
    configuration = folder / "asterisk" / "etc" / "asterisk.conf"
    (folder / "bin").mkdir(exist_ok=True)
    command = folder / "bin" / "asterisk"
    command.write_text(f'#!/bin/sh\nexec "{program}" -C "{configuration}" "$@"\n')
    command.chmod(0o755)
    commands = commands.replace("/var/spool/asterisk/voicemail", str(asterisk.voicemail))
    path = f"{command.parent}:/usr/bin:/bin"
    subprocess.run(["/bin/sh", "-ec", commands], env={"PATH": path}, check=True)
