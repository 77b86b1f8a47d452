"""Who may call what: every route, asked by nobody, by the owner, by another account and by an administrator."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

from tests.conftest import Device, signed_in
from tests.web.accounts.keys import new_key
from tests.web.chat.test_chat_matrix import ROUTES as CHAT_ROUTES
from tests.web.conftest import MakeApp
from tests.web.uploads.bench import Draft, id_of
from tests.web.uploads.by_link import by_link
from transfer_service.wire.chunk_frames import LONG_FRAME, SHORT_FRAME

# method, path, body                                       nobody alice bob  root
TABLE = [
    ("GET", "/", b"", 200, 200, 200, 200),
    ("GET", "/console/", b"", 200, 200, 200, 200),
    ("GET", "/console/files", b"", 200, 200, 200, 200),
    ("GET", "/assets/1/console/app.js", b"", 200, 200, 200, 200),
    ("GET", "/healthz", b"", 200, 200, 200, 200),
    ("GET", "/readyz", b"", 200, 200, 200, 200),
    ("GET", "/openapi.yaml", b"", 200, 200, 200, 200),
    ("GET", "/docs", b"", 200, 200, 200, 200),
    ("GET", "/docs/assets/swagger-ui.css", b"", 200, 200, 200, 200),
    ("POST", "/auth/token", b"", 400, 400, 400, 400),
    ("POST", "/token", b"", 400, 400, 400, 400),
    ("POST", "/auth/login", b"", 400, 400, 400, 400),
    ("GET", "/auth/oidc/login", b"", 404, 404, 404, 404),
    ("GET", "/auth/oidc/callback?code=x&state=y", b"", 404, 404, 404, 404),
    ("POST", "/auth/refresh", b"", 401, 401, 401, 401),
    ("POST", "/auth/logout", b"", 401, 204, 204, 204),
    ("GET", "/auth/me", b"", 401, 200, 200, 200),
    ("POST", "/auth/password", b"{}", 401, 400, 400, 400),
    ("POST", "/auth/keys", b'{"name": "camera", "scopes": ["upload"]}', 401, 201, 201, 201),
    ("POST", "/api/links", b'{"upload": true}', 401, 201, 201, 201),
    ("GET", "/api/links", b"", 401, 200, 200, 200),
    ("GET", "/api/links/{link_id}", b"", 401, 200, 404, 404),
    ("DELETE", "/api/links/{link_id}", b"", 401, 204, 404, 404),
    ("GET", "/s/{token}", b"", 200, 200, 200, 200),
    ("POST", "/s/{token}/unlock", b"{}", 400, 400, 400, 400),
    ("GET", "/s/{token}/files/{file_id}", b"", 200, 200, 200, 200),
    ("HEAD", "/s/{token}/files/{file_id}", b"", 200, 200, 200, 200),
    ("GET", "/s/{token}/zip", b"", 200, 200, 200, 200),
    ("GET", "/s/{token}/files/{file_id}/thumbnail?size=160", b"", 404, 404, 404, 404),
    ("GET", "/s/{token}/files/{trashed_id}", b"", 404, 404, 404, 404),
    ("POST", "/s/{upload_token}/uploads", b"x", 201, 201, 201, 201),
    ("GET", "/s/{upload_token}/uploads", b"", 405, 405, 405, 405),
    ("GET", "/s/{upload_token}/uploads/{link_upload_id}", b"", 200, 200, 200, 200),
    ("HEAD", "/s/{upload_token}/uploads/{link_upload_id}", b"", 204, 204, 204, 204),
    ("PATCH", "/s/{upload_token}/uploads/{link_upload_id}", b"x", 204, 204, 204, 204),
    ("DELETE", "/s/{upload_token}/uploads/{link_upload_id}", b"", 204, 204, 204, 204),
    ("OPTIONS", "/s/{upload_token}/uploads", b"", 204, 204, 204, 204),
    ("OPTIONS", "/s/{upload_token}/uploads/{link_upload_id}", b"", 204, 204, 204, 204),
    ("GET", "/s/{upload_token}/uploads/{upload_id}", b"", 404, 404, 404, 404),
    ("POST", "/s/{token}/uploads", b"x", 404, 404, 404, 404),
    ("GET", "/auth/keys", b"", 401, 200, 200, 200),
    ("DELETE", "/auth/keys/{key_id}", b"", 401, 204, 404, 404),
    ("GET", "/api/files", b"", 401, 200, 200, 200),
    ("POST", "/api/files?filename=new.bin", b"x", 401, 201, 201, 201),
    ("POST", "/api/files/upload?filename=part.bin", LONG_FRAME.format(0, b"x"), 401, 200, 200, 200),
    ("GET", "/api/files?folder=day", b"", 401, 200, 404, 404),
    ("POST", "/api/folders", b'{"path": "day"}', 401, 200, 201, 201),
    ("GET", "/api/folders/day", b"", 401, 200, 404, 404),
    ("PATCH", "/api/folders/day", b'{"path": "night"}', 401, 200, 404, 404),
    ("DELETE", "/api/folders/day", b"", 401, 204, 404, 404),
    ("GET", "/api/trash", b"", 401, 200, 200, 200),
    ("POST", "/api/trash/{trashed_id}/restore", b"", 401, 200, 404, 404),
    ("DELETE", "/api/trash/{trashed_id}", b"", 401, 204, 404, 404),
    ("DELETE", "/api/trash", b"", 401, 204, 204, 204),
    ("GET", "/api/files/status/log.bin", b"", 401, 200, 200, 200),
    ("GET", "/api/files/{file_id}", b"", 401, 200, 404, 404),
    ("PATCH", "/api/files/{file_id}", b'{"filename": "log.bin"}', 401, 200, 404, 404),
    ("PUT", "/api/files/put.bin", b"x", 401, 201, 201, 201),
    ("DELETE", "/api/files/log.bin", b"", 401, 200, 404, 404),
    ("GET", "/api/files/download/log.bin", b"", 401, 200, 404, 404),
    ("HEAD", "/api/files/download/log.bin", b"", 401, 200, 404, 404),
    ("GET", "/api/files/{file_id}/download", b"", 401, 200, 403, 403),
    ("HEAD", "/api/files/{file_id}/download", b"", 401, 200, 403, 403),
    ("GET", "/api/files/{file_id}/thumbnail?size=160", b"", 401, 404, 404, 404),
    ("HEAD", "/api/files/{file_id}/thumbnail?size=160", b"", 401, 404, 404, 404),
    ("POST", "/api/files/{file_id}/url", b"{}", 401, 200, 404, 404),
    ("POST", "/api/bundles", b'{"folders": ["day"]}', 401, 201, 404, 404),
    ("GET", "/api/bundles/{bundle_id}", b"", 401, 200, 404, 404),
    ("HEAD", "/api/bundles/{bundle_id}", b"", 401, 200, 404, 404),
    ("POST", "/upload/part.bin", SHORT_FRAME.format(0, b"x"), 401, 200, 200, 200),
    ("GET", "/status/log.bin", b"", 401, 200, 200, 200),
    ("GET", "/download/log.bin", b"", 401, 200, 404, 404),
    ("HEAD", "/download/log.bin", b"", 401, 200, 404, 404),
    ("GET", "/download/{file_id}", b"", 401, 200, 404, 404),
    ("GET", "/api/uploads", b"", 401, 200, 200, 200),
    ("POST", "/api/uploads", b"x", 401, 201, 201, 201),
    ("GET", "/api/uploads/{upload_id}", b"", 401, 200, 404, 404),
    ("HEAD", "/api/uploads/{upload_id}", b"", 401, 204, 404, 404),
    ("PATCH", "/api/uploads/{upload_id}", b"x", 401, 204, 404, 404),
    ("DELETE", "/api/uploads/{upload_id}", b"", 401, 204, 404, 404),
    ("OPTIONS", "/api/uploads", b"", 204, 204, 204, 204),
    ("OPTIONS", "/api/uploads/{upload_id}", b"", 204, 204, 204, 204),
    ("GET", "/api/uploads/{file_id}", b"", 401, 200, 404, 404),
    ("DELETE", "/api/uploads/{file_id}", b"", 401, 404, 404, 404),
    ("POST", "/cleanup", b"", 401, 403, 403, 200),
    ("GET", "/api/account/export", b"", 401, 200, 200, 200),
    ("HEAD", "/api/account/export", b"", 401, 200, 200, 200),
    ("GET", "/api/admin/accounts", b"", 401, 403, 403, 200),
    ("POST", "/api/admin/accounts", b'{"name": "carol"}', 401, 403, 403, 201),
    ("PATCH", "/api/admin/accounts/bob", b'{"quota_bytes": 5}', 401, 403, 403, 200),
    ("GET", "/accounts?search=bo", b"", 401, 200, 200, 200),
    ("GET", "/auth/sessions", b"", 401, 200, 200, 200),
    ("DELETE", "/auth/sessions/{session_id}", b"", 401, 204, 404, 404),
    ("DELETE", "/api/admin/accounts/bob", b"", 401, 403, 403, 204),
    ("GET", "/api/admin/usage", b"", 401, 403, 403, 200),
    ("GET", "/api/admin/transfers", b"", 401, 403, 403, 200),
    ("DELETE", "/api/admin/transfers/{upload_id}", b"", 401, 403, 403, 204),
    ("POST", "/api/webhooks", b'{"url": "https://hook.example/"}', 401, 403, 403, 201),
    ("GET", "/api/webhooks", b"", 401, 403, 403, 200),
    ("DELETE", "/api/webhooks/00000000-0000-0000-0000-000000000000", b"", 401, 403, 403, 404),
    ("POST", "/api/webhooks/00000000-0000-0000-0000-000000000000/test", b"", 401, 403, 403, 404),
    ("GET", "/api/webhooks/failed", b"", 401, 403, 403, 200),
    ("POST", "/api/webhooks/failed/00000000-0000-0000-0000-000000000000/redeliver", b"", 401, 403, 403, 404),
    ("GET", "/api/activities", b"", 401, 403, 403, 403),
    ("GET", "/api/downloads", b"", 401, 200, 200, 200),
    ("POST", "/api/downloads/00000000-0000-0000-0000-000000000000/download", b"{}", 401, 403, 403, 403),
    ("DELETE", "/api/downloads/00000000-0000-0000-0000-000000000000/download", b"", 401, 403, 403, 403),
    ("GET", "/api/downloads/00000000-0000-0000-0000-000000000000/download/progress", b"", 401, 404, 404, 404),
    ("DELETE", "/api/downloads/00000000-0000-0000-0000-000000000000/archive/1", b"", 401, 403, 403, 403),
    ("GET", "/api/games", b"", 401, 200, 200, 200),
    ("GET", "/api/games/00000000-0000-0000-0000-000000000000", b"", 401, 404, 404, 404),
    ("GET", "/api/games/00000000-0000-0000-0000-000000000000/launch", b"", 401, 404, 404, 404),
    ("GET", "/game-zip/00000000-0000-0000-0000-000000000000/x", b"", 401, 404, 404, 404),
    ("GET", "/game-zip/http://example.com", b"", 401, 404, 404, 404),
    ("GET", "/game-zip/https://example.com", b"", 401, 404, 404, 404),
]
APPEND = {"Upload-Offset": "0", "Upload-Complete": "?0", "Content-Type": "application/partial-upload"}
WHO = ["nobody", "alice", "bob", "root"]


def cells(*, that_change: bool) -> list[Any]:
    """The table's cells whose calls change something, or the others."""
    return [
        pytest.param(method, path, body, who, status, id=f"{method}-{path.partition('?')[0]}-{who}")
        for method, path, body, *statuses in TABLE
        for who, status in zip(WHO, statuses, strict=True)
        if that_change == (status < 400 and method not in {"GET", "HEAD", "OPTIONS"})
    ]


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(trash_days=30)


