"""Mailboxes on disk, in the format of Asterisk's app_voicemail.

A spool is the folder of one voicemail context: `<mailbox>/<folder>/msgNNNN.txt` describes
a message, `msgNNNN.wav` is its recording. New messages are in INBOX, heard ones in Old. As in
Asterisk 22.10.1, removing a message from a folder renames all following messages at once.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
import shutil
import wave

INBOX = "INBOX"
OLD = "Old"


@dataclass(frozen=True, slots=True)
class SpooledMessage:
    """The content of a message's text file. `duration` is in seconds, and `id` is Asterisk's."""

    name: str
    folder: str
    caller: str
    received: datetime
    duration: int
    id: str = ""


class Spool:
    """The mailboxes in one folder. Every method accesses the disk."""

    def __init__(self, root: Path) -> None:
        """Use the folder of a voicemail context."""
        self.root = root
        self._read: dict[Path, tuple[int, list[SpooledMessage]]] = {}
        self._left = count()

    def mailboxes(self) -> list[str]:
        """Return the numbers of all mailboxes, including empty ones."""
        return sorted(path.name for path in self.root.iterdir() if path.is_dir())

    def messages(self, mailbox: str, folder: str = INBOX) -> list[SpooledMessage]:
        """Return a folder's messages in the order of their numbers."""
        path = self.root / mailbox / folder
        try:
            # It changes whenever a message is added, removed or moved.
            changed = path.stat().st_mtime_ns
        except FileNotFoundError:
            return []
        known = self._read.get(path)
        if known is None or known[0] != changed:
            known = changed, [_read(file) for file in sorted(path.glob("msg*.txt"))]
            self._read[path] = known
        return known[1]

    def recording(self, mailbox: str, name: str, folder: str = INBOX) -> Path | None:
        """Return the path of a message's audio, None if there is no such message."""
        if not any(message.name == name for message in self.messages(mailbox, folder)):
            return None
        return self.root / mailbox / folder / f"{name}.wav"

    def size(self, mailbox: str, message: SpooledMessage) -> int:
        """Return the size of a message's audio in bytes."""
        path = self.root / mailbox / message.folder / f"{message.name}.wav"
        return path.stat().st_size if path.exists() else 0

    def leave(
        self,
        mailbox: str,
        caller: str,
        *,
        received: datetime,
        recording: Path,
        duration: int | None = None,
        folder: str = INBOX,
    ) -> SpooledMessage:
        """Add a message after those in a folder.

        The audio is linked, not copied: 50,000 messages need as much space as one.
        """
        path = self.root / mailbox / folder
        path.mkdir(parents=True, exist_ok=True)
        name = f"msg{len(self.messages(mailbox, folder)):04}"
        if duration is None:
            duration = _seconds(recording)
        _link(recording, path / f"{name}.wav")
        when = received.astimezone(UTC)
        epoch = int(when.timestamp())
        # As Asterisk does, so that nobody reads an incomplete file.
        partial = path / f".{name}.txt"
        partial.write_text(
            "\n".join(
                (
                    ";",
                    "; Message Information file",
                    ";",
                    "[message]",
                    f"origmailbox={mailbox}",
                    "context=leave",
                    f"exten={mailbox}",
                    "rdnis=unknown",
                    "priority=2",
                    f"callerchan=Local/{mailbox}@leave;2",
                    f"callerid={caller}",
                    f"origdate={when:%a %b %d %I:%M:%S %p UTC %Y}",
                    f"origtime={epoch}",
                    "category=",
                    f"msg_id={epoch}-{next(self._left):08x}",
                    "flag=",
                    f"duration={duration}",
                    "",
                )
            ),
            encoding="utf-8",
        )
        partial.rename(path / f"{name}.txt")
        return self.messages(mailbox, folder)[-1]

    def delete(self, mailbox: str, name: str, folder: str = INBOX) -> None:
        """Delete a message, and renumber those after it."""
        for file in self._files(mailbox, name, folder):
            file.unlink()
        self._renumber(mailbox, folder)

    def move(self, mailbox: str, name: str, *, to: str = OLD, folder: str = INBOX) -> None:
        """Move a message to the end of another folder, as Asterisk does when it was heard."""
        target = self.root / mailbox / to
        target.mkdir(exist_ok=True)
        new_name = f"msg{len(self.messages(mailbox, to)):04}"
        for file in self._files(mailbox, name, folder):
            file.rename(target / f"{new_name}{file.suffix}")
        self._renumber(mailbox, folder)

    def delete_mailbox(self, mailbox: str) -> None:
        """Delete a mailbox with all its messages."""
        shutil.rmtree(self.root / mailbox)

    def _files(self, mailbox: str, name: str, folder: str) -> list[Path]:
        path = self.root / mailbox / folder
        # Audio first: a message without a text file would not be listed.
        return [path / f"{name}.wav", path / f"{name}.txt"]

    def _renumber(self, mailbox: str, folder: str) -> None:
        path = self.root / mailbox / folder
        for number, text in enumerate(sorted(path.glob("msg*.txt"))):
            for file in (text.with_suffix(".wav"), text):
                file.rename(path / f"msg{number:04}{file.suffix}")


def _read(file: Path) -> SpooledMessage:
    fields = dict(
        line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines() if "=" in line
    )
    return SpooledMessage(
        name=file.stem,
        folder=file.parent.name,
        caller=fields["callerid"],
        received=datetime.fromtimestamp(int(fields["origtime"]), UTC),
        duration=int(fields["duration"]),
        id=fields.get("msg_id", ""),
    )


def _seconds(recording: Path) -> int:
    with wave.open(str(recording)) as audio:
        frames: int = audio.getnframes()
        rate: int = audio.getframerate()
    return round(frames / rate)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
