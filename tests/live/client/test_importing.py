"""Imports into a real service: from a real object store, and from a File Browser, through kills and broken lines."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from benchmarks.object_store import BUCKET, CREDENTIALS, REGION, ObjectStoreServer
from tests.client.filebrowser_double import FileBrowserDouble
from tests.client.origin_server import Answer, Request, serving
from tests.client.result import Result
from tests.live.client.commands import Home, slow_line
from tests.live.fault_proxy import Fault, FaultProxy
from tests.live.server import LiveServer, wait_until
from tests.object_store import object_store_server

pytestmark = pytest.mark.long

__all__ = ["object_store_server"]

MIB = 1024 * 1024
SIZE = 24 * MIB + 7


@pytest.fixture
def home(tmp_path: Path, server: LiveServer) -> Home:
    home = Home(tmp_path / "home", environment=dict(CREDENTIALS))
    home.login(server.url)
    return home


def stored(server: LiveServer, account: requests.Session, name: str) -> bytes:
    answer = account.get(f"{server.url}/api/files/download/{name}", timeout=60)
    answer.raise_for_status()
    return answer.content


@contextmanager
def stopped_in_the_middle(home: Home, server: LiveServer, *arguments: str, stdin: str = "") -> Iterator[FaultProxy]:
    """The line over which an import was killed, which is a good one now."""
    with FaultProxy(server.port) as proxy:
        home.login(f"http://127.0.0.1:{proxy.port}")
        proxy.plan.extend(slow_line("server"))
        with home.start("import", *arguments, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            process.stdin.write(stdin.encode())
            process.stdin.close()
            wait_until(lambda: proxy.bytes_toward["server"] > 12 * MIB or process.poll() is not None)
            process.kill()
        assert process.returncode < 0
        proxy.plan.clear()
        yield proxy


def sent_again(home: Home, proxy: FaultProxy, *arguments: str, stdin: str = "") -> tuple[Result, int]:
    """The same command once more, and how many bytes it sent."""
    before = proxy.bytes_toward["server"]
    result = home("import", *arguments, "--json", stdin=stdin)
    assert (result.code, result.err) == (0, "")
    return result, proxy.bytes_toward["server"] - before


def test_a_bucket_goes_on_after_a_kill(
    home: Home, server: LiveServer, alice: requests.Session, object_store_server: ObjectStoreServer
) -> None:
    data = os.urandom(SIZE)
    object_store_server.client().put_object(Bucket=BUCKET, Key="kill/film.bin", Body=data)
    arguments = ("s3", object_store_server.url("kill"), "--to", "killed")
    with stopped_in_the_middle(home, server, *arguments) as proxy:
        result, count = sent_again(home, proxy, *arguments)
    assert count < SIZE - 4 * MIB
    assert [each["position"] > 0 for each in result.objects if each["event"] == "restart"] == [True]
    assert stored(server, alice, "killed/film.bin") == data


def test_a_file_browser_goes_on_after_a_kill_and_gives_no_byte_twice(
    home: Home, server: LiveServer, alice: requests.Session
) -> None:
    there = FileBrowserDouble({"film.bin": os.urandom(SIZE)})
    with serving(there.answer) as url:
        arguments, password = ("filebrowser", url, "--to", "fb", "--name", "bob", "--password-stdin"), "open sesame\n"
        with stopped_in_the_middle(home, server, *arguments, stdin=password) as proxy:
            there.requests.clear()
            _, count = sent_again(home, proxy, *arguments, stdin=password)
    assert count < SIZE - 4 * MIB
    assert min(int(each.removeprefix("bytes=").rstrip("-")) for each in there.raw_ranges()) >= 4 * MIB
    assert stored(server, alice, "fb/film.bin") == there.files["film.bin"]


def test_a_bucket_arrives_whole_over_lines_that_break(
    home: Home, server: LiveServer, alice: requests.Session, object_store_server: ObjectStoreServer
) -> None:
    client = object_store_server.client()
    files = {
        "whole.bin": os.urandom(9 * MIB),
        "a/b/odd & \u6587.txt": b"odd",
        "empty": b"",
        "parts.bin": os.urandom(6 * MIB),
    }
    for name, data in files.items():
        if name != "parts.bin":
            client.put_object(Bucket=BUCKET, Key=f"cut/{name}", Body=data, ChecksumAlgorithm="SHA256")
    _put_in_parts(client, "cut/parts.bin", files["parts.bin"])
    cuts = [Fault(reset_at=at) for at in (100, 3 * MIB, 70_000, 5 * MIB, 2 * MIB)]
    with FaultProxy(object_store_server.ports["s3"], cuts) as proxy:
        address = f"s3://{BUCKET}/cut?endpoint=http://127.0.0.1:{proxy.port}&region={REGION}"
        result = home("import", "s3", address, "--to", "cut", "--json")
        assert (result.code, result.err) == (0, "")
        again = home("import", "s3", address, "--to", "cut", "--json")
    assert {name: stored(server, alice, f"cut/{name}") for name in files} == files
    told = [each for each in again.objects if each["event"] == "summary"]
    assert [(each["done"], each["same"], each["bytes"]) for each in told] == [(0, 4, 0)]


def test_bytes_with_another_digest_than_their_origin_says_are_not_stored(
    home: Home, server: LiveServer, alice: requests.Session
) -> None:
    there = FileBrowserDouble({"small": b"small", "large": os.urandom(2 * MIB)}, lies=True)
    with serving(there.answer) as url:
        arguments = ("filebrowser", url, "--to", "lies", "--name", "bob", "--password-stdin")
        result = home("import", *arguments, stdin="open sesame\n")
    assert (result.code, result.lines[-1]) == (1, "0 files imported, 2 failed")
    listing = alice.get(f"{server.url}/api/files", params={"prefix": "lies/"}, timeout=30).json()
    assert listing["files"] == []


def test_an_import_that_waits_for_its_origin_ends_by_ctrl_c_without_a_word_of_each_file(home: Home) -> None:
    there = FileBrowserDouble({str(number): b"x" * 100 for number in range(30)})
    asked, is_over = threading.Event(), threading.Event()

    def answer(request: Request) -> Answer:
        if request.path.startswith("/api/raw/"):
            asked.set()
            is_over.wait(60)
        return there.answer(request)

    with serving(answer) as url:
        arguments = ("import", "filebrowser", url, "--name", "bob", "--password-stdin", "--quiet")
        with home.start(*arguments, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            process.stdin.write(b"open sesame\n")
            process.stdin.flush()
            assert asked.wait(60)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        is_over.set()
    assert process.returncode == -signal.SIGINT
    assert err.decode() == "transfer: Stopped. What has arrived is kept: the same command goes on from there.\n"


def _put_in_parts(client: Any, key: str, data: bytes) -> None:
    upload = client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    parts = []
    for number, start in enumerate(range(0, len(data), 5 * MIB), start=1):
        told = client.upload_part(
            Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=data[start : start + 5 * MIB]
        )
        parts.append({"PartNumber": number, "ETag": told["ETag"]})
    client.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
