"""A name that leads elsewhere from one look to the next."""

import socket
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.live.bad_source import HONEST, BadSource, Behaviour, redirect
from tests.remote.conftest import DATA, PATH, Job
from transfer_service.remote.url_guard import FORBIDDEN


@dataclass
class ChangingResolver:
    """Answers each question with the next of its addresses, and the last one stays."""

    answers: list[str]
    asked: list[str] = field(default_factory=list)

    def __call__(self, host: str, port: int, **_options: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        address = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]


def test_the_address_that_was_checked_is_the_one_connected_to(source: BadSource) -> None:
    source.serve(PATH, DATA)
    resolver = ChangingResolver(["127.0.0.1", "224.0.0.1"])
    job = Job(resolve=resolver)
    job.run(f"http://source.example:{source.port}{PATH}")
    assert (job.sink.data == DATA, resolver.asked) == (True, ["source.example"])
    assert source.requests[0].headers["host"] == f"source.example:{source.port}"


def test_a_name_is_checked_again_for_every_connection(source: BadSource) -> None:
    source.serve(PATH, DATA, Behaviour(cut_at=1000), HONEST)
    job = Job(resolve=ChangingResolver(["127.0.0.1", "224.0.0.1"]))
    assert job.fail(f"http://source.example:{source.port}{PATH}") == FORBIDDEN
    assert (source.connections, job.sink.data) == (1, DATA[:1000])


def test_a_name_that_turns_private_gets_no_connection(source: BadSource) -> None:
    source.serve(PATH, DATA)
    job = Job(allow_private=False, resolve=ChangingResolver(["127.0.0.1"]))
    assert job.fail(f"http://source.example:{source.port}{PATH}") == FORBIDDEN
    assert (source.connections, job.sleeps) == (0, [])


def test_a_redirect_to_a_forbidden_address_is_not_followed(source: BadSource) -> None:
    source.serve(PATH, b"", redirect(f"http://inner.example:{source.port}/other"))
    source.serve("/other", DATA)
    job = Job(resolve=ChangingResolver(["127.0.0.1", "0.0.0.0"]))
    assert job.fail(f"http://source.example:{source.port}{PATH}") == FORBIDDEN
    assert [request.path for request in source.requests] == [PATH]


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_no_spelling_of_this_machine_gets_a_connection(source: BadSource, host: str) -> None:
    source.serve(PATH, DATA)
    assert Job(allow_private=False).fail(f"http://{host}:{source.port}{PATH}") == FORBIDDEN
    assert source.connections == 0


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_ignored(
    source: BadSource, job: Job, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    source.serve(PATH, DATA)
    job.run(source.url_of(PATH))
    assert job.sink.data == DATA
