"""`DELETE /api/admin/accounts/{name}`: nothing is left of an account, in no table and no room."""

import threading
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.conftest import PASSWORD, Device, signed_in
from tests.everything import Everything, fill, tables
from tests.stores import listed
from tests.web.conftest import MakeApp
from transfer_service.bootstrap import Services
from transfer_service.errors import NotFound
from transfer_service.models.accounts import DELETED_ACCOUNT
from transfer_service.models.chat import Message
from transfer_service.models.files import File, TrashedFile
from transfer_service.models.games import DownloadState, RemoteDownload
from transfer_service.models.webhooks import Webhook, WebhookDelivery
from transfer_service.services.events.actions import Action
from transfer_service.services.upkeep import account_removal
from transfer_service.web.context import EXTENSION

TOLD = frozenset({"activities", "webhook_deliveries"})
"""The audit log stays, and what webhooks of all accounts are still to be told."""


@pytest.fixture
def app(request: pytest.FixtureRequest, make_app: MakeApp) -> Flask:
    """On SQLite; on both databases for tests that use `database_url`."""
    url = request.getfixturevalue("database_url") if "database_url" in request.fixturenames else None
    return make_app(database_url=url, trash_days=30)


@pytest.fixture
def everything(app: Flask, services: Services) -> Everything:
    """Something of every feature, of which most is that of `alice`."""
    there = fill(app, services.core.settings.data_dir)
    begun_by_alice(services)
    return there


def begun_by_alice(services: Services) -> None:
    """Let her have begun what nobody has."""
    with services.database.write() as session:
        session.execute(update(RemoteDownload).values(account_id=services.accounts.get("alice").account_id))


def delete(admin: Device, name: str = "alice") -> int:
    return admin.delete(f"/api/admin/accounts/{name}").status_code


def mentions(services: Services, *marks: str) -> set[str]:
    """Where any value of any table has one of these texts in it."""
    found = set()
    with services.database.read() as session:
        for table in tables():
            for row in session.execute(select(table)).mappings():
                for name, value in row.items():
                    text = value.hex if isinstance(value, uuid.UUID) else str(value)
                    if table.name not in TOLD and any(mark in text for mark in marks):
                        found.add(f"{table.name}.{name}")
    return found


@pytest.mark.usefixtures("database_url", "everything")
def test_no_table_names_the_account(services: Services, admin: Device) -> None:
    account_id = services.accounts.get("alice").account_id
    hook = {"url": "https://example.com/hook", "account": "alice"}
    assert admin.post("/api/webhooks", json=hook).status_code == 201
    assert len(mentions(services, account_id.hex, "alice")) > 15
    assert delete(admin) == 204
    assert mentions(services, account_id.hex, str(account_id), "alice") == set()
    with services.database.read() as session:
        webhook_ids = session.scalars(select(Webhook.id)).all()
        assert set(session.scalars(select(WebhookDelivery.webhook_id))) <= set(webhook_ids)


@pytest.mark.parametrize("kind", ["disk", "s3"])
def test_no_room_has_bytes_of_the_account(request: pytest.FixtureRequest, make_app: MakeApp, kind: str) -> None:
    overrides: dict[str, Any] = {"trash_days": 30}
    if kind == "s3":
        overrides["storage_url"] = request.getfixturevalue("object_store_url")
    app = make_app(**overrides)
    services: Services = app.extensions[EXTENSION]
    (services.core.settings.data_dir / "games").mkdir(parents=True, exist_ok=True)
    fill(app, services.core.settings.data_dir)
    signed_in(app, "bob").store(b"his own", "his.bin")
    assert delete(signed_in(app, "root")) == 204
    with services.database.read() as session:
        files = {each.hex for each in session.scalars(select(File.id).union(select(TrashedFile.id)))}
        attached = set(session.scalars(select(Message.id).where(Message.filename.is_not(None))))
        senders = session.scalars(select(Message.sender_id).where(Message.filename.is_not(None))).all()
    assert {blob.key for blob in listed(services.store)} == files
    assert {blob.key.partition("/")[0] for blob in listed(services.core.attachments)} == attached
    assert len(files) == 1
    assert None not in senders
    assert [blob.key for blob in listed(services.core.previews)] == []


@dataclass(frozen=True)
class Deleted:
    """An app whose account `alice` is gone, and what she had."""

    app: Flask
    there: Everything
    key: str
    signed: str
    conversations: list[str]


@pytest.fixture(scope="module")
def deleted(shared_app: Flask) -> Deleted:
    services: Services = shared_app.extensions[EXTENSION]
    services.account_removal.ended_within_seconds = 0.0
    there = fill(shared_app, services.core.settings.data_dir)
    begun_by_alice(services)
    bob = signed_in(shared_app, "bob")
    bob.store(b"his own", "his.bin")
    deleted = Deleted(
        shared_app,
        there,
        key=there.device.post("/auth/keys", json={"name": "camera", "scopes": ["files"]}).get_json()["key"],
        signed=there.device.post(f"/api/files/{there.ids['file_id']}/url").get_json()["url"],
        conversations=[each["_id"] for each in bob.get("/conversations").get_json()["conversations"]],
    )
    assert delete(signed_in(shared_app, "root")) == 204
    return deleted


def test_what_others_have_stays(deleted: Deleted) -> None:
    bob = signed_in(deleted.app, "bob")
    conversations = bob.get("/conversations").get_json()["conversations"]
    assert [each["_id"] for each in conversations] == deleted.conversations
    assert all("alice" not in str(each) for each in conversations)
    group = {"conversation_id": deleted.there.ids["conversation_id"]}
    said = bob.get("/messages/get", query_string=group).get_json()
    assert {(each["sender"], each["content"]) for each in said["messages"]} == {
        (DELETED_ACCOUNT, None),
        ("bob", "again"),
    }
    assert bob.get("/conversations/info", query_string=group).get_json()["owner"] == "bob"
    assert bob.get("/download/his.bin").data == b"his own"


