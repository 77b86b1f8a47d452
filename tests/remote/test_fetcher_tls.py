"""Fetching over TLS."""

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.bad_source import BadSource, Behaviour, redirect
from tests.remote.conftest import DATA, PATH, QUICK, Job
from transfer_service.remote.fetcher import Limits

INVALID = "The certificate of the source is not valid"
INSECURE = "The source cannot be reached securely"


@pytest.fixture
def secure_source(certificate: Path) -> Iterator[BadSource]:
    """Its certificate is for `localhost`, and signed by itself."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with BadSource(tls=context) as source:
        source.serve(PATH, DATA)
        yield source


@pytest.fixture
def trust(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the certificate one of the system's authorities."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def url_of(source: BadSource, host: str = "localhost") -> str:
    return f"https://{host}:{source.port}{PATH}"


@pytest.mark.usefixtures("trust")
def test_a_file_arrives_from_a_source_that_is_trusted(secure_source: BadSource, job: Job) -> None:
    job.run(url_of(secure_source))
    assert (job.sink.data == DATA, job.sleeps) == (True, [])


@pytest.mark.usefixtures("trust")
@pytest.mark.parametrize("behaviour", [Behaviour(cut_at=1000), Behaviour(stall_at=1000)], ids=["cut", "stall"])
def test_a_broken_transfer_goes_on(secure_source: BadSource, job: Job, behaviour: Behaviour) -> None:
    secure_source.serve(PATH, DATA, behaviour, Behaviour())
    job.run(url_of(secure_source))
    assert [request.range for request in secure_source.requests] == [None, "bytes=1000-"]
    assert job.sink.data == DATA


def test_an_unknown_authority_is_refused(secure_source: BadSource, job: Job) -> None:
    assert job.fail(url_of(secure_source)) == INVALID
    assert (secure_source.requests, job.sleeps) == ([], [])


@pytest.mark.usefixtures("trust")
def test_a_certificate_for_another_name_is_refused(secure_source: BadSource, job: Job) -> None:
    assert job.fail(url_of(secure_source, host="127.0.0.1")) == INVALID
    assert secure_source.requests == []


@pytest.mark.usefixtures("trust")
def test_the_name_counts_not_the_address(secure_source: BadSource, job: Job) -> None:
    def resolve(_host: str, port: int, **_options: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    job.resolve = resolve
    assert job.fail(url_of(secure_source, host="source.example")) == INVALID
    assert secure_source.requests == []


@pytest.mark.usefixtures("trust")
def test_a_redirect_does_not_leave_tls(secure_source: BadSource, source: BadSource, job: Job) -> None:
    source.serve(PATH, DATA)
    secure_source.serve(PATH, b"", redirect(source.url_of(PATH)))
    assert job.fail(url_of(secure_source)) == "The source redirects to a URL that cannot be used"
    assert source.connections == 0


@pytest.mark.usefixtures("trust")
def test_a_redirect_may_begin_tls(secure_source: BadSource, source: BadSource, job: Job) -> None:
    source.serve(PATH, b"", redirect(url_of(secure_source)))
    job.run(source.url_of(PATH))
    assert job.sink.data == DATA


def test_a_source_without_tls_is_asked_again(source: BadSource, job: Job) -> None:
    assert job.fail(f"https://localhost:{source.port}{PATH}") == INSECURE
    assert (source.requests, len(job.sleeps)) == ([], QUICK.breaks)


def test_a_handshake_that_never_ends_is_a_break(job: Job) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        job.limits = Limits(connect_seconds=60)
        start = time.monotonic()
        url = f"https://localhost:{silent.getsockname()[1]}{PATH}"
        assert job.fail(url, seconds=0.5) == "The download took too long"
        assert time.monotonic() - start < job.limits.connect_seconds / 5
