"""`TransferClient`: an account of a service, for programs. It may be used by many threads at once."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from transfer_service_client.credentials import CredentialFile, Key, Tokens
from transfer_service_client.downloads import download
from transfer_service_client.errors import NotFound
from transfer_service_client.models import Account, File, Folder, Listing, parse_instant
from transfer_service_client.placing import TargetFolder
from transfer_service_client.progress import SILENT, Progress
from transfer_service_client.session import PATIENCE_SECONDS, Session, encode_name
from transfer_service_client.transfers import Outcome, send_file, send_paths
from transfer_service_client.uploads import Uploaded

_PAGE = 1000


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
        """Sign in by a `key`, by `tokens` of before, or later by `sign_in`. `keep` gets every new pair of tokens."""
        self._account_label: str | None = None
        credentials = Key(key) if key is not None else tokens
        self.session = Session(url, credentials, keep=keep, patience_seconds=patience_seconds, verify=verify)

    def sign_in(self, name: str, password: str) -> Tokens:
        """Sign in by a password. Raises SignInNeeded where it is wrong."""
        return self.session.sign_in(name, password)

    def account(self) -> Account:
        """Who is signed in."""
        me = self.session.get_json("/auth/me")
        return Account(me["id"], me["name"], me["is_admin"], me["used_bytes"], me["quota_bytes"])

    def list(self, folder: str = "") -> Listing:
        """What lies directly in a folder. Raises NotFound."""
        folders: list[Folder] = []
        files: list[File] = []
        for page in self._pages(folder=folder):
            folders += [Folder(each["path"], parse_instant(each["created_at"])) for each in page["folders"]]
            files += [File.from_json(each) for each in page["files"]]
        return Listing(folders, files)

    def files(self, below: str = "") -> Iterator[File]:
        """Every file below a folder, in it or in folders in it, in the order of names."""
        prefix = f"{below}/" if below else ""
        for page in self._pages(prefix=prefix or None, sort="name"):
            yield from (File.from_json(each) for each in page["files"])

    def find(self, name: str) -> File | None:
        """The file of that name, finished or not, or None."""
        fields = self.session.get_json(f"/api/files/status/{encode_name(name)}")
        return File.from_json(fields) if fields.get("file_id") else None

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

    def upload_all(self, paths: Iterable[str], to: str = "", *, progress: Progress = SILENT) -> Outcome:
        """Send files and folders with all that is in them into the folder `to`, many at once.

        A folder keeps its name there; with a slash at its end only what is in it is sent. What cannot be sent is in
        the outcome, and keeps nothing else back.
        """
        return send_paths(self, paths, to=to, progress=progress)

    def account_label(self) -> str:
        """What tells this account from others of the service, in names of local files."""
        if self._account_label is None:
            self._account_label = self.account().account_id
        return self._account_label

    def download(self, name: str, to: Path, *, progress: Progress = SILENT) -> Path:
        """Fetch a file to a path, whose folder is there, or into a folder; gone on with where an earlier call stopped.

        What is there is replaced once the new bytes are verified. Raises NotFound, DigestMismatch, UnsafeName where the
        name cannot be one in that folder, OSError.
        """
        file = self.find(name)
        if file is None:
            raise NotFound(404, f"There is no file {name!r}")
        target = TargetFolder(to).place(name.rpartition("/")[2]) if to.is_dir() else to
        download(self.session, file, target, progress=progress)
        return target

    def delete(self, name: str) -> None:
        """Delete a file. Raises NotFound."""
        self.session.request("DELETE", f"/api/files/{encode_name(name)}")

    def make_folder(self, path: str) -> None:
        """Make a folder with those above it; one that is there stays as it is."""
        self.session.request("POST", "/api/folders", json={"path": path}, is_repeatable=True)

    def delete_folder(self, path: str, *, is_recursive: bool = False) -> None:
        """Delete a folder; with `is_recursive` all that is in it. Raises NotFound, Conflict where it is not empty."""
        params = {"recursive": "true"} if is_recursive else None
        self.session.request("DELETE", f"/api/folders/{encode_name(path)}", params=params)

    def close(self) -> None:
        """Close its connections."""
        self.session.close()

    def __enter__(self) -> "TransferClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pages(self, **query: Any) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            page = self.session.get_json("/api/files", limit=_PAGE, cursor=cursor, **query)
            yield page
            cursor = page["next_cursor"]
            if cursor is None:
                return
