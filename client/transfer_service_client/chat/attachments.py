"""Files into conversations: sent like any other file, resumable and verified, then made the attachment of a message.

While it is sent a file lies in a folder of its own in the account, so that its name is free. What is needed to go on
after a kill, also one right after the message was posted, is kept: the message is there once.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transfer_service_client.chat.chat import Message, new_key, post_message
from transfer_service_client.connection.addresses import encode_name
from transfer_service_client.errors import ApiError, NotFound, SignInNeeded, TransferError, Unavailable, as_expected
from transfer_service_client.folders.transfers import send_file
from transfer_service_client.folders.walking import is_text, shown
from transfer_service_client.progress import SILENT, Progress
from transfer_service_client.uploads.upload_state import UploadState, digest_of

if TYPE_CHECKING:
    from transfer_service_client.client import TransferClient

_FOLDER = "transfer-sending"
_KEPT = 3  # key, label of its folder, file_id


class AttachmentSender:
    """Sends files of an account into its conversations."""

    def __init__(self, client: "TransferClient", *, progress: Progress = SILENT) -> None:
        self._client, self._session, self._progress = client, client.session, progress

    def send(
        self, conversation_id: str, path: Path, text: str | None = None, *, reply_to: str | None = None
    ) -> Message:
        """Send a file, with a caption where there is one. Raises as an upload does, and what posting does.

        A call that was cut off, by a kill too, is taken up by the next one of the same file and words.
        """
        if not is_text(path.name):
            raise TransferError(f"The name of {shown(path)} is not UTF-8")
        facts = path.stat()
        told = self._session.get_json("/conversations/info", conversation_id=conversation_id)  # before bytes are sent
        with as_expected():
            own_id = str(told["_id"])
        parts = ("message", self._session.url, self._client.account_label(), own_id, str(path.resolve()))
        what = (facts.st_size, facts.st_mtime_ns, text or "", reply_to or "")
        with UploadState(*parts, *what) as state:
            words = _Words(own_id, text, reply_to)
            message = self._post_again(state, words)
            if message is None:
                # Another process that sends the same at this moment has a place of its own.
                label = digest_of(*parts, *what)[:24] if state.is_held else new_key()
                message = self._send(state, words, path, label)
            state.forget()
        return message

    def _send(self, state: UploadState, words: "_Words", path: Path, label: str) -> Message:
        name = f"{_FOLDER}/{label}/{path.name}"
        renamed = _Renamed(self._progress, path.name)
        file_id, key = send_file(self._client, path, name, progress=renamed).file_id, new_key()
        state.write(f"{key}_{label}_{file_id}")
        try:
            message = self._post(words, file_id, key)
        except SignInNeeded:
            raise  # goes on once somebody is signed in again
        except ApiError:
            self._tidy(label, name)
            raise
        self._tidy(label)
        return message

    def _post_again(self, state: UploadState, words: "_Words") -> Message | None:
        """The message of an earlier call that got as far as that, posted by it or now; None where there is none."""
        kept = (state.read() or "").split("_")
        if len(kept) != _KEPT:
            return None
        key, label, file_id = kept
        try:
            message = self._post(words, file_id, key)
        except NotFound:  # the file was deleted, or a day has passed
            state.forget()
            return None
        self._tidy(label)
        return message

    def _post(self, words: "_Words", file_id: str, key: str) -> Message:
        return post_message(
            self._session, words.conversation_id, words.text, file_id=file_id, reply_to=words.reply_to, key=key
        )

    def _tidy(self, label: str, name: str | None = None) -> None:
        """Remove the folders, and a file that did not become an attachment."""
        with suppress(ApiError, Unavailable):  # another file is on its way: nothing is lost
            if name is not None:
                self._session.request("DELETE", f"/api/files/{encode_name(name)}", params={"permanent": "true"})
            for folder in (f"{_FOLDER}/{label}", _FOLDER):
                self._session.request("DELETE", f"/api/folders/{encode_name(folder)}")


class _Renamed:
    """Tells of a transfer by the name that the file has here: the place that it passes through says nobody anything."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress, self._name = progress, name

    def begin(self, _name: str, size: int) -> None:
        self._progress.begin(self._name, size)

    def advance(self, _name: str, count: int) -> None:
        self._progress.advance(self._name, count)

    def restart(self, _name: str, position: int) -> None:
        self._progress.restart(self._name, position)

    def done(self, _name: str, *, was_moved: bool) -> None:
        self._progress.done(self._name, was_moved=was_moved)

    def failed(self, _name: str, error: Exception) -> None:
        self._progress.failed(self._name, error)


@dataclass(frozen=True)
class _Words:
    conversation_id: str
    text: str | None
    reply_to: str | None
