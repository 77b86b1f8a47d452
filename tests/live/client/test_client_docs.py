"""docs/client.md by its own word: each example is run as printed, and what it says of output and faults is compared."""

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from textwrap import indent

import pytest
import requests

from tests.conftest import PASSWORD
from tests.live.doc_examples import blocks, run_python, run_shell
from tests.live.server import REPOSITORY, LiveServer

PAGE = "client.md"
CLIENT = REPOSITORY / "client"
LAKE = os.urandom(2_500_000)  # goes by tus
FILM = b"a film" * 1000


@pytest.fixture
def places(server: LiveServer) -> dict[str, str]:
    """What the examples expect in the environment."""
    return {"SERVER": server.url, "NAME": "alice", "PASSWORD": PASSWORD}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the examples run: `transfer` is on the path, and what it keeps is here."""
    command = tmp_path / "bin/transfer"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m transfer_service_client "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(CLIENT))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    here = tmp_path / "here"
    (here / "Photos/empty").mkdir(parents=True)
    (here / "Photos/lake.jpg").write_bytes(LAKE)
    (here / "Photos/old.jpg").write_bytes(b"old")
    (here / "film.mp4").write_bytes(FILM)
    return here


@pytest.fixture
def signed_in(folder: Path, places: dict[str, str]) -> Path:
    run_shell(example("Photos -o copy").splitlines()[0], folder, **places)
    return folder


@pytest.fixture
def empty(server: LiveServer, alice: requests.Session) -> requests.Session:
    """`alice`, who has nothing."""
    listing = alice.get(f"{server.url}/api/files", params={"folder": ""}, timeout=30).json()
    for each in listing["folders"]:
        alice.delete(f"{server.url}/api/folders/{each['path']}?recursive=true", timeout=30).raise_for_status()
    for each in listing["files"]:
        alice.delete(f"{server.url}/api/files/{each['file_id']}", timeout=30).raise_for_status()
    return alice


def example(of: str) -> str:
    """The one example that has these words."""
    (found,) = [each for each in blocks(PAGE, "sh") if of in each]
    return found


def names(server: LiveServer, account: requests.Session) -> set[str]:
    files = account.get(f"{server.url}/api/files", params={"limit": 1000}, timeout=30).json()["files"]
    return {each["filename"] for each in files}


def make_key(server: LiveServer, account: requests.Session, *scopes: str) -> str:
    answer = account.post(f"{server.url}/auth/keys", json={"name": "job", "scopes": scopes}, timeout=30)
    return str(answer.json()["key"])


def test_three_lines(server: LiveServer, empty: requests.Session, places: dict[str, str], folder: Path) -> None:
    script = example("Photos -o copy")
    assert len(script.splitlines()) == 3
    run_shell(script, folder, **places)
    assert names(server, empty) == {"Photos/lake.jpg", "Photos/old.jpg"}
    assert (folder / "copy/Photos/lake.jpg").read_bytes() == LAKE
    assert (folder / "copy/Photos/empty").is_dir()
    kept = folder.parent / "config/transfer-service/credentials.json"
    assert (kept.stat().st_mode & 0o777, PASSWORD in kept.read_text()) == (0o600, False)
    again = run_shell(script.replace("login", "logout #", 1).partition("\n")[2], folder, **places)
    assert "0 files sent, 2 there already\n" in again
    assert "0 files fetched, 2 there already\n" in again


def test_each_command_on_files(server: LiveServer, empty: requests.Session, signed_in: Path) -> None:
    printed = run_shell(example("transfer rm -r 2026"), signed_in)
    assert "all/\nPhotos/\n" in printed
    assert re.search(r"^ +2\.5 MB  \d{4}-\d\d-\d\d \d\d:\d\d  2026/all/lake\.jpg$", printed, re.MULTILINE)
    assert (signed_in / "fetched/film.mp4").read_bytes() == FILM
    assert (signed_in / "fetched/2026/all/lake.jpg").read_bytes() == LAKE
    assert "film.mp4 is Films/film.mp4 now\n2026/all is 2026/Everything now\n" in printed
    assert names(server, empty) == set()


def test_a_folder_that_is_kept_alike(server: LiveServer, empty: requests.Session, signed_in: Path) -> None:
    tell, send, remove, delete, verify = example("transfer verify").splitlines()
    told = run_shell(tell, signed_in)
    assert "send Photos/lake.jpg\n" in told.replace("Backup/", "") or "send lake.jpg\n" in told
    assert names(server, empty) == set()
    assert "2 files sent" in run_shell(send, signed_in)
    printed = run_shell("\n".join((remove, delete, verify)), signed_in)
    assert "1 there already\n" in printed
    assert printed.endswith("1 file the same, 0 differences\n")
    assert names(server, empty) == {"Backup/Photos/lake.jpg"}


def test_what_comes_from_elsewhere(server: LiveServer, empty: requests.Session, signed_in: Path) -> None:
    tell, bring = example("transfer import").splitlines()
    assert "send Home/lake.jpg\nsend Home/old.jpg\n" in run_shell(tell, signed_in)
    assert names(server, empty) == set()
    words = "2 files verified at the service"
    assert f"`{words}`" in " ".join((REPOSITORY / "docs" / PAGE).read_text().split())
    assert f"\n{words}\n" in run_shell(bring, signed_in)
    assert names(server, empty) == {"Home/lake.jpg", "Home/old.jpg"}


def test_a_program_with_a_key(
    server: LiveServer, empty: requests.Session, places: dict[str, str], folder: Path
) -> None:
    (folder / "key.txt").write_text(make_key(server, empty, "upload", "files") + "\n")
    (folder / "report.pdf").write_bytes(b"a report")
    signed, *rest = run_shell(example("< key.txt"), folder, **places).splitlines()
    assert (signed, rest) == (f"Signed in to {server.url} as alice", [])
    assert names(server, empty) == {"Reports/report.pdf"}
    (folder / "dist").mkdir()
    (folder / "dist/app").write_bytes(b"an app")
    job = run_shell(example("$BUILD"), folder, KEY=make_key(server, empty, "upload", "files"), BUILD="7", **places)
    assert "status" not in job
    assert names(server, empty) == {"Reports/report.pdf", "builds/7/dist/app"}


def test_what_is_shared_and_sent(
    server: LiveServer, empty: requests.Session, places: dict[str, str], signed_in: Path
) -> None:
    (signed_in / "password.txt").write_text("open sesame\n")
    script = example("transfer share")
    open_to_all, locked = re.findall(r"^http\S+$", run_shell(script, signed_in), re.MULTILINE)
    ask = {"Accept": "application/json"}
    shown = requests.get(open_to_all, headers=ask, timeout=30).json()
    assert {each["filename"] for each in shown["files"]} == {"Photos/lake.jpg", "Photos/old.jpg"}
    assert requests.get(locked, headers=ask, timeout=30).json() == {"kind": "download", "has_password": True}
    (talk,) = server.sign_in("bob").get(f"{server.url}/conversations", timeout=30).json()["conversations"]
    message = talk["last_message"]
    assert (message["content"], message["media"]["sha256"]) == ("Look at this", hashlib.sha256(FILM).hexdigest())
    scopes = re.findall(r"`(\w+)`", (REPOSITORY / "docs" / PAGE).read_text().partition("for `send` one needs")[2])[:4]
    (signed_in / "key.txt").write_text(make_key(server, empty, *scopes))
    by_key = f"{example('< key.txt').splitlines()[0]}\n{script.splitlines()[-1]}\n! {script.splitlines()[1]} 2>&1"
    assert "Not for keys" in run_shell(by_key, signed_in, **places)


SCOPES = dict(
    re.findall(
        r"^\| ((?:`\w+`,? ?)+) \| ((?:`\w+`[, and]*)+) \|$", (REPOSITORY / "docs" / PAGE).read_text(), re.MULTILINE
    )
)
COMMANDS = {
    "put": "transfer put film.mp4 Photos && transfer put film.mp4",
    "get": "transfer get there -o fetched",
    "verify": "transfer verify there there",
    "ls": "transfer ls -l there",
    "rm": "transfer rm there/old.jpg",
    "mv": "transfer mv there/old.jpg there/older.jpg",
    "sync": "transfer sync Photos there --delete",
    "import": "transfer import folder Photos --to there",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_key_needs_what_the_table_says_and_no_less(
    server: LiveServer, empty: requests.Session, places: dict[str, str], folder: Path, command: str
) -> None:
    (needed,) = [re.findall(r"`(\w+)`", scopes) for names_, scopes in SCOPES.items() if f"`{command}`" in names_]
    (folder / "there").mkdir()
    (folder / "there/old.jpg").write_bytes(b"old")
    server.store(empty, "there/old.jpg", b"old")
    login = example("< key.txt").splitlines()[0]
    for missing in (*needed, None):
        scopes = [each for each in needed if each != missing] or ["chat"]
        (folder / "key.txt").write_text(make_key(server, empty, *scopes))
        script = COMMANDS[command] if missing is None else f"! ({COMMANDS[command]}) 2>&1"
        printed = run_shell(f"{login}\n{script}", folder, **places)
        assert missing is None or f"Key lacks scope {missing}" in printed


@pytest.mark.usefixtures("empty")
def test_lines_of_json(signed_in: Path) -> None:
    (documented,) = blocks(PAGE, "json")
    expected = [json.loads(line) for line in documented.splitlines()]
    (signed_in / "Photos/old.jpg").unlink()
    os.mkfifo(signed_in / "Photos/pipe")
    (signed_in / os.fsdecode(b"Photos/caf\xe9.jpg")).write_bytes(b"a name of old")
    send, look = example("--json").splitlines()
    printed = [json.loads(line) for line in run_shell(f"{send} || echo {{}}\n{look}", signed_in).splitlines()]
    known = {each.get("event", each.get("type")): each.keys() for each in expected}
    found = {each.get("event", each.get("type")): each.keys() for each in printed if each}
    assert {kind: keys for kind, keys in found.items() if kind in known} == {
        kind: keys for kind, keys in known.items() if kind in found
    }
    assert {"begin", "done", "failed", "summary", "file"} <= found.keys()
    assert {} in printed  # it ended with a fault
    for kind in ("failed", "skipped"):
        (told,) = [each for each in printed if each.get("event") == kind]
        assert told in expected
    described = set(re.findall(r"^\| `([a-z-]+)` \|", (REPOSITORY / "docs" / PAGE).read_text(), re.MULTILINE))
    assert found.keys() - {"file", "folder"} <= described


def test_the_library(
    server: LiveServer, empty: requests.Session, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER", server.url)
    monkeypatch.setenv("KEY", make_key(server, empty, "upload", "files", "download"))
    monkeypatch.chdir(folder)
    (code,) = blocks(PAGE, "python")
    printed = run_python(
        f"import contextlib, io, json\nwith contextlib.redirect_stdout(io.StringIO()) as out:\n{indent(code, '    ')}\n"
        "print(json.dumps(out.getvalue()))",
        folder,
    )
    assert printed.startswith(f"True {len(FILM)} {hashlib.sha256(FILM).hexdigest()}\n2026/Photos/lake.jpg {len(LAKE)} ")
    assert "failed:" not in printed
    assert (folder / "movie.mp4").read_bytes() == FILM
    assert (folder / "fetched/2026/Photos/lake.jpg").read_bytes() == LAKE
    assert "Backup/lake.jpg" in names(server, empty)


def test_exit_codes(places: dict[str, str], folder: Path) -> None:
    page = (REPOSITORY / "docs" / PAGE).read_text()
    assert re.findall(r"^\| (\d+) \|", page, re.MULTILINE) == ["0", "1", "2", "3", "130"]
    login = example("Photos -o copy").splitlines()[0]
    lines = ["transfer ls || echo =$?", login, "transfer ls; echo =$?", "transfer get nothing || echo =$?",
             "transfer nothing || echo =$?"]  # fmt: skip
    printed = run_shell("\n".join(lines), folder, **places)
    assert re.findall(r"^=(\d)$", printed, re.MULTILINE) == ["3", "0", "1", "2"]
