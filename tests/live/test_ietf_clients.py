"""Resumable uploads of the IETF draft: tus-js-client's interop versions 5 and 6, and curl as a client of version 8."""

import base64
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.live.fault_proxy import FaultProxy
from tests.live.resumable import (
    CUTS,
    FEWEST_CUTS,
    FEWEST_RESUMPTIONS,
    MIB,
    Body,
    Way,
    backward_steps,
    before,
    body,
    resumptions,
    site,
    uploading,
    way,
)
from tests.live.server import wait_until
from tests.missing import missing

__all__ = ["before", "body", "site", "way"]

SIZE = 24 * MIB + 12_345
FIRST = 1_000_000


@pytest.mark.parametrize("chunk_size", [pytest.param(None, id="one-request"), pytest.param(5 * MIB, id="chunks")])
@pytest.mark.parametrize("protocol", ["ietf-draft-03", "ietf-draft-05"])
def test_an_upload_of_tus_js_client_survives_every_cut(
    way: Way, body: Body, before: set[str], protocol: str, chunk_size: int | None
) -> None:
    options: dict[str, Any] = {"protocol": protocol, "chunkSize": chunk_size}
    with FaultProxy(way.port, CUTS) as proxy, uploading(way, proxy, body, options=options) as js:
        done = js.finish()
    assert (len(proxy.faults_done) >= FEWEST_CUTS, backward_steps(js)) == (True, [])
    assert resumptions(js, SIZE) >= FEWEST_RESUMPTIONS
    assert (way.digest(done.file_id), way.files() - before, way.unfinished()) == (body.digest, {done.file_id}, [])


@dataclass(frozen=True)
class Head:
    """The head of one response, as curl tells it."""

    status: int
    headers: dict[str, str]


def heads_of(verbose: str) -> list[Head]:
    """All heads of responses, interim ones too, in what `curl -v` has written so far."""
    lines = [line[2:] for line in verbose.splitlines() if line.startswith("< ")]
    heads: list[Head] = []
    for line in lines:
        if line.startswith("HTTP/"):
            heads.append(Head(int(line.split()[1]), {}))
        elif ": " in line:
            name, value = line.split(": ", 1)
            heads[-1].headers[name.lower()] = value
    return heads


@dataclass(frozen=True)
class Curl:
    """A client of interop version 8 that is a few lines of shell."""

    way: Way
    folder: Path

    def _command(self, method: str, path: str, headers: dict[str, str], data: bytes | None) -> list[str]:
        if shutil.which("curl") is None:
            missing("curl is not installed")
        fixed = {"Upload-Draft-Interop-Version": "8", "Content-Type": "", **self.way.authorization, **headers}
        fields = [word for name, value in fixed.items() for word in ("-H", f"{name}: {value}")]
        (self.folder / "sent").write_bytes(data or b"")
        sending = [] if data is None else ["-T", str(self.folder / "sent")]
        asking = ["-I"] if method == "HEAD" else ["-X", method]
        url = f"http://127.0.0.1:{self.way.port}{path}"
        return ["curl", "-sSv", "--max-time", "60", "-o", "/dev/null", *asking, *sending, *fields, url]

    def ask(self, method: str, path: str, data: bytes | None = None, **headers: str) -> list[Head]:
        """All heads of the answer, the last one being final."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        command = self._command(method, path, fields, data)
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return heads_of(result.stderr)

    def append(self, path: str, data: bytes, *, offset: int, is_last: bool) -> Head:
        headers = {"Upload-Offset": str(offset), "Upload-Complete": flag(is_last)}
        return self.ask("PATCH", path, data, **{"Content-Type": "application/partial-upload"}, **headers)[-1]

    def cut(self, method: str, path: str, data: bytes, **headers: str) -> list[Head]:
        """Send slowly, get killed when the service has some of it, and tell what was heard until then."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        command = [*self._command(method, path, fields, data), "--limit-rate", "4M"]
        arrived = self.arrived()
        with (self.folder / "verbose").open("wb") as log:
            process = subprocess.Popen(command, stderr=log)
        try:
            wait_until(lambda: self.arrived() > arrived)
        finally:
            process.kill()
            process.wait()
        return heads_of((self.folder / "verbose").read_text())

    def arrived(self) -> int:
        """How much of everything unfinished the service has."""
        return sum(each["offset"] for each in self.way.unfinished())


