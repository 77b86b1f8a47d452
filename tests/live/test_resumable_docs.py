"""docs/resumable.md by its own word: every example is run as printed, and the tables name what there is."""

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import requests
import socketio
import yaml

from config import Settings
from tests.conftest import PASSWORD
from tests.live.bare_socket import BareClient, Listening
from tests.live.doc_examples import as_function, blocks, run_node, run_python, run_shell
from tests.live.nginx import running_nginx
from tests.live.node import token_of
from tests.live.server import REPOSITORY, LiveServer, wait_until
from tests.ports import free_port
from transfer_service import errors
from transfer_service.models.uploads import UploadProtocol
from transfer_service.services import body_writer as landing
from transfer_service.services.upkeep.uploads import TOMBSTONE_AGE
from transfer_service.services.uploads import listing as unfinished_uploads
from transfer_service.services.uploads.lookup import TAKE_OVER_SECONDS
from transfer_service.web.request_body import CHANCE_SECONDS
from transfer_service.wire import rufh, tus

PAGE = "resumable.md"
TEXT = (REPOSITORY / "docs" / PAGE).read_text("utf-8")
STEPS = blocks(PAGE, "sh")
LISTED, TOLD = blocks(PAGE, "json")
(IN_JAVASCRIPT,) = blocks(PAGE, "js")
(IN_PYTHON,) = blocks(PAGE, "python")
(IN_NGINX,) = blocks(PAGE, "nginx")
TUS = {"Tus-Resumable": "1.0.0"}
APPENDING = {**TUS, "Content-Type": tus.MEDIA_TYPE}
DATA = np.random.default_rng(15).bytes(300_000)
DIGEST = hashlib.sha256(DATA).hexdigest()
SPEC: dict[str, Any] = yaml.safe_load((REPOSITORY / "openapi.yaml").read_text("utf-8"))
UPLOAD_PATHS = ("/api/uploads", "/api/uploads/{upload_id}")


def create(alice: requests.Session, url: str, **headers: str) -> str:
    """The URL of a new upload by tus, of 300 000 bytes."""
    fields = {
        **TUS,
        "Upload-Length": str(len(DATA)),
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    answer = alice.post(f"{url}/api/uploads", headers=fields, timeout=30)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["Location"])


def downloaded(alice: requests.Session, server: LiveServer, file_id: str) -> str:
    """The SHA-256 of a file, by its id."""
    answer = alice.get(f"{server.url}/api/files/{file_id}/download", timeout=30)
    assert answer.status_code == 200, answer.text
    return hashlib.sha256(answer.content).hexdigest()


def test_the_steps_by_curl_work_as_printed(server: LiveServer, alice: requests.Session, tmp_path: Path) -> None:
    script = "\necho ----\n".join(STEPS)
    output = run_shell(script, tmp_path, SERVER=server.url, TOKEN=token_of(alice))
    by_tus, in_parts, by_draft, listed = (step.strip() for step in output.split("----\n"))
    assert (by_tus, by_draft) == ("broken\nidentical", "broken\nidentical")
    assert in_parts == "film%20%282%29.mp4"
    assert f"# {in_parts}" in TEXT
    assert json.loads(listed) == {"uploads": [], "next_cursor": None}
    film = hashlib.sha256((tmp_path / "film.mp4").read_bytes()).hexdigest()
    files = alice.get(f"{server.url}/api/files", timeout=30).json()["files"]
    assert {each["filename"]: each["sha256"] for each in files if "." in each["filename"]} == {
        "film.mp4": film, "film (2).mp4": film, "series.mp4": film,
    }  # fmt: skip


