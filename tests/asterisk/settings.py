"""The configuration files of an Asterisk, as an owner of ours would write them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

USERNAME = "homeassistant"
SECRET = "a-secret-of-our-own"

MANAGER_USERS = {
    USERNAME: "read=call\nwrite=reporting,user\neventfilter=Event: MessageWaiting",
    "reader": "read=call\nwrite=reporting",
    "stranger": "read=call\nwrite=system",
    "elsewhere": "write=call,user\ndeny=0.0.0.0/0.0.0.0\npermit=192.0.2.1/32",
    "once": "read=call\nwrite=call,user\nallowmultiplelogin=no",
    "all_events": "read=all\nwrite=call,user",
}
"""Manager users by name, with their rights. All have the same secret."""

_MODULES = (
    "app_voicemail",
    "app_playback",
    "pbx_config",
    "pbx_spool",
    "format_gsm",
    "format_wav",
    "format_wav_gsm",
    "format_pcm",
    "codec_gsm",
    "codec_ulaw",
    "codec_resample",
    "func_callerid",
    "res_timing_timerfd",
    "bridge_simple",
)

_LEAVE = """
[leave-{context}]
exten => _[0-9a-z*+].,1,Answer()
 same => n,VoiceMail(${{EXTEN}}@{context},s)
 same => n,Hangup()
"""

# Who speaks before the beep is not recorded.
_SAY = """
[say]
exten => _[a-z]!,1,Answer()
 same => n,Wait(1)
 same => n,Playback(${EXTEN})
 same => n,Hangup()
"""


@dataclass(slots=True)
class Settings:
    """What an owner sets up. The defaults are right.

    `mailboxes` are the lines of voicemail.conf by context and number, `general` is what stands
    in its first section, and `format` is that of recordings. `is_linked` is whether the web server has the link to the
    mailboxes, and with a `certificate`, a file with its key, it speaks TLS.
    """

    mailboxes: Mapping[str, Mapping[str, str]]
    general: str = ""
    format: str = "wav"
    has_web_manager: bool = True
    has_static_content: bool = True
    is_linked: bool = True
    prefix: str = ""
    certificate: Path | None = None


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of an Asterisk: of its web server, with TLS, and of its manager without the web."""

    web: int
    tls: int
    manager: int


def configuration(
    settings: Settings, home: Path, modules: Path, ports: Ports
) -> Iterator[tuple[str, str]]:
    """Return the files of an Asterisk that has all that it reads and writes below `home`."""
    yield "asterisk.conf", _directories(home, modules)
    loads = "".join(f"load={name}.so\n" for name in _MODULES)
    yield "modules.conf", f"[modules]\nautoload=no\n{loads}"
    yield "http.conf", _web_server(settings, ports)
    yield "manager.conf", _manager(settings, ports)
    yield "voicemail.conf", _voicemail(settings)
    leave = "".join(_LEAVE.format(context=context) for context in settings.mailboxes)
    yield "extensions.conf", leave + _SAY


def _directories(home: Path, modules: Path) -> str:
    return f"""[directories]
astetcdir => {home}/etc
astmoddir => {modules}
astvarlibdir => {home}/lib
astdbdir => {home}/lib
astkeydir => {home}/lib
astdatadir => {home}/data
astagidir => {home}/data/agi-bin
astspooldir => {home}/spool
astrundir => {home}/run
astlogdir => {home}/log
astcachedir => {home}/cache
"""


def _web_server(settings: Settings, ports: Ports) -> str:
    tls = ""
    if file := settings.certificate:
        tls = (
            f"tlsenable=yes\ntlsbindaddr=127.0.0.1:{ports.tls}\n"
            f"tlscertfile={file}\ntlsprivatekey={file}\n"
        )
    return f"""[general]
enabled=yes
enable_static={_yes_or_no(settings.has_static_content)}
bindaddr=127.0.0.1
bindport={ports.web}
prefix={settings.prefix}
{tls}"""


def _manager(settings: Settings, ports: Ports) -> str:
    users = "".join(
        f"[{name}]\nsecret={SECRET}\n{rights}\n" for name, rights in MANAGER_USERS.items()
    )
    return f"""[general]
enabled=yes
webenabled={_yes_or_no(settings.has_web_manager)}
bindaddr=127.0.0.1
port={ports.manager}
{users}"""


def _voicemail(settings: Settings) -> str:
    sections = "".join(
        f"[{context}]\n" + "".join(f"{number} => {line}\n" for number, line in lines.items())
        for context, lines in settings.mailboxes.items()
    )
    return f"""[general]
format={settings.format}
attach=no
maxmsg=100
minsecs=0
maxsilence=0
{settings.general}
{sections}"""


def _yes_or_no(value: object) -> str:
    return "yes" if value else "no"
