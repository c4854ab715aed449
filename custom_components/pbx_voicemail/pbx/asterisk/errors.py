"""What an owner has to set up on an Asterisk before it can be used, one error for each."""

from collections.abc import Mapping
from typing import ClassVar, override

from ..errors import PbxLoginError, PbxSetupError


class ManagerRefusedError(PbxLoginError):
    """Asterisk refused the manager user: its name, its secret, or the address (`permit`)."""

    kind = "manager_refused"


class AsteriskSetupError(PbxSetupError):
    """Something is missing on the Asterisk; `kind` names it, and it stays until it is set up."""

    text: ClassVar[str]
    """What is missing, in a few words for logs."""

    def __init__(self) -> None:
        """Take the text of the class."""
        super().__init__(self.text)


class ManagerNotOnWebError(AsteriskSetupError):
    """The web server does not offer the manager: `webenabled` in manager.conf is off.

    A `prefix` in http.conf that the address lacks, and an access list there, look the same.
    """

    kind = "manager_not_on_web"
    text = "Asterisk's web server does not offer the manager interface"


class LoginInUseError(AsteriskSetupError):
    """The manager user is signed in already, and manager.conf lets it sign in once only."""

    kind = "login_in_use"
    text = "the manager user is signed in elsewhere, and may sign in only once"


class ReportingRightMissingError(AsteriskSetupError):
    """The manager user has neither `reporting` nor `call` in `write`, so nothing can be read.

    `call` would also let it transfer and end calls.
    """

    kind = "reporting_right_missing"
    text = "the manager user lacks the write permission 'reporting'"


class UserRightMissingError(AsteriskSetupError):
    """The manager user lacks `user` in `write`: messages can be read, not deleted or marked."""

    kind = "user_right_missing"
    text = "the manager user lacks the write permission 'user'"


class VoicemailNotLoadedError(AsteriskSetupError):
    """The Asterisk is new enough, but its module app_voicemail is not loaded."""

    kind = "voicemail_not_loaded"
    text = "Asterisk's module app_voicemail is not loaded"


class AsteriskTooOldError(AsteriskSetupError):
    """The Asterisk is older than 18.20 or 20.5, the first to list single messages."""

    kind = "asterisk_too_old"
    text = "this version of Asterisk does not list voicemail messages"


class StaticContentOffError(AsteriskSetupError):
    """The web server gives out no files: `enable_static` in http.conf is off."""

    kind = "static_content_off"
    text = "Asterisk's web server gives out no files"


class RecordingsNotLinkedError(AsteriskSetupError):
    """The web server gives out files, but the link to the voicemail folder is missing.

    Recordings that Asterisk keeps in a database or on a mail server look the same.
    """

    kind = "recordings_not_linked"
    text = "Asterisk's web server has no link to the voicemail folder"


class RecordingFormatError(AsteriskSetupError):
    """A recording is in none of the formats wav, wav49 and gsm: see `format` in voicemail.conf."""

    kind = "recording_format"
    text = "Asterisk keeps the recording in a format that cannot be played"


class _MailboxSetupError(AsteriskSetupError):
    def __init__(self, extension: str) -> None:
        """Take the mailbox in question."""
        super().__init__()
        self.extension = extension

    @property
    @override
    def placeholders(self) -> Mapping[str, str]:
        """The mailbox."""
        return {"extension": self.extension}


class OldFolderFullError(_MailboxSetupError):
    """The folder Old of a mailbox is full, so nothing can be moved there as heard."""

    kind = "old_folder_full"
    text = "the folder for old messages is full"


class MailboxLockedError(_MailboxSetupError):
    """Asterisk never gets the lock of a folder: a file `.lock` in it outlived a crash."""

    kind = "mailbox_locked"
    text = "a folder of a mailbox stays locked"
