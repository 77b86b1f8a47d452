from pathlib import Path

import pytest

from tests.client.commands import Command


def test_files_and_folders_are_sent_once(transfer: Command) -> None:
    Path("Photos/a").mkdir(parents=True)
    Path("Photos/1.jpg").write_bytes(b"one")
    Path("Photos/a/2.jpg").write_bytes(b"two")
    first = transfer("put", "Photos", "--to", "/Backup/")
    assert (first.code, first.err) == (0, "")
    assert transfer.service.files == {"Backup/Photos/1.jpg": b"one", "Backup/Photos/a/2.jpg": b"two"}
    assert sorted(first.lines[:2]) == ["sent Backup/Photos/1.jpg (3 B)", "sent Backup/Photos/a/2.jpg (3 B)"]
    assert first.lines[2].startswith("2 files sent (6 B in ")
    again = transfer("put", "Photos", "--to", "Backup")
    assert again.lines == ["0 files sent, 2 there already"]


def test_one_that_fails_is_told_and_the_others_go_on(transfer: Command) -> None:
    Path("good").write_bytes(b"good")
    result = transfer("put", "none", "good")
    assert result.code == 1
    assert result.err == "none: No such file or directory\n"
    assert result.lines[-1].endswith("1 failed")
    assert transfer.service.files == {"good": b"good"}


def test_events_for_programs(transfer: Command) -> None:
    Path("good").write_bytes(b"good")
    result = transfer("put", "none", "good", "--json")
    events = {each["event"]: each for each in result.objects}
    assert events["failed"] == {"event": "failed", "name": "none", "error": "No such file or directory"}
    assert events["begin"] == {"event": "begin", "name": "good", "size": 4}
    assert events["done"] == {"event": "done", "name": "good", "size": 4, "moved": True}
    seconds = events["summary"].pop("seconds")
    assert events["summary"] == {"event": "summary", "done": 1, "same": 0, "skipped": 0, "failed": 1, "bytes": 4}
    assert 0 <= seconds < 60
    assert result.err == "none: No such file or directory\n"


def test_quiet_shows_errors_only(transfer: Command) -> None:
    Path("good").write_bytes(b"good")
    assert transfer("--quiet", "put", "good").out == ""
    result = transfer("put", "-q", "none", "good")
    assert (result.out, result.err) == ("", "none: No such file or directory\n")


def test_a_name_that_is_no_utf8_is_told(transfer: Command) -> None:
    Path("a\udcff\x1b[31m").write_bytes(b"bad")
    Path("good").write_bytes(b"good")
    result = transfer("put", "a\udcff\x1b[31m", "good")
    assert result.code == 1
    assert result.err == "a\ufffd\\x1b[31m: Its name is not UTF-8\n"
    assert transfer.service.files == {"good": b"good"}


def test_what_is_excluded_is_not_sent(transfer: Command) -> None:
    for path in ("code/main.py", "code/node_modules/a/b.js", "code/lib/node_modules/c.js", "code/debug.log"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(b"x")
    result = transfer("put", "code", "--exclude", "node_modules", "--exclude", "*.log")
    assert (result.code, result.err) == (0, "")
    assert transfer.service.files == {"code/main.py": b"x"}


@pytest.mark.parametrize("words", [["put", "Photos"], ["sync", "Photos", "Photos"]], ids=["put", "sync"])
def test_what_the_key_is_not_for_is_told_once(transfer: Command, words: list[str]) -> None:
    Path("Photos").mkdir()
    for number in range(20):
        Path(f"Photos/{number}").write_bytes(b"x")
        transfer.service.answers["PUT", f"/api/files/Photos/{number}"] = (403, {"detail": "Key lacks scope upload"})
    result = transfer(*words)
    assert (result.code, result.err) == (1, "transfer: Key lacks scope upload\n")
