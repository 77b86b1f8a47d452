"""Where the name of a file in a form comes from: the query, the field `filename`, the part itself."""

from typing import Any

import pytest

from tests.conftest import Device, frame
from tests.web.forms import form, part

DOORS = {"/api/files": b"hello", "/api/files/upload": frame(0, b"hello")}
LARGE = b"x" * (3 * 1024 * 1024)


def field(value: str) -> bytes:
    return part("filename", value.encode())


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    path: str = request.param
    return path


def send(device: Device, door: str, *parts: bytes, query: str = "") -> tuple[int, Any]:
    answer = device.post(door + query, **form(*parts))
    return answer.status_code // 100, answer.get_json()


@pytest.mark.parametrize(
    ("query", "before", "own", "behind", "name"),
    [
        pytest.param("", None, b"part.bin", None, "part.bin", id="part"),
        pytest.param("", "field.bin", b"part.bin", None, "field.bin", id="field-in-front"),
        pytest.param("", None, b"part.bin", "field.bin", "field.bin", id="field-behind"),
        pytest.param("", "field.bin", None, None, "field.bin", id="only-a-field-in-front"),
        pytest.param("", None, None, "field.bin", "field.bin", id="only-a-field-behind"),
        pytest.param("?filename=query.bin", "field.bin", b"part.bin", None, "query.bin", id="query"),
        pytest.param("", None, b"a//b", "field.bin", "field.bin", id="a-bad-name-that-does-not-count"),
        pytest.param("", None, b"day/a.bin", None, "day/a.bin", id="part-of-a-folder"),
        pytest.param("?filename=day/query.bin", None, b"part.bin", None, "day/query.bin", id="query-with-a-folder"),
        pytest.param("", None, b"a%22b%0.bin", None, 'a"b%0.bin', id="encoded-by-a-browser"),
    ],
)
def test_the_name_is_found(
    device: Device, door: str, query: str, before: str | None, own: bytes | None, behind: str | None, name: str
) -> None:
    fields = [[field(each)] if each is not None else [] for each in (before, behind)]
    _, facts = send(device, door, *fields[0], part("file", DOORS[door], filename=own), *fields[1], query=query)
    assert facts["filename"] == name
    assert device.get(f"/api/files/{facts['file_id']}/download").data == b"hello"


@pytest.mark.parametrize(
    ("parts", "detail"),
    [
        pytest.param([], "Missing filename", id="none"),
        pytest.param([field("")], "Missing filename", id="empty"),
        pytest.param([field("a/../b")], "Invalid file name", id="bad"),
        pytest.param([field("a.bin"), field("b.bin")], "Form field given more than once: filename", id="two"),
    ],
)
@pytest.mark.parametrize("is_behind", [False, True], ids=["in-front", "behind"])
def test_a_form_without_one_good_name_is_refused(
    device: Device, door: str, parts: list[bytes], detail: str, is_behind: bool
) -> None:
    file = part("file", DOORS[door])
    assert send(device, door, *([file, *parts] if is_behind else [*parts, file])) == (4, {"detail": detail})
    assert device.names() == []


@pytest.mark.parametrize("own", [b"a%0D%0Ab", b"a%0Ab", b"..", b"a\\\\b", b"\xff"])
def test_a_bad_name_of_a_part_is_refused(device: Device, door: str, own: bytes) -> None:
    assert send(device, door, part("file", DOORS[door], filename=own))[0] == 4
    assert device.names() == []


def test_a_large_file_may_get_its_name_behind_it(device: Device) -> None:
    _, facts = send(device, "/api/files", part("file", LARGE, filename=b"part.txt"), field("field.webp"))
    answer = device.get("/api/files/download/field.webp")
    assert (facts["filename"], answer.data == LARGE) == ("field.webp", True)
    assert answer.headers["Content-Type"] == "image/webp"


def test_a_large_chunk_is_not_stored_under_a_name_that_came_too_late(device: Device) -> None:
    body = part("file", frame(0, LARGE), filename=b"part.bin")
    refusal = {"detail": "The fields filename and relativePath must come before the file"}
    assert send(device, "/api/files/upload", body, field("field.bin")) == (4, refusal)
    assert device.names() == []
    assert send(device, "/api/files/upload", body, field("part.bin"))[0] == 2


def test_a_total_behind_a_chunk_counts(device: Device) -> None:
    parts = [part("file", frame(0, b"hello"), filename=b"a.bin"), part("total_size", b"9")]
    assert send(device, "/api/files/upload", *parts)[1]["total_bytes"] == 9


@pytest.mark.parametrize(
    ("media_type", "stored"),
    [
        ("image/png", "image/png"),
        ("application/octet-stream", "image/webp"),
        (None, "image/webp"),
        ("none", "image/webp"),
    ],
)
def test_the_type_of_a_part_is_that_of_its_file(device: Device, door: str, media_type: str | None, stored: str) -> None:
    _, facts = send(device, door, part("file", DOORS[door], filename=b"a.webp", media_type=media_type))
    assert device.get(f"/api/files/{facts['file_id']}").get_json()["content_type"] == stored
    assert device.get("/download/a.webp").headers["Content-Type"] == stored


@pytest.mark.parametrize("is_behind", [False, True])
@pytest.mark.parametrize(
    ("relative_path", "name"),
    [("day/a.bin", "day/a.bin"), ("/day/a.bin", "day/a.bin"), ("null", "a.bin"), ("", "a.bin"), ("day/b.bin", "a.bin")],
)
@pytest.mark.parametrize("query", ["", "?filename=a.bin"])
def test_a_relative_path_tells_the_folder(
    device: Device, door: str, query: str, relative_path: str, name: str, is_behind: bool
) -> None:
    parts = [part("relativePath", relative_path.encode()), part("file", DOORS[door], filename=b"a.bin")]
    _, facts = send(device, door, *(reversed(parts) if is_behind else parts), query=query)
    assert facts["filename"] == name
    assert device.names() == [name]


def test_a_bad_relative_path_is_400(device: Device, door: str) -> None:
    parts = [part("relativePath", b"../a.bin"), part("file", DOORS[door], filename=b"a.bin")]
    assert send(device, door, *parts) == (4, {"detail": "Invalid file name"})
    assert device.names() == []


def test_a_relative_path_behind_a_large_chunk_is_too_late(device: Device) -> None:
    parts = [part("file", frame(0, LARGE), filename=b"a.bin"), part("relativePath", b"day/a.bin")]
    refusal = {"detail": "The fields filename and relativePath must come before the file"}
    assert send(device, "/api/files/upload", *parts) == (4, refusal)
    assert device.names() == []
    assert send(device, "/api/files", part("file", LARGE, filename=b"a.bin"), parts[1])[1]["filename"] == "day/a.bin"
