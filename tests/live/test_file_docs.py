"""Pages about files and accounts by their own word: every example of six of them is run as printed."""

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.conftest import PASSWORD
from tests.live.doc_examples import as_function, blocks, run_node, run_python, run_shell
from tests.live.fault_proxy import Fault, FaultProxy
from tests.live.node import token_of
from tests.live.server import LiveServer, running

pytestmark = pytest.mark.long

REPORT = b"hello report"
BIG = bytes(range(256)) * 4096


@pytest.fixture
def places(server: LiveServer, alice: requests.Session) -> dict[str, str]:
    """What the examples expect in the environment."""
    return {"SERVER": server.url, "TOKEN": token_of(alice)}


def stored(server: LiveServer, alice: requests.Session, name: str) -> bytes:
    return alice.get(f"{server.url}/api/files/download/{name}", timeout=30).content


def test_whole_files_in_a_shell(
    server: LiveServer, alice: requests.Session, places: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "report.txt").write_bytes(REPORT)
    send, digest, again, see = blocks("whole-files.md", "sh")
    printed = run_shell(send + digest, tmp_path, **places)
    names = [json.loads(each + "}")["filename"] for each in printed.replace("\n", "").split("}") if each]
    assert names == ["report.txt", "report (2).txt", "report.txt", "report (3).txt"]
    assert {stored(server, alice, name) for name in names} == {REPORT}
    once = json.loads(run_shell(again, tmp_path, **places))["filename"]
    assert (once, stored(server, alice, once)) == ("report (4).txt", REPORT)
    numbered = alice.get(f"{server.url}/api/files/status/report%20(2).txt", timeout=30).json()["file_id"]
    listed = run_shell(see, tmp_path, FILE_ID=numbered, **places)
    assert listed.count('"next_cursor"') == 2
    left = {each["filename"] for each in alice.get(f"{server.url}/api/files", timeout=30).json()["files"]}
    assert left & {*names, "summary.txt"} == {"report (3).txt", "summary.txt"}


def test_whole_files_in_a_browser(server: LiveServer, alice: requests.Session, tmp_path: Path) -> None:
    (example,) = blocks("whole-files.md", "js")
    upload = as_function(example, "upload", "location", "account", "password", "file", gives="[told, stored]")
    act = f"""
    const file = new File(["from a page"], "a page.txt");
    const result = await upload({{ origin: "{server.url}" }}, "alice", "{PASSWORD}", file);"""
    told, result = run_node(upload + act, tmp_path)
    assert (told, result["sha256"]) == ([["a page.txt"]], hashlib.sha256(b"from a page").hexdigest())
    assert (result["filename"], stored(server, alice, "a page.txt")) == ("a page.txt", b"from a page")


def test_chunks_in_a_shell(server: LiveServer, alice: requests.Session, places: dict[str, str], tmp_path: Path) -> None:
    (example,) = blocks("device-chunks.md", "sh")
    comments = [line.removeprefix("# ") for line in example.splitlines() if line.startswith("# ")]
    received, status = run_shell(example, tmp_path, **places).splitlines()[:2]
    assert received == comments[0]
    assert (
        json.loads(status).items() >= {"chunks": [{"start": 0, "end": 4}], "next_byte": 5, "received_bytes": 5}.items()
    )
    assert stored(server, alice, "hello.txt") == b"hello"


