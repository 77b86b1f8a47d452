"""Signed addresses of files: who gets one, what it gives, and when it ends."""

import uuid
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Clock, Device, frame
from tests.web.conftest import MakeApp, SignIn
from tests.web.sharing.bench import INVALID, fetch, local, query_of, refusal, sign_file, with_query
from transfer_service.bootstrap import Services
from transfer_service.wire.instants import format_second

DATA = b"0123456789"
WEEK = 7 * 24 * 3600


@pytest.fixture
def file_id(device: Device) -> str:
    return str(device.store(DATA)["file_id"])


def test_it_is_the_usual_address_and_gives_the_bytes_without_a_token(
    app: Flask, device: Device, file_id: str, clock: Clock
) -> None:
    answer = device.post(f"/api/files/{file_id}/url", json={"expires_in": 60, "inline": False}).get_json()
    assert answer.keys() == {"url", "expires_at"}
    assert answer["url"].startswith(f"http://localhost/api/files/{file_id}/download?")
    query = query_of(answer["url"])
    assert query.keys() == {"account", "expires", "signature"}
    assert query["account"] == device.get("/auth/me").get_json()["id"]
    assert abs(int(query["expires"]) - clock.at.timestamp() - 60) <= 0.5
    assert answer["expires_at"] == format_second(clock.at.fromtimestamp(int(query["expires"]), clock.at.tzinfo))
    response = fetch(app, answer["url"])
    assert (response.status_code, response.data) == (200, DATA)
    own = device.get(f"/api/files/{file_id}/download").headers
    assert {name: value for name, value in response.headers if name != "X-Request-Id"} == {
        name: value for name, value in own if name != "X-Request-Id"
    }


@pytest.mark.parametrize("fields", [None, {}, {"inline": False}, {"expires_in": 3600}])
def test_an_hour_is_the_default(device: Device, file_id: str, clock: Clock, fields: dict[str, Any] | None) -> None:
    answer = device.post(f"/api/files/{file_id}/url", **({} if fields is None else {"json": fields}))
    seconds = int(query_of(answer.get_json()["url"])["expires"]) - clock.at.timestamp()
    assert abs(seconds - 3600) <= 0.5


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"expires_in": 0}, id="no-time"),
        pytest.param({"expires_in": -1}, id="negative"),
        pytest.param({"expires_in": WEEK + 1}, id="more-than-a-week"),
        pytest.param({"expires_in": 10**400}, id="enormous"),
        pytest.param({"expires_in": "60"}, id="text"),
        pytest.param({"expires_in": 60.0}, id="fraction"),
        pytest.param({"expires_in": True}, id="truth"),
        pytest.param({"expires_in": None}, id="null"),
        pytest.param({"expires_in": [60]}, id="list"),
        pytest.param({"inline": "true"}, id="inline-text"),
        pytest.param({"inline": 1}, id="inline-number"),
        pytest.param({"inline": None}, id="inline-null"),
        pytest.param({"thumbnail": 481}, id="thumbnail-of-another-size"),
        pytest.param({"thumbnail": "480"}, id="thumbnail-text"),
        pytest.param({"thumbnail": 480.0}, id="thumbnail-fraction"),
        pytest.param({"thumbnail": True}, id="thumbnail-truth"),
        pytest.param({"thumbnail": None}, id="thumbnail-null"),
        pytest.param({"thumbnail": [480]}, id="thumbnail-list"),
        pytest.param({"thumbnail": 480, "inline": "yes"}, id="inline-of-a-thumbnail"),
    ],
)
def test_wrong_fields_are_refused(device: Device, file_id: str, fields: dict[str, Any]) -> None:
    answer = device.post(f"/api/files/{file_id}/url", json=fields)
    assert (answer.status_code, list(answer.get_json())) == (400, ["detail"])


@pytest.mark.parametrize("body", [b"[]", b"{", b'"x"', b"\xff", b"null"])
def test_what_is_no_object_is_refused(device: Device, file_id: str, body: bytes) -> None:
    assert device.post(f"/api/files/{file_id}/url", data=body).status_code == 400


def test_the_whole_range_of_times_counts(app: Flask, device: Device, file_id: str, clock: Clock) -> None:
    short, long = (sign_file(device, file_id, expires_in=seconds) for seconds in (1, WEEK))
    assert fetch(app, short).status_code == 200
    clock.advance(seconds=1.5)
    assert refusal(fetch(app, short)) == (403, INVALID)
    clock.advance(seconds=WEEK - 3)
    assert fetch(app, long).status_code == 200
    clock.advance(seconds=3)
    assert refusal(fetch(app, long)) == (403, INVALID)


