"""What comes by a key: it replaces nothing without `files`, and holds no more than its quota."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import Device, frame
from tests.services.conftest import Body
from tests.services.sharing.test_allotment_races import at_once
from tests.web.accounts.keys import keyed, new_key, showing
from tests.web.conftest import MakeApp
from tests.web.forms import file_form
from tests.web.uploads.bench import Draft, Tus, left_on, metadata, path_of
from transfer_service.bootstrap import Services
from transfer_service.errors import KeyLacksScope
from transfer_service.services.uploads.whole_files import Draft as FileDraft

LACKS = "Key lacks scope files"
BIG = b"x" * 300_000  # more than arrives at once
REPLACING: dict[str, Callable[[Device, bytes], TestResponse]] = {
    "query": lambda device, data: device.post("/api/files?filename=log.bin&overwrite=true", data=data),
    "form": lambda device, data: device.post("/api/files?overwrite=true", **file_form(data, b"log.bin")),
    "PUT": lambda device, data: device.request("PUT", "/api/files/log.bin", data=data),
    "metadata of tus": lambda device, data: Tus(device).post(
        {"Upload-Length": str(len(data)), **metadata(filename="log.bin", overwrite="true")}, data
    ),
    "query of tus": lambda device, data: Tus(device).send(
        "POST",
        "/api/uploads?overwrite=true",
        {"Upload-Length": str(len(data)), **metadata(filename="log.bin")},
        data=None,
    ),
    "query of the draft": lambda device, data: Draft(device).send(
        "POST",
        "/api/uploads?overwrite=true",
        {"Upload-Complete": "?1", "Content-Disposition": 'attachment; filename="log.bin"'},
        data=data,
    ),
}


@pytest.mark.parametrize("size", [5, 300_000], ids=["small", "large"])
@pytest.mark.parametrize("door", REPLACING)
def test_a_key_for_uploads_replaces_nothing(app: Flask, device: Device, door: str, size: int) -> None:
    stored = device.store(b"first")
    before = left_on(device)
    answer = REPLACING[door](keyed(app, "upload", "download"), b"x" * size)
    assert (answer.status_code, LACKS in answer.text) == (403, True)
    assert (device.status()["file_id"], left_on(device)) == (stored["file_id"], before)


@pytest.mark.parametrize("door", REPLACING)
def test_with_files_it_replaces(app: Flask, device: Device, door: str) -> None:
    device.store(b"first")
    answer = REPLACING[door](keyed(app, "upload", "files"), b"second")
    assert answer.status_code in {200, 201}, answer.text
    if door != "query of tus":
        assert device.get("/download/log.bin").data == b"second"
        assert device.names() == ["log.bin"]


def test_put_under_a_free_name_takes_upload_alone(app: Flask, device: Device) -> None:
    key = keyed(app, "upload")
    for name, data in (("a.bin", b"small"), ("b.bin", BIG)):
        assert key.request("PUT", f"/api/files/{name}", data=data).status_code == 201
        assert device.get(f"/download/{name}").data == data


def test_put_is_refused_before_a_wrong_digest_is(app: Flask, device: Device) -> None:
    device.store(b"first")
    headers = {"Content-Digest": "sha-256=:AAAA:"}
    answer = keyed(app, "upload").request("PUT", "/api/files/log.bin", data=b"x", headers=headers)
    assert (answer.status_code, answer.get_json()) == (403, {"detail": LACKS})


@pytest.mark.parametrize("size", [5, 300_000], ids=["small", "large"])
def test_a_file_that_comes_while_a_key_sends_is_not_replaced(device: Device, services: Services, size: int) -> None:
    """Or whoever has a key for uploads alone would begin early, and let the owner's file come first."""

    class Overtaken(Body):
        def verified(self, draft: FileDraft, sha256: bytes) -> FileDraft:
            device.store(b"the owner's")
            return super().verified(draft, sha256)

    account_id = services.accounts.get("alice").account_id
    draft = FileDraft("log.bin", "text/plain", size, overwrite=True, may_replace=False)
    with pytest.raises(KeyLacksScope):
        services.whole_files.receive(account_id, draft, Overtaken([b"x" * size]))
    assert device.get("/download/log.bin").data == b"the owner's"
    assert left_on(device)[1:] == (1, 11, 11, 1)


def test_an_upload_that_may_replace_goes_on_with_any_key_for_uploads(app: Flask, device: Device) -> None:
    device.store(b"first")
    begun = Tus(device).begin({"Upload-Length": "5"}, filename="log.bin", overwrite="true")
    assert Tus(keyed(app, "upload")).patch(begun, b"hello").status_code == 204
    assert device.get("/download/log.bin").data == b"hello"