def test_a_device_gets_its_key_in_a_shell(server: LiveServer, places: dict[str, str], tmp_path: Path) -> None:
    make, use, end = blocks("devices.md", "sh")
    run_shell(make, tmp_path, NAME="alice", PASSWORD=PASSWORD, **places)
    assert {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {
        "key.header": 0o600,
        "key.id": 0o600,
    }
    header = (tmp_path / "key.header").read_text().strip()
    assert header.startswith("Authorization: Bearer tsk_")
    first, second, chunk, status, me = map(json.loads, run_shell(use, tmp_path, **places).splitlines())
    assert (first["filename"], second["filename"]) == ("gate/reading.txt", "gate/reading (2).txt")
    assert (first["sha256"], me["name"]) == (hashlib.sha256(b"21.5\n").hexdigest(), "alice")
    assert (chunk["next_byte"], status["missing"]) == (5, [{"start": 5, "end": 9}])
    listed = json.loads(run_shell(end, tmp_path, **places))["keys"][0]
    (printed,) = json.loads(blocks("devices.md", "json")[0].replace("…", ""))["keys"]
    assert listed.keys() == printed.keys()
    assert {name: listed[name] for name in ("name", "scopes", "expires_at", "quota_bytes")} == {
        name: printed[name] for name in ("name", "scopes", "expires_at", "quota_bytes")
    }
    answer = requests.get(f"{server.url}/auth/me", headers={"Authorization": header.partition(": ")[2]}, timeout=30)
    assert answer.status_code == 401


def test_the_client_that_resumes(server: LiveServer, places: dict[str, str], tmp_path: Path) -> None:
    (client,) = blocks("device-chunks.md", "python")
    run_shell(blocks("devices.md", "sh")[0], tmp_path, NAME="alice", PASSWORD=PASSWORD, **places)
    (tmp_path / "film 100%.mp4").write_bytes(BIG * 5)
    told = client.replace(
        'print("stored as", status["file_id"], "sha256", status["sha256"])', "import json; print(json.dumps(status))"
    )
    status = run_python(told, tmp_path, server.url, str(tmp_path / "key.header"), str(tmp_path / "film 100%.mp4"))
    assert (status["status"], status["sha256"]) == ("complete", hashlib.sha256(BIG * 5).hexdigest())


def test_downloads_by_four_programs(
    server: LiveServer, alice: requests.Session, places: dict[str, str], tmp_path: Path
) -> None:
    location = server.store(alice, "big.bin", BIG)
    resume, *_signed, conditional = blocks("downloads.md", "sh")
    programs = [line for line in resume.splitlines() if line.startswith(("curl -C", "wget", "aria2c", "rclone"))]
    for number, line in enumerate(programs):
        (folder := tmp_path / str(number)).mkdir()
        run_shell(line, folder, ID=location.split("/")[3], **places)
        assert (folder / "big.bin").read_bytes() == BIG
    assert len(programs) == 4
    server.store(alice, "hello.txt", b"hello, again")
    run_shell(conditional + conditional, tmp_path, **places)
    assert (tmp_path / "etag").read_text().strip().strip('"')


def test_a_signed_address_for_download_managers(
    server: LiveServer, alice: requests.Session, places: dict[str, str], tmp_path: Path
) -> None:
    file_id = server.store(alice, "managed.bin", BIG).split("/")[3]
    _resume, ask, fetch, _conditional = blocks("downloads.md", "sh")
    answer = json.loads(run_shell(ask.replace("curl", "curl -s"), tmp_path, ID=file_id, **places))
    assert requests.get(answer["url"], timeout=30).content == BIG
    (tmp_path / "same.bin").write_bytes(BIG[:1000])
    run_shell(fetch, tmp_path, ID=file_id, **places)
    assert [(tmp_path / name).read_bytes() == BIG for name in ("big.bin", "same.bin")] == [True, True]


def test_downloads_in_a_browser(server: LiveServer, alice: requests.Session, tmp_path: Path) -> None:
    """Over a line that breaks; and again with what is there, which asks for no byte of it."""
    file_id = server.store(alice, "fetched.bin", BIG).split("/")[3]
    (example,) = blocks("downloads.md", "js")
    gives = "[blob, client, sink, told]"
    fetch = as_function(example, "fetchFile", "server", "account", "password", "fileId", gives=gives)
    with FaultProxy(server.port, [Fault(reset_at=700_000)]) as proxy:
        act = f"""
        import {{ createHash }} from "node:crypto";
        const given = ["http://127.0.0.1:{proxy.port}", "alice", "{PASSWORD}", "{file_id}"];
        const [blob, client, sink, told] = await fetchFile(...given);
        const digest = createHash("sha256").update(new Uint8Array(await blob.arrayBuffer())).digest("hex");
        const result = [digest, told.at(-1), (await client.download(given[3], sink)).size];"""
        result = run_node(fetch + act, tmp_path)
    assert result == [hashlib.sha256(BIG).hexdigest(), [len(BIG), len(BIG)], len(BIG)]
    assert (len(proxy.faults_done), proxy.bytes_toward["client"] < 1.5 * len(BIG)) == (1, True)


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, bytes]:
    """A folder `photos` where the examples run, and what is in it by its name."""
    found = {"photos/beach.jpg": b"the sea", "photos/día 1/a+b & 100%.jpg": b"sand", "photos/día 1/deep/er/x": b""}
    for name, content in found.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "photo.jpg").write_bytes(b"a photo")
    return found


