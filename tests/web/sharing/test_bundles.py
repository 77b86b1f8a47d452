"""`/api/bundles`: an archive of a selection by a signed address."""

import io
import json
import uuid
import zipfile
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

from tests.conftest import Clock, Device, frame
from tests.web.accounts.keys import new_key
from tests.web.conftest import SignIn
from tests.web.sharing.bench import INVALID, fetch, local, query_of, refusal, with_query

BIG = bytes(range(256)) * 1000


@pytest.fixture
def file_ids(device: Device) -> list[str]:
    return [device.store(data, name)["file_id"] for data, name in ((b"one", "a/1.bin"), (BIG, "2.bin"))]


def make(device: Device, **fields: Any) -> dict[str, Any]:
    answer = device.post("/api/bundles", json=fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.get_json()
    return made


def contents(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def test_it_is_an_archive_of_the_size_told_by_an_address_for_a_day(
    app: Flask, device: Device, file_ids: list[str], clock: Clock
) -> None:
    made = make(device, file_ids=file_ids, folders=["a"], name="Urlaub")
    assert made.keys() == {"url", "size", "expires_at"}
    assert abs(int(query_of(made["url"])["expires"]) - clock.at.timestamp() - 24 * 3600) <= 0.5
    response = fetch(app, made["url"])
    assert (response.status_code, response.content_type) == (200, "application/zip")
    assert response.headers["Content-Disposition"] == 'attachment; filename="Urlaub.zip"'
    assert int(response.headers["Content-Length"]) == len(response.data) == made["size"]
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert contents(response.data) == {"1.bin": b"one", "2.bin": BIG, "a/1.bin": b"one"}


@pytest.mark.parametrize(
    ("name", "told"), [({}, "files.zip"), ({"name": "x.ZIP"}, "x.ZIP"), ({"name": "a b"}, "a b.zip")]
)
def test_its_name(app: Flask, device: Device, file_ids: list[str], name: dict[str, str], told: str) -> None:
    made = make(device, file_ids=file_ids, **name)
    assert fetch(app, made["url"], method="HEAD").headers["Content-Disposition"] == f'attachment; filename="{told}"'


def test_ranges_conditions_and_heads_are_those_of_every_download(
    app: Flask, device: Device, file_ids: list[str]
) -> None:
    url = make(device, file_ids=file_ids)["url"]
    whole = fetch(app, url)
    etag, date = whole.headers["ETag"], whole.headers["Last-Modified"]
    assert etag.startswith('"')

    def ask(method: str = "GET", **headers: str) -> Any:
        return fetch(
            app, url, method=method, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    part = ask(Range="bytes=10-300000", If_Range=etag)
    assert (part.status_code, part.data) == (206, whole.data[10:300001])
    assert part.headers["Content-Range"] == f"bytes 10-{len(whole.data) - 1}/{len(whole.data)}"
    assert ask(Range="bytes=-22", If_Range=date).data == whole.data[-22:]
    assert ask(Range="bytes=5-", If_Range='"other"').status_code == 200
    several = ask(Range="bytes=0-3,1000-1003,-4")
    assert several.status_code == 206
    assert several.content_type.startswith("multipart/byteranges")
    for piece in (whole.data[:4], whole.data[1000:1004], whole.data[-4:]):
        assert piece in several.data
    assert ask(If_None_Match=etag).status_code == 304
    assert ask(If_Match='"other"').status_code == 412
    assert ask(Range=f"bytes={len(whole.data)}-").status_code == 416
    head = ask("HEAD")
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(len(whole.data)))
    assert ask("POST").status_code == 405


def test_a_renamed_file_changes_nothing_and_one_that_is_gone_ends_it(
    app: Flask, device: Device, file_ids: list[str]
) -> None:
    url = make(device, file_ids=file_ids)["url"]
    before = fetch(app, url)
    assert device.request("PATCH", f"/api/files/{file_ids[0]}", json={"filename": "b/other.bin"}).status_code == 200
    after = fetch(app, url)
    assert (after.data, after.headers["ETag"]) == (before.data, before.headers["ETag"])
    assert after.headers["Last-Modified"] == before.headers["Last-Modified"]
    assert device.delete(f"/api/files/{file_ids[0]}").status_code == 200
    assert refusal(fetch(app, url)) == (403, INVALID)
    assert refusal(fetch(app, url, headers={"Range": "bytes=0-1"})) == (403, INVALID)
    assert device.get(urlsplit(url).path).status_code == 404


def test_a_file_that_grows_on_is_not_readable_meanwhile_and_its_first_bytes_are_in_it_again_afterwards(
    app: Flask, device: Device
) -> None:
    file_id = device.post("/api/files/upload?filename=grows.bin", data=frame(0, b"hello")).get_json()["file_id"]
    url = make(device, file_ids=[file_id])["url"]
    before = fetch(app, url).data
    device.post("/api/files/upload?filename=grows.bin", data=frame(7, b"!"))
    assert refusal(fetch(app, url)) == (403, INVALID)
    device.post("/api/files/upload?filename=grows.bin", data=frame(5, b", "))
    assert fetch(app, url).data == before


def test_an_altered_or_expired_address_is_refused(
    app: Flask, device: Device, file_ids: list[str], clock: Clock
) -> None:
    url, other = make(device, file_ids=file_ids)["url"], make(device, file_ids=file_ids[:1])["url"]
    query = {name: query_of(other)[name] for name in ("account", "expires", "signature")}
    assert refusal(fetch(app, with_query(url, **query))) == (403, INVALID)
    assert fetch(app, local(url).partition("?")[0]).status_code == 401
    clock.at = clock.at.fromtimestamp(clock.at.timestamp() + 24 * 3600 + 1, clock.at.tzinfo)
    assert refusal(fetch(app, url)) == (403, INVALID)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"file_ids": []}, id="empty"),
        pytest.param({"file_ids": [], "folders": ["a"]}, id="empty-beside-a-folder"),
        pytest.param({"file_ids": "x"}, id="no-list"),
        pytest.param({"file_ids": ["x"]}, id="no-uuid"),
        pytest.param({"file_ids": [1]}, id="number"),
        pytest.param({"file_ids": [None]}, id="null"),
        pytest.param({"file_ids": {"a": 1}}, id="object"),
        pytest.param({"folders": "a"}, id="folders-no-list"),
        pytest.param({"folders": [""]}, id="top"),
        pytest.param({"folders": ["/a"]}, id="slash"),
        pytest.param({"folders": ["../a"]}, id="up"),
        pytest.param({"folders": ["a"], "name": ""}, id="no-name"),
        pytest.param({"folders": ["a"], "name": 5}, id="name-number"),
        pytest.param({"folders": ["a"], "name": None}, id="name-null"),
        pytest.param({"folders": ["a"], "name": "a/b"}, id="name-path"),
        pytest.param({"folders": ["a"], "name": "a\\b"}, id="name-backslash"),
        pytest.param({"folders": ["a"], "name": "x" * 252}, id="name-too-long"),
        pytest.param({"folders": ["a"], "name": "a\r\nX: 1"}, id="name-control"),
        pytest.param({"folders": ["a"], "name": "\ud800"}, id="name-surrogate"),
        pytest.param({"file_ids": [str(uuid.UUID(int=n)) for n in range(10_001)]}, id="too-many"),
    ],
)
def test_bad_fields_are_refused(device: Device, file_ids: list[str], fields: dict[str, Any]) -> None:
    assert device.post("/api/bundles", json=fields).status_code == 400
    assert file_ids


