"""`TransferClient`: an account of a service, for programs. It may be used by many threads at once."""

import threading
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from transfer_service_client import sharing
from transfer_service_client.chat import chat
from transfer_service_client.chat.attachments import AttachmentSender
from transfer_service_client.chat.chat import Conversation, Message
from transfer_service_client.connection.addresses import encode_name, normal_path
from transfer_service_client.connection.credentials import CredentialFile, Key, Tokens
from transfer_service_client.connection.patience import PATIENCE_SECONDS
from transfer_service_client.connection.session import Session
from transfer_service_client.downloads.placing import TargetFolder
from transfer_service_client.errors import NotFound, TransferError, as_expected
from transfer_service_client.folders.fetching import fetch, get
from transfer_service_client.folders.outcome import Outcome
from transfer_service_client.folders.sync_plans import Plan
from transfer_service_client.folders.syncing import Verification, sync, verify
from transfer_service_client.folders.transfers import send_file, send_files, send_paths
from transfer_service_client.importers.importing import Import, ImportPlan, plan_import, run_import
from transfer_service_client.importers.origin import Origin
from transfer_service_client.models import Account, File, Folder, Listing
from transfer_service_client.progress import SILENT, Progress
from transfer_service_client.sharing import Link, LinkLimits
from transfer_service_client.uploads.uploaded import Uploaded


