"""An installation with something of every feature: rows in every table, and bytes in every room."""

import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from sqlalchemy import BigInteger, Boolean, Connection, Enum, Integer, LargeBinary, Table, Uuid, func, insert, select
from sqlalchemy.types import JSON, TypeEngine

from tests.conftest import Device, frame, signed_in
from tests.games import add_game, complete_archive, make_zip
from tests.stores import put
from tests.web.chat.bench import Chat
from tests.web.uploads.bench import Draft, Tus, id_of
from tests.web.uploads.by_link import by_link
from transfer_service.bootstrap import Services
from transfer_service.models.base import Base, UtcDateTime
from transfer_service.models.files import File, FileState
from transfer_service.models.games import DownloadState, Game, RemoteDownload
from transfer_service.models.webhooks import WebhookDelivery
from transfer_service.previewer.protocol import Facts, Made
from transfer_service.services.previews import rows as preview_rows
from transfer_service.web.context import EXTENSION

PHOTO, LETTER, CHUNK = b"a photo " * 5000, "ein Brief, 文件".encode(), b"first part of a log"
UPLOADED, ATTACHED, MEMBER = b"what has arrived" * 9, b"\x89PNG not really", b"<title>play</title>"


@dataclass
class Everything:
    """What is there, by the names that paths of the API have for it; `due_id` is whole but for its last step."""

    app: Flask
    device: Device
    admin: Device
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def services(self) -> Services:
        """Those of the app."""
        bound: Services = self.app.extensions[EXTENSION]
        return bound


def fill(app: Flask, data_dir: Path) -> Everything:
    """Make an installation of an app with the accounts of every test."""
    chat = Chat(app)
    alice, admin = chat["alice"], signed_in(app, "root")
    there = Everything(app, alice, admin)
    there.services.accounts.grant("alice", "games.download")
    there.services.accounts.grant("alice", "activities.read")
    _fill_files(there)
    _fill_uploads(there)
    _fill_chat(there, chat)
    _fill_games(there, data_dir)
    _fill_previews(there)
    link = alice.post("/api/links", json={"file_ids": [there.ids["file_id"]], "folders": ["day"]}).get_json()
    there.ids |= {"link_id": link["id"], "token": link["url"].rpartition("/")[2]}
    guest = by_link(alice)
    begun = id_of(Draft(guest).begin(UPLOADED))
    there.ids |= {"upload_token": guest.path.split("/")[2], "link_upload_id": str(begun)}
    again = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
    assert alice.post("/api/files?filename=day/again.bin", data=b"again", headers=again).status_code == 201
    key = alice.post("/auth/keys", json={"name": "camera", "scopes": ["upload", "chat"]})
    there.ids["key_id"] = key.get_json()["id"]
    signed_in(app, "alice")
    sessions = alice.get("/auth/sessions").get_json()["sessions"]
    there.ids["session_id"] = next(each["id"] for each in sessions if not each["current"])
    made = alice.post("/api/bundles", json={"file_ids": [there.ids["file_id"]], "folders": ["day"]}).get_json()
    there.ids["bundle_id"] = urlsplit(made["url"]).path.rpartition("/")[2]
    _fill_webhooks(there)
    assert admin.post("/cleanup").status_code == 200
    with there.services.database.write() as session:
        fill_the_rest(session.connection())
    return there


def _fill_webhooks(there: Everything) -> None:
    """A webhook, with a test that waits and one that has failed."""
    admin = there.admin
    made = admin.post("/api/webhooks", json={"url": "https://hook.example/"})
    there.ids["webhook_id"] = made.get_json()["id"]
    for _ in range(2):
        assert admin.post(f"/api/webhooks/{there.ids['webhook_id']}/test").status_code == 202
    with there.services.database.write() as session:
        failed = session.scalars(select(WebhookDelivery).limit(1)).one()
        failed.failed_at, failed.due_at, failed.error, failed.tries = there.services.core.now(), None, "503", 8
        there.ids["delivery_id"] = str(failed.message_id)


def _fill_files(there: Everything) -> None:
    device = there.device
    there.ids["name"] = "day/photo 1.jpg"
    there.ids["file_id"] = device.store(PHOTO, "day/photo 1.jpg")["file_id"]
    device.store(LETTER, "文件.txt")
    device.store(LETTER, "empty folders/deep/er/letter.txt")
    device.store(b"", "empty.bin")
    assert device.send(frame(0, CHUNK), "log.bin", query={"total_size": 1000}).status_code == 200
    assert device.send(frame(500, CHUNK), "log.bin", query={"total_size": 1000}).status_code == 200
    there.ids["path"] = "day"
    for number in range(3):
        trashed = device.store(f"gone {number}".encode(), "gone.bin")["file_id"]
        assert device.delete("/api/files/gone.bin").status_code == 200
        there.ids["trashed_id"] = trashed
    there.ids["due_id"] = _due(there, "due.bin")


def _due(there: Everything, name: str) -> str:
    """A file whose last step a kill has prevented."""
    file_id = uuid.UUID(there.device.store(PHOTO, name)["file_id"])
    with there.services.database.write() as session:
        file = session.get_one(File, file_id)
        file.state, file.sha256, file.completed_at = FileState.RECEIVING, None, None
        file.unflushed_boot = there.services.core.durability.boot
    return str(file_id)