def test_the_javascript_example_uploads_and_tells_the_id(
    server: LiveServer, alice: requests.Session, tmp_path: Path
) -> None:
    (tmp_path / "data").write_bytes(DATA)
    given = json.dumps([server.url, PASSWORD, str(tmp_path / "data")])
    result = run_node(
        f"""{as_function(IN_JAVASCRIPT, "send", "server", "account", "password", "file", "name", gives="told")}
        import {{ readFileSync }} from "node:fs";
        const [server, right, path] = {given};
        const upload = (file, name, password = right) => send(server, "alice", password, file, name);
        const told = await upload(readFileSync(path), "文件.bin");
        const empty = await upload(new Uint8Array(0), "empty.bin");
        const refused = await upload(readFileSync(path), "a.bin", "wrong").catch((error) => error.status);
        const result = {{ told, empty, refused }};""",
        tmp_path,
    )
    *_moved, moved, (file_id, digest) = result["told"]
    assert (moved, digest, downloaded(alice, server, file_id)) == ([len(DATA), len(DATA)], DIGEST, DIGEST)
    assert (downloaded(alice, server, result["empty"][-1][0]), result["refused"]) == (hashlib.sha256().hexdigest(), 401)
    assert alice.get(f"{server.url}/download/文件.bin", timeout=30).content == DATA


def test_the_python_example_uploads_and_tells_the_id(
    server: LiveServer, alice: requests.Session, tmp_path: Path
) -> None:
    (tmp_path / "data").write_bytes(DATA)
    file_id = run_python(IN_PYTHON, tmp_path, server.url, token_of(alice), str(tmp_path / "data"), "python.bin")
    assert downloaded(alice, server, file_id) == DIGEST
    assert alice.get(f"{server.url}/download/python.bin", timeout=30).content == DATA


def test_the_printed_list_and_event_have_the_fields_of_real_ones(server: LiveServer, alice: requests.Session) -> None:
    name = base64.b64encode(b"told.bin").decode()
    with socketio.SimpleClient() as client:
        client.connect(server.url, auth={"access_token": token_of(alice)}, wait_timeout=60)
        url = create(alice, server.url, Upload_Metadata=f"filename {name}")
        alice.patch(url, data=DATA[:1000], headers={**APPENDING, "Upload-Offset": "0"}, timeout=30)
        event, told = client.receive(timeout=30)
    listed = alice.get(f"{server.url}/api/uploads", timeout=30).json()
    alice.delete(url, headers=TUS, timeout=30)
    printed = json.loads(LISTED)
    assert (event, told) == ("upload_progress", json.loads(TOLD) | {
        "upload_id": url.rpartition("/")[2], "filename": "told.bin", "offset": 1000, "length": len(DATA),
    })  # fmt: skip
    assert (listed.keys(), listed["uploads"][0].keys()) == (printed.keys(), printed["uploads"][0].keys())
    assert {name for name in printed["uploads"][0] if f"| `{name}` |" not in TEXT} == {"upload_id"}