def flag(value: bool) -> str:
    """A boolean of RFC 9651."""
    return "?1" if value else "?0"


def repr_digest(data: bytes) -> str:
    """A field value of RFC 9530."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


@pytest.fixture
def curl(way: Way, tmp_path: Path) -> Curl:
    return Curl(way, tmp_path)


@contextmanager
def no_leftovers(way: Way) -> Iterator[None]:
    """Whatever the test leaves unfinished is cancelled, so that the next one finds nothing."""
    try:
        yield
    finally:
        for each in way.unfinished():
            url = f"{way.server.url}/api/uploads/{each['upload_id']}"
            way.alice.delete(url, headers={"Upload-Draft-Interop-Version": "8"}, timeout=30)


def test_a_creation_that_was_cut_goes_on_at_the_address_of_its_interim_response(
    way: Way, curl: Curl, body: Body, before: set[str]
) -> None:
    heard = curl.cut("POST", "/api/uploads", body.data, Upload_Complete="?1", Repr_Digest=repr_digest(body.data))
    (upload,) = way.unfinished()
    path = f"/api/uploads/{upload['upload_id']}"
    interim = [head for head in heard if head.status == 104]
    is_direct = way.port == way.server.port
    told = interim[0].headers["location"].removeprefix(f"http://127.0.0.1:{way.port}") if interim else None
    assert told == (path if is_direct else None)  # nginx passes no 104 on, and the service is told to send none

    (state,) = curl.ask("HEAD", path)
    offset = int(state.headers["upload-offset"])
    done = curl.append(path, body.data[offset:], offset=offset, is_last=True)
    assert (0 < offset < SIZE, state.headers["upload-complete"], state.headers["upload-length"]) == (
        True,
        "?0",
        f"{SIZE}",
    )
    assert (done.status // 100, done.headers["upload-complete"], way.files() - before, way.unfinished()) == (
        2, "?1", {done.headers["x-file-id"]}, []
    )  # fmt: skip
    assert way.digest(done.headers["x-file-id"]) == body.digest


def test_a_series_of_appends_ends_with_an_empty_one(way: Way, curl: Curl, body: Body, before: set[str]) -> None:
    named = 'attachment; filename="series.bin"'
    created = curl.ask(
        "POST", "/api/uploads", body.data[:FIRST], Upload_Complete="?0", Upload_Length=str(SIZE),
        Repr_Digest=repr_digest(body.data), Content_Type="image/png", Content_Disposition=named,
    )[-1]  # fmt: skip
    path = created.headers["location"].removeprefix(f"http://127.0.0.1:{way.port}")
    appending = {"Content-Type": "application/partial-upload", "Upload-Offset": str(FIRST), "Upload-Complete": "?0"}
    curl.cut("PATCH", path, body.data[FIRST:], **appending)
    offset = int(curl.ask("HEAD", path)[-1].headers["upload-offset"])
    appended = curl.append(path, body.data[offset:], offset=offset, is_last=False)
    between = curl.ask("HEAD", path)[-1]
    done = curl.append(path, b"", offset=SIZE, is_last=True)

    assert (created.status, FIRST < offset < SIZE, appended.status // 100, done.status // 100) == (201, True, 2, 2)
    assert (between.headers["upload-offset"], between.headers["upload-complete"]) == (str(SIZE), "?0")
    file_id = done.headers["x-file-id"]
    assert (done.headers["upload-complete"], way.digest(file_id)) == ("?1", body.digest)
    assert (way.files() - before, way.unfinished()) == ({file_id}, [])


def test_bytes_other_than_their_digest_never_become_a_file(way: Way, curl: Curl, body: Body, before: set[str]) -> None:
    with no_leftovers(way):
        heads = curl.ask(
            "POST", "/api/uploads", body.data[:FIRST], Upload_Complete="?1", Repr_Digest=repr_digest(b"other")
        )
        assert heads[-1].status == 400
    assert (way.files() - before, way.unfinished()) == (set(), [])
