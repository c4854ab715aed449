"""A real Asterisk on a folder of its own, which real callers call."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from itertools import count
from math import pi, sin
from pathlib import Path
import re
import shutil
from struct import pack
import subprocess
import sys
from time import monotonic, sleep
import wave

from ..simulator.spool import INBOX, Spool
from .settings import Ports, Settings, configuration

_UNPACKED = Path(__file__).parents[2] / ".asterisk" / "bin" / "asterisk"
_NEW_ENOUGH = re.compile(r"Asterisk (2[1-9]\.|20\.([5-9]|[1-9][0-9])\.)")
_PATIENCE = 30

# In a process of its own, since tests may not open sockets wherever they start something. Ports that
# the system hands out to clients could be taken when Asterisk starts again.
_FREE_PORTS = """
import random, socket
servers = []
while len(servers) < 3:
    try:
        servers.append(socket.create_server(("127.0.0.1", random.randrange(15000, 32000))))
    except OSError:
        continue
print(*(one.getsockname()[1] for one in servers))
"""


def find_program() -> Path | None:
    """Return the machine's own Asterisk if it is new enough, else the one that scripts/setup unpacked."""
    if own := shutil.which("asterisk"):
        shown = subprocess.run([own, "-V"], capture_output=True, check=False, text=True)
        if _NEW_ENOUGH.match(shown.stdout):
            return Path(own)
    return _UNPACKED if _UNPACKED.exists() else None


class Asterisk:
    """One Asterisk on free ports of loopback. It starts within seconds, and ends at once."""

    def __init__(self, program: Path, home: Path, settings: Settings) -> None:
        """Choose where it lives, and how it is set up."""
        self.settings = settings
        self.voicemail = home / "spool" / "voicemail"
        """Where it keeps messages: `<context>/<mailbox>/<folder>/msgNNNN.*`."""
        shown = subprocess.run(
            [sys.executable, "-c", _FREE_PORTS], capture_output=True, check=True, text=True
        )
        self.ports = Ports(*map(int, shown.stdout.split()))
        self._program = program
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._calls = count()
        self._spools: dict[str, Spool] = {}
        self._make_folders()

    @property
    def process_id(self) -> int:
        """The process while it runs."""
        assert self._process
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def has_sound(self, name: str) -> bool:
        """Return whether callers can say one of the sounds that come with Asterisk."""
        return any((self._home / "data" / "sounds" / "en").glob(f"{name}.*"))

    def start(self) -> None:
        """Start, and wait until it is ready.

        If it was killed while it read a folder, the lock that it left there is deleted, as the
        README tells people to: no Asterisk ever would.
        """
        for lock in self.voicemail.glob("*/*/*/.lock"):
            lock.unlink()
        self._configure()
        log = self._home / "log" / "console"
        with log.open("wb") as console:
            self._process = subprocess.Popen(
                [self._program, "-f", "-n", "-C", self._home / "etc" / "asterisk.conf"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: b"Asterisk Ready" in log.read_bytes())

    def kill(self) -> None:
        """End as after a power cut."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def command(self, line: str) -> str:
        """Return what Asterisk's command line says to a command."""
        done = subprocess.run(
            [self._program, "-C", self._home / "etc" / "asterisk.conf", "-rx", line],
            capture_output=True,
            check=True,
            text=True,
        )
        return done.stdout

    @contextmanager
    def set_up(self, reload: str = "", **settings: object) -> Iterator[None]:
        """Change settings for a while. `reload` is the command that makes it read them."""
        before = {name: getattr(self.settings, name) for name in settings}
        try:
            self._apply(settings, reload)
            yield
        finally:
            self._apply(before, reload)

    def spool(self, context: str = "default") -> Spool:
        """Return the mailboxes of a context, for messages that nobody calls for."""
        if context not in self._spools:
            (self.voicemail / context).mkdir(parents=True, exist_ok=True)
            self._spools[context] = Spool(self.voicemail / context)
        return self._spools[context]

    def call(
        self, mailbox: str, caller: str = "6000", *, context: str = "default", sound: str = "tone"
    ) -> None:
        """Have somebody call, and leave a message. Returns at once; a call takes some seconds."""
        name = f"{next(self._calls)}.call"
        unfinished = self._home / "spool" / "tmp" / name
        unfinished.write_text(
            f"Channel: Local/{mailbox}@leave-{context}\nCallerID: {caller}\nContext: say\n"
            f"Extension: {sound}\nPriority: 1\nMaxRetries: 0\n",
            encoding="utf-8",
        )
        unfinished.rename(self._home / "spool" / "outgoing" / name)

    def wait_for_messages(
        self, number: int, mailbox: str, *, context: str = "default", folder: str = INBOX
    ) -> None:
        """Wait until so many messages are in a folder."""
        path = self.voicemail / context / mailbox / folder
        wait_until(lambda: len(list(path.glob("msg*.txt"))) >= number)

    def _apply(self, settings: Mapping[str, object], reload: str) -> None:
        for name, value in settings.items():
            setattr(self.settings, name, value)
        self._configure()
        if reload:
            self.command(reload)

    def _configure(self) -> None:
        """Write the settings, to be read at the next start or reload."""
        files = configuration(self.settings, self._home, self._modules(), self.ports)
        for name, content in files:
            (self._home / "etc" / name).write_text(content, encoding="utf-8")
        link = self._home / "data" / "static-http" / "private" / "voicemail"
        link.unlink(missing_ok=True)
        if self.settings.is_linked:
            link.symlink_to(self.voicemail)

    def _make_folders(self) -> None:
        for name in ("etc", "lib", "run", "log", "cache", "data/static-http/private"):
            (self._home / name).mkdir(parents=True)
        for name in ("outgoing", "tmp", "voicemail", "recording"):
            (self._home / "spool" / name).mkdir(parents=True)
        share = self._share()
        sounds = self._home / "data" / "sounds" / "en"
        sounds.mkdir(parents=True)
        for sound in share.glob("sounds/en*/*"):
            with suppress(FileExistsError):
                (sounds / sound.name).symlink_to(sound)
        for name in ("documentation", "rest-api"):
            (self._home / "data" / name).symlink_to(share / name)
        for name, frequency in TONES.items():
            (sounds / f"{name}.wav").write_bytes(make_tone(frequency))

    def _share(self) -> Path:
        places = (self._program.parents[1] / "usr/share", Path("/usr/share"), Path("/var/lib"))
        return next(place / "asterisk" for place in places if (place / "asterisk").exists())

    def _modules(self) -> Path:
        roots = (self._program.parents[1] / "usr", Path("/usr"))
        return next(
            path
            for root in roots
            for path in (*root.glob("lib*/asterisk/modules"), *root.glob("lib*/*/asterisk/modules"))
        )


TONES = {"tone": 440, "high": 880}
"""What callers say, with its frequency."""


def make_tone(frequency: int, seconds: float = 0.3) -> bytes:
    """Return a WAV file as Asterisk records it: 8,000 samples a second, 16 bits each."""
    samples = (
        int(8000 * sin(2 * pi * frequency * number / 8000)) for number in range(int(8000 * seconds))
    )
    file = BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8000)
        audio.writeframes(b"".join(pack("<h", sample) for sample in samples))
    return file.getvalue()


def wait_until(is_done: Callable[[], bool]) -> None:
    """Wait for something that takes seconds."""
    deadline = monotonic() + _PATIENCE
    while not is_done():
        assert monotonic() < deadline, "it took too long"
        sleep(0.02)
