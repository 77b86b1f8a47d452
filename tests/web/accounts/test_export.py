"""`GET /api/account/export`: all of one's own as one archive that goes on for a day."""

import io
import json
import re
import zipfile
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from tests.conftest import Clock, Device, signed_in
from tests.everything import ATTACHED, CHUNK, LETTER, PHOTO, Everything, fill
from tests.web.accounts.keys import new_key, showing
from tests.web.chat.bench import Chat
from tests.web.conftest import MakeApp
from transfer_service.bootstrap import Services
from transfer_service.models.accounts import Account, RefreshToken
from transfer_service.models.exports import Export, ExportSection, ExportText
from transfer_service.models.keys import AccountKey
from transfer_service.models.links import Link
from transfer_service.services.events.actions import Action
from transfer_service.services.exports import exports
from transfer_service.web.context import EXTENSION

PATH = "/api/account/export"


@pytest.fixture
def app(request: pytest.FixtureRequest, make_app: MakeApp) -> Flask:
    """On SQLite; on both databases for tests that use `database_url`."""
    url = request.getfixturevalue("database_url") if "database_url" in request.fixturenames else None
    return make_app(database_url=url, trash_days=30)


def export(device: Device, **headers: str) -> TestResponse:
    return device.get(PATH, headers={name.replace("_", "-"): value for name, value in headers.items()})


def opened(answer: TestResponse) -> zipfile.ZipFile:
    """The archive, of which every byte is as it should be."""
    assert answer.status_code == 200, answer.text
    assert len(answer.data) == int(answer.headers["Content-Length"])
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    assert archive.testzip() is None
    return archive


def read_json(archive: zipfile.ZipFile, name: str) -> Any:
    return json.loads(archive.read(name))


@pytest.fixture(scope="module")
def everything(shared_app: Flask) -> Everything:
    services: Services = shared_app.extensions[EXTENSION]
    return fill(shared_app, services.core.settings.data_dir)


@pytest.fixture(scope="module")
def archive(everything: Everything) -> zipfile.ZipFile:
    return opened(export(everything.device))


def test_files_lie_under_their_names_and_folders(archive: zipfile.ZipFile) -> None:
    assert archive.read("files/day/photo 1.jpg") == PHOTO
    assert archive.read("files/文件.txt") == LETTER
    assert archive.read("files/empty folders/deep/er/letter.txt") == LETTER
    assert archive.read("files/empty.bin") == b""
    assert "files/empty folders/" in archive.namelist()
    assert sorted(archive.read(name) for name in archive.namelist() if name.startswith("trash/")) == [
        b"gone 0", b"gone 1", b"gone 2",
    ]  # fmt: skip
    assert not any(archive.read(name) == CHUNK for name in archive.namelist())  # it is no file yet


def test_every_file_is_listed_with_its_path(archive: zipfile.ZipFile) -> None:
    for name, root in (("files.json", "files/"), ("trash.json", "trash/")):
        listed = read_json(archive, name)
        paths = [each["path"] for each in listed]
        assert sorted(paths) == sorted(
            each for each in archive.namelist() if each.startswith(root) and not each.endswith("/")
        )
        assert all(len(archive.read(each["path"])) == each["size"] for each in listed)


def test_own_messages_and_attachments_are_there_and_nobody_elses(
    archive: zipfile.ZipFile, everything: Everything
) -> None:
    messages = read_json(archive, "messages.json")
    assert {each["content"] for each in messages} == {"hello", "look"}
    (attached,) = [each["attachment"] for each in messages if each["attachment"]]
    assert archive.read(attached["path"]) == ATTACHED
    assert attached["path"] == f"attachments/{everything.ids['message_id']}/a.png"
    assert [each for each in archive.namelist() if each.startswith("attachments/")] == [attached["path"]]
    conversations = read_json(archive, "conversations.json")
    assert sorted(each["kind"] for each in conversations) == ["dm", "group"]
    assert all("alice" in each["participants"] for each in conversations)


def test_what_lets_somebody_in_is_not_there(archive: zipfile.ZipFile, everything: Everything) -> None:
    secrets = {everything.device.headers["Authorization"].removeprefix("Bearer "), everything.ids["token"]}
    with everything.services.database.read() as session:
        secrets |= set(session.scalars(select(Account.password_hash)))
        secrets |= {each.hex() for each in session.scalars(select(AccountKey.digest))}
        secrets |= set(session.scalars(select(Link.token_hash))) | set(session.scalars(select(Link.sealed_token)))
        secrets |= set(session.scalars(select(RefreshToken.jti)))
    whole = b"".join(archive.read(name) for name in archive.namelist())
    assert [each for each in secrets if each.encode() in whole] == []
    assert re.search(rb"argon2|tsk_|[0-9a-f]{64}", whole) is None