class TransferClient:
    """Files, folders, links and messages of one account.

    >>> with TransferClient("https://files.example.com", key="tsk_…") as client:
    ...     client.upload("film.mp4", to="Films/film.mp4")

    Every method raises ApiError where the service refuses, and Unavailable where it cannot be reached for longer than
    `patience_seconds`; what can be sent twice without harm is tried again until then.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        tokens: Tokens | None = None,
        keep: CredentialFile | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        verify: bool | str = True,
    ) -> None:
        """Sign in by a `key`, by `tokens` of before, or later by `sign_in`.

        `keep` gets every new pair of tokens, as long as no other account is signed in there; once it was removed, none.
        """
        self._account_label: str | None = None
        credentials = Key(key.strip()) if key is not None else tokens
        self.session = Session(url, credentials, keep=keep, patience_seconds=patience_seconds, verify=verify)

    def sign_in(self, name: str, password: str) -> Tokens:
        """Sign in by a password. Raises SignInNeeded where it is wrong."""
        return self.session.sign_in(name, password)

    def account(self) -> Account:
        """Who is signed in."""
        return Account.from_json(self.session.get_json("/auth/me"))

    def list(self, folder: str = "") -> Listing:
        """What lies directly in a folder. Raises NotFound."""
        folders: list[Folder] = []
        files: list[File] = []
        for page in self._pages(folder=folder):
            with as_expected():
                folders += [Folder.from_json(each) for each in page["folders"]]
            files += [File.from_json(each) for each in page["files"]]
        return Listing(folders, files)

    def files(self, below: str = "") -> Iterator[File]:
        """Every file below a folder, in it or in folders in it, in the order of names."""
        prefix = f"{normal_path(below)}/" if below else ""
        for page in self._pages(prefix=prefix or None, sort="name"):
            yield from (File.from_json(each) for each in page["files"])

    def find(self, name: str) -> File | None:
        """The file of that name, finished or not, or None."""
        fields = self.session.get_json(f"/api/files/status/{encode_name(name)}")
        if not fields.get("file_id"):
            return None
        file = File.from_json(fields)
        if file.name != unicodedata.normalize("NFC", name):  # damaged on its way: it would be taken for the other one
            raise TransferError(f"The service told of {file.name} where {name} was asked for")
        return file

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder of that path."""
        try:
            self.session.get_json(f"/api/folders/{encode_name(path)}")
        except NotFound:
            return False
        return True

    def upload(self, path: str | Path, to: str | None = None, *, progress: Progress = SILENT) -> Uploaded:
        """Send a file, as `to` or under its own name, in place of one of that name. The same bytes are not sent again.

        It goes on where an earlier try ended. Raises FileChanged where it is written to meanwhile, DigestMismatch,
        OSError where it cannot be read.
        """
        return send_file(self, Path(path), Path(path).name if to is None else to, progress=progress)

    def upload_all(
        self, paths: Iterable[str], to: str = "", *, exclude: Iterable[str] = (), progress: Progress = SILENT
    ) -> Outcome:
        """Send files and folders with all that is in them into the folder `to`, many at once.

        A folder keeps its name there; with a slash at its end only what is in it is sent. What cannot be sent is in
        the outcome, and keeps nothing else back. `exclude` has patterns as Excluding does. Raises SignInNeeded.
        """
        return send_paths(self, paths, to=to, exclude=exclude, progress=progress)

    def upload_files(
        self, files: Iterable[tuple[Path, str]], *, is_compared: bool = True, progress: Progress = SILENT
    ) -> Outcome:
        """Send any number of files, each under a name of its own; not `is_compared`: without asking what is there."""
        return send_files(self, files, is_compared=is_compared, progress=progress)

    def account_label(self) -> str:
        """What tells this account from others of the service, in names of local files."""
        if self._account_label is None:
            self._account_label = self.account().account_id
        return self._account_label

    def download(self, name: str, to: str | Path, *, progress: Progress = SILENT) -> Path:
        """Fetch a file to a path, whose folder is there, or into a folder; gone on with where an earlier call stopped.

        What is there is replaced once the new bytes are verified. Raises NotFound, DigestMismatch, UnsafeName where the
        name cannot be one in that folder, OSError.
        """
        file = self.find(name)
        if file is None:
            raise NotFound(404, f"There is no file {name!r}")
        path, below = Path(to), None
        if path.is_dir():
            folder = TargetFolder(path)
            path, below = folder.place(name.rpartition("/")[2]), folder.root
        fetch(self, file, path, progress, below=below)
        return path

    def get(self, names: Sequence[str], into: str | Path = ".", *, progress: Progress = SILENT) -> Outcome:
        """Fetch files, and folders with all that is in them, many at once, under their last labels into a folder.

        Nothing is written outside of `into`. What fails is in the outcome, and keeps nothing else back. Raises
        SignInNeeded, OSError where `into` cannot be made.
        """
        return get(self, names, Path(into), progress=progress)

    def sync(
        self,
        root: str | Path,
        folder: str,
        *,
        delete: bool = False,
        dry_run: bool = False,
        exclude: Iterable[str] = (),
        progress: Progress = SILENT,
    ) -> tuple[Plan, Outcome]:
        """Make a folder of the service like a local one, by digests; with `delete` what is only there goes.

        With `dry_run` only the plan is made. Nothing is deleted after anything failed, or where `root` is empty, nor
        what is excluded. Raises SignInNeeded, TransferError, OSError where `root` cannot be read.
        """
        return sync(self, Path(root), folder, delete=delete, dry_run=dry_run, exclude=exclude, progress=progress)

    def verify(
        self, root: str | Path, folder: str, *, exclude: Iterable[str] = (), progress: Progress = SILENT
    ) -> Verification:
        """Compare every byte of a local folder with the digests of a folder of the service.

        Raises NotFound where that is not there, OSError where `root` cannot be read.
        """
        return verify(self, Path(root), folder, exclude=exclude, progress=progress)

    def import_from(self, origin: Origin, to: str = "", *, progress: Progress = SILENT) -> Import:
        """Bring all files of an origin (a class of `importers`) into the folder `to`, many at once, and verify them.

        It goes on where an earlier call ended; the origin is only read. What fails is in the outcome, and keeps nothing
        else back. Raises SignInNeeded, and TransferError or OSError where the origin cannot be read at all.
        """
        return run_import(self, origin, to, progress=progress)

    def plan_import(self, origin: Origin, to: str = "", *, progress: Progress = SILENT) -> ImportPlan:
        """What `import_from` would do, without doing it. Raises as that does."""
        return plan_import(self, origin, to, progress=progress)

    def delete(self, name: str) -> None:
        """Delete a file. Raises NotFound."""
        self.session.request("DELETE", f"/api/files/{encode_name(name)}")

    def move(self, name: str, new: str) -> None:
        """Give a file another name, or another folder. Raises NotFound, Conflict where something has that name."""
        file = self.find(name)
        if file is None:
            raise NotFound(404, f"There is no file {name!r}")
        self.session.request("PATCH", f"/api/files/{file.file_id}", json={"filename": new})

    def move_folder(self, path: str, new: str) -> None:
        """Give a folder another path, with all that is in it. Raises NotFound, Conflict: folders are never merged."""
        self.session.request("PATCH", f"/api/folders/{encode_name(path)}", json={"path": new})

    def make_folder(self, path: str) -> None:
        """Make a folder with those above it; one that is there stays as it is."""
        self.session.request("POST", "/api/folders", json={"path": path}, is_repeatable=True)

    def delete_folder(self, path: str, *, is_recursive: bool = False) -> None:
        """Delete a folder; with `is_recursive` all that is in it. Raises NotFound, Conflict where it is not empty."""
        params = {"recursive": "true"} if is_recursive else None
        self.session.request("DELETE", f"/api/folders/{encode_name(path)}", params=params)

    def share(
        self,
        *names: str,
        title: str | None = None,
        expires_in: timedelta | None = None,
        password: str | None = None,
        max_downloads: int | None = None,
    ) -> Link:
        """Make a link to files and folders (7 days where nothing else is said). Raises NotFound; a key may not."""
        limits = LinkLimits(title, expires_in, password, max_downloads=max_downloads)
        return sharing.share(self, names, limits)

    def share_for_uploads(
        self,
        folder: str | None = None,
        *,
        title: str | None = None,
        expires_in: timedelta | None = None,
        password: str | None = None,
        max_files: int | None = None,
        max_bytes: int | None = None,
    ) -> Link:
        """Make a link by which people send files into a folder. Limits are totals; a key may not."""
        limits = LinkLimits(title, expires_in, password, max_files=max_files, max_bytes=max_bytes)
        return sharing.share_for_uploads(self.session, folder, limits)

    def links(self) -> Iterator[Link]:
        """The account's links, the newest first."""
        return sharing.links(self.session)

    def revoke_link(self, link_id: str) -> None:
        """End a link. Raises NotFound."""
        sharing.revoke_link(self.session, link_id)

    def conversations(self) -> Iterator[Conversation]:
        """The account's conversations, those with the newest message first."""
        return chat.conversations(self.session)

    def conversation_with(self, name: str) -> str:
        """The id of the conversation with another account, made where there is none. Raises NotFound."""
        return chat.conversation_with(self.session, name)

    def messages(self, conversation_id: str) -> Iterator[Message]:
        """What was said, the newest first, fetched as it is asked for."""
        return chat.messages(self.session, conversation_id)

    def follow(self, conversation_id: str, *, stop: threading.Event | None = None) -> Iterator[Message]:
        """Messages from now on, and those that change, as they are then; until `stop` is set."""
        return chat.follow(self.session, conversation_id, wait=(stop or threading.Event()).wait)

    def send_message(self, conversation_id: str, text: str, *, reply_to: str | None = None) -> Message:
        """Say something, once, whatever is lost on the way."""
        return chat.post_message(self.session, conversation_id, text, reply_to=reply_to)

    def send_attachment(
        self,
        conversation_id: str,
        path: str | Path,
        text: str | None = None,
        *,
        reply_to: str | None = None,
        progress: Progress = SILENT,
    ) -> Message:
        """Send a file into a conversation, with a caption. It goes on where an earlier call ended, and is there once.

        Raises as `upload` does. A key needs `upload`, `files` and `download` beside `chat`.
        """
        return AttachmentSender(self, progress=progress).send(conversation_id, Path(path), text, reply_to=reply_to)

    def close(self) -> None:
        """Close its connections."""
        self.session.close()

    def __enter__(self) -> "TransferClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pages(self, **query: Any) -> Iterator[dict[str, Any]]:
        return self.session.get_pages("/api/files", "files", limit=1000, **query)
