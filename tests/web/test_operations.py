"""Asking whether the service is well: `/healthz`, `/readyz`, `/docs`; and `POST /cleanup`."""

import re
import shutil
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import Clock, Device, frame
from tests.web.conftest import MakeApp, SignIn, blobs


def test_a_living_process_says_so(shared_app: Flask) -> None:
    response = shared_app.test_client().get("/healthz")
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")


def test_a_ready_service_says_so_and_leaves_nothing_behind(app: Flask, tmp_path: Path) -> None:
    assert app.test_client().get("/readyz").status_code == 200
    assert blobs(tmp_path / "data") == []


def test_a_store_that_cannot_be_written_is_not_ready(app: Flask, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "data" / "blobs")
    response = app.test_client().get("/readyz")
    assert (response.status_code, response.get_json()) == (503, {"detail": "The store cannot be written"})
    assert int(response.headers["Retry-After"]) > 0
    assert app.test_client().get("/healthz").status_code == 200


def test_a_database_that_cannot_be_written_is_not_ready(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(database_url=f"sqlite:///{tmp_path / 'gone' / 'db.sqlite3'}")
    app.extensions["transfer_service"].database.dispose()
    shutil.rmtree(tmp_path / "gone")
    response = app.test_client().get("/readyz")
    assert (response.status_code, response.get_json()) == (503, {"detail": "The database cannot be written"})
    assert int(response.headers["Retry-After"]) > 0


def test_a_database_that_was_not_migrated_is_not_ready(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(database_url=f"sqlite:///{tmp_path / 'gone' / 'db.sqlite3'}")
    app.extensions["transfer_service"].database.dispose()
    for path in (tmp_path / "gone").iterdir():
        path.unlink()
    assert app.test_client().get("/readyz").status_code == 503


def test_the_documentation_loads_only_from_here(shared_app: Flask) -> None:
    client = shared_app.test_client()
    page = client.get("/docs")
    links = re.findall(r'(?:href|src|data-description)="([^"]+)"', page.text)
    assert (page.status_code, len(links)) == (200, 5)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert {link: client.get(link, buffered=True).status_code for link in links} == dict.fromkeys(links, 200)


def tallies(count: int, size: int, *, spent: int = 0) -> dict[str, dict[str, int]]:
    return {
        "stale_uploads": {"count": count, "bytes": size},
        "expired_trash": {"count": 0, "bytes": 0},
        "unfinished_deletions": {"count": 0, "bytes": 0},
        "orphaned_blobs": {"count": 0, "bytes": 0},
        "expired_bundles": {"count": 0, "bytes": 0},
        "spent_sign_ins": {"count": spent, "bytes": 0},
        "ended_links": {"count": 0, "bytes": 0},
        "spent_idempotency_keys": {"count": 0, "bytes": 0},
        "failed_deliveries": {"count": 0, "bytes": 0},
        "old_activities": {"count": 0, "bytes": 0},
        "orphaned_attachments": {"count": 0, "bytes": 0},
        "abandoned_conversations": {"count": 0, "bytes": 0},
        "orphaned_archives": {"count": 0, "bytes": 0},
        "orphaned_previews": {"count": 0, "bytes": 0},
        "expired_quarantine": {"count": 0, "bytes": 0},
        "download_parts": {"count": 0, "bytes": 0},
    }


def test_an_administrator_cleans_up(device: Device, admin: Device, clock: Clock, tmp_path: Path) -> None:
    device.store(b"kept", "kept.bin")
    device.send(frame(0, b"x"), "stale.bin", query={"total_size": 9})
    clock.advance(hours=24, seconds=1)
    response = admin.post("/cleanup")
    removed = response.get_json()["removed"]
    assert (response.status_code, response.get_json()["message"]) == (200, "Cleanup completed")
    assert removed == tallies(1, removed["stale_uploads"]["bytes"])
    assert (device.names(), len(blobs(tmp_path / "data"))) == (["kept.bin"], 1)


def test_a_cleanup_keeps_what_is_not_stale(device: Device, admin: Device, clock: Clock) -> None:
    device.send(frame(0, b"x"), query={"total_size": 9})
    clock.advance(hours=23)
    device.send(frame(1, b"y"))
    clock.advance(hours=23)
    assert admin.post("/cleanup").get_json()["removed"] == tallies(0, 0)
    assert device.status()["next_expected_byte"] == 2


def test_the_age_follows_the_setting(make_app: MakeApp, sign_in: SignIn, clock: Clock) -> None:
    app = make_app(stale_upload_hours=0.5)
    device = sign_in(app, "alice")
    device.send(frame(0, b"x"), query={"total_size": 9})
    clock.advance(minutes=31)
    assert sign_in(app, "root").post("/cleanup").get_json()["removed"]["stale_uploads"]["count"] == 1
    assert device.names() == []


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_nobody_else_cleans_up(app: Flask, sign_in: SignIn, clock: Clock, who: str) -> None:
    device = sign_in(app, who)
    device.send(frame(0, b"x"), query={"total_size": 9})
    clock.advance(hours=48)
    response = device.post("/cleanup")
    assert (response.status_code, response.get_json()) == (403, {"detail": "Admin privileges required"})
    assert device.names() == ["log.bin"]
