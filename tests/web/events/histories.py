"""Random requests over every door of files, folders, the trash, keys, links and conversations.

Each says how many rows of the audit log it leaves if it is acknowledged; None where that depends on what is there.
"""

import random
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from flask import Flask

from tests.conftest import Device, frame
from tests.web.conftest import signed_in
from transfer_service.services.files.small_files import SMALL_BYTES

NAMES = ["a.bin", "b.bin", "f/a.bin", "f/g/c.bin"]
FOLDERS = ["f", "f/g", "h"]
SIZES = [1, 900, SMALL_BYTES + 1]
TUS = {"Tus-Resumable": "1.0.0"}
APPEND = {**TUS, "Content-Type": "application/offset+octet-stream"}
Outcome = tuple[int, int | None]
"""A status, and how many rows."""


def metadata(name: str) -> str:
    """Upload-Metadata that names a file."""
    return f"filename {b64encode(name.encode()).decode()}"


@dataclass
class History:
    """One account, what it knows of its own things, and chance."""

    app: Flask
    chance: random.Random
    begun: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    upload_links: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    repeated: int = 0

    def __post_init__(self) -> None:
        self.device = signed_in(self.app, "alice")
        self.guest = Device(self.app.test_client(use_cookies=False), {})
        self.steps: list[Callable[[], Outcome]] = [
            self.put, self.put, self.post_form, self.post_again, self.send_chunks, self.tus_small, self.tus_slowly,
            self.tus_parts, self.cancel, self.rename, self.rename, self.delete, self.delete, self.restore, self.purge,
            self.empty_trash, self.make_folder, self.move_folder, self.delete_folder, self.make_key, self.revoke_key,
            self.make_link, self.download_by_link, self.revoke_link, self.make_upload_link, self.send_by_link,
            self.talk, self.make_group, self.add_member, self.remove_member, self.attach,
        ]  # fmt: skip

    def step(self) -> Outcome:
        """Do something."""
        return self.chance.choice(self.steps)()

    def _name(self) -> str:
        return self.chance.choice(NAMES)

    def _data(self) -> bytes:
        return self.chance.randbytes(self.chance.choice(SIZES))

    def _files(self) -> list[dict[str, Any]]:
        files: list[dict[str, Any]] = self.device.get("/api/files").get_json()["files"]
        return [each for each in files if each["status"] == "complete"]

    def _some(self, them: list[Any]) -> Any:
        return self.chance.choice(them) if them else None

    def put(self) -> Outcome:
        """`PUT`, in the place of what is there."""
        return self.device.request("PUT", f"/api/files/{self._name()}", data=self._data()).status_code, 1

    def post_form(self) -> Outcome:
        """A form, numbered where the name is taken."""
        form = {"file": (BytesIO(self._data()), self._name())}
        return self.device.post("/api/files", data=form).status_code, 1

    def post_again(self) -> Outcome:
        """The same request twice, with an Idempotency-Key."""
        self.repeated += 1
        head, data, query = {"Idempotency-Key": f"key-{self.repeated}"}, self._data(), {"filename": self._name()}
        statuses = [
            self.device.post("/api/files", data=data, headers=head, query_string=query).status_code for _ in range(2)
        ]
        return max(statuses), 1

    def send_chunks(self) -> Outcome:
        """Two chunks of 17 bytes."""
        name, data = f"chunked {self.chance.randrange(10**9)}", self._data() + b"end"
        parts = [(0, data[:2]), (2, data[2:])]
        if self.chance.random() < 0.3:
            parts = parts[:1]
        statuses = [
            self.device.send(frame(start, part), name, query={"total_size": len(data)}).status_code
            for start, part in parts
        ]
        return max(statuses), len(parts) - 1

    def _tus(self, path: str, head: dict[str, str], data: bytes = b"") -> Any:
        device = self.device if path.startswith("/api") else self.guest
        return device.post(path, headers={**TUS, **head}, data=data)

    def tus_small(self) -> Outcome:
        """tus, with all bytes in the creation."""
        data = self._data()
        head = {**APPEND, "Upload-Length": str(len(data)), "Upload-Metadata": metadata(self._name())}
        return self._tus("/api/uploads", head, data).status_code, 1

    def _slowly(self, path: str, data: bytes, **head: str) -> tuple[int, str | None]:
        created = self._tus(path, {"Upload-Length": str(len(data)), **head})
        if created.status_code != 201:
            return created.status_code, None
        where, status = created.headers["Location"], 0
        device = self.device if "/api/" in where else self.guest
        for offset in (0, 1):
            piece = data[:1] if offset == 0 else data[1:]
            answer = device.request("PATCH", where, data=piece, headers={**APPEND, "Upload-Offset": str(offset)})
            status = max(status, answer.status_code)
        return status, where

    def tus_slowly(self) -> Outcome:
        """tus, in two appends."""
        return self._slowly("/api/uploads", self._data() + b"x", **{"Upload-Metadata": metadata(self._name())})[0], 1

    def tus_parts(self) -> Outcome:
        """Two parts, and the whole that is made of them."""
        parts = [self._slowly("/api/uploads", b"part", **{"Upload-Concat": "partial"}) for _ in range(2)]
        if not all(where for _, where in parts):
            return max(status for status, _ in parts), None
        urls = " ".join(where or "" for _, where in parts)
        head = {"Upload-Concat": f"final;{urls}", "Upload-Metadata": metadata(self._name())}
        status = self._tus("/api/uploads", head).status_code
        return max(status, *(each for each, _ in parts)), 1

    def cancel(self) -> Outcome:
        """An upload that is begun and given up."""
        where = self._tus("/api/uploads", {"Upload-Length": "10"}).headers.get("Location")
        if where is None:
            return 503, None
        return self.device.request("DELETE", where, headers=TUS).status_code, 1

    def rename(self) -> Outcome:
        """Another name, free or not, new or not."""
        file, name = self._some(self._files()), self._name()
        if file is None:
            return 404, 0
        answer = self.device.request("PATCH", f"/api/files/{file['file_id']}", json={"filename": name})
        return answer.status_code, int(file["filename"] != name)

    def delete(self) -> Outcome:
        """By its id, into the trash or for good."""
        file = self._some(self._files())
        query = {"permanent": "true"} if self.chance.random() < 0.3 else {}
        path = f"/api/files/{file['file_id'] if file else 'nothing'}"
        return self.device.delete(path, query_string=query).status_code, 1

    def _trashed(self) -> list[str]:
        return [each["file_id"] for each in self.device.get("/api/trash").get_json()["files"]]

    def restore(self) -> Outcome:
        """Out of the trash."""
        file_id = self._some(self._trashed())
        return self.device.post(f"/api/trash/{file_id}/restore", json={}).status_code, 1

    def purge(self) -> Outcome:
        """Out of the trash for good."""
        file_id = self._some(self._trashed())
        return self.device.delete(f"/api/trash/{file_id}").status_code, 1

    def empty_trash(self) -> Outcome:
        """All of it."""
        count = len(self._trashed())
        return self.device.delete("/api/trash").status_code, count

    def make_folder(self) -> Outcome:
        """One, that may be there."""
        answer = self.device.post("/api/folders", json={"path": self.chance.choice(FOLDERS)})
        return answer.status_code, int(answer.status_code == 201)

    def move_folder(self) -> Outcome:
        """Whether it is there or not, to where one may be."""
        path, new = self.chance.choice(FOLDERS), self.chance.choice([*FOLDERS, "i/k"])
        answer = self.device.request("PATCH", f"/api/folders/{path}", json={"path": new})
        return answer.status_code, int(path != new)

    def delete_folder(self) -> Outcome:
        """With all that is in it."""
        path, query = self.chance.choice(FOLDERS), {"recursive": "true"}
        return self.device.delete(f"/api/folders/{path}", query_string=query).status_code, None

    def make_key(self) -> Outcome:
        """A key."""
        answer = self.device.post("/auth/keys", json={"name": "camera", "scopes": ["upload"]})
        if answer.status_code == 201:
            self.keys.append(answer.get_json()["id"])
        return answer.status_code, 1

    def revoke_key(self) -> Outcome:
        """One that may be gone already."""
        return self.device.delete(f"/auth/keys/{self._some(self.keys)}").status_code, 1

    def make_link(self) -> Outcome:
        """For downloads."""
        file = self._some(self._files())
        if file is None:
            return 404, 0
        answer = self.device.post("/api/links", json={"file_ids": [file["file_id"]], "max_downloads": 2})
        if answer.status_code == 201:
            self.links.append((answer.get_json()["id"], answer.get_json()["url"]))
        return answer.status_code, 1

    def download_by_link(self) -> Outcome:
        """All of it, by whoever has the address."""
        _, url = self._some(self.links) or ("", "http://localhost/s/none")
        return self.guest.get(f"{url.removeprefix('http://localhost')}/zip").status_code, 1

    def revoke_link(self) -> Outcome:
        """One of either kind."""
        link_id, _ = self._some([*self.links, *self.upload_links]) or ("none", "")
        return self.device.delete(f"/api/links/{link_id}").status_code, 1

    def make_upload_link(self) -> Outcome:
        """For uploads, into a folder that comes with it."""
        answer = self.device.post("/api/links", json={"upload": True, "folder": "inbox"})
        if answer.status_code == 201:
            self.upload_links.append((answer.get_json()["id"], answer.get_json()["url"]))
        return answer.status_code, 1

    def send_by_link(self) -> Outcome:
        """A file by a guest."""
        _, url = self._some(self.upload_links) or ("", "http://localhost/s/none")
        path = f"{url.removeprefix('http://localhost')}/uploads"
        return self._slowly(path, self._data() + b"x", **{"Upload-Metadata": metadata("guest.bin")})[0], 1

    def talk(self) -> Outcome:
        """A dm, new or not."""
        answer = self.device.post("/conversations/create", json={"email": "bob"})
        is_new = answer.status_code == 200 and not answer.get_json()["already_exists"]
        if is_new:
            self.groups.append(answer.get_json()["conversation_id"])
        return answer.status_code, int(is_new)

    def make_group(self) -> Outcome:
        """A group of one's own."""
        answer = self.device.post("/conversations/create/group", json={"group_name": "g", "participants": ["bob"]})
        if answer.status_code == 200:
            self.groups.append(answer.get_json()["conversation_id"])
        return answer.status_code, 1

    def add_member(self) -> Outcome:
        """Whoever may be in it already."""
        path = f"/conversations/{self._some(self.groups)}/participants"
        return self.device.post(path, json={"email": "root"}).status_code, None

    def remove_member(self) -> Outcome:
        """Whoever may not be in it."""
        path = f"/conversations/{self._some(self.groups)}/participants/root"
        return self.device.delete(path).status_code, 1

    def attach(self) -> Outcome:
        """A file becomes an attachment, and leaves or stays."""
        file, is_kept = self._some(self._files()), self.chance.random() < 0.5
        body = {"conversation_id": self._some(self.groups), "file_id": file["file_id"] if file else "none"}
        return self.device.post("/messages", json={**body, "keep": is_kept}).status_code, int(not is_kept)
