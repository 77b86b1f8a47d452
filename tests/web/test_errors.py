"""Failing: the shape of every error, whatever the path, and what no answer ever tells."""

import re
import shutil
from http import HTTPStatus
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import Device, frame
from tests.web.conftest import MakeApp, SignIn, blob_path
from tests.web.files.test_file_names import at

UUID = "2f1f9c2e-6f57-4c7b-8a53-1c9d0c3e7b11"


def mobile(message: str, status: int) -> dict[str, object]:
    return {"error": {"message": message, "statusCode": status}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/nothing", {"detail": "Not found"}, id="unknown"),
        pytest.param("/auth/nothing", {"detail": "Not found"}, id="auth"),
        pytest.param("/api", {"detail": "Not found"}, id="api"),
        pytest.param("/api/filesystem", {"detail": "Not found"}, id="longer-than-a-prefix"),
        pytest.param("/api/downloads/x/y", {"success": False, "error": "Not found"}, id="downloads"),
        pytest.param("/api/activities/x", {"success": False, "error": "Not found"}, id="activities"),
        pytest.param(f"/api/downloads/{UUID}", {"success": False, "error": "Not found"}, id="download-of-a-game"),
        pytest.param("/api/downloadsx", {"detail": "Not found"}, id="not-quite-downloads"),
        pytest.param("/<script>alert(1)</script>", {"detail": "Not found"}, id="markup"),
        pytest.param("/docs/assets/../../config.py", {"detail": "Not found"}, id="traversal"),
        pytest.param("/docs/assets/%2e%2e/%2e%2e/config.py", {"detail": "Not found"}, id="encoded-traversal"),
    ],
)
def test_an_unknown_path_is_404_in_json(shared_app: Flask, path: str, body: dict[str, object]) -> None:
    response = shared_app.test_client().get(path)
    assert (response.status_code, response.get_json()) == (404, body)
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "allowed", "body"),
    [
        pytest.param("PUT", "/api/files", {"GET", "HEAD", "OPTIONS", "POST"}, None, id="files"),
        pytest.param("GET", "/auth/token", {"OPTIONS", "POST"}, None, id="token"),
        pytest.param("DELETE", "/status/log.bin", {"GET", "HEAD", "OPTIONS"}, None, id="status"),
        pytest.param("PATCH", "/download/log.bin", {"GET", "HEAD", "OPTIONS"}, None, id="download"),
        pytest.param("GET", "/cleanup", {"OPTIONS", "POST"}, None, id="cleanup"),
        pytest.param("POST", "/healthz", {"GET", "HEAD", "OPTIONS"}, None, id="health"),
        pytest.param(
            "POST",
            f"/api/files/{UUID}/download",
            {"GET", "HEAD", "OPTIONS"},
            mobile("Method not allowed", 405),
            id="mobile",
        ),
    ],
)
def test_a_wrong_method_is_405_with_allow(
    shared_device: Device, method: str, path: str, allowed: set[str], body: dict[str, object] | None
) -> None:
    response = shared_device.request(method, path)
    assert (response.status_code, response.get_json()) == (405, body or {"detail": "Method not allowed"})
    assert allowed <= set(response.headers["Allow"].split(", "))
    assert method not in response.headers["Allow"].split(", ")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/api/files", {"detail": "Not authenticated"}, id="files"),
        pytest.param("/api/files/download/download", {"detail": "Not authenticated"}, id="by-name"),
        pytest.param("/status/x", {"detail": "Not authenticated"}, id="status"),
        pytest.param(f"/api/files/{UUID}/download", mobile("Not authenticated", 401), id="mobile"),
    ],
)
def test_a_401_is_in_the_words_of_its_path(shared_app: Flask, path: str, body: dict[str, object]) -> None:
    response = shared_app.test_client().get(path)
    assert (response.status_code, response.get_json()) == (401, body)
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("headers", "content_type"),
    [
        pytest.param({}, "application/problem+json", id="draft"),
        pytest.param({"Upload-Draft-Interop-Version": "3"}, "application/problem+json", id="draft-3"),
        pytest.param({"Tus-Resumable": "1.0.0"}, "text/plain; charset=utf-8", id="tus"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        pytest.param("GET", f"/api/uploads/{UUID}/more", 404, "Not found", id="unknown-path"),
        pytest.param("GET", f"/api/uploads/{UUID}", 404, "Upload not found", id="unknown-upload"),
        pytest.param("PUT", "/api/uploads", 405, "Method not allowed", id="wrong-method"),
        pytest.param("PUT", f"/api/uploads/{UUID}", 405, "Method not allowed", id="wrong-method-of-an-upload"),
        pytest.param("GET", "/api/uploads?limit=x", 400, "Invalid limit", id="malformed"),
    ],
)
def test_an_error_under_uploads_is_in_the_words_of_the_protocol(
    shared_device: Device,
    headers: dict[str, str],
    content_type: str,
    method: str,
    path: str,
    status: int,
    reason: str,
) -> None:
    response = shared_device.request(method, path, headers=headers)
    assert (response.status_code, response.headers["Content-Type"]) == (status, content_type)
    if content_type.startswith("text/plain"):
        assert (response.text, response.headers["Tus-Resumable"]) == (f"{reason}\n", "1.0.0")
    else:
        title = HTTPStatus(status).phrase
        assert response.get_json() == {"type": "about:blank", "title": title, "status": status, "detail": reason}


