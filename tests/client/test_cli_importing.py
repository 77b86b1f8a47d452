from pathlib import Path

import pytest

from tests.client.commands import Command


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "Photos"
    (folder / "a").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "1.jpg").write_bytes(b"one")
    (folder / "a/2.jpg").write_bytes(b"two")
    return folder


def test_a_folder_is_imported_and_each_file_verified(transfer: Command, photos: Path) -> None:
    first = transfer("import", "folder", str(photos), "--to", "/Home/")
    assert (first.code, first.err) == (0, "")
    assert transfer.service.files == {"Home/1.jpg": b"one", "Home/a/2.jpg": b"two"}
    assert first.lines[-2] == "2 files verified at the service"
    again = transfer("import", "folder", str(photos), "--to", "Home")
    assert again.lines == ["2 files verified at the service", "0 files imported, 2 there already"]


def test_a_plan(transfer: Command, photos: Path) -> None:
    transfer.service.files |= {"1.jpg": b"one", "3.jpg": b"another"}
    (photos / "3.jpg").write_bytes(b"three")
    (photos / "link").symlink_to("a")
    result = transfer("import", "folder", str(photos), "--dry-run")
    assert (result.code, result.lines) == (
        0,
        ["send a/2.jpg", "replace 3.jpg", "compare 1.jpg", "skipped link: A link to a folder is not followed"],
    )
    assert transfer.service.files == {"1.jpg": b"one", "3.jpg": b"another"}


def test_events_for_programs(transfer: Command, photos: Path) -> None:
    (photos / "bad\udcff").write_bytes(b"bad")
    result = transfer("import", "folder", str(photos), "--json")
    events = {each["event"]: each for each in result.objects}
    assert events["verified"] == {"event": "verified", "count": 2}
    assert events["failed"] == {"event": "failed", "name": "bad\ufffd", "error": "Its name is not UTF-8"}
    assert (result.code, events["summary"]["done"], events["summary"]["failed"]) == (1, 2, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(("folder", "none"), 1, "No such file or directory", id="nothing-there"),
        pytest.param(("floppy", "A:"), 2, "floppy", id="unknown-kind"),
        pytest.param(("folder",), 2, "SOURCE", id="no-source"),
    ],
)
def test_what_cannot_be_imported(transfer: Command, arguments: tuple[str, ...], code: int, words: str) -> None:
    result = transfer("import", *arguments)
    assert result.code == code
    assert words in result.err


def test_nobody_is_signed_in(signed_out: Command) -> None:
    Path("Photos").mkdir()
    assert signed_out("import", "folder", "Photos").code == 3