def test_as_many_files_as_may_be_can_be_told_however_they_are_laid_out(device: Device) -> None:
    body = json.dumps({"file_ids": [str(uuid.UUID(int=n)) for n in range(10_000)]}, indent=4)
    answer = device.post("/api/bundles", data=body, content_type="application/json")
    assert (answer.status_code, answer.get_json()) == (404, {"detail": "File not found"})


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"\xff"])
def test_bodies_that_are_no_objects_are_refused(device: Device, body: bytes) -> None:
    assert device.post("/api/bundles", data=body, content_type="application/json").status_code == 400


def test_what_is_not_there_is_404(app: Flask, device: Device, sign_in: SignIn, file_ids: list[str]) -> None:
    other = sign_in(app, "bob")
    unfinished = device.post("/api/files/upload?filename=p.bin&total_size=9", data=frame(0, b"x")).get_json()["file_id"]
    for whose, fields, detail in (
        (device, {"file_ids": [str(uuid.uuid4())]}, "File not found"),
        (device, {"file_ids": [*file_ids, unfinished]}, "File is not complete and cannot be bundled"),
        (device, {"folders": ["nowhere"]}, "Folder not found"),
        (other, {"file_ids": file_ids}, "File not found"),
        (other, {"folders": ["a"]}, "Folder not found"),
    ):
        answer = whose.post("/api/bundles", json=fields)
        assert (answer.status_code, answer.get_json()) == (404, {"detail": detail})
    path = urlsplit(make(device, file_ids=file_ids)["url"]).path
    assert [device.get(path).status_code, other.get(path).status_code] == [200, 404]
    for unknown in ("x", str(uuid.uuid4())):
        assert device.get(f"/api/bundles/{unknown}").get_json() == {"detail": "Bundle not found"}


def test_a_key_for_downloads_may_make_one_and_others_may_not(app: Flask, device: Device, file_ids: list[str]) -> None:
    for scope, status in (("download", 201), ("upload", 403), ("files", 403)):
        key = new_key(device, scope)["key"]
        answer = app.test_client(use_cookies=False).post(
            "/api/bundles", json={"file_ids": file_ids}, headers={"Authorization": f"Bearer {key}"}
        )
        assert answer.status_code == status


def test_names_that_windows_cannot_have_come_out_as_it_can(app: Flask, device: Device) -> None:
    ids = [device.store(b"x", name)["file_id"] for name in ("C:", "CON.txt", "a?", "a*", "dot.")]
    assert list(contents(fetch(app, make(device, file_ids=ids)["url"]).data)) == [
        "C_", "_CON.txt", "a_", "a_ (2)", "dot_",
    ]  # fmt: skip
