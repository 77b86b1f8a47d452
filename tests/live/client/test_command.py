"""The command `transfer` against a real server: every command, what it prints, and how it ends."""

import hashlib
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.live.client.commands import Home, slow_line
from tests.live.fault_proxy import FaultProxy, Side
from tests.live.server import LiveServer, wait_until

pytestmark = pytest.mark.long

MIB = 1024 * 1024
FILM = 24 * MIB


@pytest.fixture
def home(tmp_path: Path, server: LiveServer, alice: requests.Session) -> Home:
    """Of `alice`, who has nothing at the service."""
    for each in alice.get(f"{server.url}/api/files?folder=", timeout=30).json()["folders"]:
        alice.delete(f"{server.url}/api/folders/{each['path']}?recursive=true", timeout=30).raise_for_status()
    for each in alice.get(f"{server.url}/api/files", timeout=30).json()["files"]:
        alice.delete(f"{server.url}/api/files/{each['file_id']}", timeout=30).raise_for_status()
    home = Home(tmp_path / "home")
    home.login(server.url)
    return home


def _tree(root: Path) -> dict[str, str]:
    files = (each for each in root.rglob("*") if each.is_file())
    return {each.relative_to(root).as_posix(): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


def _fill(root: Path) -> None:
    (root / "a/b").mkdir(parents=True)
    (root / "empty").mkdir()
    for name, data in {
        "1.bin": os.urandom(3 * MIB),
        "a/文件 %41.txt": b"two",
        "a/b/nothing": b"",
        "-r": b"dash",
    }.items():
        (root / name).write_bytes(data)


def test_a_folder_there_and_back_by_every_command(home: Home) -> None:
    _fill(home.here / "Photos")
    assert home("put", "Photos", "--to", "Backup").code == 0
    listing = home("ls", "Backup/Photos")
    assert listing.lines == ["a/", "empty/", "-r", "1.bin"]
    assert home("ls", "-r").lines == [
        "Backup/Photos/-r", "Backup/Photos/1.bin", "Backup/Photos/a/b/nothing", "Backup/Photos/a/文件 %41.txt"
    ]  # fmt: skip
    assert home("verify", "Photos", "Backup/Photos").code == 0
    assert home("get", "Backup/Photos", "-o", "back").code == 0
    assert _tree(home.here / "back/Photos") == _tree(home.here / "Photos")
    assert (home.here / "back/Photos/empty").is_dir()

    assert home("mv", "Backup/Photos/1.bin", "Backup/Photos/a/").code == 0
    assert home("mv", "Backup", "Kept").code == 0
    assert home("ls", "Kept/Photos/a").lines == ["b/", "1.bin", "文件 %41.txt"]
    changed = home("verify", "Photos", "Kept/Photos")
    assert (changed.code, changed.lines[:2]) == (1, ["only here: 1.bin", "only there: a/1.bin"])
    dry = home("sync", "Photos", "Kept/Photos", "--delete", "--dry-run")
    assert (dry.code, dry.lines[:2]) == (0, ["delete a/1.bin", "send 1.bin"])
    assert home("sync", "Photos", "Kept/Photos", "--delete").code == 0
    assert home("verify", "Photos", "Kept/Photos").code == 0
    assert home("rm", "Kept/Photos/-r").lines == ["deleted Kept/Photos/-r"]
    assert home("rm", "Kept").code == 1
    assert home("rm", "-r", "Kept").code == 0
    assert home("ls").out == ""


def test_the_same_bytes_are_not_sent_again_and_others_replace(home: Home) -> None:
    (home.here / "a").write_bytes(b"one")
    assert home("put", "a").code == 0
    assert home("put", "a", "--json").objects[-1]["same"] == 1
    (home.here / "a").write_bytes(b"two")
    assert home("put", "a", "--json").objects[-1]["done"] == 1
    assert home("get", "a", "-o", "back").code == 0
    assert (home.here / "back/a").read_bytes() == b"two"


def test_conflicts_are_told_and_nothing_changes(home: Home) -> None:
    for name in ("a", "b"):
        (home.here / name).write_bytes(name.encode())
    assert home("put", "a", "b").code == 0
    result = home("mv", "a", "b")
    assert (result.code, result.out, result.err) == (1, "", "a cannot be b: A file has this name\n")
    (home.here / "b").unlink()
    (home.here / "b").mkdir()
    (home.here / "b/c").write_bytes(b"c")
    refused = home("put", "b", "a")
    assert (refused.code, refused.err) == (1, "b/c: A file has this name\n")
    assert home("ls").lines == ["a", "b"]


def test_signing_in_and_out(home: Home, server: LiveServer, alice: requests.Session) -> None:
    wrong = home("login", server.url, "--name", "alice", "--password-stdin", stdin="wrong\n")
    assert (wrong.code, wrong.err) == (3, "transfer: Incorrect username or password\n")
    assert home("ls").code == 0  # what was there stays
    assert home("logout").code == 0
    assert home("ls").code == 3
    fields = {"name": "device", "scopes": ["files"]}
    key = alice.post(f"{server.url}/auth/keys", json=fields, timeout=30).json()
    signed_in = home("login", server.url, "--key-stdin", "--json", stdin=f"{key['key']}\n")
    assert signed_in.objects[0]["account"] == "alice"
    (home.here / "a").write_bytes(b"a")
    lacking = home("put", "a")
    assert (lacking.code, lacking.err) == (1, "transfer: Key lacks scope upload\n")
    alice.delete(f"{server.url}/auth/keys/{key['id']}", timeout=30)
    assert home("ls").code == 3


def test_tokens_are_renewed_by_commands_that_run_at_once(home: Home) -> None:
    fields = json.loads(home.credentials.read_text())
    fields["credentials"]["expires_at"] = 1
    home.credentials.write_text(json.dumps(fields))
    running = [home.start("ls") for _ in range(3)]
    for process in running:
        _, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, b"")
    assert home("ls").code == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_put_goes_on_after_a_kill(home: Home, server: LiveServer, how: signal.Signals) -> None:
    (home.here / "film.bin").write_bytes(os.urandom(FILM) + bytes([how]))
    with _slow_proxy(home, server, "server") as proxy:
        _stop_in_the_middle(home, proxy, how, "put", "film.bin", toward="server")
        before = proxy.bytes_toward["server"]
        again = home("put", "film.bin", "--json")
        assert again.code == 0, again.err
        assert [each["position"] > 0 for each in again.objects if each["event"] == "restart"] == [True]
        assert proxy.bytes_toward["server"] - before < FILM - 4 * MIB
        assert home("verify", ".", "/").code == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_get_goes_on_after_a_kill(home: Home, server: LiveServer, how: signal.Signals) -> None:
    data = os.urandom(FILM) + bytes([how])
    server.store(server.sign_in("alice"), "film.bin", data)
    with _slow_proxy(home, server, "client") as proxy:
        _stop_in_the_middle(home, proxy, how, "get", "film.bin", toward="client")
        assert not (home.here / "film.bin").exists()
        before = proxy.bytes_toward["client"]
        assert home("get", "film.bin").code == 0
        assert proxy.bytes_toward["client"] - before < FILM - 4 * MIB
    assert (home.here / "film.bin").read_bytes() == data
    assert [each.name for each in home.here.iterdir()] == ["film.bin"]


