"""Requests of the client: who asks, renewal of tokens, patience."""

import os
import stat
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from transfer_service_client.client import TransferClient
from transfer_service_client.connection.answers import retry_after_of
from transfer_service_client.connection.credentials import CredentialFile, Key, SignIn, Tokens
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import ApiError, NotFound, SignInNeeded, TransferError, Unavailable

from tests.client.token_service import ACCOUNT, URL, Answer, TokenService, open_session, service
from tests.ports import free_port

__all__ = ["open_session", "service"]


def lose(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError("the answer was lost", request=request)


def busy(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(503, json={"detail": "Database is away"})


def test_tokens_are_renewed_before_they_end(service: TokenService, open_session: Callable[..., Session]) -> None:
    session = open_session(expires_in=5)
    assert session.get_json("/x") == {"path": "/x"}
    assert service.asked == [("/auth/refresh", "Bearer r0"), ("/x", "Bearer a1")]


def test_many_threads_that_are_refused_renew_once(service: TokenService, open_session: Callable[..., Session]) -> None:
    session, refused = open_session(), threading.Barrier(16, timeout=60)
    service.end_access()
    failed: list[BaseException] = []

    def answer(request: httpx.Request) -> httpx.Response:
        told = service.answer(request)
        if request.url.path == "/x" and told.status_code == 401:
            refused.wait()  # all of them, before any is renewed
        return told

    session._http = httpx.Client(base_url=URL, transport=httpx.MockTransport(answer))

    def ask() -> None:
        try:
            session.get_json("/x")
        except BaseException as error:  # noqa: BLE001 # told by the test
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failed, service.renewals) == ([], 1)


@pytest.mark.parametrize("trouble", [lose, busy])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("expires_in", [5.0, 900.0], ids=["foreseen", "refused"])
def test_a_broken_line_in_a_renewal_is_no_reason_to_sign_in_again(
    service: TokenService, open_session: Callable[..., Session], trouble: Answer, method: str, expires_in: float
) -> None:
    session = open_session(expires_in=expires_in)
    service.end_access()
    service.troubles = [trouble]
    assert session.request(method, "/x").json() == {"path": "/x"}
    assert (service.renewals, service.asked[-1]) == (1, ("/x", "Bearer a1"))


def test_a_renewal_that_stays_away_is_unavailable_in_the_end(
    service: TokenService, open_session: Callable[..., Session]
) -> None:
    session = open_session(patience_seconds=0, expires_in=5)
    service.troubles = [lose] * 3
    with pytest.raises(Unavailable):
        session.get_json("/x")


def test_a_sign_in_that_was_ended_is_needed_again(service: TokenService, open_session: Callable[..., Session]) -> None:
    session = open_session()
    service.end_access()
    service.refresh = "revoked"
    with pytest.raises(SignInNeeded):
        session.get_json("/x")


def test_processes_share_a_renewal(service: TokenService, open_session: Callable[..., Session], tmp_path: Path) -> None:
    kept = CredentialFile(tmp_path / "kept" / "credentials.json")
    kept.write(SignIn(URL, Tokens("a0", "r0", time.time() + 900, ACCOUNT)))
    first, second = open_session(keep=kept), open_session(keep=kept)
    service.end_access()
    first.get_json("/x")
    second.get_json("/x")
    assert service.renewals == 1
    found = kept.read().credentials
    assert isinstance(found, Tokens)
    assert (found.access, found.refresh) == ("a1", "r1")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bits")
def test_credentials_are_for_their_owner_alone(tmp_path: Path) -> None:
    kept = CredentialFile(tmp_path / "config" / "credentials.json")
    before = os.umask(0)
    try:
        kept.write(SignIn(URL, Key("tsk_secret")))
        kept.write(SignIn(URL, Key("tsk_other")))
    finally:
        os.umask(before)
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700
    assert [each.name for each in kept.path.parent.iterdir()] == ["credentials.json"]
    assert kept.read() == SignIn(URL, Key("tsk_other"))


def test_what_cannot_be_sent_twice_is_not(open_session: Callable[..., Session]) -> None:
    session = open_session()
    answers: list[int] = []

    def broken(request: httpx.Request) -> httpx.Response:
        answers.append(1)
        return lose(request)

    session._http = httpx.Client(base_url=URL, transport=httpx.MockTransport(broken))
    with pytest.raises(Unavailable):
        session.request("POST", "/x")
    assert len(answers) == 1


def test_what_the_service_refuses_is_not_asked_again(open_session: Callable[..., Session]) -> None:
    session = open_session()
    session._http = httpx.Client(
        base_url=URL,
        transport=httpx.MockTransport(lambda _: httpx.Response(409, json={"detail": "A folder has this name"})),
    )
    with pytest.raises(ApiError, match="A folder has this name"):
        session.request("PUT", "/x")


def test_a_delete_whose_answer_was_lost_has_worked_where_nothing_is_left(
    open_session: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfer_service_client.connection.patience._FIRST_PAUSE_SECONDS", 0.001)
    session = open_session()
    answers: list[Answer] = [lose, lambda _: httpx.Response(404, json={"detail": "File not found"})]
    session._http = httpx.Client(base_url=URL, transport=httpx.MockTransport(lambda asked: answers.pop(0)(asked)))
    session.request("DELETE", "/api/files/x")
    for refused in ([], [busy]):  # one that was refused has deleted nothing
        answers += [*refused, lambda _: httpx.Response(404, json={"detail": "File not found"})]
        with pytest.raises(NotFound):
            session.request("DELETE", "/api/files/x")


@pytest.mark.parametrize("text", ["", "soon", "-3", "\u00b2"])
def test_when_to_come_again_is_not_told(text: str) -> None:
    assert retry_after_of(httpx.Response(503, headers=[(b"Retry-After", text.encode())])) is None


def test_when_to_come_again_in_seconds() -> None:
    assert retry_after_of(httpx.Response(503, headers={"Retry-After": "7"})) == 7


@pytest.mark.parametrize(("minutes", "least", "most"), [(-5, 0, 0), (60, 1800, 3600)])
def test_when_to_come_again_as_a_date(minutes: int, least: float, most: float) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    told = retry_after_of(httpx.Response(503, headers={"Retry-After": date}))
    assert told is not None
    assert least <= told <= most


def test_a_clock_that_jumps_over_the_end_of_tokens_costs_a_renewal(
    service: TokenService, open_session: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, jump = open_session(), [0.0]
    clock = time.time
    monkeypatch.setattr("transfer_service_client.connection.authorization.time.time", lambda: clock() + jump[0])
    session.get_json("/x")
    assert service.renewals == 0
    jump[0] = 40 * 60.0  # a laptop that slept
    session.get_json("/x")
    assert service.renewals == 1
    jump[0] = -86400.0  # a clock that was set back: tokens end before it is known here
    service.end_access()
    session.get_json("/x")
    assert service.renewals == 2


def test_a_service_that_is_away_is_told_in_words_without_the_systems_number() -> None:
    with (
        Session(f"http://127.0.0.1:{free_port()}", patience_seconds=0) as session,
        pytest.raises(Unavailable, match=r"^http://127\.0\.0\.1:\d+ cannot be reached: Connection refused$"),
    ):
        session.get_json("/auth/me")


@pytest.mark.parametrize("name", ["../x", "a/../b", "a/./b", "..", ".", "a/.."])
def test_a_name_never_reaches_another_path(open_session: Callable[..., Session], name: str) -> None:
    client = TransferClient(URL, key="tsk_x")
    client.session = session = open_session()
    asked: list[bytes] = []

    def note(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path)
        return httpx.Response(204)

    session._http = httpx.Client(base_url=URL, transport=httpx.MockTransport(note))
    for call in (client.find, client.delete, client.is_folder, client.delete_folder, client.share):
        with pytest.raises(TransferError, match="labels"):
            call(name)
    assert asked == []
    client.revoke_link(f"../{name}")
    assert asked == [f"/api/links/{quote(f'../{name}', safe='')}".encode()]
