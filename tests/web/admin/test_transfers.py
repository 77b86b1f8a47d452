"""`/api/admin/transfers`: what is under way at every door, and its end."""

import threading
import uuid
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Clock, Device, frame
from tests.live.server import wait_until
from tests.remote_jobs import SIZE, Jobs
from tests.web.conftest import MakeApp
from tests.web.uploads.bench import Draft, Tus, id_of
from tests.web.uploads.by_link import by_link
from transfer_service.bootstrap import Services
from transfer_service.models.games import DownloadState


@pytest.fixture
def app(request: pytest.FixtureRequest, make_app: MakeApp) -> Flask:
    """On SQLite; on both databases for tests that use `database_url`."""
    url = request.getfixturevalue("database_url") if "database_url" in request.fixturenames else None
    return make_app(database_url=url)


def listed(admin: Device, **query: Any) -> list[dict[str, Any]]:
    answer = admin.get("/api/admin/transfers", query_string=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.get_json()["transfers"]
    return found


def cancel(admin: Device, transfer_id: object) -> int:
    return admin.delete(f"/api/admin/transfers/{transfer_id}").status_code


def begin_one_of_each(services: Services, device: Device, other_device: Device) -> dict[str, str]:
    """An unfinished upload by each door, and a remote download; their ids by kind."""
    device.send(frame(0, b"four"), "chunks.bin", query={"total_size": 9})
    short = other_device.send_range("short.bin", 0, b"four", 9)
    assert short.status_code == 200, short.text
    guest = by_link(device)
    return {
        "chunks": device.status("chunks.bin")["file_id"],
        "tus": str(id_of(Tus(device).begin({"Upload-Length": "100"}, filename="day/tus.bin"))),
        "ietf": str(id_of(Draft(other_device).begin(b"hello"))),
        "guest": str(id_of(Draft(guest).begin(b"guest"))),
        "download": str(Jobs(services.database).add_job()[1]),
    }


@pytest.mark.usefixtures("database_url")
def test_every_door_is_there(services: Services, device: Device, other_device: Device, admin: Device) -> None:
    ids = begin_one_of_each(services, device, other_device)
    device.store(b"whole", "whole.bin")
    found = {each["id"]: each for each in listed(admin)}
    kinds = sorted((each["kind"], each["account"], each["offset"], each["length"]) for each in found.values())
    assert kinds == [
        ("chunks", "alice", 4, 9),
        ("chunks", "bob", 4, 9),
        ("download", "alice", 0, SIZE),
        ("ietf", "alice", 5, None),
        ("ietf", "bob", 5, None),
        ("tus", "alice", 0, 100),
    ]
    assert found[ids["tus"]]["filename"] == "day/tus.bin"
    assert [each["id"] for each in found.values() if each["link_id"]] == [ids["guest"]]


@pytest.mark.usefixtures("database_url")
def test_pages_together_are_the_whole(
    services: Services, device: Device, other_device: Device, admin: Device, clock: Clock
) -> None:
    begin_one_of_each(services, device, other_device)
    clock.advance(seconds=1)
    Draft(device).begin(b"later")
    seen, cursor = [], None
    while True:
        answer = admin.get("/api/admin/transfers", query_string={"limit": 2, **({"cursor": cursor} if cursor else {})})
        seen += answer.get_json()["transfers"]
        cursor = answer.get_json()["next_cursor"]
        if cursor is None:
            break
    assert seen == listed(admin)
    assert len(seen) == 7


@pytest.mark.parametrize("kind", ["chunks", "tus", "ietf", "guest", "download"])
def test_a_cancelled_transfer_is_gone(
    services: Services, device: Device, other_device: Device, admin: Device, kind: str
) -> None:
    ids = begin_one_of_each(services, device, other_device)
    used = services.accounts.get("alice").used_bytes
    assert cancel(admin, ids[kind]) == 204
    assert ids[kind] not in {each["id"] for each in listed(admin)}
    assert len(listed(admin)) == 5
    assert cancel(admin, ids[kind]) == 404
    freed = used - services.accounts.get("alice").used_bytes
    assert freed == {"chunks": 9, "tus": 100, "ietf": 0, "guest": 5, "download": 0}[kind]
    if kind != "download":
        assert services.store.stored_bytes(uuid.UUID(ids[kind])) is None


def test_its_owner_finds_it_gone(services: Services, device: Device, other_device: Device, admin: Device) -> None:
    ids = begin_one_of_each(services, device, other_device)
    for kind in ("chunks", "ietf", "tus"):
        assert cancel(admin, ids[kind]) == 204
    tus = device.request("PATCH", f"/api/uploads/{ids['tus']}", data=b"x", headers={
        "Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream",
    })  # fmt: skip
    assert tus.status_code == 410
    assert device.status("chunks.bin")["bytes_received"] == 0
    assert device.send(frame(0, b"four"), "chunks.bin", query={"total_size": 4}).status_code == 200  # begun anew


def test_who_cancelled_it_is_told(services: Services, device: Device, other_device: Device, admin: Device) -> None:
    ids = begin_one_of_each(services, device, other_device)
    services.accounts.grant("root", "activities.read")
    for kind in ("chunks", "tus", "guest", "download"):
        assert cancel(admin, ids[kind]) == 204
    told = admin.get("/api/activities?limit=100").get_json()["data"]
    ends = [(each["action"], each["username"]) for each in told if each["action"].endswith(".cancelled")]
    assert sorted(ends) == [("download.cancelled", "root"), *[("upload.cancelled", "root")] * 3]


def test_a_finished_file_is_no_transfer(device: Device, admin: Device) -> None:
    file_id = device.store(b"whole")["file_id"]
    finished = id_of(Tus(device).begin(None, b"hello"))
    assert {cancel(admin, file_id), cancel(admin, finished)} == {404}
    assert len(device.names()) == 2


@pytest.mark.parametrize("transfer_id", ["0", "x", "1" * 19, "٣", str(uuid.UUID(int=7)), "%00"])
def test_what_is_no_transfer_is_404(admin: Device, transfer_id: str) -> None:
    assert cancel(admin, transfer_id) == 404


def test_a_download_that_has_ended_is_404(services: Services, admin: Device) -> None:
    jobs = Jobs(services.database)
    job_id = jobs.add_job()[1]
    jobs.change(job_id, DownloadState.COMPLETED)
    assert (cancel(admin, job_id), listed(admin)) == (404, [])


@pytest.mark.usefixtures("database_url")
def test_cancelling_many_at_once_counts_each_once(services: Services, device: Device, admin: Device) -> None:
    begun = [str(id_of(Tus(device).begin({"Upload-Length": "10"}))) for _ in range(4)]
    statuses: list[int] = []
    racing = [
        threading.Thread(target=lambda each=each: statuses.append(cancel(admin, each))) for each in begun for _ in "ab"
    ]
    for thread in racing:
        thread.start()
    for thread in racing:
        thread.join()
    wait_until(lambda: len(statuses) == 8)
    assert sorted(statuses) == [204] * 4 + [404] * 4
    assert services.accounts.get("alice").used_bytes == 0
