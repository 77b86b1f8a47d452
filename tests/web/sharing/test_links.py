"""`/api/links`: making, listing and ending links."""

import json
import re
import uuid
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from tests.web.conftest import MakeApp
from tests.web.sharing.visitors import Visitor, share
from transfer_service.wire.links import MAX_LISTED, MAX_SECONDS

FIELDS = {
    "id", "url", "kind", "name", "files", "expires_at", "has_password", "max_downloads", "downloads", "max_files",
    "max_bytes", "received_files", "received_bytes", "created_at",
}  # fmt: skip


def test_a_new_link_tells_all_about_itself(device: Device) -> None:
    file_id = device.store(b"hello", "day/a.txt")["file_id"]
    link = share(device, file_id, name="Hello/2", max_downloads=3, password="123456", expires_in=60)
    assert link.keys() == FIELDS
    token = link["url"].rpartition("/s/")[2]
    assert re.fullmatch(r"[\w-]{32}", token)
    assert link["files"] == [
        {
            "file_id": file_id,
            "filename": "a.txt",
            "size": 5,
            "content_type": "text/plain",
            "url": f"{link['url']}/files/{file_id}",
        }
    ]
    assert (link["kind"], link["name"], link["has_password"]) == ("download", "Hello/2", True)
    assert (link["max_downloads"], link["downloads"], link["max_files"]) == (3, 0, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", link["expires_at"])
    assert device.get(f"/api/links/{link['id']}").get_json() == link
    assert device.get("/api/links").get_json() == {"links": [link], "next_cursor": None}


def test_links_last_seven_days_unless_asked_otherwise(app: Flask, device: Device, clock: Clock) -> None:
    visitor = Visitor(app, share(device, device.store(b"hello")["file_id"]))
    clock.advance(days=7, seconds=-2)
    assert visitor.show().status_code == 200
    clock.advance(seconds=4)
    assert visitor.show().status_code == 404


def test_addresses_begin_with_the_public_url(make_app: MakeApp, sign_in: Any) -> None:
    device = sign_in(make_app(public_url="https://files.example.com/base"), "alice")
    link = share(device, device.store(b"hello")["file_id"])
    assert link["url"].startswith("https://files.example.com/base/s/")
    assert link["files"][0]["url"].startswith(f"{link['url']}/files/")


def test_a_link_for_uploads(device: Device) -> None:
    link = share(device, upload=True, max_files=3, max_bytes=10**12, folder="in/box")
    assert (link["kind"], link["files"], link["max_files"], link["max_bytes"]) == ("upload", [], 3, 10**12)
    assert device.get("/api/folders/in/box").status_code == 200


NEITHER = {"upload": False}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing"),
        pytest.param(NEITHER, id="neither"),
        pytest.param({"file_ids": []}, id="no-files"),
        pytest.param({"file_ids": "FILE"}, id="one-string"),
        pytest.param({"file_ids": [7]}, id="number"),
        pytest.param({"file_ids": ["no uuid"]}, id="no-uuid"),
        pytest.param({"file_ids": ["FILE", None]}, id="null-in-list"),
        pytest.param({"file_ids": None, "folders": ["day"]}, id="null"),
        pytest.param({"folders": []}, id="no-folders"),
        pytest.param({"folders": [""]}, id="top"),
        pytest.param({"folders": ["/day"]}, id="bad-path"),
        pytest.param({"folders": {"day": 1}}, id="object"),
        pytest.param({"upload": "true"}, id="text-for-flag"),
        pytest.param({"upload": 1}, id="number-for-flag"),
        pytest.param({"upload": True, "file_ids": ["FILE"]}, id="upload-of-files"),
        pytest.param({"upload": True, "folders": ["day"]}, id="upload-of-folders"),
        pytest.param({"upload": True, "max_downloads": 1}, id="upload-with-downloads"),
        pytest.param({"upload": True, "folder": 1}, id="folder-number"),
        pytest.param({"upload": True, "folder": "a//b"}, id="folder-path"),
        pytest.param({"upload": True, "max_files": 0}, id="no-files-may-come"),
        pytest.param({"upload": True, "max_bytes": 1.5}, id="half-a-byte"),
        pytest.param({"upload": True, "max_bytes": 2**63}, id="too-many-bytes"),
        pytest.param({"file_ids": ["FILE"], "max_files": 1}, id="download-with-files"),
        pytest.param({"file_ids": ["FILE"], "max_bytes": 1}, id="download-with-bytes"),
        pytest.param({"file_ids": ["FILE"], "folder": "day"}, id="download-with-folder"),
        pytest.param({"file_ids": ["FILE"], "name": ""}, id="empty-name"),
        pytest.param({"file_ids": ["FILE"], "name": "  "}, id="blank-name"),
        pytest.param({"file_ids": ["FILE"], "name": "a\nb"}, id="control-in-name"),
        pytest.param({"file_ids": ["FILE"], "name": "a\u202eb"}, id="direction-in-name"),
        pytest.param({"file_ids": ["FILE"], "name": "\ud800"}, id="half-a-character"),
        pytest.param({"file_ids": ["FILE"], "name": "x" * 256}, id="long-name"),
        pytest.param({"file_ids": ["FILE"], "name": 1}, id="name-number"),
        pytest.param({"file_ids": ["FILE"], "expires_in": 0}, id="no-time"),
        pytest.param({"file_ids": ["FILE"], "expires_in": MAX_SECONDS + 1}, id="too-long"),
        pytest.param({"file_ids": ["FILE"], "expires_in": "60"}, id="text-for-seconds"),
        pytest.param({"file_ids": ["FILE"], "expires_in": True}, id="flag-for-seconds"),
        pytest.param({"file_ids": ["FILE"], "password": "12345"}, id="short-password"),
        pytest.param({"file_ids": ["FILE"], "password": "x" * 1025}, id="long-password"),
        pytest.param({"file_ids": ["FILE"], "password": 123456}, id="password-number"),
        pytest.param({"file_ids": ["FILE"], "max_downloads": 0}, id="no-downloads"),
        pytest.param({"file_ids": ["FILE"], "max_downloads": -1}, id="minus-one"),
        pytest.param({"file_ids": ["FILE"], "max_downloads": "1"}, id="text-for-downloads"),
        pytest.param({"file_ids": ["FILE"], "max_downloads": None}, id="null-for-downloads"),
    ],
)
def test_a_wrong_field_makes_no_link(shared_device: Device, fields: dict[str, Any]) -> None:
    device = shared_device
    file_id = device.request("PUT", "/api/files/day/a.txt", data=b"hello").get_json()["file_id"]
    filled = {
        name: [file_id if each == "FILE" else each for each in value] if isinstance(value, list) else value
        for name, value in fields.items()
    }
    response = device.post("/api/links", json=filled)
    assert (response.status_code, list(response.get_json())) == (400, ["detail"])
    assert device.get("/api/links").get_json()["links"] == []


