from typing import Any

import pytest
from transfer_service_client import TransferClient

from tests.client.account_service import AccountService, file_id_of
from tests.client.commands import Command

ESCAPE = "evil\x1b]0;title\x07\x9b31m\u202egnp.exe"


def _fill(service: AccountService) -> None:
    service.files |= {"top.txt": b"top", "Photos/1.jpg": b"one!", "Photos/a/2.jpg": b"two"}
    service.folders |= {"Empty"}


def test_a_listing_names_folders_first(transfer: Command) -> None:
    _fill(transfer.service)
    assert transfer("ls").lines == ["Empty/", "Photos/", "top.txt"]
    assert transfer("ls", "/Photos/").lines == ["a/", "1.jpg"]
    assert transfer("ls", "Photos/1.jpg").lines == ["Photos/1.jpg"]
    assert transfer("ls", "-r", "Photos").lines == ["Photos/1.jpg", "Photos/a/2.jpg"]
    assert transfer("ls", "Empty").out == ""


def test_a_long_listing_has_sizes_and_times(transfer: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    _fill(transfer.service)
    assert transfer("ls", "-l", "Photos").lines[1] == "       4 B  2024-05-06 07:08  1.jpg"


def test_a_listing_for_programs(transfer: Command) -> None:
    _fill(transfer.service)
    folder, file = transfer("--json", "ls", "Photos").objects
    assert folder == {"type": "folder", "name": "Photos/a", "created_at": "2024-05-06T07:08:09+00:00"}
    assert (file["type"], file["name"], file["size"], file["is_complete"]) == ("file", "Photos/1.jpg", 4, True)
    assert file["file_id"] == file_id_of("Photos/1.jpg")


def test_what_is_not_there_is_told(transfer: Command) -> None:
    result = transfer("ls", "none")
    assert (result.code, result.out) == (1, "")
    assert result.err == "transfer: There is no file and no folder 'none'\n"


def test_hostile_names_are_shown_and_not_obeyed(transfer: Command) -> None:
    transfer.service.files = {ESCAPE: b"x"}
    result = transfer("ls")
    assert result.out == "evil\\x1b]0;title\\x07\\x9b31m\\u202egnp.exe\n"
    assert transfer("ls", "--json").objects[0]["name"] == ESCAPE
    assert transfer("ls", "--json").out.isascii()
    moved = transfer("mv", ESCAPE, ESCAPE)
    assert (moved.code, "\x1b" in moved.err) == (1, False)


def test_names_with_a_dash_in_front(transfer: Command) -> None:
    transfer.service.files = {"-r": b"x", "--help": b"y"}
    assert transfer("ls", "--", "-r").lines == ["-r"]
    assert transfer("rm", "--", "-r", "--help").code == 0
    assert transfer.service.files == {}


def test_deleting(transfer: Command) -> None:
    _fill(transfer.service)
    assert transfer("rm", "top.txt").lines == ["deleted top.txt"]
    refused = transfer("rm", "Photos", "none", "Photos/1.jpg")
    assert refused.code == 1
    assert refused.err.splitlines() == [
        "Photos is a folder: -r deletes it with all that is in it",
        "There is no file and no folder 'none'",
    ]
    assert refused.lines == ["deleted Photos/1.jpg"]
    assert transfer("rm", "-r", "Photos/").code == 0
    assert (transfer.service.files, transfer.service.folders) == ({}, {"Empty"})


@pytest.mark.parametrize("name", ["/", "./", "."])
def test_the_top_is_never_deleted(transfer: Command, name: str) -> None:
    _fill(transfer.service)
    assert transfer("rm", "-r", name).code == 1
    assert len(transfer.service.files) == 3


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        pytest.param(["top.txt", "new.txt"], ["new.txt"], id="another-name"),
        pytest.param(["top.txt", "Photos"], ["Photos/top.txt"], id="into-a-folder"),
        pytest.param(["top.txt", "New/"], ["New/top.txt"], id="into-a-new-folder"),
        pytest.param(["Photos/1.jpg", "/"], ["1.jpg"], id="to-the-top"),
        pytest.param(["Photos", "Pictures"], ["Pictures/1.jpg", "Pictures/a/2.jpg"], id="a-folder"),
        pytest.param(["Photos/", "Empty"], ["Empty/Photos/1.jpg", "Empty/Photos/a/2.jpg"], id="a-folder-into-one"),
        pytest.param(["top.txt", "Photos/1.jpg", "Empty"], ["Empty/top.txt", "Empty/1.jpg"], id="many"),
    ],
)
def test_moving(transfer: Command, arguments: list[str], names: list[str]) -> None:
    _fill(transfer.service)
    result = transfer("mv", *arguments)
    assert (result.code, result.err) == (0, "")
    assert set(names) <= transfer.service.files.keys()
    assert len(transfer.service.files) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(["top.txt"], 2, "where to", id="no-target"),
        pytest.param(["none", "new"], 1, "no file and no folder 'none'", id="not-there"),
        pytest.param(["top.txt", "Photos/1.jpg"], 1, "top.txt cannot be Photos/1.jpg: A file has", id="a-file-there"),
        pytest.param(["top.txt", "Photos/1.jpg", "none"], 1, "no folder 'none'", id="many-into-none"),
        pytest.param(["top.txt", "/"], 1, "there already", id="where-it-is"),
        pytest.param(["/", "Photos"], 1, "The top", id="the-top"),
    ],
)
def test_what_cannot_be_moved(transfer: Command, arguments: list[str], code: int, words: str) -> None:
    _fill(transfer.service)
    before = dict(transfer.service.files)
    result = transfer("mv", *arguments)
    assert (result.code, result.out, len(result.err.splitlines())) == (code, "", 1)
    assert words in result.err
    assert transfer.service.files == before


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param((403, {"detail": "Key lacks scope files"}), "Key lacks scope files", id="scope"),
        pytest.param((500, b"<html>"), "HTTP 500", id="fault-there"),
        pytest.param((200, b"<html>"), "no Transfer Service", id="captive-portal"),
        pytest.param((200, {"files": 5, "folders": [], "next_cursor": None}), "was damaged", id="other-json"),
    ],
)
def test_answers_that_are_no_listing(transfer: Command, answer: tuple[int, Any], words: str) -> None:
    transfer.service.answers["GET", "/api/files"] = answer
    result = transfer("ls")
    assert (result.code, result.out, len(result.err.splitlines())) == (1, "", 1)
    assert words in result.err


def test_a_fault_of_ours_is_one_line_and_debug_shows_it(transfer: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(TransferClient, "list", fault)
    result = transfer("ls")
    assert (result.code, len(result.err.splitlines())) == (1, 1)
    assert "--debug" in result.err
    assert "Traceback" in transfer("ls", "--debug").err


@pytest.mark.parametrize("arguments", [["frobnicate"], ["ls", "--frob"], ["ls", "a", "b"], ["put"], ["--frob"]])
def test_wrong_usage_is_2_in_one_line(transfer: Command, arguments: list[str]) -> None:
    result = transfer(*arguments)
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert "--help" in result.err
