"""tus-js-client over a network that breaks again and again: whatever it is asked for, one whole file is left."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.live.bare_socket import BareClient
from tests.live.fault_proxy import Fault, FaultProxy
from tests.live.resumable import (
    CUTS,
    FEWEST_CUTS,
    FEWEST_RESUMPTIONS,
    MIB,
    SLOW,
    SLOW_CUTS,
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

__all__ = ["before", "body", "site", "way"]

SIZE = 24 * MIB + 12_345
SHARED_CUTS = [Fault(reset_at=size, toward="server") for size in (1_000_000, 700_001, MIB, 333_333, 999_999, 500_000)]
"""Of four connections at once, each for about 6 MiB."""


@pytest.fixture
def named() -> dict[str, Any]:
    """Options of a client that gives the file a name of the test's own."""
    return {"metadata": {"filename": f"{uuid.uuid4().hex}.bin"}}


@pytest.mark.parametrize(("options", "leading", "cuts"), [
    pytest.param({"chunkSize": 5 * MIB, "addRequestId": True}, {}, CUTS, id="chunks"),
    pytest.param({}, {}, CUTS, id="one-request"),
    pytest.param({"overridePatchMethod": True}, {}, CUTS, id="post-for-patch"),
    pytest.param({"chunkSize": MIB, "uploadDataDuringCreation": True}, {}, CUTS, id="data-during-creation"),
    pytest.param({"parallelUploads": 4}, {}, SHARED_CUTS, id="parallel"),
    pytest.param({"chunkSize": 5 * MIB, "uploadLengthDeferred": True}, {"stream": True}, CUTS, id="deferred-length"),
])  # fmt: skip
def test_an_upload_survives_every_cut(
    way: Way, body: Body, before: set[str], named: dict[str, Any],
    options: dict[str, Any], leading: dict[str, Any], cuts: list[Fault],
) -> None:  # fmt: skip
    with (
        FaultProxy(way.port, cuts) as proxy,
        uploading(way, proxy, body, options={**named, **options}, **leading) as js,
    ):
        done = js.finish()
    assert (len(proxy.faults_done) >= FEWEST_CUTS, backward_steps(js)) == (True, [])
    assert resumptions(js, SIZE) >= FEWEST_RESUMPTIONS
    assert (way.digest(done.file_id), way.files() - before, way.unfinished()) == (body.digest, {done.file_id}, [])


def test_a_pause_keeps_what_arrived(way: Way, body: Body, before: set[str], named: dict[str, Any]) -> None:
    cuts = [*SLOW_CUTS, Fault(trickle=SLOW, toward="server")]
    with FaultProxy(way.port, cuts) as proxy, uploading(way, proxy, body, options=named, pauseAt=12 * MIB) as js:
        js.wait("paused")
        (paused,) = way.unfinished()
        js.say("resume")
        done = js.finish()
    resumed_at = next(int(answer["headers"]["upload-offset"]) for answer in js.heard("response")[-2:])
    assert 0 < paused["offset"] <= resumed_at
    assert (len(proxy.faults_done) >= FEWEST_CUTS, backward_steps(js), way.digest(done.file_id)) == (
        True,
        [],
        body.digest,
    )
    assert (way.files() - before, way.unfinished()) == ({done.file_id}, [])


def test_another_process_goes_on_after_the_client_was_killed(
    way: Way, body: Body, before: set[str], named: dict[str, Any], tmp_path: Path
) -> None:
    store = str(tmp_path / "uploads.json")
    with FaultProxy(way.port, SLOW_CUTS) as proxy:
        with uploading(way, proxy, body, options=named, store=store) as killed:
            wait_until(lambda: len(proxy.faults_done) >= 3)
            killed.kill()
        with uploading(way, proxy, body, options=named, store=store) as second:
            done = second.finish()
    assert (len(proxy.faults_done) >= FEWEST_CUTS, backward_steps(killed, second)) == (True, [])
    assert (killed.heard("url")[0], way.digest(done.file_id)) == (done.url, body.digest)
    assert (way.files() - before, way.unfinished()) == ({done.file_id}, [])


def test_the_client_goes_on_after_the_server_was_killed(
    way: Way, body: Body, before: set[str], named: dict[str, Any]
) -> None:
    with FaultProxy(way.port, SLOW_CUTS) as proxy, uploading(way, proxy, body, options=named, pinned=True) as js:
        wait_until(lambda: len(proxy.faults_done) >= 3)
        way.server.kill()
        way.server.start()
        done = js.finish()
    assert (len(proxy.faults_done) >= FEWEST_CUTS, backward_steps(js)) == (True, [])
    assert (js.heard("url")[0], way.digest(done.file_id)) == (done.url, body.digest)
    assert (way.files() - before, way.unfinished()) == ({done.file_id}, [])


class OtherWriter:
    """Somebody else who appends the beginning of the same upload, a little every moment until told to stop."""

    def __init__(self, client: BareClient, path: str, data: bytes) -> None:
        self._client, self._rest = client, data
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._write, name="other-writer")
        client.send_head(
            "PATCH", path, "Tus-Resumable: 1.0.0", "Upload-Offset: 0",
            "Content-Type: application/offset+octet-stream", f"Content-Length: {len(data)}",
        )  # fmt: skip
        self._thread.start()

    def _write(self) -> None:
        with suppress(ConnectionError):  # the answer tells why
            while not self._stopping.wait(0.05):
                self._client.send(self._rest[:1000])
                self._rest = self._rest[1000:]

    def stop(self) -> None:
        """Leave the rest unsent."""
        self._stopping.set()
        self._thread.join()

    def is_told(self) -> int:
        """The status of the answer, which comes before its end."""
        return self._client.receive().status


@contextmanager
def other_writer(way: Way, path: str, data: bytes) -> Iterator[OtherWriter]:
    """Writing already, so that the upload is taken."""
    with BareClient(way, way.alice) as client:
        writer = OtherWriter(client, path, data)
        try:
            yield writer
        finally:
            writer.stop()


def create(way: Way, length: int) -> str:
    """The path of an upload that was made by somebody who did not get further."""
    answer = requests.post(
        f"{way.server.url}/api/uploads", timeout=30,
        headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(length), **way.authorization},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return urlsplit(answer.headers["Location"]).path


def test_the_client_ends_what_somebody_else_writes_and_goes_on(way: Way, body: Body, before: set[str]) -> None:
    """The newest request wins: to the server that could be the client's own connection, which it has lost."""
    path = create(way, len(body.data))
    with FaultProxy(way.port, CUTS) as proxy, other_writer(way, path, body.data[:MIB]) as writer:
        options = {"uploadUrl": f"http://127.0.0.1:{proxy.port}{path}", "endpoint": None, "chunkSize": MIB}
        with uploading(way, proxy, body, options=options) as js:
            told = writer.is_told()
            done = js.finish()
    assert (told, len(proxy.faults_done) >= FEWEST_CUTS, backward_steps(js)) == (423, True, [])
    assert way.digest(done.file_id) == body.digest
    assert (way.files() - before, way.unfinished()) == ({done.file_id}, [])