def below(server: LiveServer, alice: requests.Session, folder: str) -> dict[str, bytes]:
    """What lies below a folder."""
    query: dict[str, str | int] = {"prefix": f"{folder}/", "limit": 1000}
    files = alice.get(f"{server.url}/api/files", params=query, timeout=30).json()["files"]
    return {each["filename"]: stored(server, alice, quote(each["filename"])) for each in files}


def test_folders_in_a_shell(
    server: LiveServer, alice: requests.Session, places: dict[str, str], photos: dict[str, bytes], tmp_path: Path
) -> None:
    first, send, change, _trash = blocks("folders.md", "sh")
    (got := tmp_path / "got").mkdir()
    printed = run_shell(first.replace("-OJ", f"-OJ --output-dir {got}"), tmp_path, **places)
    assert [each["filename"] for each in json.loads(printed.splitlines()[1])["files"]] == ["2026/11/photo.jpg"]
    assert (got / "photo.jpg").read_bytes() == b"a photo"
    run_shell(send + send, tmp_path, **places)
    assert below(server, alice, "photos") == photos
    made, counted, moved, *deleted = run_shell(change, tmp_path, **places).splitlines()
    assert [json.loads(each)["path"] for each in (made, counted, moved)] == ["albums", "2026/11", "albums/sea"]
    assert (json.loads(moved)["files"], deleted, below(server, alice, "albums")) == (1, [], {})
    assert alice.get(f"{server.url}/api/folders/albums", timeout=30).status_code == 404


def test_the_trash_in_a_shell(tmp_path: Path) -> None:
    *_others, example = blocks("folders.md", "sh")
    with running(tmp_path / "data", "alice", TRANSFER_TRASH_DAYS="30") as server:
        alice = server.sign_in("alice")
        file_id = server.store(alice, "day/photo.jpg", b"a photo").split("/")[3]

        def run(line: str) -> dict[str, Any]:
            alice.delete(f"{server.url}/api/files/{file_id}", timeout=30).raise_for_status()
            printed = run_shell(line, tmp_path, SERVER=server.url, TOKEN=token_of(alice), FILE_ID=file_id)
            found: dict[str, Any] = json.loads(printed or "{}")
            return found

        see, bring_back, rescue, empty = example.splitlines()
        assert [each["filename"] for each in run(f"{see}\n")["files"]] == ["day/photo.jpg"]
        assert json.loads(run_shell(bring_back, tmp_path, SERVER=server.url, TOKEN=token_of(alice), FILE_ID=file_id))
        assert run(rescue)["filename"] == "rescued/photo.jpg"
        assert stored(server, alice, "rescued/photo.jpg") == b"a photo"
        assert run(empty) == {}
        assert alice.get(f"{server.url}/api/trash", timeout=30).json()["files"] == []


