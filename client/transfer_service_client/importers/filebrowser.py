"""A File Browser as an origin, by its HTTP API: listings, digests that it computes itself, and ranges of files."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote

import httpx

from transfer_service_client.connection.patience import pauses
from transfer_service_client.errors import FileChanged, SignInNeeded, TransferError
from transfer_service_client.folders.walking import Skipped, Unsendable
from transfer_service_client.importers.filebrowser_site import FileBrowserSite
from transfer_service_client.importers.origin import BadAddress, Found, OriginFile, OriginFolder, problem_of
from transfer_service_client.importers.remote_source import Body, Broken, RemoteSource
from transfer_service_client.uploads.sources import Source

_NO_FILE = (1 << 19) | (1 << 21) | (1 << 24) | (1 << 25) | (1 << 26)
"""Bits of Go's FileMode: irregular, character device, socket, pipe, device."""
_DEEPEST = 64
_CHECKSUM_TRIES = 3
_LEAST_RATE, _READ_SECONDS = 20e6, 90.0  # a disk that is slower than this has no digest in time
_GONE = frozenset({404, 410})


def parse_filebrowser_address(text: str) -> tuple[str, str]:
    """The address of a File Browser, and the folder in it: `https://host/base?folder=a/b`. Raises BadAddress."""
    url, mark, query = text.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if (mark and not options) or not options.keys() <= {"folder"}:
        raise BadAddress(f"{text}: behind the question mark may be folder=NAME")
    folder = options.get("folder", "").strip("/")
    problem = problem_of(folder) if folder else None
    if problem is not None:
        raise BadAddress(f"The folder cannot be one: {problem}")
    return url, folder


class FileBrowserOrigin:
    """What an account of a File Browser sees in a folder. Links to folders are not followed: they may lead back."""

    def __init__(self, site: FileBrowserSite, folder: str = "") -> None:
        self._site, self._folder = site, folder

    def found(self) -> Iterator[Found]:
        """What is there. Raises SignInNeeded, TransferError where the folder itself cannot be listed."""
        self._site.sign_in()
        waiting: list[tuple[str, frozenset[str]]] = [("", frozenset())]
        is_first = True
        while waiting:
            name, above = waiting.pop()
            try:
                items = self._items(name)
            except SignInNeeded:
                raise
            except TransferError as error:
                if is_first:
                    raise
                yield Unsendable(name, error)
                continue
            is_first, mark = False, _mark(items)
            if mark in above:
                yield Skipped(name, "A link to a folder is not followed")
                continue
            if name and not items:
                yield OriginFolder(name)
            inner: list[str] = []
            for item in items:
                own = f"{name}/{item['name']}" if name else item["name"]
                found = self._found(own, item)
                if found is None:
                    inner.append(own)
                else:
                    yield found
            waiting += [(each, above | {mark} if mark else above) for each in reversed(inner)]

    def close(self) -> None:
        """Close its connections."""
        self._site.close()

    def _path(self, name: str) -> str:
        return quote("/".join(each for each in (self._folder, name) if each), safe="/")

    def _items(self, name: str) -> list[dict[str, Any]]:
        path = self._path(name)
        told = self._site.get_json(f"/api/resources/{path}/" if path else "/api/resources/")
        items = told.get("items")
        if not isinstance(items, list) or not all(_is_item(each) for each in items):
            raise TransferError("File Browser did not list this as a folder")
        return sorted(items, key=lambda item: str(item["name"]))

    def _found(self, name: str, item: Mapping[str, Any]) -> Found | None:
        """What an item is; None for a folder to look into."""
        if not item["isDir"]:
            return self._file(name, item)
        if item.get("isSymlink"):
            return Skipped(name, "A link to a folder is not followed")
        problem = problem_of(name)
        if problem is None and name.count("/") >= _DEEPEST:
            problem = TransferError("It lies too deep")
        return None if problem is None else Unsendable(name, problem)

    def _file(self, name: str, item: Mapping[str, Any]) -> Found:
        if item.get("type") == "invalid_link":
            return Unsendable(name, TransferError("It is a link to nothing"))
        if item["mode"] & _NO_FILE:
            return Skipped(name, "It is no file")
        return OriginFile(name, item["size"], partial(self._open, name, item))

    def _open(self, name: str, item: Mapping[str, Any]) -> Source:
        told = self._with_checksum(self._path(name), item)
        sha256 = told.get("checksums", {}).get("sha256", "")
        return FileBrowserSource(self._site, self._path(name), told, bytes.fromhex(sha256) if sha256 else None)

    def _with_checksum(self, path: str, item: Mapping[str, Any]) -> Mapping[str, Any]:
        """What it says of a file now, with its SHA-256 where that can be had in time: it reads the whole for it."""
        seconds = _READ_SECONDS + item["size"] / _LEAST_RATE
        for _, pause in zip(range(_CHECKSUM_TRIES), pauses(self._site.patience_seconds), strict=False):
            try:
                answer = self._site.try_once(f"/api/resources/{path}?checksum=sha256", read_seconds=seconds)
            except Broken as error:
                if not pause(error.problem):
                    break
                continue
            if answer.status_code in _GONE:
                raise FileChanged(f"{path} was removed while it was imported")
            told = self._site.json_of(answer) if answer.status_code == httpx.codes.OK else {}
            return told if _is_item(told) and _is_digested(told) else item
        return item