def test_the_account_is_there(archive: zipfile.ZipFile, everything: Everything) -> None:
    account = read_json(archive, "account.json")
    own = everything.device.get("/auth/me").get_json()
    assert (account["id"], account["name"], account["permissions"]) == (own["id"], "alice", own["permissions"])
    assert [each["name"] for each in read_json(archive, "keys.json")] == ["camera"]
    assert len(read_json(archive, "links.json")) == 2
    assert len(read_json(archive, "sessions.json")) >= 1


@pytest.mark.usefixtures("database_url")
def test_a_range_goes_on_whatever_has_been_said_and_renamed_since(device: Device, app: Flask, clock: Clock) -> None:
    chat = Chat(app)
    group = chat.group("bob", "carol")
    said = chat.say(group, "hello")
    file_id = device.store(b"some bytes " * 1000, "day/a.bin")["file_id"]
    first = export(device)
    etag = first.headers["ETag"]
    assert (first.headers["Accept-Ranges"], etag.startswith('"')) == ("bytes", True)
    assert device.request("PATCH", f"/messages/{said['_id']}", json={"content": "changed"}).status_code == 200
    chat.say(group, "more")
    device.request("PATCH", f"/api/files/{file_id}", json={"filename": "other.bin"})
    device.delete("/api/files/other.bin")  # into the trash
    clock.advance(hours=23)
    device = signed_in(app, "alice")
    for start in (0, 1, 700, 5000, len(first.data) - 1):
        rest = export(device, Range=f"bytes={start}-", If_Range=etag)
        assert (rest.status_code, rest.headers["ETag"]) == (206, etag)
        assert rest.headers["Content-Range"] == f"bytes {start}-{len(first.data) - 1}/{len(first.data)}"
        assert rest.data == first.data[start:]
    clock.advance(hours=2)
    over = export(signed_in(app, "alice"), Range="bytes=5-", If_Range=etag)
    assert over.status_code == 200
    assert over.headers["ETag"] != etag


def test_without_if_range_it_is_made_anew_and_whole(device: Device) -> None:
    first = export(device)
    device.store(b"new", "new.bin")
    second = export(device, Range="bytes=5-")
    assert (second.status_code, second.headers["ETag"] == first.headers["ETag"]) == (200, False)
    assert opened(second).read("files/new.bin") == b"new"


def test_what_is_gone_ends_it_honestly(device: Device) -> None:
    device.store(b"stays", "stays.bin")
    device.store(b"x" * 100_000, "gone.bin")
    first = export(device)
    device.delete("/api/files/gone.bin?permanent=true")
    rest = export(device, Range="bytes=5-", If_Range=first.headers["ETag"])
    assert rest.status_code == 200
    assert [name for name in opened(rest).namelist() if name.startswith("files/")] == ["files/stays.bin"]
    assert export(device, Range="bytes=5-", If_Match=first.headers["ETag"]).status_code == 412


def test_if_match_goes_on_too(device: Device) -> None:
    first = export(device)
    rest = export(device, Range="bytes=5-", If_Match=first.headers["ETag"])
    assert (rest.status_code, rest.data) == (206, first.data[5:])
    assert export(device, Range=f"bytes={len(first.data)}-", If_Match=first.headers["ETag"]).status_code == 416


def test_head_makes_one_that_can_be_fetched(device: Device) -> None:
    device.store(b"hello")
    head = device.request("HEAD", PATH)
    assert (head.status_code, head.data) == (200, b"")
    whole = export(device, Range="bytes=0-", If_Range=head.headers["ETag"])
    assert (whole.status_code, len(whole.data)) == (206, int(head.headers["Content-Length"]))


def test_another_accounts_is_not_gone_on_with(device: Device, other_device: Device) -> None:
    etag = export(device).headers["ETag"]
    answer = export(other_device, Range="bytes=5-", If_Range=etag)
    assert answer.status_code == 200
    assert read_json(opened(answer), "account.json")["name"] == "bob"


@pytest.mark.parametrize("tag", ["x", '"x"', "W/{etag}", "Thu, 26 Nov 2026 00:00:00 GMT", '"' + "0" * 32 + '"', ""])
def test_what_is_no_strong_tag_of_one_makes_one_anew(device: Device, tag: str) -> None:
    etag = export(device).headers["ETag"]
    assert export(device, Range="bytes=5-", If_Range=tag.format(etag=etag)).status_code == 200


def test_names_that_would_lead_elsewhere_are_harmless(device: Device) -> None:
    for name in ("a/CON", "C:evil.txt", "same", "Same", "x?", "x_", "dots..", "~/.ssh/id"):
        device.store(name.encode(), name)
    archive = opened(export(device))
    found = [name for name in archive.namelist() if not name.endswith("/")]
    assert len({name.casefold() for name in found}) == len(found)
    assert not any(re.search(r'(^|/)\.\.?(/|$)|[<>:"|?*\\]|^/|[. ](/|$)', name) for name in found)
    for each in read_json(archive, "files.json"):
        assert archive.read(each["path"]) == each["filename"].encode()


