from pathlib import Path

import pytest

from tests.client.commands import Command


def _tree(root: Path) -> dict[str, bytes]:
    return {each.relative_to(root).as_posix(): each.read_bytes() for each in root.rglob("*") if each.is_file()}


def test_files_and_folders_come_here(transfer: Command) -> None:
    transfer.service.files = {"Photos/1.jpg": b"one", "Photos/a/2.jpg": b"two", "x/notes.txt": b"notes"}
    first = transfer("get", "/Photos/", "x/notes.txt", "-o", "new/into")
    assert (first.code, first.err) == (0, "")
    assert _tree(Path("new/into")) == {"Photos/1.jpg": b"one", "Photos/a/2.jpg": b"two", "notes.txt": b"notes"}
    assert first.lines[-1].startswith("3 files fetched (11 B in ")
    again = transfer("get", "Photos", "x/notes.txt", "-o", "new/into")
    assert again.lines == ["0 files fetched, 3 there already"]


def test_one_that_is_not_there_keeps_nothing_back(transfer: Command) -> None:
    transfer.service.files = {"a": b"a"}
    result = transfer("get", "none", "a")
    assert (result.code, len(result.err.splitlines())) == (1, 1)
    assert "no file and no folder 'none'" in result.err
    assert _tree(Path()) == {"a": b"a"}


@pytest.mark.parametrize("name", ["../up", "/abs", "..\\up", "a\x1b[31m"])
def test_names_never_leave_the_folder(transfer: Command, name: str, tmp_path: Path) -> None:
    transfer.service.files = {f"Photos/{name}": b"bad", "Photos/good": b"good"}
    result = transfer("get", "Photos", "-o", "into")
    assert "\x1b" not in result.err + result.out
    assert _tree(tmp_path / "here") in (
        {"into/Photos/good": b"good"},
        {"into/Photos/good": b"good", "into/Photos/abs": b"bad"},
    )
    assert result.code == 1 or name == "/abs"


def test_other_bytes_than_promised_are_never_kept(transfer: Command) -> None:
    service = transfer.service
    service.files = {"a": b"good", "b": b"fine"}
    _, fields = service.answer("GET", "/api/files/status/a", b"", "Bearer tsk_good")
    service.answers["GET", f"/api/files/{fields['file_id']}/download"] = (200, b"evil")
    result = transfer("get", "a", "b")
    assert (result.code, len(result.err.splitlines())) == (1, 1)
    assert _tree(Path()) == {"b": b"fine"}


def test_a_sign_in_that_ended_is_3(transfer: Command) -> None:
    transfer.service.tokens.clear()
    transfer.service.answers["POST", "/auth/refresh"] = (401, {"detail": "Could not validate credentials"})
    result = transfer("get", "a")
    assert (result.code, result.out, len(result.err.splitlines())) == (3, "", 1)


def test_a_file_is_no_folder_to_fetch_into(transfer: Command) -> None:
    transfer.service.files = {"a": b"a"}
    Path("other").write_bytes(b"other")
    result = transfer("get", "a", "-o", "other")
    assert (result.code, Path("other").read_bytes()) == (2, b"other")
    assert "other is a file here: -o names the folder" in result.err
