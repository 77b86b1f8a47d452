"""What several instances stand on: SeaweedFS, PostgreSQL and Redis of their own, and nginx before three of them."""

import re
import shutil
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

from benchmarks.nginx import nginx_before
from benchmarks.object_store import BUCKET, CREDENTIALS, ObjectStoreServer, object_store
from benchmarks.postgres import postgresql
from benchmarks.servers import (
    NotInstalled,
    Server,
    another_instance,
    clean_environment,
    service,
    started,
    temporary_folder,
)
from tests.ports import free_port

INSTANCES = 3
COMPACTION_SECONDS = 120.0
_ASKED = re.compile(rf'SeaweedFS_s3_request_total{{bucket="{BUCKET}",code="\d+",type="(\w+)"}} (\S+)')
_MOVED = re.compile(rf'SeaweedFS_s3_bucket_traffic_(received|sent)_bytes_total{{bucket="{BUCKET}"}} (\S+)')


@dataclass
class Site:
    """The instances, and what they stand on. All is started when it is first asked for, and ends with `stack`."""

    stack: ExitStack
    store: ObjectStoreServer
    settings: dict[str, str]
    engines: tuple[int, ...]
    _instances: list[Server] = field(default_factory=list)

    def instances(self, count: int) -> Sequence[Server]:
        """So many of them."""
        while len(self._instances) < count:
            name = f"instance {len(self._instances) + 1}"
            start = another_instance if self._instances else _first_instance
            self._instances.append(self._begin(start(name, self.settings)))
        return self._instances[:count]

    def _begin(self, context: AbstractContextManager[Server]) -> Server:
        return replace(self.stack.enter_context(context), others=self.engines)

    @cached_property
    def one(self) -> Server:
        """One alone."""
        return self.instances(1)[0]

    @cached_property
    def three(self) -> Server:
        """Three behind nginx, asked one after the other."""
        return self._begin(nginx_before(self.instances(INSTANCES)))

    @cached_property
    def accelerated(self) -> Server:
        """One that lets nginx fetch what is downloaded."""
        settings = {**self.settings, "TRANSFER_ACCEL": "nginx", "TRANSFER_TRUSTED_PROXIES": "1"}
        self.instances(1)
        behind = self._begin(another_instance("accelerated", settings))
        return self._begin(nginx_before([behind], store=self.store.endpoint))

    @cached_property
    def redirecting(self) -> Server:
        """One that sends clients to the store."""
        settings = {**self.settings, "TRANSFER_S3_REDIRECT": "true"}
        self.instances(1)
        return self._begin(another_instance("redirecting", settings))

    @contextmanager
    def worker(self) -> Iterator[Server]:
        """The worker, which makes one object of what is in pieces."""
        environment = clean_environment(**self.settings, TRANSFER_DATA_DIR=str(self.one.folder / "data"))
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "worker"]
        with started(self.one.folder, environment, command) as process:
            yield Server("worker", 0, "", self.one.folder, (process.pid,))

    def wait_for_compaction(self) -> None:
        """Until nothing is in pieces any more. Raises RuntimeError where that takes too long."""
        import psycopg

        url = self.settings["TRANSFER_DATABASE_URL"].replace("+psycopg", "")
        deadline = time.monotonic() + COMPACTION_SECONDS
        with psycopg.connect(url, autocommit=True) as connection:
            while time.monotonic() < deadline:
                waiting = connection.execute("SELECT count(*) FROM scattered_blobs").fetchone()
                noted = connection.execute("SELECT count(*) FROM discarded_objects").fetchone()
                if waiting == noted == (0,):
                    return
                time.sleep(0.2)
        raise RuntimeError(f"After {COMPACTION_SECONDS:.0f} s the worker has not made one object of all pieces")

    def asked(self) -> Counter[str]:
        """What the store was asked so far, by method (HEAD is a GET to it), and the bytes that it received and sent."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.store.metrics_port}/metrics") as answer:
            text = answer.read().decode()
        found: Counter[str] = Counter()
        for kind, count in (*_ASKED.findall(text), *_MOVED.findall(text)):
            found[kind] += int(float(count))
        return found

    def store_cpu_seconds(self) -> float:
        """User and system seconds of the store so far."""
        return self.store.cpu_seconds()

    def free_deleted(self) -> None:
        """Let the store give back the room of what is deleted."""
        address = f"http://127.0.0.1:{self.store.ports['master']}/vol/vacuum?garbageThreshold=0.01"
        with urllib.request.urlopen(address) as answer:
            answer.read()


@contextmanager
def site() -> Iterator[Site]:
    """Everything, empty. Raises NotInstalled."""
    with ExitStack() as stack:
        store = stack.enter_context(object_store(metrics_port=free_port()))
        database = stack.enter_context(postgresql(connections=300))
        settings = {
            **CREDENTIALS,
            "SECRET_KEY": "only for this benchmark, thirty-two bytes",
            "TRANSFER_DATABASE_URL": database.create("growing"),
            "TRANSFER_STORAGE_URL": store.new_url(),
            "TRANSFER_REDIS_URL": stack.enter_context(_redis()),
        }
        assert store.process is not None
        yield Site(stack, store, settings, (store.process.pid, database.pid))


def _first_instance(name: str, settings: Mapping[str, str]) -> AbstractContextManager[Server]:
    return service(name, prepare=None, **settings)


@contextmanager
def _redis() -> Iterator[str]:
    """The address of one that keeps nothing on disk. Raises NotInstalled."""
    program = shutil.which("redis-server")
    if program is None:
        raise NotInstalled("redis-server is not installed")
    with temporary_folder() as folder:
        port = free_port()
        command = [program, "--port", str(port), "--save", "", "--dir", str(folder), "--bind", "127.0.0.1"]
        with started(folder, clean_environment(), command):
            yield f"redis://127.0.0.1:{port}/0"