SENDING: dict[str, Callable[[Device, str, int], TestResponse]] = {
    "whole": lambda device, name, size: device.post(f"/api/files?filename={name}", data=b"x" * size),
    "form": lambda device, name, size: device.post("/api/files", **file_form(b"x" * size, name.encode())),
    "PUT": lambda device, name, size: device.request("PUT", f"/api/files/{name}", data=b"x" * size),
    "17 bytes": lambda device, name, size: device.send(frame(0, b"x" * size), name, query={"total_size": size}),
    "17 bytes, guessed": lambda device, name, size: device.send(frame(0, b"x" * size), name),
    "12 bytes": lambda device, name, size: device.send_range(name, 0, b"x" * size, size),
    "tus": lambda device, name, size: Tus(device).post(
        {"Upload-Length": str(size), **metadata(filename=name)}, b"x" * size
    ),
    "promised by tus": lambda device, name, size: Tus(device).post(
        {"Upload-Length": str(size), **metadata(filename=name)}
    ),
    "draft": lambda device, name, size: Draft(device).post(
        b"x" * size, {"Content-Disposition": f'attachment; filename="{name}"'}, complete=True
    ),
}


def quota_of(device: Device, number: int = 0) -> tuple[Any, Any]:
    """What the list says of a key."""
    key = device.get("/auth/keys").get_json()["keys"][number]
    return key["quota_bytes"], key["used_bytes"]


@pytest.mark.parametrize("size", [100, 300_000], ids=["small", "large"])
@pytest.mark.parametrize("door", SENDING)
def test_a_key_holds_no_more_than_its_quota(app: Flask, device: Device, door: str, size: int) -> None:
    key = keyed(app, "upload", quota_bytes=2 * size)
    send = SENDING[door]
    assert send(key, "a", size).status_code in {200, 201}
    assert quota_of(device) == (2 * size, size)
    before = left_on(device)
    assert send(key, "b", size + 1).status_code == 413
    assert (quota_of(device), left_on(device)) == ((2 * size, size), before)
    assert send(key, "b", size).status_code in {200, 201}
    assert (quota_of(device), send(key, "c", 1).status_code) == ((2 * size, 2 * size), 413)
    assert send(device, "c", 1).status_code in {200, 201}  # the account's own limit is another one


@pytest.mark.parametrize("door", SENDING)
def test_what_is_deleted_makes_room_for_a_key(app: Flask, device: Device, door: str) -> None:
    key = keyed(app, "upload", quota_bytes=100)
    assert SENDING[door](key, "a", 100).status_code in {200, 201}
    uploads = device.get("/api/uploads").get_json()["uploads"]
    path = f"/api/uploads/{uploads[0]['upload_id']}" if uploads else "/api/files/a"
    assert device.delete(path).status_code in {200, 204}
    assert quota_of(device) == (100, 0)
    assert SENDING[door](key, "b", 100).status_code in {200, 201}


def test_the_quota_of_a_key_and_of_its_account_both_count(make_app: MakeApp, sign_in: Callable[..., Device]) -> None:
    app = make_app(quota_bytes=150)
    key, device = keyed(app, "upload", quota_bytes=100), sign_in(app, "alice")
    device.store(b"x" * 100, "own")
    answer = key.post("/api/files?filename=a", data=b"x" * 60)
    assert answer.status_code == 413
    assert key.post("/api/files?filename=a", data=b"x" * 50).status_code == 201
    assert (quota_of(device), device.get("/auth/me").get_json()["used_bytes"]) == ((100, 50), 150)


def test_each_key_has_a_quota_of_its_own(app: Flask, device: Device) -> None:
    first, second = (keyed(app, "upload", quota_bytes=10) for _ in range(2))
    assert first.post("/api/files?filename=a", data=b"x" * 10).status_code == 201
    assert second.post("/api/files?filename=b", data=b"x" * 10).status_code == 201
    assert first.post("/api/files?filename=c", data=b"x").status_code == 413
    assert [quota_of(device, number) for number in (0, 1)] == [(10, 10), (10, 10)]


def test_a_key_without_quota_has_its_accounts(app: Flask, device: Device) -> None:
    assert keyed(app, "upload").post("/api/files?filename=a", data=b"x" * 1000).status_code == 201
    assert quota_of(device) == (None, None)


def test_what_a_revoked_key_has_sent_stays(app: Flask, device: Device) -> None:
    made = new_key(device, "upload", quota_bytes=10)
    key = showing(app, made["key"])
    assert key.post("/api/files?filename=a", data=b"x" * 8).status_code == 201
    begun = Tus(key).post({"Upload-Length": "2", **metadata(filename="b")})
    assert device.delete(f"/auth/keys/{made['id']}").status_code == 204
    assert Tus(device).patch(path_of(begun.headers["Location"]), b"no").status_code == 204
    assert sorted(device.names()) == ["a", "b"]
    assert device.delete("/api/files/a").status_code == 200
    assert device.get("/auth/me").get_json()["used_bytes"] == 2


def test_many_at_once_get_no_more_than_the_quota(app: Flask, device: Device) -> None:
    text = new_key(device, "upload", quota_bytes=100)["key"]
    statuses: list[int] = []

    def send(number: int) -> None:
        door = list(SENDING.values())[number % len(SENDING)]
        statuses.append(door(showing(app, text), f"{number}.bin", 10).status_code)

    assert at_once([lambda number=number: send(number) for number in range(27)]) == []  # type: ignore[misc] # the number
    assert (len([each for each in statuses if each in {200, 201}]), statuses.count(413)) == (10, 17)
    assert (quota_of(device), device.get("/auth/me").get_json()["used_bytes"]) == ((100, 100), 100)
