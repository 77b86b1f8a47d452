"""One account of a service in a thread, for tests of the command: sign-in, folders and small files in memory."""

import hashlib
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

AT = "2024-05-06T07:08:09Z"
KEY = "tsk_good"


def file_id_of(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


@dataclass
class AccountService:
    """`answers` are given first, by method and path, in place of its own."""

    name: str = "alice"
    password: str = "correct horse"
    files: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    guard: threading.RLock = field(default_factory=threading.RLock)
    url: str = ""

    def answer(self, method: str, target: str, body: bytes, shown: str) -> tuple[int, Any]:
        """Status, and JSON or bytes."""
        parts = urlsplit(target)
        path, query = (
            unquote(parts.path),
            {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()},
        )
        with self.guard:
            self.requests.append((method, path))
            if (method, path) in self.answers:
                return self.answers[method, path]
            if path == "/token":
                return self._sign_in(json.loads(body))
            if shown.removeprefix("Bearer ") not in self.tokens | {KEY}:
                return 401, {"detail": "Could not validate credentials"}
            if path == "/auth/me":
                me = {"id": file_id_of(self.name), "name": self.name}
                return 200, {**me, "is_admin": False, "used_bytes": 0, "quota_bytes": None}
            if path == "/auth/logout":
                self.tokens.discard(shown.removeprefix("Bearer "))
                return 204, b""
            if path.startswith("/api/folders"):
                return self._folders(method, path.removeprefix("/api/folders").lstrip("/"), query, body)
            return self._files(method, path.removeprefix("/api/files").lstrip("/"), query, body)

    def _sign_in(self, fields: dict[str, str]) -> tuple[int, Any]:
        if (fields["username"], fields["password"]) != (self.name, self.password):
            return 401, {"detail": "Incorrect username or password"}
        self.tokens.add(token := f"t{len(self.tokens)}")
        return 200, {"access_token": token, "refresh_token": f"r-{token}", "expires_in": 900, "token_type": "bearer"}

    def _files(self, method: str, name: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        if method == "GET" and not name:
            return self._listing(query)
        if method == "GET" and name.startswith("status/"):
            return 200, self._fields(name.removeprefix("status/"))
        if method == "PUT":
            return self._store(name, body)
        by_id = {file_id_of(each): each for each in self.files}
        is_bytes, name = name.endswith("/download"), name.removesuffix("/download")
        name = by_id.get(name, name)
        if name not in self.files:
            return 404, {"detail": f"File {name} not found"}
        if method == "GET":
            return 200, self.files[name] if is_bytes else self._fields(name)
        if method == "DELETE":
            self.folders |= self._all_folders()  # they stay
            del self.files[name]
            return 200, {"detail": "deleted"}
        new = json.loads(body)["filename"]
        if new in self.files or new in self._all_folders():
            return 409, {"detail": f"A {'file' if new in self.files else 'folder'} has this name"}
        self.files[new] = self.files.pop(name)
        return 200, self._fields(new)

    def _store(self, name: str, body: bytes) -> tuple[int, Any]:
        if name in self._all_folders():
            return 409, {"detail": "A folder has this name"}
        if any("\\" in label or len(label.encode()) > 255 for label in name.split("/")):
            return 400, {"detail": "This is no name of a file"}
        self.folders |= {name.rpartition("/")[0]} - {""}
        self.files[name] = body
        return 201, self._fields(name)

    def _listing(self, query: dict[str, str]) -> tuple[int, Any]:
        if "prefix" in query or "folder" not in query:
            below = sorted(name for name in self.files if name.startswith(query.get("prefix", "")))
            return 200, {"files": [self._fields(name) for name in below], "next_cursor": None}
        folder = query["folder"]
        if folder and folder not in self._all_folders():
            return 404, {"detail": "Folder not found"}
        folders = [each for each in sorted(self._all_folders()) if _parent(each) == folder]
        return 200, {
            "folders": [{"path": each, "created_at": AT} for each in folders],
            "files": [self._fields(each) for each in sorted(self.files) if _parent(each) == folder],
            "next_cursor": None,
        }

    def _folders(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        if method == "POST":
            self.folders.add(json.loads(body)["path"])
            return 201, {"path": json.loads(body)["path"]}
        if path not in self._all_folders():
            return 404, {"detail": "Folder not found"}
        if method == "GET":
            below = [data for name, data in self.files.items() if name.startswith(f"{path}/")]
            return 200, {"path": path, "files": len(below), "bytes": sum(map(len, below))}
        if method == "DELETE":
            return self._delete_folder(path, is_recursive=query.get("recursive") == "true")
        new = json.loads(body)["path"]
        if new in self._all_folders() or new in self.files:
            return 409, {"detail": f"A {'file' if new in self.files else 'folder'} has this name"}
        self.files = {_moved(name, path, new): data for name, data in self.files.items()}
        self.folders = {_moved(name, path, new) for name in self.folders} | {new}
        return 200, {"path": new}

    def _delete_folder(self, path: str, *, is_recursive: bool) -> tuple[int, Any]:
        below = [name for name in [*self.files, *self.folders] if name.startswith(f"{path}/")]
        if below and not is_recursive:
            return 409, {"detail": "Folder is not empty"}
        self.files = {name: data for name, data in self.files.items() if name not in below}
        self.folders -= {path, *below}
        return 204, b""

    def _all_folders(self) -> set[str]:
        found = set(self.folders)
        for name in [*self.files, *self.folders]:
            labels = name.split("/")
            found |= {"/".join(labels[:count]) for count in range(1, len(labels))}
        return found

    def _fields(self, name: str) -> dict[str, Any]:
        data = self.files.get(name)
        return {
            "file_id": None if data is None else file_id_of(name),
            "filename": name,
            "status": "pending" if data is None else "complete",
            "total_bytes": None if data is None else len(data),
            "sha256": None if data is None else hashlib.sha256(data).hexdigest(),
            "content_type": "application/octet-stream",
            "created_at": AT,
            "updated_at": AT,
        }


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _moved(name: str, old: str, new: str) -> str:
    return new + name[len(old) :] if name == old or name.startswith(f"{old}/") else name


@contextmanager
def serving_account(service: AccountService) -> Iterator[AccountService]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, told = service.answer(self.command, self.path, body, self.headers.get("Authorization", ""))
            is_bytes = isinstance(told, bytes)
            content = told if is_bytes else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/octet-stream" if is_bytes else "application/json")
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if status != 204:
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 # as the library calls them

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True  # connections that are kept open do not keep a test from its end
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
