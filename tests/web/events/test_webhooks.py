"""`/api/webhooks`: who is told of what."""

import base64
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.conftest import Device
from tests.web.chat.bench import Chat
from tests.web.conftest import MakeApp
from tests.web.uploads.bench import Draft, id_of
from tests.web.uploads.by_link import by_link
from transfer_service.bootstrap import Services
from transfer_service.models.webhooks import WebhookDelivery
from transfer_service.wire.webhooks import Event

URL = "https://hook.example/files?key=of-theirs"
NOBODY = "00000000-0000-0000-0000-000000000000"


def add(admin: Device, **fields: Any) -> dict[str, Any]:
    response = admin.post("/api/webhooks", json={"url": URL, **fields})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.get_json()
    return made


def rows(services: Services) -> list[Any]:
    with services.database.read_rows() as connection:
        return list(connection.execute(select(WebhookDelivery.__table__).order_by(WebhookDelivery.id)))


def fail_all(services: Services) -> None:
    failed = {"failed_at": services.core.now(), "due_at": None, "error": "503", "tries": 8}
    with services.database.write() as session:
        session.execute(update(WebhookDelivery).values(failed))


def test_the_secret_is_shown_once(admin: Device) -> None:
    made = add(admin)
    secret = made.pop("secret")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 24
    assert made == {
        "id": made["id"], "url": URL, "events": [event.value for event in Event], "account": None, "state": "active",
        "created_at": made["created_at"],
    }  # fmt: skip
    listed = admin.get("/api/webhooks")
    assert listed.get_json() == {"webhooks": [made]}
    assert secret not in listed.text


def test_a_webhook_asks_for_some_events_of_one_account(admin: Device) -> None:
    made = add(admin, events=["link.received", "file.completed"], account="bob")
    assert (made["events"], made["account"]) == (["file.completed", "link.received"], "bob")
    assert add(admin, events=None, account=None)["events"] == [event.value for event in Event]


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        pytest.param({"url": None}, "url must be an http", id="none"),
        pytest.param({"url": 5}, "url must be an http", id="a-number"),
        pytest.param({"url": "hook.example"}, "url must be an http", id="no-scheme"),
        pytest.param({"url": "ftp://hook.example/"}, "url must be an http", id="another-scheme"),
        pytest.param({"url": "https://hook.example/#part"}, "url must be an http", id="fragment"),
        pytest.param({"url": "https://hook.example/a b"}, "url must be an http", id="a-blank"),
        pytest.param({"url": "https://hook.example/\r\nA: b"}, "url must be an http", id="two-lines"),
        pytest.param({"url": "https://hook.example/ä"}, "url must be an http", id="not-encoded"),
        pytest.param({"url": f"https://hook.example/{'a' * 2048}"}, "url must be an http", id="long"),
        pytest.param({"url": "https:///path"}, "url must have a host", id="no-host"),
        pytest.param({"url": "https://me:secret@hook.example/"}, "url must have a host", id="a-password"),
        pytest.param({"url": "https://hook.example:0/"}, "url must have a host", id="port-0"),
        pytest.param({"url": "https://hook.example:99999/"}, "url must have a host", id="no-port"),
        pytest.param({"url": "https://[::1/"}, "url must have a host", id="half-a-bracket"),
        pytest.param({"url": "http://10.0.0.1/"}, "url leads to an address", id="private"),
        pytest.param({"events": []}, "events must be a list", id="no-events"),
        pytest.param({"events": "file.completed"}, "events must be a list", id="a-string"),
        pytest.param({"events": {"file.completed": 1}}, "events must be a list", id="an-object"),
        pytest.param({"events": ["file.renamed"]}, "events must be some of", id="unknown-event"),
        pytest.param({"events": ["webhook.test"]}, "events must be some of", id="the-test"),
        pytest.param({"events": [["file.completed"]]}, "events must be some of", id="a-list-in-it"),
        pytest.param({"events": ["file.deleted"] * 2}, "Event given more than once", id="twice"),
        pytest.param({"account": "nobody"}, "No account has this name", id="unknown-account"),
        pytest.param({"account": 1}, "account must be", id="account-number"),
        pytest.param({"account": "\x00"}, "No account has this name", id="nul"),
        pytest.param({"account": "\ud800"}, "No account has this name", id="no-unicode"),
        pytest.param({"acount": "bob"}, "Unknown field; there are url, events, account", id="misspelled"),
    ],
)
def test_what_cannot_be_is_refused(admin: Device, fields: dict[str, Any], detail: str) -> None:
    response = admin.post("/api/webhooks", json={"url": URL, **fields})
    assert (response.status_code, response.get_json()["detail"][: len(detail)]) == (400, detail)
    assert admin.get("/api/webhooks").get_json() == {"webhooks": []}