@pytest.mark.parametrize("path", ["/api/uploadsx", "/api/upload", "/uploads"])
def test_what_only_begins_like_uploads_is_404_in_json(shared_device: Device, path: str) -> None:
    response = shared_device.get(path, headers={"Tus-Resumable": "1.0.0"})
    assert (response.status_code, response.get_json()) == (404, {"detail": "Not found"})
    assert "Tus-Resumable" not in response.headers


def test_a_url_that_is_no_utf8_is_400_everywhere(shared_device: Device) -> None:
    response = at("GET", "/nothing/")(shared_device, "%FF")
    assert (response.status_code, list(response.get_json())) == (400, ["detail"])


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_every_answer_has_a_request_id_of_its_own(shared_app: Flask, method: str) -> None:
    client = shared_app.test_client()
    ids = [client.open(path, method=method).headers["X-Request-Id"] for path in ("/healthz", "/nothing", "/api/files")]
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in ids)


def broken(make_app: MakeApp, sign_in: SignIn, folder: Path) -> tuple[Device, str]:
    """A client of a production app whose blob folder has gone, and the id of its one file."""
    app = make_app()
    device = sign_in(app, "alice")
    file_id = device.store(b"hello")["file_id"]
    app.testing = False
    shutil.rmtree(folder / "data" / "blobs")
    return device, file_id


def is_without_secrets(response: TestResponse, folder: Path) -> bool:
    """Whether nothing of the inside shows."""
    return not any(word in response.text for word in ("Traceback", "Error:", ".py", str(folder), "<html", "blobs"))


def test_a_fault_is_a_500_without_a_traceback(make_app: MakeApp, sign_in: SignIn, tmp_path: Path) -> None:
    device, _ = broken(make_app, sign_in, tmp_path)
    response = device.send(frame(0, b"x"), "new.bin")
    assert (response.status_code, list(response.get_json())) in [(500, ["detail"]), (503, ["detail"])]
    assert is_without_secrets(response, tmp_path)
    assert device.names() == ["log.bin"]


def test_a_fault_under_a_whole_file_leaves_no_row(make_app: MakeApp, sign_in: SignIn, tmp_path: Path) -> None:
    device, _ = broken(make_app, sign_in, tmp_path)
    response = device.post("/api/files?filename=new.bin", data=b"x")
    assert response.status_code in {500, 503}
    assert is_without_secrets(response, tmp_path)
    assert device.names() == ["log.bin"]


def test_a_fault_at_the_mobile_door_has_its_envelope(make_app: MakeApp, sign_in: SignIn, tmp_path: Path) -> None:
    app = make_app()
    device = sign_in(app, "alice")
    path = blob_path(tmp_path / "data", device.store(b"hello")["file_id"])
    app.testing = False
    path.write_bytes(b"")
    response = device.get(f"/api/files/{device.status()['file_id']}/download")
    assert (response.status_code, response.get_json()) == (500, mobile("Error reading file", 500))