def test_a_folder_in_a_browser(
    server: LiveServer, alice: requests.Session, photos: dict[str, bytes], tmp_path: Path
) -> None:
    """Twice, and with large files that differ by their folders alone."""
    photos |= {f"photos/{folder}/clip.mp4": BIG[place:] + BIG[:place] for place, folder in enumerate("ab")}
    for name, content in photos.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (example,) = blocks("folders.md", "js")
    send = as_function(example, "send", "server", "account", "password", "field", gives="field.files.length")
    act = f"""
    import {{ readFileSync }} from "node:fs";
    process.chdir({json.dumps(str(tmp_path))});
    const files = {json.dumps(list(photos))}.map((path) => {{
      const file = new File([readFileSync(path)], path.split("/").pop(), {{ lastModified: 1 }});
      return Object.assign(file, {{ webkitRelativePath: `js/${{path}}` }});
    }});
    const result = [];
    for (let time = 0; time < 2; time++) result.push(await send("{server.url}", "alice", "{PASSWORD}", {{ files }}));"""
    assert run_node(send + act, tmp_path) == [len(photos), len(photos)]
    assert below(server, alice, "js") == {f"js/{name}": content for name, content in photos.items()}


@pytest.mark.parametrize("page", [1, 1000])
def test_a_folder_is_copied_down(
    server: LiveServer,
    alice: requests.Session,
    places: dict[str, str],
    photos: dict[str, bytes],
    tmp_path: Path,
    page: int,
) -> None:
    (example,) = blocks("folders.md", "python")
    assert '"limit": 1000' in example
    for name, content in photos.items():
        server.store(alice, f"down {page}/{name}", content)
    told = example.replace('"limit": 1000', f'"limit": {page}') + "\nprint('null')\n"
    run_python(told, tmp_path, server.url, places["TOKEN"], f"down {page}", str(tmp_path / "copy"))
    copied = {
        str(path.relative_to(tmp_path / "copy")): path for path in (tmp_path / "copy").rglob("*") if path.is_file()
    }
    assert {name: path.read_bytes() for name, path in copied.items()} == {
        f"down {page}/{name}": content for name, content in photos.items()
    }


def test_a_device_signs_in(server: LiveServer, tmp_path: Path) -> None:
    sign_in, renew, who, sessions = blocks("accounts.md", "sh")[1:]
    pair = json.loads(run_shell(sign_in.replace("sensor-7", "bob"), tmp_path, SERVER=server.url, PASSWORD=PASSWORD))
    tokens = {"SERVER": server.url, "REFRESH_TOKEN": pair["refresh_token"], "ACCESS_TOKEN": pair["access_token"]}
    described = json.loads(blocks("accounts.md", "json")[1].replace("…", "1"))
    assert json.loads(run_shell(who, tmp_path, **tokens)).keys() == described.keys()
    assert json.loads(run_shell(renew.splitlines()[0], tmp_path, **tokens)).keys() == pair.keys()
    run_shell(renew.splitlines()[1], tmp_path, **tokens)
    assert json.loads(run_shell(who, tmp_path, **tokens)) == {"detail": "Could not validate credentials"}

    pair = json.loads(run_shell(sign_in.replace("sensor-7", "bob"), tmp_path, SERVER=server.url, PASSWORD=PASSWORD))
    tokens["ACCESS_TOKEN"] = pair["access_token"]
    listing, ending = sessions.splitlines()
    (described,) = json.loads(blocks("accounts.md", "json")[2])["sessions"]
    (own,) = [each for each in json.loads(run_shell(listing, tmp_path, **tokens))["sessions"] if each["current"]]
    assert own.keys() == described.keys()
    run_shell(ending, tmp_path, ID=own["id"], **tokens)
    assert json.loads(run_shell(who, tmp_path, **tokens)) == {"detail": "Could not validate credentials"}


def test_accounts_on_the_command_line(server: LiveServer) -> None:
    """Each line as printed; those that ask or need another account first are given what they need."""
    (commands,) = blocks("accounts.md", "sh")[:1]
    lines = [line.split("  #")[0].strip() for line in commands.splitlines()]
    for line in lines[1:]:
        words = line.rpartition("--app wsgi ")[2].split()
        if words[1] in {"create", "set-password"} and "--password-stdin" not in words:
            words.append("--password-stdin")
        if words[2:3] == ["alice"] and words[1] == "create":
            continue  # is there
        if words[1] == "delete":
            words.append("--yes")
        server.command(*words, stdin=f"{PASSWORD}\n")
    assert "sensor-7" not in server.command("accounts", "list")