def test_only_the_owner_of_a_whole_file_gets_one(app: Flask, device: Device, file_id: str, sign_in: SignIn) -> None:
    device.send(frame(0, b"half"), "half.bin", query={"total_size": 8})
    unfinished = device.status("half.bin")["file_id"]
    bob = sign_in(app, "bob")
    answers = [
        bob.post(f"/api/files/{file_id}/url"),
        device.post(f"/api/files/{uuid.uuid4()}/url"),
        device.post("/api/files/log.bin/url"),
        device.post(f"/api/files/{unfinished}/url"),
        fetch(app, f"/api/files/{file_id}/url", method="POST"),
    ]
    assert [(answer.status_code, answer.get_json()) for answer in answers] == [
        (404, {"detail": "File not found"}),
        (404, {"detail": "File not found"}),
        (404, {"detail": "File not found"}),
        (404, {"detail": "File is not complete and cannot be downloaded"}),
        (401, {"detail": "Not authenticated"}),
    ]


def test_the_signature_decides_whatever_token_comes_with_it(
    app: Flask, device: Device, file_id: str, sign_in: SignIn
) -> None:
    url = sign_file(device, file_id)
    wrong = with_query(url, expires="9999999999")
    assert sign_in(app, "bob").get(local(url)).data == DATA
    assert fetch(app, url, headers={"Authorization": "Bearer nonsense"}).data == DATA
    assert refusal(device.get(local(wrong))) == (403, INVALID)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_it_is_for_reading_only(app: Flask, device: Device, file_id: str, method: str) -> None:
    for path in ("", f"/api/files/{file_id}"):
        url = f"{path}?{local(sign_file(device, file_id)).partition('?')[2]}" if path else sign_file(device, file_id)
        assert fetch(app, url, method=method).status_code in {401, 405}
    assert device.get(f"/api/files/{file_id}/download").data == DATA


def test_other_doors_do_not_know_signatures(app: Flask, device: Device, file_id: str) -> None:
    query = local(sign_file(device, file_id)).partition("?")[2]
    for path in ("/api/files", f"/api/files/{file_id}", f"/download/{file_id}", "/api/files/download/log.bin"):
        assert fetch(app, f"{path}?{query}").status_code == 401, path


