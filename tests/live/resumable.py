"""Resumable uploads by real clients: the ways they come in, a tus-js-client to lead, and what is left behind."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from tests.live import node
from tests.live.fault_proxy import Fault, FaultProxy, Trickle
from tests.live.nginx import NginxSite, running_site
from tests.live.server import LiveServer

MIB = 1024 * 1024
SLOW = Trickle(size=128 * 1024, seconds=0.004)  # about 30 MB/s: slow enough to be caught in the middle
RETRY_DELAYS = [0, 50, 100, 200, *[500] * 40]
CUTS = [
    Fault(reset_at=3 * MIB + 17, toward="server"),
    Fault(reset_at=2_500_001, toward="server", trickle=SLOW),
    Fault(reset_at=2 * MIB, toward="server"),
    Fault(reset_at=777_777, toward="server"),
    Fault(reset_at=3_333_333, toward="server", trickle=SLOW),
    Fault(reset_at=1_500_000, toward="server"),
    Fault(reset_at=1, toward="client"),  # an answer is lost, perhaps the last one
    Fault(half_close_at=1, toward="client"),
]
"""About 13 MiB altogether; creation, which cannot be resumed, gets through."""
FEWEST_CUTS, FEWEST_RESUMPTIONS = 5, 3
"""Of those that are planned: a connection that is kept but not used again takes one with it, and what is sent while
the last bytes of a dead request still come out of a buffer is refused."""
SLOW_CUTS = [Fault(reset_at=size, toward="server", trickle=SLOW) for size in [2_200_000] * 6]


@dataclass(frozen=True)
class Body:
    """What is uploaded, and a file that holds it."""

    path: Path
    data: bytes

    @classmethod
    def make(cls, path: Path, data: bytes) -> "Body":
        path.write_bytes(data)
        return cls(path, data)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Way:
    """How clients reach the service: by a port, directly or through nginx. `server` is the instance behind it."""

    server: LiveServer
    port: int
    alice: requests.Session

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": str(self.alice.headers["Authorization"])}

    def _get(self, path: str) -> requests.Response:
        answer = self.alice.get(f"{self.server.url}{path}", timeout=30)
        assert answer.status_code == 200, answer.text
        return answer

    def unfinished(self) -> list[dict[str, Any]]:
        """The account's unfinished uploads."""
        uploads: list[dict[str, Any]] = self._get("/api/uploads").json()["uploads"]
        return uploads

    def files(self) -> set[str]:
        """The ids of the account's files, finished and unfinished."""
        return {str(each["file_id"]) for each in self._get("/api/files?limit=1000").json()["files"]}

    def download(self, file_id: str) -> bytes:
        """A file as a client of any door gets it, through nginx where that is the way."""
        answer = self.alice.get(f"http://127.0.0.1:{self.port}/api/files/{file_id}/download", timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.content

    def digest(self, file_id: str) -> str:
        """The SHA-256 of a file's bytes, as downloaded."""
        return hashlib.sha256(self.download(file_id)).hexdigest()


def way_through(site: NginxSite, name: str) -> Way:
    """`direct` or `nginx`."""
    server, port = (site.direct, site.direct.port) if name == "direct" else (site.backend, site.front.port)
    return Way(server, port, site.direct.sign_in("alice"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxSite]:
    """An instance with nginx in front of it, for one module's clients."""
    with running_site(tmp_path_factory.mktemp("clients") / "data", "alice") as site:
        yield site


@pytest.fixture(scope="module", params=["direct", "nginx"])
def way(request: pytest.FixtureRequest, site: NginxSite) -> Way:
    """Each test twice: past nginx and through it."""
    return way_through(site, request.param)


@pytest.fixture(scope="module")
def body(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Body:
    """As many bytes as the module's SIZE says."""
    return Body.make(tmp_path_factory.mktemp("body") / "body.bin", np.random.default_rng(9).bytes(request.module.SIZE))


@pytest.fixture
def before(way: Way) -> set[str]:
    """The files there were before."""
    return way.files()


@dataclass(frozen=True)
class Finished:
    """What a client was told at the end."""

    url: str
    headers: dict[str, str]

    @property
    def file_id(self) -> str:
        return self.headers["x-file-id"]


class TusClient(node.Program):
    """A running `tus_client.mjs`; it understands `pause` and `resume`."""

    patience_seconds = 60.0
    fatal = "error"

    def __init__(
        self, way: Way, proxy: FaultProxy, body: Body, leading: dict[str, Any], options: dict[str, Any]
    ) -> None:
        fixed = {"endpoint": f"http://127.0.0.1:{proxy.port}/api/uploads", "headers": way.authorization}
        config = {"path": str(body.path), **leading, "options": {**fixed, "retryDelays": RETRY_DELAYS, **options}}
        super().__init__("tus_client.mjs", config)

    def finish(self) -> Finished:
        """Wait for the end, which must be good."""
        success = self.wait("success")
        return Finished(success["url"], success["headers"])

    def statuses(self) -> list[int]:
        """The status of each answer."""
        return [answer["status"] for answer in self.heard("response")]


@contextmanager
def uploading(
    way: Way, proxy: FaultProxy, body: Body, *, options: dict[str, Any], **leading: Any
) -> Iterator[TusClient]:
    """A client that uploads by the proxy; `leading` is what `tus_client.mjs` itself understands."""
    client = TusClient(way, proxy, body, leading, options)
    try:
        yield client
    finally:
        client.close()


def backward_steps(*clients: TusClient) -> list[tuple[str, int, int]]:
    """Where an upload's offset was smaller than one told before."""
    highest: dict[str, int] = {}
    steps = []
    for answer in (each for client in clients for each in client.heard("response")):
        if "upload-offset" in answer["headers"] and answer["status"] < 300:
            url, offset = answer["url"], int(answer["headers"]["upload-offset"])
            if offset < highest.get(url, 0):
                steps.append((url, highest[url], offset))
            highest[url] = max(offset, highest.get(url, 0))
    return steps


def resumptions(client: TusClient, size: int) -> int:
    """From how many different places inside the body a client went on."""
    answers = [each for each in client.heard("response") if each["method"] == "HEAD" and each["status"] < 300]
    places = {(each["url"], int(each["headers"]["upload-offset"])) for each in answers}
    return sum(0 < offset < size for _, offset in places)