def test_sync_goes_on_after_a_kill(home: Home, server: LiveServer) -> None:
    _fill(home.here / "dir")
    (home.here / "dir/film.bin").write_bytes(os.urandom(FILM))
    with _slow_proxy(home, server, "server") as proxy:
        _stop_in_the_middle(home, proxy, signal.SIGKILL, "sync", "dir", "F", toward="server")
        before = proxy.bytes_toward["server"]
        assert home("sync", "dir", "F", "--delete").code == 0
        assert proxy.bytes_toward["server"] - before < FILM
        assert home("verify", "dir", "F").code == 0


@contextmanager
def _slow_proxy(home: Home, server: LiveServer, toward: Side) -> Iterator[FaultProxy]:
    """A line that is slow, and silent before a film is through, until its plan is cleared; home is signed in by it."""
    with FaultProxy(server.port) as proxy:
        home.login(f"http://127.0.0.1:{proxy.port}")
        proxy.plan.extend(slow_line(toward))
        yield proxy


def _stop_in_the_middle(home: Home, proxy: FaultProxy, how: signal.Signals, *arguments: str, toward: Side) -> None:
    before = proxy.bytes_toward[toward]
    with home.start(*arguments) as process:
        wait_until(lambda: proxy.bytes_toward[toward] - before > 12 * MIB or process.poll() is not None)
        process.send_signal(how)
        _, err = process.communicate(timeout=60)
    proxy.plan.clear()
    assert process.returncode == -how  # as a shell wants it, to end its own loop
    assert proxy.bytes_toward[toward] - before < FILM
    if how != signal.SIGKILL:
        assert err.decode() == "transfer: Stopped. What has arrived is kept: the same command goes on from there.\n"


def test_a_reader_that_goes_away_is_no_fault(home: Home) -> None:
    for number in range(30):
        (home.here / f"{number}").write_bytes(b"")
    assert home("put", "./").code == 0
    reading, writing = os.pipe()
    os.close(reading)
    with home.start("ls", stdout=writing) as process:
        os.close(writing)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, b"")
    reading, writing = os.pipe()
    os.close(reading)
    (home.here / "new").write_bytes(b"new")
    with home.start("put", "new", stdout=writing) as process:  # a transfer is worth its end
        os.close(writing)
        _, err = process.communicate(timeout=60)
    assert err == b""
    assert home("ls", "new").lines == ["new"]


def test_a_narrow_encoding_crashes_nothing(home: Home) -> None:
    (home.here / "文件").write_bytes(b"x")
    home.environment["PYTHONIOENCODING"] = "ascii"
    assert home("put", "文件", "none-文").err == "none-\\u6587: No such file or directory\n"
    assert home("ls").lines == ["\\u6587\\u4ef6"]


def test_variables_of_the_service_are_none_of_its_business(home: Home) -> None:
    home.environment |= {"TRANSFER_NO_SUCH_SETTING": "1", "TRANSFER_DATA_DIR": "/nowhere", "TRANSFER_URL": "x"}
    assert home("ls").code == 0


def test_a_service_that_is_away_is_told_soon(home: Home) -> None:
    fields = json.loads(home.credentials.read_text())
    home.credentials.write_text(json.dumps({**fields, "url": "http://127.0.0.1:9"}))
    (home.here / "a").write_bytes(b"a")
    for arguments in (["ls"], ["put", "a"]):
        result = home(*arguments)
        assert (result.code, len(result.err.splitlines())) == (1, 1)
        assert "cannot be reached" in result.err
