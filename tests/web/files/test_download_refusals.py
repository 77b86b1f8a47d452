"""Reading what cannot be read: unknown, unfinished, foreign, lost and damaged files."""

import os
import uuid
from pathlib import Path

import pytest

from tests.conftest import Device, frame
from tests.web.conftest import blob_path, blobs

NOBODY = str(uuid.uuid4())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("target", "body"),
    [
        pytest.param(
            f"/api/files/{NOBODY}/download", {"error": {"message": "File not found", "statusCode": 404}}, id="mobile"
        ),
        pytest.param(
            "/api/files/no-uuid/download",
            {"error": {"message": "File not found", "statusCode": 404}},
            id="mobile-no-uuid",
        ),
        pytest.param(
            f"/api/files/{NOBODY.replace('-', '')}/download",
            {"error": {"message": "File not found", "statusCode": 404}},
            id="mobile-uuid-without-hyphens",
        ),
        pytest.param("/api/files/download/none.bin", {"detail": "File none.bin not found"}, id="by-name"),
        pytest.param("/download/none.bin", {"detail": "File not found"}, id="root-by-name"),
        pytest.param(f"/download/{NOBODY}", {"detail": "File not found"}, id="root-by-uuid"),
    ],
)
def test_an_unknown_file_is_404(shared_device: Device, method: str, target: str, body: dict[str, object]) -> None:
    response = shared_device.request(method, target)
    assert response.status_code == 404
    assert method == "HEAD" or response.get_json() == body


def test_an_unfinished_file_is_404_in_the_words_of_each_door(device: Device) -> None:
    file_id = device.send(frame(0, b"x"), query={"total_size": 9}).get_json()["file_id"]
    detail = "File is not complete and cannot be downloaded"
    targets = [
        f"/api/files/{file_id}/download",
        "/api/files/download/log.bin",
        "/download/log.bin",
        f"/download/{file_id}",
    ]
    responses = [device.get(target) for target in targets]
    assert [response.status_code for response in responses] == [404] * 4
    assert [response.get_json() for response in responses] == [
        {"error": {"message": detail, "statusCode": 404}},
        {"detail": detail},
        {"detail": "File not found"},
        {"detail": "File not found"},
    ]


@pytest.mark.parametrize("total", [5, 9], ids=["finished", "unfinished"])
def test_a_foreign_file_is_403_at_the_mobile_door(
    device: Device, other_device: Device, admin: Device, total: int
) -> None:
    file_id = device.send(frame(0, b"hello"), query={"total_size": total}).get_json()["file_id"]
    for stranger in (other_device, admin):
        response = stranger.get(f"/api/files/{file_id}/download", headers={"Range": "bytes=0-0"})
        assert response.status_code == 403
        assert response.get_json() == {"error": {"message": "Forbidden", "statusCode": 403}}


def test_a_foreign_file_is_404_at_the_doors_by_name(device: Device, other_device: Device) -> None:
    file_id = device.store(b"secret")["file_id"]
    responses = [other_device.get(target) for target in (f"/download/{file_id}", "/download/log.bin")]
    assert [(each.status_code, each.get_json()) for each in responses] == [(404, {"detail": "File not found"})] * 2


@pytest.mark.parametrize(
    "headers", [{}, {"Range": "bytes=0-1"}, {"Range": "bytes=0-0,2-2"}], ids=["whole", "one", "two"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_bytes_that_are_gone_are_404(device: Device, tmp_path: Path, method: str, headers: dict[str, str]) -> None:
    file_id = device.store(b"hello")["file_id"]
    blob_path(tmp_path / "data", file_id).unlink()
    targets = [f"/api/files/{file_id}/download", "/api/files/download/log.bin", "/download/log.bin"]
    responses = [device.request(method, target, headers=headers) for target in targets]
    assert [response.status_code for response in responses] == [404] * 3
    assert method == "HEAD" or responses[0].get_json() == {"error": {"message": "File not found", "statusCode": 404}}
    assert device.names() == ["log.bin"]


@pytest.mark.parametrize(
    "headers", [{}, {"Range": "bytes=0-1"}, {"Range": "bytes=0-0,4-4"}], ids=["whole", "one", "two"]
)
def test_bytes_that_are_cut_off_are_500(device: Device, tmp_path: Path, headers: dict[str, str]) -> None:
    file_id = device.store(b"hello")["file_id"]
    os.truncate(blob_path(tmp_path / "data", file_id), 3)
    mobile, by_name = (
        device.get(target, headers=headers) for target in (f"/api/files/{file_id}/download", "/download/log.bin")
    )
    assert (mobile.status_code, by_name.status_code) == (500, 500)
    assert mobile.get_json() == {"error": {"message": "Error reading file", "statusCode": 500}}
    assert by_name.get_json() == {"detail": "Error reading file"}


def test_bytes_that_cannot_be_read_are_500(device: Device, tmp_path: Path) -> None:
    path = blob_path(tmp_path / "data", device.store(b"hello")["file_id"])
    path.unlink()
    path.mkdir()
    response = device.get("/download/log.bin")
    assert (response.status_code, response.get_json()) == (500, {"detail": "Error reading file"})


@pytest.mark.parametrize("change", ["delete", "replace"])
def test_a_file_that_is_changed_while_it_is_read_gives_the_old_bytes(
    device: Device, tmp_path: Path, change: str
) -> None:
    old = bytes(range(256)) * 4096
    device.store(old)
    response = device.get("/download/log.bin", buffered=False)
    chunks = response.iter_encoded()
    first = next(iter(chunks))
    if change == "delete":
        device.delete("/api/files/log.bin")
    else:
        device.store(b"new" * 400_000, query={"overwrite": "true"})
    assert first + b"".join(chunks) == old
    response.close()
    assert len(blobs(tmp_path / "data")) == (change == "replace")