def test_more_files_than_a_link_can_have(shared_device: Device) -> None:
    many = [str(uuid.UUID(int=number)) for number in range(MAX_LISTED + 1)]
    assert shared_device.post("/api/links", json={"file_ids": many}).status_code == 400
    laid_out = json.dumps({"file_ids": many[1:]}, indent=4)
    assert shared_device.post("/api/links", data=laid_out).get_json() == {"detail": "File not found"}


def test_a_file_that_is_named_twice_is_there_once(device: Device) -> None:
    one, two = (device.store(b"hello", name)["file_id"] for name in ("a.txt", "b.txt"))
    link = share(device, two, one, two.upper())
    assert [file["file_id"] for file in link["files"]] == [two, one]


def test_what_is_not_ones_own_is_not_found(device: Device, other_device: Device) -> None:
    foreign = other_device.store(b"hello")["file_id"]
    link = share(other_device, foreign)
    for body in ({"file_ids": [foreign]}, {"folders": ["nowhere"]}):
        assert device.post("/api/links", json=body).status_code == 404
    for method in ("GET", "DELETE"):
        assert device.request(method, f"/api/links/{link['id']}").status_code == 404
        assert device.request(method, "/api/links/no-uuid").status_code == 404
    assert device.get("/api/links").get_json()["links"] == []
    assert other_device.get(f"/api/links/{link['id']}").status_code == 200


def test_pages_of_links_newest_first(device: Device, clock: Clock) -> None:
    file_id, made = device.store(b"hello")["file_id"], []
    for _ in range(5):
        made.append(share(device, file_id)["id"])
        clock.advance(seconds=1)
    found, query = [], {"limit": "2"}
    while True:
        page = device.get("/api/links", query_string=query).get_json()
        found += [link["id"] for link in page["links"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == made[::-1]


def test_a_page_holds_no_more_files_than_one_link_may_have(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer_service.web.sharing.links.MAX_LISTED", 4)
    files = [device.store(b"hello", f"{number}.txt")["file_id"] for number in range(3)]
    made = [share(device, *files)["id"] for _ in range(3)]
    found: list[str] = []
    query: dict[str, Any] = {}
    for _ in made:
        page = device.get("/api/links", query_string=query).get_json()
        assert len(page["links"]) == 1
        found += [link["id"] for link in page["links"]]
        query = {"cursor": page["next_cursor"]}
    assert sorted(found) == sorted(made)
    assert query == {"cursor": None}


def test_a_link_that_is_taken_back_is_gone_at_once(app: Flask, device: Device) -> None:
    link = share(device, device.store(b"hello")["file_id"])
    visitor = Visitor(app, link)
    assert visitor.show().status_code == 200
    assert device.delete(f"/api/links/{link['id']}").status_code == 204
    assert visitor.show().status_code == 404
    assert device.delete(f"/api/links/{link['id']}").status_code == 404


def test_an_account_that_is_deleted_takes_its_links_along(app: Flask, device: Device, services: Any) -> None:
    visitor = Visitor(app, share(device, device.store(b"hello")["file_id"]))
    services.account_removal.remove("alice")
    assert visitor.show().status_code == 404
