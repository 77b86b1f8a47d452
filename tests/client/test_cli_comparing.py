from pathlib import Path

import pytest

from tests.client.commands import Command


def _here() -> None:
    Path("dir/a").mkdir(parents=True)
    Path("dir/a/same").write_bytes(b"same")
    Path("dir/other").write_bytes(b"ours")
    Path("dir/new").write_bytes(b"new")


def _there(transfer: Command) -> None:
    transfer.service.files = {"F/a/same": b"same", "F/other": b"them", "F/old/x": b"old", "beside": b"beside"}


def test_a_dry_run_tells_and_changes_nothing(transfer: Command) -> None:
    _here()
    _there(transfer)
    before = dict(transfer.service.files)
    result = transfer("sync", "dir", "F", "--delete", "--dry-run")
    assert (result.code, result.err) == (0, "")
    assert result.lines == ["delete old/x", "delete old", "send new", "send other", "1 file the same"]
    assert transfer.service.files == before
    assert not [request for request in transfer.service.requests if request[0] in {"PUT", "DELETE"}]


def test_a_sync_sends_and_deletes(transfer: Command) -> None:
    _here()
    _there(transfer)
    kept = transfer("sync", "dir", "F/")
    assert (kept.code, kept.err) == (0, "")
    assert kept.lines[-1].endswith(", 1 there already")
    assert "F/old/x" in transfer.service.files
    result = transfer("sync", "dir", "F", "--delete", "--json")
    assert [each["name"] for each in result.objects if each["event"] == "deleted"] == ["old/x", "old"]
    expected = {"F/a/same": b"same", "F/other": b"ours", "F/new": b"new", "beside": b"beside"}
    assert transfer.service.files == expected


def test_nothing_is_deleted_after_a_failure(transfer: Command) -> None:
    _here()
    _there(transfer)
    transfer.service.answers["PUT", "/api/files/F/new"] = (400, {"detail": "no"})
    result = transfer("sync", "dir", "F", "--delete")
    assert (result.code, result.err) == (1, "F/new: no\n")
    assert "F/old/x" in transfer.service.files
    assert "deleted" not in result.out


def test_verify_tells_each_difference(transfer: Command) -> None:
    _here()
    _there(transfer)
    result = transfer("verify", "dir", "F")
    assert (result.code, result.err) == (1, "")
    assert result.lines == [
        "different: other", "only here: new", "only there: old", "only there: old/x", "1 file the same, 4 differences"
    ]  # fmt: skip
    assert transfer("sync", "dir", "F", "--delete").code == 0
    assert transfer("verify", "dir", "F", "-q").code == 0


def test_verify_of_a_folder_that_is_not_there(transfer: Command) -> None:
    _here()
    result = transfer("verify", "dir", "none")
    assert (result.code, len(result.err.splitlines())) == (1, 1)
    result = transfer("verify", "none", "/")
    assert (result.code, result.err) == (1, "transfer: none: No such file or directory\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("sync", "here", "", "--delete"),
        ("sync", "", "Backup", "--delete"),
        ("put", ""),
        ("put", "here", "--to="),
        ("get", ""),
        ("get", "x", "-o", ""),
        ("mv", "x", ""),
        ("rm", "-r", ""),
    ],
    ids=" ".join,
)
def test_a_variable_that_is_not_set_stands_for_nothing(transfer: Command, arguments: tuple[str, ...]) -> None:
    Path("here").mkdir()
    Path("here", "new").write_bytes(b"1")
    transfer.service.files = before = {"old": b"2", "Backup/old": b"3", "x": b"4"}
    result = transfer(*arguments)
    assert (result.code, "variable" in result.err) == (2, True)
    assert (transfer.service.files, [each.name for each in Path().iterdir()]) == (before, ["here"])


def test_what_is_excluded_is_neither_sent_nor_deleted_nor_compared(transfer: Command) -> None:
    _here()
    Path("dir/a/x.tmp").write_bytes(b"here")
    transfer.service.files = {"F/y.tmp": b"there", "F/old/z.tmp": b"there", "F/old/x": b"old", "F/gone/x": b"old"}
    options = ["--exclude", "*.tmp", "--exclude", "/new"]
    result = transfer("sync", "dir", "F", "--delete", *options)
    assert (result.code, result.err) == (0, "")
    kept = {"F/y.tmp": b"there", "F/old/z.tmp": b"there"}
    assert transfer.service.files == {**kept, "F/a/same": b"same", "F/other": b"ours"}
    assert transfer("verify", "dir", "F", *options).lines == ["2 files the same, 0 differences"]


def test_a_folder_with_what_is_excluded_makes_no_room_for_a_file(transfer: Command) -> None:
    _here()
    transfer.service.files = {"F/new/x.tmp": b"there"}
    result = transfer("sync", "dir", "F", "--delete", "--exclude", "*.tmp")
    assert (result.code, transfer.service.files["F/new/x.tmp"]) == (1, b"there")
    assert result.err == "F/new: a folder of this name is in the way at the service\n"


def test_a_folder_that_is_not_there_is_named(transfer: Command) -> None:
    _here()
    result = transfer("verify", "dir", "nothing")
    assert (result.code, result.out, result.err) == (1, "", "transfer: There is no folder 'nothing'\n")
