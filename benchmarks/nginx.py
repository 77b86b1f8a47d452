"""nginx with one worker: before the service with the files of deploy/nginx as they are, or alone, as the limit."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.servers import REPOSITORY, NotInstalled, Server, running, service, temporary_folder
from tests.ports import free_port

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"

_MAIN = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    default_type application/octet-stream;
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""

_SERVICE = """
include transfer/http.conf;
map $http_origin $transfer_origin {{ default ""; }}
upstream transfer {{ {upstreams} keepalive 64; keepalive_requests 1000000; }}
server {{
    listen 127.0.0.1:{port};
    set $transfer_data {data_dir};
    set $transfer_blobs {data_dir}/blobs;
    client_max_body_size 11g;
    include transfer/server.conf;
    {store}
}}
"""

_STATIC = """
sendfile on;
tcp_nopush on;
log_not_found off;
server {{
    listen 127.0.0.1:{port};
    root {root};
    limit_rate {bytes_per_second};
}}
"""


def is_installed() -> bool:
    """Whether there is an nginx on this machine."""
    return shutil.which("nginx", path=PATH) is not None


@contextmanager
def nginx_static(root: Path, *, bytes_per_second: int = 0) -> Iterator[Server]:
    """The files of a folder, sent at most so fast on each connection; 0 is no limit."""
    with _nginx(free_port(), _STATIC, root=root, bytes_per_second=bytes_per_second) as server:
        yield server


@contextmanager
def service_behind_nginx() -> Iterator[Server]:
    """Our service behind nginx, which sends the files itself (X-Accel-Redirect)."""
    with service(TRANSFER_ACCEL="nginx", TRANSFER_TRUSTED_PROXIES="1") as behind, nginx_before([behind]) as front:
        yield front


@contextmanager
def nginx_before(instances: Sequence[Server], *, store: str = "") -> Iterator[Server]:
    """Nginx that asks one instance of our service after the other; the processes are those of all.

    `store` is the endpoint of their object store.
    """
    upstreams = " ".join(f"server 127.0.0.1:{each.port};" for each in instances)
    first = instances[0]
    place = f"location /_transfer/store/ {{ include transfer/store.conf; proxy_pass {store}; }}" if store else ""
    with _nginx(free_port(), _SERVICE, upstreams=upstreams, data_dir=first.folder / "data", store=place) as front:
        roots = (*front.roots, *(root for each in instances for root in each.roots))
        yield replace(front, token=first.token, roots=roots)


@contextmanager
def _nginx(port: int, site: str, **values: object) -> Iterator[Server]:
    if not is_installed():
        raise NotInstalled("there is no nginx")
    with temporary_folder() as folder:
        (folder / "transfer").symlink_to(REPOSITORY / "deploy/nginx/transfer")
        user = "user root;" if os.geteuid() == 0 else ""  # so that it may read temporary folders
        text = _MAIN.format(user=user, folder=folder, site=site.format(port=port, **values))
        (folder / "nginx.conf").write_text(text)
        command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
        with running(folder, {**os.environ, "PATH": PATH}, command, port) as pid:
            yield Server("nginx", port, "", folder, (pid,))
