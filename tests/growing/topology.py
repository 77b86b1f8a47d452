"""Three instances of the real service that share engines only, and nginx, which gives each request to another one."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.growing.installations import settings_of
from tests.live.nginx import running_nginx, store_location
from tests.live.server import LiveServer

INSTANCES = 3

_SITE = """
include transfer/http.conf;
map $http_origin $transfer_origin {{ default ""; }}
upstream transfer {{ {upstreams} keepalive 64; }}
upstream transfer_sockets {{ ip_hash; {upstreams} keepalive 64; }}
server {{
    listen 127.0.0.1:{port};
    set $transfer_sockets transfer_sockets;
    set $transfer_data {folder}/no-data;
    set $transfer_blobs {folder}/no-blobs;
    client_max_body_size 11g;
    include transfer/server.conf;
    {store}
}}
"""


class Instance(LiveServer):
    """One of them, with all settings that it needs: they may lead to an engine by another way than those of others."""

    def shared_settings(self) -> dict[str, str]:
        return {}


@dataclass
class GrowingServer(LiveServer):
    """All of them at one address. `data_dir` is only what tells one installation from another."""

    instances: list[Instance] = field(default_factory=list)
    _front: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start all, and nginx in front of them."""
        if not self.instances:
            self.instances = self._make_instances()
        try:
            self._each(LiveServer.start)
            self._front.enter_context(spread(self.data_dir, self.instances, port=self.port))
        except BaseException:
            self._each(_kill_if_running)
            raise

    def _make_instances(self) -> list[Instance]:
        settings = {**settings_of(self.data_dir), **self.environment}
        proxies = int(settings.get("TRANSFER_TRUSTED_PROXIES", 0)) or 1
        settings["TRANSFER_TRUSTED_PROXIES"] = str(proxies)
        return [Instance(self.data_dir, settings, config=self.config) for _ in range(INSTANCES)]

    def _each(self, work: Callable[[LiveServer], object]) -> None:
        with ThreadPoolExecutor(INSTANCES) as pool:
            list(pool.map(work, self.instances))

    def worker(self) -> psutil.Process:
        raise AssertionError("there are several: mark the test `one_machine`, with its reason")

    def is_running(self) -> bool:
        return any(each.is_running() for each in self.instances)

    def kill(self) -> None:
        """`kill -9` of all."""
        self._front.close()
        self._each(LiveServer.kill)

    def stop(self) -> None:
        """Stop gracefully, nginx first."""
        self._front.close()
        self._each(LiveServer.stop)

    def holds_file(self) -> bool:
        return any(each.holds_file() for each in self.instances)


def _kill_if_running(instance: LiveServer) -> None:
    if instance.is_running():
        instance.kill()


@contextmanager
def spread(folder: Path, instances: Sequence[LiveServer], *, port: int) -> Iterator[None]:
    """Nginx on `port`, with the files of deploy/nginx: each request meets another instance, but those of Socket.IO."""
    upstreams = " ".join(f"server 127.0.0.1:{instance.port};" for instance in instances)
    place = folder.parent / f"nginx-{port}"
    store = store_location(instances[0].store_endpoint)
    site = _SITE.format(upstreams=upstreams, port=port, folder=place, store=store)
    with running_nginx(place, site, port=port):
        yield