@pytest.fixture(scope="module")
def shared_facts(shared_device: Device) -> dict[str, Any]:
    """What the paths of calls that change nothing are about."""
    return _facts(shared_device)


def _facts(device: Device) -> dict[str, Any]:
    device.post("/api/folders", json={"path": "day"})
    trashed_id = device.store(b"gone", "gone.bin")["file_id"]
    assert device.delete("/api/files/gone.bin").status_code == 200
    made: Any = device.post("/api/bundles", json={"folders": ["day"]}).get_json()
    ids = {
        "trashed_id": trashed_id,
        "upload_id": id_of(Draft(device).begin()),
        "key_id": new_key(device, "upload")["id"],
        "session_id": device.get("/auth/sessions").get_json()["sessions"][-1]["id"],
        "bundle_id": urlsplit(made["url"]).path.rpartition("/")[2],
    }
    stored = device.store(b"hello")
    link = device.post("/api/links", json={"file_ids": [stored["file_id"]]}).get_json()
    guest = by_link(device)
    ids |= {"upload_token": guest.path.split("/")[2], "link_upload_id": id_of(Draft(guest).begin())}
    return {**stored, "link_id": link["id"], "token": link["url"].rpartition("/")[2], **ids}


@pytest.mark.parametrize(("method", "path", "body", "who", "expected"), cells(that_change=True))
def test_calls_that_change_something(
    app: Flask, device: Device, method: str, path: str, body: bytes, who: str, expected: int
) -> None:
    _ask(app, device, _facts(device), method, path, body, who, expected)


