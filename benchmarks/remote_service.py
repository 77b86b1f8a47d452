"""Our service with its download worker, and a catalogue whose archives are files of a local web server."""

import json
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.chat_accounts import Accounts
from benchmarks.connection import Connection
from benchmarks.payload import Payload
from benchmarks.servers import ACCOUNT, Server, clean_environment, run_flask, service, started, temporary_folder

GAME_ID = uuid.UUID("6f2c1f9e-5a3b-4c58-9d35-0c6f1d2b7a11")
PATH = f"/api/downloads/{GAME_ID}/download"
POLL_SECONDS = 0.05
MOST_SECONDS = 600.0
ENDED = {"completed", "error", "cancelled"}


@dataclass(frozen=True)
class RemoteService:
    """The service and its worker, each with processes of its own."""

    server: Server
    worker: Server

    def fetch(self, archive_id: int) -> float:
        """Seconds from the request for an archive until it is complete. Raises RuntimeError where it fails."""
        with Connection(self.server.port, self.server.token) as connection:
            began = time.monotonic()
            _start(connection, archive_id)
            _wait(connection, archive_id, "completed")
            return time.monotonic() - began

    @contextmanager
    def fetching(self, archive_id: int) -> Iterator[None]:
        """A download that is under way, and cancelled in the end."""
        with Connection(self.server.port, self.server.token) as connection:
            _start(connection, archive_id)
            _wait(connection, archive_id, "downloading")
            yield
            connection.request("DELETE", PATH).expect(200)

    def delete_archive(self, archive_id: int) -> None:
        """Free the space of an archive behind the service's back."""
        (self.server.folder / "data/games" / f"{archive_id}.zip").unlink()


@contextmanager
def remote_service(
    source: Server, archives: Sequence[Payload], accounts: Accounts | None = None
) -> Iterator[RemoteService]:
    """A service whose archives have the ids from 1 on, and are files of `source` that have their digests for names."""

    def prepare(data_dir: Path) -> None:
        catalogue = data_dir / "catalogue.json"
        catalogue.write_text(json.dumps(_catalogue(archives)))
        environment = clean_environment(TRANSFER_DATA_DIR=str(data_dir))
        with temporary_folder() as empty:
            run_flask(empty, environment, "games", "import", str(catalogue))
            run_flask(empty, environment, "accounts", "grant", ACCOUNT, "games.download")
        if accounts is not None:
            accounts.prepare(data_dir)

    base_url = f"http://127.0.0.1:{source.port}/{{sha256}}"
    sources = [{"type": "raw", "name": "nginx", "arguments": [base_url]}]
    settings = {"TRANSFER_GAME_DATA_SOURCES": json.dumps(sources), "TRANSFER_ALLOW_PRIVATE_SOURCES": "true"}
    with service(prepare=prepare, **settings) as server:
        environment = clean_environment(TRANSFER_DATA_DIR=str(server.folder / "data"), **settings)
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "worker"]
        with started(server.folder, environment, command) as process:
            yield RemoteService(server, Server("worker", 0, "", server.folder, (process.pid,)))


def _catalogue(archives: Sequence[Payload]) -> dict[str, Any]:
    rows = [
        {
            "id": number,
            "gameId": str(GAME_ID),
            "title": f"Archive {number}",
            "dateAdded": "2026-05-01T12:00:00Z",
            "sha256": archive.sha256,
            "size": len(archive.view),
        }
        for number, archive in enumerate(archives, start=1)
    ]
    return {"games": [{"id": str(GAME_ID), "title": "A game"}], "gameData": rows}


def _start(connection: Connection, archive_id: int) -> None:
    body = json.dumps({"gameDataId": archive_id}).encode()
    connection.request("POST", PATH, body, media_type="application/json").expect(202)


def _wait(connection: Connection, archive_id: int, status: str) -> None:
    """Until the newest download of an archive is as far as that. Raises RuntimeError where it ends before."""
    deadline = time.monotonic() + MOST_SECONDS
    while time.monotonic() < deadline:
        listed = connection.request("GET", "/api/downloads").expect(200).json()["downloads"]
        download = next(each for each in listed if each["gameDataId"] == archive_id)
        if download["status"] == status:
            return
        if download["status"] in ENDED:
            raise RuntimeError(f"The download ended: {download['status']}, {download['error']}")
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"The download was not {status} after {MOST_SECONDS:.0f} s")
