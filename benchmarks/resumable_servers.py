"""The servers that are compared: our service, the peers, and one that throws everything away."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.connection import Connection
from benchmarks.fetch import Fetcher, wanted
from benchmarks.measure import MEBIBYTE
from benchmarks.resumable_client import FOLDER, Stored
from benchmarks.servers import Server, clean_environment, fastapi_peer, free_port, running, service, temporary_folder

OURS, OURS_ACK = "ours", "ours, ack"
PEERS = NODE_PEER, PYTHON_PEER = "@tus/server", "tuspyserver"
SINK = "sink"


@dataclass(frozen=True)
class Contender:
    """A running server, the address where its uploads begin, and what can be done with those that are finished."""

    name: str
    server: Server
    path: str
    digest: Callable[[Sequence[Stored]], str] | None
    remove: Callable[[Sequence[Stored]], None]

    @property
    def endpoint(self) -> str:
        """The URL that creates uploads."""
        return f"http://127.0.0.1:{self.server.port}{self.path}"


@contextmanager
def _ours(name: str, durability: str) -> Iterator[Contender]:
    with service(name, TRANSFER_DURABILITY=durability) as server:
        yield Contender(name, server, "/api/uploads", partial(_fetched_sha256, server), partial(_delete_files, server))


@contextmanager
def _python_peer() -> Iterator[Contender]:
    with temporary_folder() as folder, fastapi_peer("fastapi_tus", data_dir=folder) as server:
        yield _with_folder(PYTHON_PEER, server, folder)


@contextmanager
def _node_peer() -> Iterator[Contender]:
    with _node("tus_server.mjs", NODE_PEER) as server:
        yield _with_folder(NODE_PEER, server, server.folder / "files")


@contextmanager
def _sink() -> Iterator[Contender]:
    with _node("tus_sink.mjs", SINK) as server:
        yield Contender(SINK, server, "/files", None, lambda _: None)


CONTENDERS: dict[str, Callable[[], AbstractContextManager[Contender]]] = {
    OURS: partial(_ours, OURS, "complete"),
    OURS_ACK: partial(_ours, OURS_ACK, "ack"),
    NODE_PEER: _node_peer,
    PYTHON_PEER: _python_peer,
    SINK: _sink,
}


@contextmanager
def _node(program: str, name: str) -> Iterator[Server]:
    with temporary_folder() as folder:
        port = free_port()
        command = ["node", str(FOLDER / program), str(port), str(folder / "files")]
        with running(folder, clean_environment(NODE_ENV="production"), command, port) as pid:
            yield Server(name, port, "", folder, (pid,))


def _with_folder(name: str, server: Server, folder: Path) -> Contender:
    """A peer that keeps each upload as a file with its id for a name, and facts about it in files beside."""
    return Contender(name, server, "/files", partial(_read_sha256, folder), partial(_empty, folder))


def _read_sha256(folder: Path, uploads: Sequence[Stored]) -> str:
    hasher = hashlib.sha256()
    for upload in uploads:
        with (folder / upload.id).open("rb") as file:
            while block := file.read(MEBIBYTE):
                hasher.update(block)
    return hasher.hexdigest()


def _empty(folder: Path, _uploads: Sequence[Stored]) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _fetched_sha256(server: Server, uploads: Sequence[Stored]) -> str:
    hasher = hashlib.sha256()
    with Fetcher(server.port) as fetcher:
        for upload in uploads:
            fetcher.fetch_sha256(wanted(server, f"/api/files/{upload.id}/download", upload.length), hasher)
    return hasher.hexdigest()


def _delete_files(server: Server, uploads: Sequence[Stored]) -> None:
    with Connection(server.port, server.token) as connection:
        for upload in uploads:
            connection.request("DELETE", f"/api/files/{upload.name}").expect(200)
