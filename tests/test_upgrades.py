"""A database of every schema, with uploads in flight, brought up to date: all of it is found, and the uploads end.

Each version of the schema adds an installation's worth of rows as they were then, and goes on to the next one. So what
was made in any version goes through every migration that came after it.
"""

import base64
import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.types import TypeEngine

from tests.conftest import Clock, frame, signed_in
from tests.everything import _value
from tests.torture.judge import _quota_faults
from transfer_service.app import begin_serving, create_app
from transfer_service.bootstrap import Services
from transfer_service.config import Settings
from transfer_service.db.schema import MIGRATIONS, upgrade
from transfer_service.models import accounts as _  # noqa: F401 - with it all tables are known
from transfer_service.models.base import Base
from transfer_service.web.context import EXTENSION

pytestmark = pytest.mark.long

VERSIONS = sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("*.py"))
THEN, LATER = Clock()() - timedelta(hours=1), Clock()() + timedelta(days=10)
"""Uploads that were in flight for longer than a day have expired."""
LENGTH, ARRIVED = 1000, 400
SET_BY_MIGRATIONS = {"alembic_version", "installation", "activity_total", "activity_marks"}
NUMBERED = {"activities", "remote_downloads", "webhook_deliveries"}
"""Whose ids the database gives."""
TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(ARRIVED)}


