"""What `/game-zip/…` refuses: hostile names, members that lie, archives that are not there or no zip."""

import io
import struct
import zipfile
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import Device
from tests.games import add_game, make_zip
from tests.web.conftest import MakeApp, SignIn
from tests.web.shelf import METHODS, Shelf, refusal


@pytest.fixture
def shelf(app: Flask, tmp_path: Path) -> Shelf:
    return Shelf(app, tmp_path / "data")


HOSTILE = [
    "../x",
    "a/../x",
    "/x",
    "a//x",
    "./x",
    "a/./x",
    "a\\x",
    "..\\x",
    "C:/x",
    "C:x",
    "a\nx",
    "a\x7fx",
    "dir/",
    "..",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_members_that_point_elsewhere_are_404(shelf: Shelf, device: Device, name: str) -> None:
    base = shelf.add(make_zip({name: b"hostile", "x": b"good"}))
    escaped = "".join(f"%{byte:02x}" for byte in name.encode())
    assert refusal(device.get(f"{base}/{escaped}")) == (404, "Not found")
    assert device.get(f"{base}/x").data == b"good"


def special(mode: int) -> bytes:
    """A zip with `link`, which has this Unix mode."""
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, mode << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, b"/etc/passwd")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "mode",
    [pytest.param(0o120777, id="symlink"), pytest.param(0o040755, id="folder"),
     pytest.param(0o020644, id="device")],
)  # fmt: skip
def test_members_that_are_no_files_are_404(shelf: Shelf, device: Device, mode: int) -> None:
    base = shelf.add(special(mode))
    assert refusal(device.get(f"{base}/link")) == (404, "Not found")


@pytest.mark.parametrize("game_id", ["1", "not-a-uuid", "..", "%00"])
def test_what_is_no_id_is_no_game(device: Device, game_id: str) -> None:
    assert refusal(device.get(f"/game-zip/{game_id}/x")) == (404, "Game not found")


def test_an_unknown_game_is_404(device: Device) -> None:
    assert refusal(device.get("/game-zip/0b8bd5ab-2f5c-4b3c-a3d5-2f2fd2c6d1ff/x")) == (404, "Not found")


def test_a_game_that_was_not_downloaded_is_404(shelf: Shelf, device: Device) -> None:
    game_id = add_game(shelf.services, 1)
    assert refusal(device.get(f"/game-zip/{game_id}/x")) == (404, "Not found")


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x05\x06" + b"\xff" * 18, make_zip({"x": b"x"})[:-1]])
def test_an_archive_that_is_no_zip_is_422(shelf: Shelf, device: Device, content: bytes) -> None:
    base = shelf.add(content)
    assert refusal(device.get(f"{base}/x")) == (422, "The archive of this game is not a readable zip file")


def lying(change: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip whose only member `x` is not what its headers say, in both of them."""
    content = bytearray(make_zip({"x": b"hello" * 100}, method))
    local, central = 14, content.index(b"PK\x01\x02") + 16  # crc32, compressed, length follow one another
    crc32, compressed, length = struct.unpack_from("<3L", content, local)
    told = {
        "crc": (crc32 ^ 1, compressed, length),
        "longer": (crc32, compressed, length + 1),
        "shorter": (crc32, compressed, length - 1),
        "none": (crc32, compressed, 0),
        "cut": (crc32, compressed - 1, length),
    }[change]
    for place in (local, central):
        struct.pack_into("<3L", content, place, *told)
    return bytes(content)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("change", ["crc", "longer", "shorter", "none", "cut"])
def test_a_member_that_lies_is_422_each_time(shelf: Shelf, device: Device, change: str, method: str) -> None:
    base = shelf.add(lying(change))
    answers = [device.request(method, f"{base}/x", headers={"Range": "bytes=0-3"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [422, 422]
    detail = "This member of the archive is not what the archive says"
    assert method == "HEAD" or refusal(answers[1]) == (422, detail)


def test_a_stored_member_with_a_wrong_checksum_is_422(shelf: Shelf, device: Device) -> None:
    base = shelf.add(lying("crc", zipfile.ZIP_STORED))
    assert refusal(device.get(f"{base}/x"))[0] == 422


def test_a_member_over_the_limit_is_422(make_app: MakeApp, sign_in: SignIn, tmp_path: Path) -> None:
    shelf = Shelf(make_app(max_file_bytes=1000), tmp_path / "data")
    base = shelf.add(make_zip({"large": b"x" * 1001, "small": b"x" * 1000}))
    device = sign_in(shelf.app, "alice")
    assert refusal(device.get(f"{base}/large")) == (422, "This member of the archive is larger than the limit")
    assert device.get(f"{base}/small").status_code == 200


def test_bytes_that_are_gone_are_404(shelf: Shelf, device: Device) -> None:
    base = shelf.add(make_zip({"x": b"x"}))
    (shelf.data_dir / "games" / "1.zip").unlink()
    assert refusal(device.get(f"{base}/x")) == (404, "Not found")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("left", [0, 5, 200])
def test_an_archive_that_was_cut_off_is_500(shelf: Shelf, device: Device, method: int, left: int) -> None:
    base = shelf.add(make_zip({"x": bytes(range(256))}, method))
    path = shelf.data_dir / "games" / "1.zip"
    path.write_bytes(path.read_bytes()[:left])
    assert refusal(device.get(f"{base}/x")) == (500, "Error reading file")