def _fill_uploads(there: Everything) -> None:
    tus, draft = Tus(there.device), Draft(there.device)
    unfinished = draft.begin(UPLOADED)
    there.ids["upload_id"] = there.ids["transfer_id"] = str(id_of(unfinished))
    tus_upload = tus.begin({"Upload-Length": "1000"}, filename="by tus.bin")
    assert tus.patch(tus_upload, UPLOADED).status_code == 204
    there.ids["tus_id"] = str(id_of(tus_upload))
    for lengths in ([5, 5], [5, 3]):  # the second one waits for its last part
        parts = [tus.begin({"Upload-Concat": "partial"}, b"hello"[:length]) for length in lengths]
        answer = tus.post({"Upload-Concat": f"final;{' '.join(parts)}", "Upload-Length": None})
        assert answer.status_code == 201, answer.text
    finished = id_of(tus.begin(None, b"hello", filename="due by tus.bin"))
    with there.services.database.write() as session:
        file = session.get_one(File, finished)
        file.state, file.sha256, file.completed_at, file.holds_name = FileState.RECEIVING, None, None, False
    there.ids["due_upload_id"] = str(finished)


def _fill_chat(there: Everything, chat: Chat) -> None:
    group, direct = chat.group("bob", "carol"), chat.dm()
    first = chat.say(group, "hello")
    chat.say(direct, "emoji 🎮", name="bob")
    chat.say(group, "again", reply_to=first["_id"], name="bob")
    sent = chat.send(group, ATTACHED, b"a.png", content="look")
    for number in range(2):
        chat.send(direct, f"attachment {number}".encode(), b"log.bin", name="bob")
    chat.read(group, "bob")
    gone = chat.say(group, "gone")
    assert there.device.delete(f"/messages/{gone['_id']}").status_code == 200
    there.ids |= {"conversation_id": group, "message_id": sent["_id"], "filename": "a.png", "participant": "bob"}


def _fill_previews(there: Everything) -> None:
    """A preview as a worker leaves it, of the file."""
    core, subject, runner = there.services.core, uuid.UUID(there.ids["file_id"]).hex, uuid.uuid4()
    pictures = (b"small", b"", b"large")
    put(core.previews, subject, b"".join(pictures))
    with core.database.write_rows() as rows:
        preview_rows.add(rows, subject, core.now())
        preview_rows.claim(rows, subject, runner, core.now(), timedelta(0))
        digest = hashlib.sha256(b"".join(pictures)).hexdigest()
        made = Made(Facts(300, 200, None, "LEHV6nWB2yk8pyo0adR*"), pictures)
        assert preview_rows.set_ready(rows, subject, runner, made, sha256=digest, now=core.now())


def _fill_games(there: Everything, data_dir: Path) -> None:
    services = there.services
    game_id = add_game(services, 1, 2)
    complete_archive(services, data_dir, 1, make_zip({"index.html": MEMBER, "ゲーム/data.bin": PHOTO}))
    (data_dir / "games" / "2.part").write_bytes(PHOTO)  # of a download that goes on
    there.ids |= {"game_id": str(game_id), "game_data_id": "2", "member": "index.html", "location": "example.com"}
    now = datetime(2026, 5, 2, tzinfo=UTC)
    with services.database.write() as session:
        job = RemoteDownload(
            game_id=game_id, game_data_id=2, username="alice", state=DownloadState.DOWNLOADING, slot=0,
            active_game_id=game_id, sha256="0" * 64, total_bytes=2**40, bytes_downloaded=len(PHOTO),
            lease_owner=uuid.uuid4(), lease_until=now, started_at=now, updated_at=now,
        )  # fmt: skip
        session.add(job)
        session.get_one(Game, game_id).tags = ["puzzle", "文件"]


def tables() -> list[Table]:
    """Every table of the models, those first that others point at."""
    return list(Base.metadata.sorted_tables)


def fill_the_rest(rows: Connection) -> None:
    """Rows with values of every type in each table that the API has left empty."""
    for table in tables():
        if not rows.scalar(select(func.count()).select_from(table)):
            for number in range(3):
                rows.execute(insert(table).values(_values(rows, table, number)))


def _values(rows: Connection, table: Table, number: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column in table.columns:
        foreign = next(iter(column.foreign_keys), None)
        if foreign is not None:
            pointed_at = rows.execute(select(foreign.column).order_by(foreign.column).limit(3)).scalars().all()
            values[column.name] = pointed_at[number % len(pointed_at)] if pointed_at else None
        elif column.autoincrement is not True or not column.primary_key:
            values[column.name] = _value(column.type, number)
    return values


def _value(kind: TypeEngine[Any], number: int) -> Any:
    samples: list[tuple[type[Any], Any]] = [
        (Uuid, uuid.UUID(int=number + 1)),
        (UtcDateTime, datetime(2026, 1, 1 + number, 12, 30, 15, 123456, tzinfo=UTC)),
        (Enum, None if not isinstance(kind, Enum) else kind.enums[0]),
        (Boolean, bool(number % 2)),
        (BigInteger, 2**40 + number),
        (Integer, 2**30 + number),
        (LargeBinary, bytes([number, 0, 255]) * 5),
        (JSON, {"number": number, "text": "文件"}),
    ]
    return next(
        (sample for of, sample in samples if isinstance(kind, of)),
        str(number).zfill(min(getattr(kind, "length", None) or 24, 24)),
    )