def test_private_addresses_can_be_allowed(make_app: MakeApp, sign_in: Any) -> None:
    admin = sign_in(make_app(allow_private_sources=True), "root")
    assert add(admin, url="http://127.0.0.1:8080/hook")["url"] == "http://127.0.0.1:8080/hook"


def test_a_webhook_is_removed(admin: Device) -> None:
    made = add(admin)
    assert admin.delete(f"/api/webhooks/{made['id']}").status_code == 204
    assert admin.get("/api/webhooks").get_json() == {"webhooks": []}
    assert admin.delete(f"/api/webhooks/{made['id']}").status_code == 404


def test_a_test_is_accepted(admin: Device, services: Services) -> None:
    made = add(admin)
    assert admin.post(f"/api/webhooks/{made['id']}/test").status_code == 202
    assert [row.event for row in rows(services)] == ["webhook.test"]


@pytest.mark.parametrize("path", [f"/{NOBODY}/test", "/x/test", f"/failed/{NOBODY}/redeliver", "/failed/x/redeliver"])
def test_what_is_not_there_is_404(admin: Device, path: str) -> None:
    assert admin.post(f"/api/webhooks{path}").status_code == 404


def test_what_has_failed_is_listed_and_redelivered(admin: Device, services: Services) -> None:
    made = add(admin)
    for _ in range(3):
        admin.post(f"/api/webhooks/{made['id']}/test")
    fail_all(services)
    first = admin.get("/api/webhooks/failed?limit=2").get_json()
    rest = admin.get(f"/api/webhooks/failed?limit=2&cursor={first['next_cursor']}").get_json()
    every = [*first["failed"], *rest["failed"]]
    assert [each["id"] for each in every] == [str(row.message_id) for row in reversed(rows(services))]
    assert every[0] | {"id": "", "failed_at": ""} == {
        "id": "", "webhook_id": made["id"], "event": "webhook.test", "tries": 8, "error": "503", "failed_at": "",
    }  # fmt: skip
    assert admin.post(f"/api/webhooks/failed/{every[0]['id']}/redeliver").status_code == 202
    assert len(admin.get("/api/webhooks/failed").get_json()["failed"]) == 2
    assert admin.post(f"/api/webhooks/failed/{every[0]['id']}/redeliver").status_code == 404


def test_one_that_has_ended_is_409(admin: Device, services: Services) -> None:
    made = add(admin)
    admin.post(f"/api/webhooks/{made['id']}/test")
    fail_all(services)
    with services.database.write_rows() as connection:
        connection.exec_driver_sql("UPDATE webhooks SET state = 'ended'")
    failed_id = rows(services)[0].message_id
    assert admin.post(f"/api/webhooks/{made['id']}/test").status_code == 409
    assert admin.post(f"/api/webhooks/failed/{failed_id}/redeliver").status_code == 409
    assert admin.get("/api/webhooks").get_json()["webhooks"][0]["state"] == "ended"