def content(name: str, length: int = LENGTH) -> bytes:
    """Bytes that nothing else has."""
    return (hashlib.sha256(name.encode()).digest() * (length // 32 + 1))[:length]


@dataclass
class Then:
    """A database at one version of its schema, and the account of that version."""

    rows: sa.Connection
    data_dir: Path
    version: str
    password_hash: str
    used_bytes: int = 0
    account_id: uuid.UUID = field(default_factory=uuid.uuid4)
    files: dict[str, uuid.UUID] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.columns = {
            name: sa.inspect(self.rows).get_columns(name) for name in sa.inspect(self.rows).get_table_names()
        }
        self.name = f"account {self.version}"

    def fill(self) -> None:
        """What an installation of that version has, with something in each table that there was."""
        self.add("accounts", id=self.account_id, name=self.name, folded_name=self.name,
                 password_hash=self.password_hash, is_admin=False, used_bytes=0, created_at=THEN)  # fmt: skip
        self.file("whole.bin", is_whole=True)
        self.file("chunks.bin")
        self._fill_uploads()
        self._fill_folder()
        self._fill_trash()
        self._fill_chat()
        self._fill_games()
        for table in sorted(self.columns, key=lambda name: _order().get(name, 0)):
            if table not in SET_BY_MIGRATIONS and not self.rows.scalar(sa.text(f'SELECT count(*) FROM "{table}"')):
                self.add(table)
        accounts = self.table("accounts")
        own = sa.update(accounts).where(accounts.c.id == self.account_id)
        self.rows.execute(own.values(used_bytes=self.used_bytes))

    def file(self, name: str, *, is_whole: bool = False, holds_name: bool = True, **values: Any) -> uuid.UUID:
        """A file, whole or in flight, with its bytes."""
        file_id, stop = uuid.uuid4(), LENGTH if is_whole else ARRIVED
        data = content(f"{self.version} {name}")
        self.files[name] = file_id
        self.used_bytes += LENGTH
        self.add(
            "files", id=file_id, account_id=self.account_id, name=name, folded_name=name, holds_name=holds_name,
            media_type="application/octet-stream", state="complete" if is_whole else "receiving", length=LENGTH,
            length_declared=True, received_bytes=stop, reserved_bytes=LENGTH,
            sha256=hashlib.sha256(data).hexdigest() if is_whole else None, created_at=THEN, updated_at=THEN,
            completed_at=THEN if is_whole else None, **values,
        )  # fmt: skip
        self.add("received_ranges", file_id=file_id, start=0, stop=stop)
        write(self.data_dir / "blobs" / file_id.hex[:2] / file_id.hex, data[:stop])
        return file_id

    def _fill_uploads(self) -> None:
        if "resumable_uploads" not in self.columns:
            return
        for name in ("by tus.bin", "by the draft.bin"):
            encoded = base64.b64encode(name.encode()).decode()
            is_tus = name == "by tus.bin"
            self.add(
                "resumable_uploads", id=self.file(name, holds_name=False), account_id=self.account_id,
                protocol="tus" if is_tus else "ietf", kind="whole",
                upload_metadata=f"filename {encoded}" if is_tus else None, overwrite=False, ends=is_tus,
                created_at=THEN,
            )  # fmt: skip
        ended = uuid.uuid4()
        self.add("resumable_uploads", id=ended, account_id=self.account_id, protocol="tus", kind="final",
                 overwrite=False, ends=True, created_at=THEN, ended_at=THEN)  # fmt: skip
        self.add("upload_parts", final_id=ended, position=0, part_id=uuid.uuid4())

    def _fill_folder(self) -> None:
        if "folders" not in self.columns:
            return
        folder_id = uuid.uuid4()
        self.add("files", id=folder_id, account_id=self.account_id, name="day", folded_name="day", holds_name=True,
                 media_type="", state="folder", length=None, length_declared=False, received_bytes=0, reserved_bytes=0,
                 created_at=THEN, updated_at=THEN)  # fmt: skip
        self.add("folders", id=folder_id, account_id=self.account_id, path="day", folded_path="day", is_kept=True)
        self.file("in a folder.bin", is_whole=True, folder_id=folder_id)

    def _fill_trash(self) -> None:
        if "trashed_files" not in self.columns:
            return
        data, file_id = content(f"{self.version} trashed.bin"), uuid.uuid4()
        self.used_bytes += LENGTH
        self.add("trashed_files", id=file_id, account_id=self.account_id, name="trashed.bin",
                 media_type="application/octet-stream", length=LENGTH, length_declared=True, reserved_bytes=LENGTH,
                 sha256=hashlib.sha256(data).hexdigest(), created_at=THEN, deleted_at=THEN, expires_at=LATER,
                 reason="deleted")  # fmt: skip
        write(self.data_dir / "blobs" / file_id.hex[:2] / file_id.hex, data)

    def _fill_chat(self) -> None:
        if "messages" not in self.columns:
            return
        data, room, message = content(f"{self.version} attached"), uuid.uuid4().hex[:24], self.message_id
        self.used_bytes += LENGTH
        self.add("conversations", id=room, kind="group", group_name=self.name, owner_id=self.account_id, last_seq=1,
                 last_change=1, last_message_at=THEN, created_at=THEN)  # fmt: skip
        self.add(
            "participants", conversation_id=room, account_id=self.account_id, position=0, joined_at=THEN, read_seq=0
        )
        self.add("messages", id=message, conversation_id=room, seq=1, change=1, sender_id=self.account_id,
                 content="look", type="file", filename="a.bin", media_type="application/octet-stream", length=LENGTH,
                 sha256=hashlib.sha256(data).hexdigest(), created_at=THEN)  # fmt: skip
        write(self.data_dir / "uploads" / "chats" / message / "a.bin", data)

    @property
    def message_id(self) -> str:
        """That of the message with an attachment."""
        return hashlib.sha256(self.version.encode()).hexdigest()[:24]

    def _fill_games(self) -> None:
        if "games" not in self.columns:
            return
        game, number = uuid.uuid4(), int(self.version)
        self.add("games", id=game, title=f"Game of {self.version}")
        self.add("game_data", id=number, game_id=game, title="data", added_at=THEN, sha256="0" * 64, size=1)
        self.add("remote_downloads", game_id=game, game_data_id=number, account_id=self.account_id, username=self.name,
                 state="error", slot=None, active_game_id=None, lease_owner=None, lease_until=None, sha256="0" * 64,
                 total_bytes=1, started_at=THEN, updated_at=THEN, finished_at=THEN)  # fmt: skip

    def add(self, table: str, **values: Any) -> None:
        """A row: of these values those that the table had then, and something in each other column that needs it."""
        row = {}
        for column in self.columns[table]:
            name = column["name"]
            if name in values:
                row[name] = values[name]
            elif not (column["nullable"] or column["default"] or (name == "id" and table in NUMBERED)):
                row[name] = self._something(table, name, self.type_of(table, column))
        self.rows.execute(self.table(table).insert().values(row))

    def _something(self, table: str, column: str, kind: TypeEngine[Any]) -> Any:
        for key in sa.inspect(self.rows).get_foreign_keys(table):
            if key["constrained_columns"] == [column]:
                other = self.table(key["referred_table"])
                return self.rows.scalar(sa.select(other.c[key["referred_columns"][0]]).limit(1))
        return _value(kind, int(self.version) % 28)  # a day of a month, too

    def table(self, name: str) -> Any:
        """The table as it was then, with today's types of columns that it still has."""
        return sa.table(name, *(sa.column(each["name"], self.type_of(name, each)) for each in self.columns[name]))

    @staticmethod
    def type_of(table: str, column: Mapping[str, Any]) -> TypeEngine[Any]:
        """Today's where there is such a column today."""
        today = Base.metadata.tables.get(table)
        kind: TypeEngine[Any] = column["type"]
        return today.c[column["name"]].type if today is not None and column["name"] in today.c else kind


def _order() -> dict[str, int]:
    """Those first that others point at."""
    return {table.name: number for number, table in enumerate(Base.metadata.sorted_tables)}


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def grow(url: str, data_dir: Path, password_hash: str) -> list[Then]:
    """A database that was begun with the first schema, and has rows of each since."""
    history = []
    engine = sa.create_engine(url)
    for version in VERSIONS:
        upgrade(url, version)
        with engine.begin() as rows:
            then = Then(rows, data_dir, version, password_hash)
            then.fill()
            history.append(then)
    engine.dispose()
    return history


@pytest.fixture
def password_hash(services: Services) -> str:
    """That of the password of every test."""
    with services.database.read_rows() as rows:
        return str(rows.scalar(sa.text("SELECT password_hash FROM accounts LIMIT 1")))


def test_everything_of_every_schema_is_there_and_every_upload_ends(
    database_url: str, tmp_path: Path, make_settings: Callable[..., Settings], password_hash: str
) -> None:
    data_dir = tmp_path / "old"
    history = grow(database_url, data_dir, password_hash)
    app = create_app(make_settings(data_dir=data_dir, database_url=database_url, trash_days=30), now=Clock())
    app.testing = True
    said = app.test_cli_runner().invoke(args=["database", "upgrade"])
    assert (said.exit_code, "up to date" in said.output) == (0, True), said.output
    begin_serving(app)
    services: Services = app.extensions[EXTENSION]
    try:
        verdict = services.verification.run()
        assert (verdict.faults, sum(each.count for each in verdict.checked.values()) > 4 * len(VERSIONS)) == ([], True)
        for then in history:
            find_all(app, then)
        assert (services.verification.run().faults, _quota_faults(services)) == ([], [])
    finally:
        services.database.dispose()


def find_all(app: Flask, then: Then) -> None:
    """Everything of an account of that version is there, and what was in flight ends."""
    device = signed_in(app, then.name)
    rest = {name: content(f"{then.version} {name}")[ARRIVED:] for name in then.files}
    assert (
        device.send(frame(ARRIVED, rest["chunks.bin"]), "chunks.bin", query={"total_size": LENGTH}).status_code == 200
    )
    if "by tus.bin" in then.files:
        path = f"/api/uploads/{then.files['by tus.bin']}"
        assert device.request("HEAD", path, headers=TUS).headers["Upload-Offset"] == str(ARRIVED)
        assert device.request("PATCH", path, headers=TUS, data=rest["by tus.bin"]).status_code == 204
        path = f"/api/uploads/{then.files['by the draft.bin']}"
        headers = {"Upload-Offset": str(ARRIVED), "Upload-Complete": "?1", "Content-Type": "application/partial-upload"}
        assert device.request("PATCH", path, headers=headers, data=rest["by the draft.bin"]).status_code == 200
    for name, file_id in then.files.items():
        answer = device.get(f"/api/files/{file_id}/download")
        assert (answer.status_code, answer.data) == (200, content(f"{then.version} {name}")), (then.version, name)
    if "messages" in then.columns:
        sent = device.get(f"/uploads/chats/{then.message_id}/a.bin")
        assert sent.data == content(f"{then.version} attached"), then.version
    if "trashed_files" in then.columns:
        (trashed,) = device.get("/api/trash").get_json()["files"]
        restored = device.post(f"/api/trash/{trashed['file_id']}/restore")
        assert restored.status_code == 200, restored.text
        there = device.get(f"/api/files/{trashed['file_id']}/download").data
        assert there == content(f"{then.version} trashed.bin"), then.version
    assert len(device.get("/api/files?limit=1000").get_json()["files"]) == len(then.files) + (
        "trashed_files" in then.columns
    )
