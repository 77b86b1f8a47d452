"""Debian's nginx in front of running instances, with the files of deploy/nginx as they are."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import requests

from tests.live.server import REPOSITORY, LiveServer, running_one, started, wait_until
from tests.missing import missing
from tests.ports import free_port

START_SECONDS = 10.0
FRONTED = {"TRANSFER_ACCEL": "nginx", "TRANSFER_TRUSTED_PROXIES": "1"}
"""The settings of an instance behind nginx."""

_MAIN = """
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""

_SITE = """
include transfer/http.conf;
{before}
map $http_origin $transfer_origin {{ default ""; {origins} }}
upstream transfer {{ ip_hash; {upstreams} keepalive 64; }}
server {{
    listen 127.0.0.1:{port};
    listen 127.0.0.1:{tls_port} ssl http2;
    ssl_certificate transfer/tls/fullchain.pem;
    ssl_certificate_key transfer/tls/privkey.pem;
    set $transfer_data {data};
    set $transfer_blobs {blobs};
    client_max_body_size {max_body};
    include transfer/server.conf;
    {lines}
    {store}
}}
"""


@dataclass(frozen=True)
class NginxFront:
    """A running nginx. Its plain and its TLS port lead to the same service; the certificate is made for the test."""

    folder: Path
    port: int
    tls_port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"https://127.0.0.1:{self.tls_port}"

    @property
    def certificate(self) -> Path:
        return self.folder / "transfer/tls/fullchain.pem"

    def errors(self) -> str:
        """What nginx has complained about."""
        return (self.folder / "error.log").read_text()

    def logged(self, *texts: str, times: int = 1, name: str = "access.log") -> str:
        """What the log holds once each of these texts is there so many times: nginx writes after it has answered."""
        log = self.folder / name
        wait_until(lambda: all(log.read_text().count(text) >= times for text in texts))
        return log.read_text()


@contextmanager
def behind_nginx(
    *servers: LiveServer,
    max_body: str = "11g",
    blobs: Path | None = None,
    origins: Sequence[str] = (),
    store: str | None = None,
    before: str = "",
    lines: str = "",
) -> Iterator[NginxFront]:
    """Nginx in front of instances that share one data folder and trust one proxy; it looks for files in `blobs`.

    Its own answers may be read by pages of `origins`; `store` is the endpoint of the object store. The site has further
    `lines`, and `before` it.
    """
    port, tls_port = free_port(), free_port()
    folder = servers[0].data_dir.parent / f"nginx-{port}"
    upstreams = " ".join(f"server 127.0.0.1:{server.port};" for server in servers)
    data = servers[0].data_dir
    listed = " ".join(f"{origin} $http_origin;" for origin in origins)
    places = {"data": str(data), "blobs": str(blobs or data / "blobs"), "origins": listed}
    places["store"] = store_location(store or servers[0].store_endpoint)
    places |= {"before": before, "lines": lines}
    site = _SITE.format(upstreams=upstreams, port=port, tls_port=tls_port, max_body=max_body, **places)
    with running_nginx(folder, site, port=port) as process:
        yield NginxFront(folder, port, tls_port, process)


def store_location(endpoint: str | None) -> str:
    """Where nginx fetches bodies from the object store that has this endpoint, if there is one."""
    return f"location /_transfer/store/ {{ include transfer/store.conf; proxy_pass {endpoint}; }}" if endpoint else ""


@contextmanager
def shipped_site(*servers: LiveServer) -> Iterator[NginxFront]:
    """The site of deploy/nginx as it is, but for its ports, its instances and the place of the store."""
    port, tls_port = free_port(), free_port()
    text = (REPOSITORY / "deploy/nginx/transfer.conf").read_text()
    for old, new in [
        (r"^ +listen 80;", f"listen 127.0.0.1:{port};"),
        (r"^ +listen \[::\]:80;", ""),
        (r"^ +listen 443 ", f"listen 127.0.0.1:{tls_port} "),
        (r"^ +listen \[::\]:443 [^;]*;", ""),
        (r"^ +server 127\.0\.0\.1:\d+(.*?);", "".join(rf"server 127.0.0.1:{each.port}\1; " for each in servers)),
        (r"/var/lib/transfer(?=;)", str(servers[0].data_dir)),
    ]:
        text, count = re.subn(old, new, text, flags=re.MULTILINE)
        assert count == 1, f"{old} is {count} times in the site"
    folder = servers[0].data_dir.parent / f"nginx-{port}"
    text = text.replace("/var/log/nginx/", f"{folder}/")
    with running_nginx(folder, text, port=port) as process:
        yield NginxFront(folder, port, tls_port, process)


class NginxSite(NamedTuple):
    """One data folder, served by `direct` itself and by `backend` behind nginx."""

    direct: LiveServer
    backend: LiveServer
    front: NginxFront


@contextmanager
def running_site(folder: Path, *accounts: str, max_body: str = "11g", **environment: str) -> Iterator[NginxSite]:
    """Both instances and nginx, with accounts and settings."""
    with (
        running_one(folder, *accounts, **environment) as direct,
        started(LiveServer(folder, {**environment, **FRONTED})) as backend,
        behind_nginx(backend, max_body=max_body) as front,
    ):
        yield NginxSite(direct, backend, front)


@contextmanager
def running_nginx(folder: Path, site: str, *, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Nginx with a folder of its own in place of /etc/nginx, the deployment files in it, and this site."""
    if shutil.which("nginx", path=_PATH) is None:
        missing("nginx is not installed")
    shutil.copytree(REPOSITORY / "deploy/nginx", folder, dirs_exist_ok=True)
    make_certificate(folder / "transfer/tls")
    user = "user root;" if os.geteuid() == 0 else ""  # so that it may read a test's temporary folder
    (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, site=site, user=user))
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    log = folder / "stderr.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, "PATH": _PATH}, stderr=output)
    try:
        _wait_until_it_answers(process, port, log)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5, allow_redirects=False)
        except requests.ConnectionError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"nginx does not answer: {log.read_text()}")


def make_certificate(folder: Path) -> None:
    """A self-signed certificate for 127.0.0.1, under the names of the deployment files."""
    folder.mkdir(parents=True, exist_ok=True)
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "privkey.pem", "-out", "fullchain.pem"]
    subprocess.run([*command.split(), *names], cwd=folder, check=True, capture_output=True)