def test_what_administrators_do_is_in_the_log_without_the_address(admin: Device, services: Services) -> None:
    services.accounts.grant("root", "activities.read")
    made = add(admin, events=["file.completed"])
    admin.post(f"/api/webhooks/{made['id']}/test")
    fail_all(services)
    admin.post(f"/api/webhooks/failed/{rows(services)[0].message_id}/redeliver")
    admin.delete(f"/api/webhooks/{made['id']}")
    answer = admin.get("/api/activities")
    found = [each for each in answer.get_json()["data"] if each["resource"] == "webhooks"]
    assert [each["action"] for each in found] == [
        "webhook.deleted", "webhook.redelivered", "webhook.tested", "webhook.created",
    ]  # fmt: skip
    assert {(each["resourceId"], each["username"], each["details"]["host"]) for each in found} == {
        (made["id"], "root", "hook.example")
    }
    assert "of-theirs" not in answer.text


def test_what_a_file_meets_with_is_told(admin: Device, device: Device, services: Services) -> None:
    """From the request to the row: the fields to the letter."""
    add(admin)
    stored = device.store(b"hello", "day/a.txt")
    device.delete("/api/files/day/a.txt")
    bodies = [json.loads(row.body) for row in rows(services)]
    data = {
        "file_id": stored["file_id"], "filename": "day/a.txt", "size": 5, "content_type": stored["content_type"],
        "sha256": stored["sha256"], "account": "alice",
    }  # fmt: skip
    assert [(body["type"], body["data"]) for body in bodies] == [("file.completed", data), ("file.deleted", data)]
    assert len({row.subject for row in rows(services)}) == 1


def told(services: Services) -> list[tuple[str, Any]]:
    """What has been told so far: types and data, in their order."""
    bodies = [json.loads(row.body) for row in rows(services)]
    return [(body["type"], body["data"]) for body in bodies]


def test_a_file_that_takes_the_place_of_another_is_completed_and_the_other_deleted(
    admin: Device, device: Device, services: Services
) -> None:
    first = device.store(b"first", "a.txt")
    add(admin)
    second = device.request("PUT", "/api/files/a.txt", data=b"second").get_json()
    assert sorted((event, data["file_id"], data["size"]) for event, data in told(services)) == [
        ("file.completed", second["file_id"], 6), ("file.deleted", first["file_id"], 5),
    ]  # fmt: skip


def test_a_message_is_told_as_clients_see_it(app: Flask, admin: Device, services: Services) -> None:
    add(admin)
    chat = Chat(app)
    group = chat.group("bob")
    said = chat.say(group, "hello 🎮")
    sent = chat.send(group, b"\x89PNG not really", b"a.png", content="look")
    assert told(services) == [("message.created", said), ("message.created", sent)]
    assert {row.subject for row in rows(services)} == {group}


def test_links_are_told_of(app: Flask, admin: Device, device: Device, services: Services) -> None:
    stored = device.store(b"hello", "day/a.txt")
    link = device.post("/api/links", json={"file_ids": [stored["file_id"]]}).get_json()
    add(admin, events=["link.downloaded", "link.received"])
    visitor = app.test_client(use_cookies=False)
    address = urlsplit(link["url"]).path
    assert visitor.get(f"{address}/files/{stored['file_id']}").data == b"hello"
    assert visitor.get(f"{address}/zip").status_code == 200
    received = id_of(Draft(by_link(device, name="box")).finish(b"from outside"))
    (box,) = [each for each in device.get("/api/links").get_json()["links"] if each["name"] == "box"]
    (name,) = [each for each in device.names() if each != "day/a.txt"]
    assert told(services) == [
        ("link.downloaded", {"link_id": link["id"], "file_id": stored["file_id"], "filename": "day/a.txt"}),
        ("link.downloaded", {"link_id": link["id"], "file_id": None, "filename": None}),
        ("link.received", {"link_id": box["id"], "file_id": str(received), "filename": name}),
    ]
    assert urlsplit(link["url"]).path.rpartition("/")[2] not in json.dumps(told(services))