def test_its_own_tokens_and_keys_end(deleted: Deleted) -> None:
    device = deleted.there.device
    by_key = Device(deleted.app.test_client(use_cookies=False), {"Authorization": f"Bearer {deleted.key}"})
    nobody = Device(deleted.app.test_client(use_cookies=False), {})
    answers = [
        device.get("/auth/me"),
        by_key.get("/api/files"),
        nobody.get(deleted.signed),
        nobody.get(f"/s/{deleted.there.ids['token']}"),
        device.post("/auth/token", json={"username": "alice", "password": PASSWORD}),
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 403, 404, 401]


def test_what_it_has_begun_is_cancelled(deleted: Deleted) -> None:
    with deleted.there.services.database.read() as session:
        jobs = session.execute(select(RemoteDownload.state, RemoteDownload.username, RemoteDownload.account_id)).all()
    assert {tuple(job) for job in jobs} == {
        (DownloadState.CANCELLED, DELETED_ACCOUNT, None),
        (DownloadState.COMPLETED, DELETED_ACCOUNT, None),
    }


def test_it_is_told_once(deleted: Deleted) -> None:
    deleted.there.services.accounts.grant("root", "activities.read")
    told = signed_in(deleted.app, "root").get("/api/activities?limit=100").get_json()["data"]
    deletions = [each for each in told if each["action"] == Action.ACCOUNT_DELETED]
    assert [(each["username"], each["resourceId"]) for each in deletions] == [("root", "alice")]
    assert [each for each in told if each["action"] == Action.CONVERSATION_LEFT] == []


def test_a_new_account_of_that_name_inherits_nothing(deleted: Deleted) -> None:
    deleted.there.services.accounts.create("alice", PASSWORD)
    assert deleted.there.device.get("/auth/me").status_code == 401  # a token of before
    new = signed_in(deleted.app, "alice")
    own = new.get("/auth/me").get_json()
    assert (own["used_bytes"], own["permissions"], new.names()) == (0, [], [])
    lists = {"/api/uploads": "uploads", "/auth/keys": "keys", "/api/links": "links", "/api/trash": "files"}
    for path, name in [*lists.items(), ("/conversations", "conversations")]:
        assert new.get(path).get_json()[name] == [], path
    talk = signed_in(deleted.app, "bob").post("/conversations/create", json={"email": "alice"}).get_json()
    assert talk["already_exists"] is False


def test_the_last_administrator_stays(admin: Device, services: Services) -> None:
    answer = admin.delete("/api/admin/accounts/root")
    assert (answer.status_code, answer.get_json()) == (409, {"detail": "root is the last enabled administrator"})
    assert not services.accounts.get("root").disabled


def test_an_administrator_may_delete_himself_while_there_is_another(admin: Device, services: Services) -> None:
    services.accounts.create("second", PASSWORD, is_admin=True)
    assert delete(admin, "root") == 204
    assert admin.get("/auth/me").status_code == 401


@pytest.mark.parametrize("name", ["nobody", "%20", "a%00b", "deleted%20account"])
def test_an_unknown_name_is_not_found(admin: Device, name: str) -> None:
    assert delete(admin, name) in {400, 404}


@pytest.mark.usefixtures("database_url", "everything")
def test_a_deletion_that_was_killed_anywhere_goes_on(
    services: Services, admin: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each commit is the last one, once; then the same call again."""
    account_id = services.accounts.get("alice").account_id
    monkeypatch.setattr(account_removal, "BATCH", 2)
    database, kills = services.database, 0
    write_rows = type(database).write_rows
    while True:
        left = [kills]

        def write(self: Any, *args: Any, left: list[int] = left, **named: Any) -> Any:
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            return write_rows(self, *args, **named)

        monkeypatch.setattr(type(database), "write_rows", write)
        try:
            services.account_removal.remove("alice")
            break
        except NotFound:  # it was killed behind the last commit, and only previews were left
            break
        except KeyboardInterrupt:
            kills += 7  # a few steps further each time
            assert kills < 2000
        finally:
            monkeypatch.setattr(type(database), "write_rows", write_rows)
    assert kills >= 28
    assert mentions(services, account_id.hex, str(account_id), "alice") == set()
    admin.post("/cleanup")  # frees what was noted by those who were killed
    with database.read() as session:
        assert {blob.key for blob in listed(services.store)} == {each.hex for each in session.scalars(select(File.id))}


@pytest.mark.usefixtures("database_url")
def test_two_deletions_and_uploads_at_once(app: Flask, device: Device, services: Services) -> None:
    """Whoever comes first: at the end nothing is left, and no answer is a fault."""
    for number in range(20):
        device.store(b"x", f"day/{number}.bin")
    statuses: list[int] = []
    is_over = threading.Event()

    def send() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            answer = device.post("/api/files", data=b"new", query_string={"filename": f"new/{number}.bin"})
            statuses.append(answer.status_code)

    def end() -> None:
        statuses.append(1000 + delete(signed_in(app, "root")))

    senders, deleting = [threading.Thread(target=send) for _ in "ab"], [threading.Thread(target=end) for _ in "ab"]
    for thread in [*senders, *deleting]:
        thread.start()
    for thread in deleting:
        thread.join()
    is_over.set()
    for thread in senders:
        thread.join()
    assert {each for each in statuses if each > 1000} <= {1204, 1404}
    assert 1204 in statuses
    assert {each for each in statuses if each < 1000} <= {201, 401, 409, 410, 404}
    assert listed(services.store) == []
    with services.database.read() as session:
        assert session.scalars(select(File.id)).all() == []