class Front(NamedTuple):
    """An nginx that has the printed location and nothing else."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def front(server: LiveServer, tmp_path: Path) -> Iterator[Front]:
    front = Front(free_port())
    location = IN_NGINX.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
    with running_nginx(tmp_path, f"server {{ listen 127.0.0.1:{front.port}; {location} }}", port=front.port):
        yield front


def test_with_the_printed_nginx_settings_what_arrived_before_a_break_stays(
    server: LiveServer, alice: requests.Session, front: Front
) -> None:
    url = create(alice, front.url)
    target = url.removeprefix(front.url)
    with BareClient(front, alice) as client:
        fields = [f"{name}: {value}" for name, value in APPENDING.items()]
        client.send_head("PATCH", target, "Upload-Offset: 0", f"Content-Length: {len(DATA)}", *fields)
        client.send(DATA[:200_000])
        wait_until(lambda: alice.get(url, timeout=30).json()["offset"] == 200_000)
        client.reset()
    offset = alice.head(url, headers=TUS, timeout=30).headers["Upload-Offset"]
    done = alice.patch(url, data=DATA[200_000:], headers={**APPENDING, "Upload-Offset": offset}, timeout=30)
    assert (offset, done.status_code) == ("200000", 204)
    assert downloaded(alice, server, done.headers["X-File-Id"]) == DIGEST


def send_with_trailer(alice: requests.Session, to: Listening, target: str) -> int:
    """Append DATA with its checksum behind it; the status of the answer."""
    checksum = base64.b64encode(hashlib.sha1(DATA, usedforsecurity=False).digest()).decode()
    coding = ("Transfer-Encoding: chunked", "Trailer: Upload-Checksum", "Upload-Offset: 0")
    with BareClient(to, alice) as client:
        client.send_head("PATCH", target, *coding, *(f"{name}: {value}" for name, value in APPENDING.items()))
        client.send(b"%x\r\n%s\r\n0\r\nUpload-Checksum: sha1 %s\r\n\r\n" % (len(DATA), DATA, checksum.encode()))
        return client.receive().status


@pytest.mark.one_machine("nginx passes on no trailers")
def test_a_checksum_may_come_as_a_trailer_but_not_through_nginx(
    server: LiveServer, alice: requests.Session, front: Front
) -> None:
    target = create(alice, server.url).removeprefix(server.url)
    through_nginx = send_with_trailer(alice, front, target)
    offset = alice.head(server.url + target, headers=TUS, timeout=30).headers["Upload-Offset"]
    assert (through_nginx, offset) == (400, "0")
    assert send_with_trailer(alice, server, target) == 204


def seconds(text: float) -> str:
    """A number of seconds as the page spells it."""
    return {0.5: "half a second", 2.0: "two seconds"}[text]


@pytest.mark.parametrize(
    "claim",
    [
        f"has {seconds(CHANCE_SECONDS)} to bring its first bytes",
        f"within {seconds(math.ceil(TAKE_OVER_SECONDS))} the newer request has its answer",
        f"`TRANSFER_STALE_UPLOAD_HOURS` ({Settings.model_fields['stale_upload_hours'].default})",
        f"answer 410 for {TOMBSTONE_AGE.days} days",
        f"`TRANSFER_READ_TIMEOUT_SECONDS` ({Settings.model_fields['read_timeout_seconds'].default})",
        f"`{rufh.UnsupportedInteropVersion.detail}`",
    ],
)
def test_the_numbers_are_those_of_the_code(claim: str) -> None:
    assert claim in " ".join(TEXT.split())


def section(title: str) -> str:
    """What stands between a heading and the next one."""
    (found,) = re.findall(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", TEXT, flags=re.DOTALL | re.MULTILINE)
    return str(found)


def statuses_of(title: str) -> set[str]:
    """The statuses in the first column of a section's tables."""
    rows = re.findall(r"^\| ([0-9][0-9, ]*) \|", section(title), flags=re.MULTILINE)
    return {status for row in rows for status in row.split(", ")}


def described() -> set[str]:
    """All statuses that openapi.yaml knows of resumable uploads."""
    items = [SPEC["paths"][path] for path in UPLOAD_PATHS]
    operations = [item[method] for item in items for method in item if method != "parameters"]
    return {status for operation in operations for status in operation["responses"]}


def test_the_tables_name_every_status_that_is_described() -> None:
    by_tus, by_draft = statuses_of("tus"), statuses_of("The draft")
    assert by_tus | by_draft == described() | {"431"}
    assert by_tus - by_draft == {"403", "412", "423", "460"}
    assert by_draft - by_tus == {"104"}


KINDS: list[type[errors.TransferError]] = [
    errors.BodyCutShort, errors.BodyTimeout, errors.OffsetMismatch, errors.UploadEnded, errors.TooLarge,
    errors.QuotaExceeded, errors.UploadFinished, errors.RangeBusy, errors.ChecksumMismatch, errors.ReadFailed,
    errors.StoreUnavailable, errors.StorageFull, errors.InconsistentLength, errors.DigestMismatch, errors.InvalidName,
]  # fmt: skip


@pytest.mark.parametrize("sentence", [*(kind.detail for kind in KINDS), landing.PAST_THE_LENGTH])
def test_the_tables_name_every_sentence(sentence: str) -> None:
    assert f"`{sentence}`" in section("tus") + section("The draft")


@pytest.mark.parametrize(
    "value",
    [
        *(f"`{protocol.value}`" for protocol in UploadProtocol),
        f"`{unfinished_uploads.CHUNKS}`", f"`{unfinished_uploads.WHOLE}`", "`pending`", "`partial`", "`complete`",
        "…#completed-upload", "…#inconsistent-upload-length", "…#mismatching-upload-offset",
    ],
)  # fmt: skip
def test_the_page_names_every_value(value: str) -> None:
    assert value in TEXT


def test_the_tests_of_the_requirements_are_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", section("The draft, requirement by requirement")))
    sources = "".join(path.read_text("utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py"))
    assert len(named) > 40
    assert {name for name in named if f"def {name}(" not in sources} == set()
