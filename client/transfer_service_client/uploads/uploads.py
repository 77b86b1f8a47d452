"""Files to the service: small ones in one request, others by tus, with the SHA-256 of the whole for it to verify."""

import threading
from pathlib import Path

import httpx

from transfer_service_client.connection.addresses import encode_name
from transfer_service_client.connection.answers import json_of
from transfer_service_client.connection.quick_requests import QuickRequests
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import ApiError, DigestMismatch, Stopped, as_expected
from transfer_service_client.models import File
from transfer_service_client.progress import SILENT, Progress
from transfer_service_client.uploads.large_uploads import LargeUpload
from transfer_service_client.uploads.local_source import LocalSource
from transfer_service_client.uploads.sources import Source
from transfer_service_client.uploads.tus import TusRequests
from transfer_service_client.uploads.upload_state import UploadState
from transfer_service_client.uploads.uploaded import Uploaded, check_name, kind_of, structured

SMALL_BYTES = 1024 * 1024
"""Up to here a file is one request, which is sent again as a whole."""


class Uploader:
    """Sends files of one account. Used by many threads at once."""

    def __init__(
        self,
        session: Session,
        account: str,
        *,
        progress: Progress = SILENT,
        stop: threading.Event | None = None,
        quick: QuickRequests | None = None,
    ) -> None:
        """`account` tells it from others of the same service, for what is resumed. Once `stop` is set all ends.

        What is sent goes by `quick`, where it is given; each thread closes its connection.
        """
        self.session, self.account = session, account
        self.progress, self.stop = progress, stop or threading.Event()
        self.tus = TusRequests(session, quick)
        self._quick = quick

    def upload(self, path: Path, name: str, there: File | None = None) -> Uploaded:
        """Send a local file under that very name; as `upload_source`. Raises OSError too."""
        with LocalSource(path) as source:
            return self.upload_source(source, name, there)

    def upload_source(self, source: Source, name: str, there: File | None = None) -> Uploaded:
        """Send what is open under that very name, in place of `there`, which is what has it now.

        The same bytes are not sent again. Raises ApiError, Unavailable, FileChanged, DigestMismatch, Stopped, and what
        the source raises.
        """
        self.progress.begin(name, source.size)
        uploaded = self._upload(source, name, there)
        self.progress.done(name, was_moved=uploaded.was_sent)
        return uploaded

    def _upload(self, source: Source, name: str, there: File | None) -> Uploaded:
        if there is not None and there.is_complete and there.size == source.size:
            sha256 = source.remembered or source.sha256().hex()
            if there.sha256 == sha256:
                source.check()
                self._forget_killed(source, name)
                return Uploaded(there.file_id, there.name, source.size, sha256, was_sent=False)
        if self.stop.is_set():
            raise Stopped("Stopped")
        if source.size <= SMALL_BYTES:
            return self._upload_small(name, source)
        with self._state(source, name) as state:
            return LargeUpload(self, source, name, state).run()

    def _forget_killed(self, source: Source, name: str) -> None:
        """What a run has left that was killed once its last byte was there."""
        if source.size > SMALL_BYTES:
            with self._state(source, name) as state:
                state.forget()

    def _state(self, source: Source, name: str) -> UploadState:
        """Where it is kept how far this upload is, and no other."""
        return UploadState(self.session.url, self.account, *source.identity, name)

    def _upload_small(self, name: str, source: Source) -> Uploaded:
        data = source.read(0, source.size)
        digest = source.sha256()
        source.check()
        headers = {"Repr-Digest": structured(digest), "Content-Type": "application/octet-stream"}
        for tries_left in (2, 1, 0):
            try:
                fields = json_of(self._put(f"/api/files/{encode_name(name)}", data, headers))
                break
            except ApiError as error:
                problem = kind_of(error, name)
                if not isinstance(problem, DigestMismatch) or not tries_left:
                    raise problem from error
        self.progress.advance(name, len(data))
        if fields.get("sha256") != digest.hex():
            raise DigestMismatch(f"The service has other bytes of {name}")
        check_name(name, fields.get("filename"))
        with as_expected():
            return Uploaded(fields["file_id"], fields["filename"], len(data), digest.hex(), was_sent=True)

    def _put(self, address: str, data: bytes, headers: dict[str, str]) -> httpx.Response:
        if self._quick is not None:
            return self._quick.put(address, data, headers)
        return self.session.request("PUT", address, content=data, headers=headers)