def test_head_ranges_and_conditions_are_those_of_the_door(app: Flask, device: Device, file_id: str) -> None:
    url = sign_file(device, file_id)
    head = fetch(app, url, method="HEAD")
    assert (head.status_code, head.headers["Content-Length"], head.data) == (200, "10", b"")
    etag = head.headers["ETag"]
    part = fetch(app, url, headers={"Range": "bytes=2-4", "If-Range": etag})
    assert (part.status_code, part.data, part.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert fetch(app, url, headers={"Range": "bytes=2-4", "If-Range": '"other"'}).data == DATA
    assert fetch(app, url, headers={"If-None-Match": etag}).status_code == 304
    assert fetch(app, url, headers={"If-Match": '"other"'}).status_code == 412
    assert fetch(app, url, headers={"Range": "bytes=99-"}).status_code == 416


def test_a_refusal_speaks_as_its_path_does(app: Flask, device: Device, file_id: str) -> None:
    response = fetch(app, with_query(sign_file(device, file_id), signature="0" * 64))
    assert response.get_json() == {"error": {"message": INVALID, "statusCode": 403}}
    assert "WWW-Authenticate" not in response.headers


def test_a_disabled_account_rests(app: Flask, device: Device, file_id: str, services: Services) -> None:
    url = sign_file(device, file_id)
    services.accounts.disable("alice")
    assert refusal(fetch(app, url)) == (403, INVALID)
    services.accounts.enable("alice")
    assert fetch(app, url).data == DATA


def test_a_deleted_account_takes_its_addresses_along(
    app: Flask, device: Device, file_id: str, services: Services
) -> None:
    url = sign_file(device, file_id)
    services.account_removal.remove("alice")
    assert refusal(fetch(app, url)) == (403, INVALID)


def test_a_new_password_does_not_end_it(app: Flask, device: Device, file_id: str, services: Services) -> None:
    url = sign_file(device, file_id)
    services.accounts.set_password("alice", "another password")
    assert fetch(app, url).data == DATA


def test_it_ends_with_the_file_and_comes_back_with_it(make_app: MakeApp, sign_in: SignIn) -> None:
    app = make_app(trash_days=30)
    device = sign_in(app, "alice")
    file_id = device.store(DATA)["file_id"]
    url = sign_file(device, file_id)
    assert device.delete(f"/api/files/{file_id}").status_code == 200
    assert refusal(fetch(app, url)) == (403, INVALID)
    assert device.post(f"/api/trash/{file_id}/restore").status_code == 200
    assert fetch(app, url).data == DATA
    assert device.delete(f"/api/files/{file_id}?permanent=true").status_code == 200
    assert refusal(fetch(app, url)) == (403, INVALID)


def test_it_stays_when_the_file_moves_and_ends_when_it_is_replaced(app: Flask, device: Device) -> None:
    file_id = device.store(DATA, "day/log.bin")["file_id"]
    url = sign_file(device, file_id)
    assert device.request("PATCH", f"/api/files/{file_id}", json={"filename": "day/\u6587.bin"}).status_code == 200
    assert device.request("PATCH", "/api/folders/day", json={"path": "night"}).status_code == 200
    response = fetch(app, url)
    assert (response.data, response.headers["Content-Disposition"].endswith("%E6%96%87.bin")) == (DATA, True)
    device.store(b"new", "night/\u6587.bin", query={"overwrite": "true"})
    assert refusal(fetch(app, url)) == (403, INVALID)


@pytest.mark.parametrize(
    ("name", "media_type", "is_shown"),
    [
        pytest.param("a.png", "image/png", True, id="png"),
        pytest.param("a.jpeg", "image/jpeg", True, id="jpeg"),
        pytest.param("a", "image/webp", True, id="no-extension"),
        pytest.param("a.mp4", "video/mp4", True, id="film"),
        pytest.param("a.mp3", "audio/mpeg", True, id="sound"),
        pytest.param("a.pdf", "application/pdf", True, id="pdf"),
        pytest.param("a.txt", "text/plain", True, id="text"),
        pytest.param("a.log", "Text/Plain; charset=utf-8", True, id="text-in-capitals"),
        pytest.param("a.html", "text/html", False, id="html"),
        pytest.param("a.txt", "text/html", False, id="html-by-type"),
        pytest.param("a.html", "text/plain", False, id="html-by-name"),
        pytest.param("a.HTM", "image/png", False, id="html-by-name-in-capitals"),
        pytest.param("a.svg", "image/svg+xml", False, id="svg"),
        pytest.param("a.svg", "image/png", False, id="svg-by-name"),
        pytest.param("a.png", "image/svg+xml", False, id="svg-by-type"),
        pytest.param("a.xml", "text/xml", False, id="xml"),
        pytest.param("a.xhtml", "application/xhtml+xml", False, id="xhtml"),
        pytest.param("a.js", "text/javascript", False, id="script"),
        pytest.param("a.csv", "text/csv", False, id="csv"),
        pytest.param("a.m3u8", "audio/mpegurl", False, id="list"),
        pytest.param("a.zip", "application/zip", False, id="zip"),
        pytest.param("a.bin", "application/octet-stream", False, id="bytes"),
    ],
)
def test_only_what_cannot_run_is_shown(app: Flask, device: Device, name: str, media_type: str, is_shown: bool) -> None:
    file_id = device.store(DATA, name, headers={"Content-Type": media_type})["file_id"]
    shown, saved = (fetch(app, sign_file(device, file_id, inline=inline)) for inline in (True, False))
    assert shown.headers["Content-Disposition"].startswith("inline" if is_shown else "attachment")
    assert ("default-src 'none'" in shown.headers.get("Content-Security-Policy", "")) == is_shown
    assert (shown.headers["X-Content-Type-Options"], shown.data) == ("nosniff", DATA)
    assert saved.headers["Content-Disposition"].startswith("attachment")


def test_inline_without_a_signature_is_nothing(device: Device) -> None:
    file_id = device.store(DATA, "a.png")["file_id"]
    response = device.get(f"/api/files/{file_id}/download?inline=true")
    assert response.headers["Content-Disposition"].startswith("attachment")


def test_inline_cannot_be_added_by_who_has_the_address(app: Flask, device: Device, file_id: str) -> None:
    assert refusal(fetch(app, with_query(sign_file(device, file_id), inline="true"))) == (403, INVALID)