@pytest.mark.parametrize(("method", "path", "body", "who", "expected"), cells(that_change=False))
def test_calls_that_change_nothing(
    shared_app: Flask,
    shared_device: Device,
    shared_facts: dict[str, Any],
    method: str,
    path: str,
    body: bytes,
    who: str,
    expected: int,
) -> None:
    before = shared_device.status()
    _ask(shared_app, shared_device, shared_facts, method, path, body, who, expected)
    assert (shared_device.status(), shared_device.names()) == (before, ["log.bin"])


def _ask(
    app: Flask, device: Device, facts: dict[str, Any], method: str, path: str, body: bytes, who: str, expected: int
) -> None:
    asking = Device(app.test_client(use_cookies=False), {}) if who == "nobody" else signed_in(app, who)
    headers = {"Content-Range": "bytes 0-0/1"} if path.startswith("/upload/") else {}
    headers = APPEND if method == "PATCH" and "/uploads/{" in path else headers
    with asking.request(method, path.format(**facts), data=body or None, headers=headers, buffered=True) as response:
        assert response.status_code == expected
        assert expected != 401 or response.headers["WWW-Authenticate"] == "Bearer"
    assert "log.bin" in device_names(device, method, path, who)


def device_names(device: Device, method: str, path: str, who: str) -> list[str]:
    """Alice's files, with what she herself deleted in this call, or could not list after her logout, put back."""
    if who == "alice" and (method == "DELETE" or path == "/auth/logout"):
        return ["log.bin"]
    return device.names()


def test_this_table_and_that_of_chat_have_every_route(shared_app: Flask) -> None:
    listed = {(method, path.partition("?")[0]) for method, path, *_ in [*TABLE, *CHAT_ROUTES]}
    for rule in shared_app.url_map.iter_rules():
        pattern = re.compile(re.sub(r"<[^>]+>", "[^/]+", rule.rule.replace(".", r"\.")))
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            assert any(method == each and pattern.fullmatch(path) for each, path in listed), (method, rule.rule)