class FileBrowserSource(RemoteSource):
    """One file, as it was when it was looked at."""

    def __init__(self, site: FileBrowserSite, path: str, told: Mapping[str, Any], sha256: bytes | None) -> None:
        super().__init__(told["name"], told["size"], sha256=sha256, patience_seconds=site.patience_seconds)
        self._site, self._path = site, path
        self._modified = str(told.get("modified"))
        self._version: str | None = None

    @property
    def identity(self) -> tuple[str | int, ...]:
        """Where it is, its size, and when it was changed. Each account has a folder of its own as its top."""
        return "filebrowser", self._site.url, self._site.name, self._path, self.size, self._modified

    def check(self) -> None:
        """Raises FileChanged where another file is there now than was read; bytes of a known digest cannot be."""
        if self._known is not None or self._version is None:
            return
        self._site.patiently(lambda: self._ask(0, "bytes=0-0").close())

    def _open_at(self, start: int) -> Body:
        answer = self._ask(start, f"bytes={start}-")
        return Body(_chunks(answer), answer.close)

    def _ask(self, start: int, wanted: str) -> httpx.Response:
        answer = self._site.try_once(
            f"/api/raw/{self._path}", headers={"Range": wanted, "If-Range": self._version or ""}, is_streamed=True
        )
        try:
            self._check(answer, start)
        except BaseException:
            answer.close()
            raise
        return answer

    def _check(self, answer: httpx.Response, start: int) -> None:
        if answer.status_code == httpx.codes.ACCEPTED:  # its way to say so
            raise TransferError("This account of File Browser may not download")
        if answer.headers.get("Content-Encoding", "identity") != "identity":  # against what was asked for
            raise TransferError(f"{self.label} comes compressed: name the address of File Browser behind its proxy")
        version = answer.headers.get("Last-Modified", "")
        told = answer.headers.get("Content-Range", "")
        is_part = answer.status_code == httpx.codes.PARTIAL_CONTENT
        is_whole = answer.status_code == httpx.codes.OK and not start
        is_part = is_part and told.startswith(f"bytes {start}-") and told.endswith(f"/{self.size}")
        if is_part or (is_whole and answer.headers.get("Content-Length") == str(self.size)):
            is_same = self._version in {None, version}
        elif answer.status_code in {200, 206, 416} or answer.status_code in _GONE:
            is_same = False
        else:
            raise TransferError(f"File Browser refused {self.label}: HTTP {answer.status_code}")
        if not is_same:
            raise FileChanged(f"{self.label} was changed or removed while it was imported")
        self._version = version


def _chunks(answer: httpx.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_raw()  # as they come: what is gathered into blocks would be lost with the line
    except httpx.TransportError as error:
        raise Broken(error) from error


def _is_item(item: Any) -> bool:
    """Whether it says what is needed of a file or folder."""
    if not isinstance(item, dict):
        return False
    kinds = {"name": str, "size": int, "isDir": bool, "mode": int}
    return all(isinstance(item.get(name), kind) for name, kind in kinds.items()) and bool(item["size"] >= 0)


def _mark(items: list[dict[str, Any]]) -> str:
    """What tells a folder from those above it, where versions of old do not say what is a link; or else empty."""
    if all("isSymlink" in each for each in items):
        return ""
    told = [[each["name"], each["size"], each["mode"], str(each.get("modified"))] for each in items]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _is_digested(told: Mapping[str, Any]) -> bool:
    checksums = told.get("checksums")
    sha256 = checksums.get("sha256") if isinstance(checksums, dict) else None
    return isinstance(sha256, str) and len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")
