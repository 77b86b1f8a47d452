"""A File Browser of a few dozen lines, by the API of filebrowser/filebrowser 2: login, listings, digests, ranges."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from tests.client.origin_server import Answer, Request, part_of

MODIFIED, LAST_MODIFIED = "2024-05-06T07:08:09.123456789Z", "Mon, 06 May 2024 07:08:09 GMT"
LATER, LAST_MODIFIED_LATER = "2024-05-06T07:08:10.5Z", "Mon, 06 May 2024 07:08:10 GMT"


@dataclass
class FileBrowserDouble:
    """`cuts` are taken by one answer of file bytes each; `odd` are items of the top's listing as they are told."""

    files: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    odd: list[dict[str, Any]] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    cuts: list[int] = field(default_factory=list)
    knows_digests: bool = True
    may_download: bool = True
    lies: bool = False
    password: str = "open sesame"
    ended: int = 401
    """What it answers to a token that has ended; versions of old say 403."""
    forbidden: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    sign_ins: int = 0
    requests: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if request.path == "/api/login":
            return self._login(request)
        if request.headers.get("X-Auth") not in self.tokens:
            return Answer(self.ended)
        if request.path == "/api/renew":
            return Answer(200, request.headers["X-Auth"].encode(), {"Content-Type": "text/plain"})
        area, _, path = request.path.removeprefix("/api/").partition("/")
        if area == "raw":
            return self._raw(path, request)
        return self._resource(path.strip("/"), request)

    def raw_ranges(self) -> list[str]:
        """Which ranges were asked for, but those of one byte that only look."""
        asked = [each.headers.get("Range", "") for each in self.requests if each.path.startswith("/api/raw/")]
        return [each for each in asked if each != "bytes=0-0"]

    def _login(self, request: Request) -> Answer:
        told = json.loads(request.body)
        if (told["username"], told["password"]) not in {("bob", self.password), ("eve", self.password)}:
            return Answer(403, b"403 Forbidden\n")
        self.sign_ins += 1
        self.tokens.add(token := f"head.bob{self.sign_ins}.sign")
        return Answer(200, token.encode(), {"Content-Type": "text/plain"})

    def _resource(self, path: str, request: Request) -> Answer:
        if path in self.forbidden:
            return Answer(403, b"403 Forbidden\n")
        if path in self.files:
            if not self.knows_digests and "checksum" in request.query:
                return Answer(500, b"500 Internal Server Error\n")
            fields = self._item(path)
            if "checksum" in request.query:
                digest = hashlib.sha256(b"another" if self.lies else self.files[path]).hexdigest()
                fields["checksums"] = {request.query["checksum"]: digest}
            return _json(fields)
        if path and path not in self._all_folders():
            return Answer(404, b"404 Not Found\n")
        inside = [each for each in [*self.files, *self._all_folders()] if each.rpartition("/")[0] == path and each]
        return _json({**self._item(path), "items": [self._item(each) for each in inside] + ([] if path else self.odd)})

    def _raw(self, path: str, request: Request) -> Answer:
        if not self.may_download:
            return Answer(202)
        if path not in self.files:
            return Answer(404)
        version = LAST_MODIFIED_LATER if path in self.changed else LAST_MODIFIED
        is_other = request.headers.get("If-Range", version) != version
        status, data, fields = part_of(self.files[path], None if is_other else request.headers.get("Range"))
        cut_at = self.cuts.pop(0) if self.cuts and request.headers.get("Range") != "bytes=0-0" else None
        return Answer(status, data, {**fields, "Last-Modified": version}, cut_at)

    def _item(self, path: str) -> dict[str, Any]:
        is_folder = path not in self.files
        return {
            "path": f"/{path}",
            "name": path.rpartition("/")[2],
            "size": 4096 if is_folder else len(self.files[path]),
            "modified": LATER if path in self.changed else MODIFIED,
            "mode": 2147484141 if is_folder else 420,
            "isDir": is_folder,
            "isSymlink": False,
            "type": "" if is_folder else "blob",
        }

    def _all_folders(self) -> set[str]:
        names = {*self.folders, *(each.rpartition("/")[0] for each in self.files)}
        return {"/".join(name.split("/")[:count]) for name in names for count in range(1, name.count("/") + 2)}


def _json(told: Any) -> Answer:
    return Answer(200, json.dumps(told).encode(), {"Content-Type": "application/json; charset=utf-8"})
