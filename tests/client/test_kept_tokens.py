"""Tokens in the file of the command, while other processes sign in, sign out and renew."""

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from transfer_service_client.client import TransferClient
from transfer_service_client.connection.credentials import CredentialFile, Credentials, Key, SignIn, Tokens
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import SignInNeeded, TransferError

from tests.client.token_service import ACCOUNT, URL, TokenService, open_session, service

__all__ = ["open_session", "service"]

Open = Callable[..., Session]


@pytest.fixture
def kept(tmp_path: Path) -> CredentialFile:
    file = CredentialFile(tmp_path / "config" / "credentials.json")
    file.write(SignIn(URL, Tokens("a0", "r0", time.time() + 900, ACCOUNT)))
    return file


OTHERS = [
    pytest.param(SignIn(URL, Tokens("b0", "s0", 0.0, "bob")), id="another-account"),
    pytest.param(SignIn("http://other.example", Tokens("b0", "s0", 0.0, ACCOUNT)), id="another-service"),
    pytest.param(SignIn(URL, Key("tsk_other")), id="a-key"),
]


@pytest.mark.parametrize("other", OTHERS)
def test_a_session_keeps_its_account_when_somebody_else_signs_in(
    service: TokenService, open_session: Open, kept: CredentialFile, other: SignIn
) -> None:
    session = open_session(keep=kept)
    kept.write(other)
    service.end_access()
    assert session.get_json("/x") == {"path": "/x"}
    assert service.asked[-1] == ("/x", "Bearer a1")
    assert kept.read() == other


def test_the_same_account_signed_in_again_is_gone_on_with(
    service: TokenService, open_session: Open, kept: CredentialFile
) -> None:
    session = open_session(keep=kept)
    kept.write(SignIn(URL, Tokens("again", "r-again", time.time() + 900, ACCOUNT)))
    service.access = "again"
    assert session.get_json("/x") == {"path": "/x"}
    assert service.renewals == 0


def test_nobody_is_signed_in_again_after_a_sign_out(
    service: TokenService, open_session: Open, kept: CredentialFile
) -> None:
    session = open_session(keep=kept)
    kept.remove()  # the service was away, and has not heard of it
    service.end_access()
    with pytest.raises(SignInNeeded):
        session.get_json("/x")
    assert (service.renewals, kept.path.exists()) == (0, False)


def test_a_file_that_was_never_there_is_made(service: TokenService, open_session: Open, tmp_path: Path) -> None:
    kept = CredentialFile(tmp_path / "new" / "credentials.json")
    session = open_session(keep=kept)
    service.end_access()
    session.get_json("/x")
    assert _access(kept.read().credentials) == "a1"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_a_full_disk_ends_no_session_and_is_written_to_later(
    service: TokenService, open_session: Open, kept: CredentialFile
) -> None:
    session = open_session(keep=kept)
    with _no_room():
        for _ in range(2):
            service.end_access()
            session.get_json("/x")
    assert _access(kept.read().credentials) == "a0"
    service.end_access()
    session.get_json("/x")
    assert _access(kept.read().credentials) == "a3"


@pytest.mark.parametrize("text", ["tsk_a b", "tsk_a\nX: y", "tsk_\u00e9", "tsk_\x00", ""])
def test_a_key_that_cannot_be_shown_is_refused_without_its_words(text: str) -> None:
    with pytest.raises(TransferError) as caught:
        TransferClient(URL, key=text)
    assert not text or text not in str(caught.value)


def test_the_end_of_a_line_is_no_part_of_a_key() -> None:
    with TransferClient(URL, key="tsk_good\n") as client:
        assert client.session.authorization() == {"Authorization": "Bearer tsk_good"}


def test_what_lets_in_is_in_no_repr() -> None:
    shown = repr([SignIn(URL, Key("tsk_secret")), SignIn(URL, Tokens("secret", "secret", 0.0, ACCOUNT))])
    assert "secret" not in shown


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such bits")
def test_a_file_that_others_can_read_is_closed(kept: CredentialFile) -> None:
    kept.path.chmod(0o644)
    kept.read()
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root becomes somebody else")
@pytest.mark.parametrize(("owner", "is_taken"), [(65534, True), (0, True), (65533, False)])
def test_a_sign_in_of_somebody_else_is_not_used(
    kept: CredentialFile, monkeypatch: pytest.MonkeyPatch, owner: int, is_taken: bool
) -> None:
    kept.path.parent.chmod(0o755)
    kept.path.chmod(0o644)
    os.chown(kept.path, owner, owner)
    monkeypatch.chdir(kept.path.parent)
    os.seteuid(65534)
    try:
        with nullcontext() if is_taken else pytest.raises(TransferError, match="somebody else"):
            assert CredentialFile(Path(kept.path.name)).read().url == URL
    finally:
        os.seteuid(0)


def test_a_sign_out_takes_what_a_killed_process_has_left(kept: CredentialFile) -> None:
    (kept.path.parent / ".credentials-x1").write_text("tsk_secret")
    kept.remove()
    assert list(kept.path.parent.iterdir()) == []


@contextmanager
def _no_room() -> Iterator[None]:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _access(credentials: Credentials) -> str:
    return credentials.access if isinstance(credentials, Tokens) else ""
