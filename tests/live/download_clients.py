"""Scripted download clients that ask, judge and give up like the ones of phones, after their published source code."""

import http.client
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

ATTEMPTS = 8
BLOCK_BYTES = 64 * 1024


class GaveUp(Exception):
    """The real client would tell its user that the download has failed, and not try again."""


class Broken(Exception):
    """This attempt has failed; another one may do better."""


@dataclass(frozen=True)
class Source:
    """Where a file is, and the token to get it with."""

    port: int
    target: str
    token: str


@dataclass
class DownloadClient(ABC):
    """One download. What has arrived is kept from attempt to attempt."""

    source: Source
    received: bytearray = field(default_factory=bytearray)
    attempts: int = 0
    transferred: int = 0

    def download(self) -> bytes:
        """Try until the file is whole. Raises GaveUp."""
        while not self.attempt():
            if self.attempts >= ATTEMPTS:
                raise GaveUp(f"not whole after {self.attempts} attempts")
        return bytes(self.received)

    def attempt(self) -> bool:
        """Ask once, for all or for the rest, and tell whether the file is whole now. Raises GaveUp."""
        self.attempts += 1
        try:
            with self._asking() as response:
                self._judge(response)
                self._receive(response)
        except (Broken, OSError, http.client.HTTPException):
            self._after_break()
            return False
        return True

    @contextmanager
    def _asking(self) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self.source.port, timeout=30)
        try:
            headers = {"Authorization": self.source.token, "Accept-Encoding": "identity", **self._fields()}
            connection.request("GET", self.source.target, headers=headers)
            yield connection.getresponse()
        finally:
            connection.close()

    def _receive(self, response: http.client.HTTPResponse) -> None:
        while block := response.read1(BLOCK_BYTES):
            self.received += block
            self.transferred += len(block)
        if response.length:  # what is left of Content-Length
            raise Broken("the body ended early")

    @property
    def _rest(self) -> str:
        return f"bytes={len(self.received)}-"

    @abstractmethod
    def _fields(self) -> dict[str, str]:
        """The header fields to ask with."""

    @abstractmethod
    def _judge(self, response: http.client.HTTPResponse) -> None:
        """Decide by the head what the body will be, and drop what it replaces. Raises Broken, GaveUp."""

    def _after_break(self) -> None:  # noqa: B027 # most can always go on
        """Prepare the next attempt. Raises GaveUp where there is none."""


@dataclass
class AndroidDownloadManager(DownloadClient):
    """Android's DownloadManager (packages/providers/DownloadProvider, DownloadThread.java)."""

    etag: str | None = None

    def _fields(self) -> dict[str, str]:
        conditions = {"Connection": "close"}
        if self.received:
            conditions["Range"] = self._rest
            if self.etag is not None:
                conditions["If-Match"] = self.etag
        return conditions

    def _judge(self, response: http.client.HTTPResponse) -> None:
        if response.status in (500, 503):
            raise Broken(f"{response.status}")
        if response.status != (206 if self.received else 200):
            raise GaveUp(f"{response.status} for {'the rest' if self.received else 'the file'}")
        if not self.received:
            self.etag = response.headers["ETag"]
        if response.headers["Content-Length"] is None:
            raise GaveUp("the size is not known")

    def _after_break(self) -> None:
        if self.received and self.etag is None:
            raise GaveUp("no ETag to resume with")


@dataclass
class UrlSession(DownloadClient):
    """A download task of iOS's URLSession: what it needs for resume data, and how it asks for the rest."""

    validator: str | None = None

    def _fields(self) -> dict[str, str]:
        return {"Range": self._rest, "If-Range": self.validator} if self.received and self.validator else {}

    def _judge(self, response: http.client.HTTPResponse) -> None:
        if response.status == 206 and self.received:
            if not (response.headers["Content-Range"] or "").startswith(f"bytes {len(self.received)}-"):
                raise GaveUp("another range than asked for")
            return
        if response.status != 200:
            raise GaveUp(f"{response.status}")
        self.received.clear()
        etag = response.headers["ETag"]
        is_strong = etag is not None and not etag.startswith("W/")
        self.validator = etag if is_strong else response.headers["Last-Modified"]
        if response.headers["Accept-Ranges"] != "bytes":
            self.validator = None

    def _after_break(self) -> None:
        if self.received and self.validator is None:
            raise GaveUp("no resume data")


@dataclass
class BackgroundDownloader(DownloadClient):
    """Flutter's background_downloader with allowPause and retries (DownloadTaskExecutor.kt, download_isolate.dart).

    It sends no condition with its Range, but compares the ETags. Where it cannot resume, its next try starts over.
    """

    etag: str | None = None
    accepts_ranges: bool = False

    def _fields(self) -> dict[str, str]:
        return {"Range": self._rest} if self.received else {}

    def _judge(self, response: http.client.HTTPResponse) -> None:
        if response.status not in (200, 206):
            raise GaveUp(f"{response.status}")
        etag = response.headers["ETag"]
        self.accepts_ranges = response.headers["Accept-Ranges"] == "bytes" or response.status == 206
        if response.status == 206:
            self._judge_rest(response.headers["Content-Range"] or "", etag)
        else:
            self.received.clear()
        self.etag = etag

    def _judge_rest(self, content_range: str, etag: str | None) -> None:
        match = re.search(r"(\d+)-(\d+)/(\d+)", content_range)
        is_same = etag is not None and etag == self.etag and not etag.startswith("W/")
        if match is None or int(match[1]) > len(self.received) or not is_same:
            self.received.clear()
            raise Broken("cannot resume: ETag is not identical, or is weak, or the range does not fit")
        del self.received[int(match[1]) :]

    def _after_break(self) -> None:
        if not self.accepts_ranges or len(self.received) <= 1 << 20:
            self.received.clear()


@dataclass
class FlutterDownloader(DownloadClient):
    """Flutter's flutter_downloader (DownloadWorker.java): a bare Range, and whatever comes is appended."""

    def _fields(self) -> dict[str, str]:
        return {"Range": self._rest} if self.received else {}

    def _judge(self, response: http.client.HTTPResponse) -> None:
        if response.status != (206 if self.received else 200):  # it would append a 200, which ruins the file
            raise GaveUp(f"{response.status} for {'the rest' if self.received else 'the file'}")