def test_many_files_in_sections(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("transfer_service.wire.zip_sections", "transfer_service.services.exports.drafting"):
        monkeypatch.setattr(f"{module}.SECTION", 4)
    monkeypatch.setattr("transfer_service.services.exports.contents.PAGE", 3)
    for module in ("drafting", "exports", "rows"):
        monkeypatch.setattr(f"transfer_service.services.exports.{module}.TEXT_BYTES", 64)
    for number in range(23):
        device.store(bytes([number]) * number * 10, f"{number % 5}/{number}.bin")
    first = export(device)
    archive = opened(first)
    assert [archive.read(f"files/{number % 5}/{number}.bin") for number in range(23)] == [
        bytes([number]) * number * 10 for number in range(23)
    ]
    assert len(read_json(archive, "files.json")) == 23
    for start in range(0, len(first.data), 411):
        assert (
            export(device, Range=f"bytes={start}-{start + 600}", If_Range=first.headers["ETag"]).data
            == (first.data[start : start + 601])
        )


def test_keys_cannot_ask(app: Flask, device: Device) -> None:
    key = showing(app, new_key(device, "files", "download")["key"])
    answer = export(key)
    assert (answer.status_code, answer.get_json()) == (403, {"detail": "Not for keys"})


def left(services: Services) -> tuple[int, ...]:
    with services.database.read() as session:
        return tuple(
            len(session.execute(select(table.__table__)).all()) for table in (Export, ExportSection, ExportText)
        )


def test_cleanup_removes_what_is_over(device: Device, services: Services, clock: Clock) -> None:
    export(device)
    assert left(services) == (1, 1, 1)
    clock.advance(hours=25)
    assert services.cleanup.run(dry_run=True).removed.expired_bundles.count == 1
    assert services.cleanup.run().removed.expired_bundles.count == 1
    assert left(services) == (0, 0, 0)


def test_one_that_was_not_made_leaves_nothing(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(services.sharing.exports._contents, "_write_trash", fail)
    with pytest.raises(RuntimeError):
        services.sharing.exports.create(services.accounts.get("alice").account_id, "alice")
    assert left(services) == (0, 0, 0)


def test_only_some_are_kept(device: Device, services: Services, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(exports, "KEPT", 2)
    for _ in range(4):
        last = export(device).headers["ETag"]
        clock.advance(seconds=1)
    assert left(services)[0] == 2
    assert export(device, Range="bytes=1-", If_Range=last).status_code == 206


def test_damaged_and_old_files(device: Device, services: Services) -> None:
    """What came before checksums were kept gets one; what is damaged is named, and not there."""
    good = device.store(b"good", "good.bin")["file_id"]
    bad = device.store(b"bad", "bad.bin")["file_id"]
    with services.database.write() as session:
        session.connection().exec_driver_sql("UPDATE files SET crc32 = NULL")
    path = next(path for path in (services.core.settings.blob_dir).rglob(bad.replace("-", "")))
    path.write_bytes(b"BAD")
    archive = opened(export(device))
    listed = {each["file_id"]: each["path"] for each in read_json(archive, "files.json")}
    assert listed == {good: "files/good.bin", bad: None}


def test_it_is_told(device: Device, services: Services, admin: Device) -> None:
    services.accounts.grant("root", "activities.read")
    etag = export(device).headers["ETag"]
    export(device, Range="bytes=1-", If_Range=etag)
    told = admin.get("/api/activities?limit=100").get_json()["data"]
    told = [each for each in told if each["action"] == Action.ACCOUNT_EXPORTED]
    assert [(each["username"], each["resourceId"]) for each in told] == [("alice", "alice")]


def test_from_an_object_store(make_app: MakeApp, object_store_url: str) -> None:
    app = make_app(storage_url=object_store_url, trash_days=30)
    device = signed_in(app, "alice")
    chat = Chat(app)
    for number in range(12):
        device.store(f"number {number}".encode(), f"a/{number}.bin")
    chat.send(chat.group("bob", "carol"), ATTACHED, b"a.png", content="look")
    first = export(device)
    archive = opened(first)
    assert [archive.read(f"files/a/{number}.bin") for number in range(12)] == [
        f"number {number}".encode() for number in range(12)
    ]
    attachments = [name for name in archive.namelist() if name.startswith("attachments/")]
    assert [archive.read(name) for name in attachments] == [ATTACHED]
    rest = export(device, Range="bytes=300-", If_Range=first.headers["ETag"])
    assert rest.data == first.data[300:]
