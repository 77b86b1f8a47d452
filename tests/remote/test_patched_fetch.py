"""Fetching in a process that gevent has patched, as the worker is."""

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.bad_source import BadSource, Behaviour
from tests.live.server import REPOSITORY, wait_until
from tests.remote.conftest import DATA, PATH


@contextmanager
def fetching(url: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process that fetches `url`."""
    command = [sys.executable, "-m", "tests.remote.patched_fetch", url, str(len(DATA))]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=REPOSITORY, env={**os.environ, **environment}, stdin=pipe, stdout=pipe, text=True
    ) as process:
        yield process


def outcome(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_file_arrives(source: BadSource) -> None:
    source.serve(PATH, DATA, Behaviour(cut_at=1000), Behaviour(framing="chunked"))
    with fetching(source.url_of(PATH)) as process:
        assert outcome(process) == "done"
        wait_until(lambda: source.open_connections == 0)


def test_a_file_arrives_over_tls(certificate: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with BadSource(tls=context) as source:
        source.serve(PATH, DATA, Behaviour(cut_at=1000), Behaviour())
        with fetching(f"https://localhost:{source.port}{PATH}", SSL_CERT_FILE=str(certificate)) as process:
            assert outcome(process) == "done"
        assert [request.range for request in source.requests] == [None, "bytes=1000-"]


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(Behaviour(stall_at=1000, framing="chunked"), id="in-a-body"),
        pytest.param(Behaviour(endless_head="interim"), id="in-a-head"),
    ],
)
def test_a_fetch_that_is_killed_closes_its_connection_at_once(source: BadSource, behaviour: Behaviour) -> None:
    source.serve(PATH, DATA, behaviour)
    with fetching(source.url_of(PATH)) as process:
        wait_until(lambda: source.open_connections == 1 and len(source.requests) == 1)
        process.terminate()
        assert outcome(process) == "GreenletExit"
        wait_until(lambda: source.open_connections == 0)
        assert (process.poll(), len(source.requests)) == (None, 1)