@pytest.mark.parametrize("headers", [{"Tus-Resumable": "1.0.0", "Upload-Length": "1"}, {}], ids=["tus", "draft"])
def test_a_fault_under_an_upload_has_the_words_of_its_protocol(
    make_app: MakeApp, sign_in: SignIn, tmp_path: Path, headers: dict[str, str]
) -> None:
    device, _ = broken(make_app, sign_in, tmp_path)
    more = {"Content-Type": "application/offset+octet-stream"} if headers else {}
    response = device.post("/api/uploads", data=b"x", headers={**headers, **more})
    plain = response.headers["Content-Type"].startswith("text/plain")
    assert (response.status_code in {500, 503}, plain) == (True, bool(headers))
    assert is_without_secrets(response, tmp_path)
    assert device.names() == ["log.bin"]


def test_a_database_that_is_gone_is_503_with_retry_after(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(database_url=f"sqlite:///{tmp_path / 'gone' / 'db.sqlite3'}")
    app.testing = False
    app.extensions["transfer_service"].database.dispose()
    shutil.rmtree(tmp_path / "gone")
    response = app.test_client().post("/token", json={"username": "alice", "password": "x"})
    assert (response.status_code, list(response.get_json())) == (503, ["detail"])
    assert int(response.headers["Retry-After"]) > 0
    assert is_without_secrets(response, tmp_path)


PREFLIGHT = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}


def test_without_the_setting_no_other_origin_is_let_in(shared_app: Flask) -> None:
    response = shared_app.test_client().get("/healthz", headers={"Origin": "https://app.example"})
    assert [name for name, _ in response.headers if name.startswith("Access-Control")] == []


@pytest.mark.parametrize(
    ("origins", "origin", "allowed", "credentials"),
    [
        pytest.param(["https://app.example"], "https://app.example", "https://app.example", "true", id="listed"),
        pytest.param(["https://app.example"], "https://evil.example", None, None, id="not-listed"),
        pytest.param(["https://app.example"], "https://app.example.evil.example", None, None, id="only-begins-like-it"),
        pytest.param(["*"], "https://evil.example", "https://evil.example", None, id="star-without-credentials"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_the_setting_lets_origins_in(
    make_app: MakeApp, method: str, origins: list[str], origin: str, allowed: str | None, credentials: str | None
) -> None:
    client = make_app(cors_origins=origins).test_client()
    response = client.open("/api/files", method=method, headers={**PREFLIGHT, "Origin": origin})
    assert response.headers.get("Access-Control-Allow-Origin", "").replace("*", origin) == (allowed or "")
    assert response.headers.get("Access-Control-Allow-Credentials") == credentials
    assert response.status_code == (401 if method == "GET" else 200)


@pytest.mark.parametrize(("proxies", "expected"), [(0, [401] * 11), (1, [401] * 10 + [429])])
def test_only_trusted_proxies_say_where_a_request_comes_from(
    make_app: MakeApp, proxies: int, expected: list[int]
) -> None:
    client = make_app(trusted_proxies=proxies).test_client()
    wrong = {"username": "alice", "password": "wrong"}
    statuses = [
        client.post(
            "/token",
            json=wrong,
            headers={"X-Forwarded-For": f"10.9.9.{number}, 192.0.2.7"},
            environ_overrides={"REMOTE_ADDR": f"198.51.100.{number}"},
        ).status_code
        for number in range(11)
    ]
    assert statuses == expected


@pytest.mark.parametrize(("proxies", "secure"), [(0, False), (1, True)])
def test_only_trusted_proxies_say_that_it_is_https(make_app: MakeApp, proxies: int, secure: bool) -> None:
    client = make_app(trusted_proxies=proxies).test_client()
    login = {"username": "alice", "password": "correct horse"}
    response = client.post("/auth/login", json=login, headers={"X-Forwarded-Proto": "https"})
    marked = ["; Secure" in value for value in response.headers.getlist("Set-Cookie")]
    assert marked == [*[secure] * 4, True]  # the last is for pages of games: SameSite=None needs Secure (RFC 6265bis)
