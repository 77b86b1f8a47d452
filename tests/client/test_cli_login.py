import json
import stat
from pathlib import Path

import pytest

from tests.client.account_service import KEY
from tests.client.commands import Command


def _kept(tmp_path: Path) -> Path:
    return tmp_path / "config/transfer-service/credentials.json"


def test_a_password_is_checked_and_not_kept(signed_out: Command, tmp_path: Path) -> None:
    result = signed_out(
        "login", f"{signed_out.service.url}/", "--name", "alice", "--password-stdin", stdin="correct horse\n"
    )
    assert (result.code, result.err) == (0, "")
    assert result.out == f"Signed in to {signed_out.service.url} as alice\n"
    assert stat.S_IMODE(_kept(tmp_path).stat().st_mode) == 0o600
    assert "correct horse" not in _kept(tmp_path).read_text()


def test_a_wrong_password_is_3_and_keeps_what_was_there(transfer: Command, tmp_path: Path) -> None:
    before = _kept(tmp_path).read_bytes()
    result = transfer("login", transfer.service.url, "--name", "alice", "--password-stdin", stdin="wrong\n")
    assert (result.code, result.out, len(result.err.splitlines())) == (3, "", 1)
    assert "Incorrect" in result.err
    assert _kept(tmp_path).read_bytes() == before


def test_a_key_signs_in_and_says_whose_it_is(signed_out: Command, tmp_path: Path) -> None:
    result = signed_out("login", signed_out.service.url, "--key-stdin", "--json", stdin=f"{KEY}\n")
    assert result.objects == [{"event": "signed-in", "url": signed_out.service.url, "account": "alice"}]
    assert json.loads(_kept(tmp_path).read_text())["credentials"] == {"text": KEY}
    assert signed_out("ls").code == 0


@pytest.mark.parametrize(
    ("arguments", "stdin", "code"),
    [
        pytest.param(["--key-stdin"], "tsk_bad\n", 3, id="unknown-key"),
        pytest.param(["--key-stdin"], "hello\n", 3, id="no-key"),
        pytest.param(["--key-stdin", "--name", "bob"], f"{KEY}\n", 3, id="key-of-another"),
        pytest.param(["--key-stdin"], "", 2, id="no-line"),
        pytest.param(["--key-stdin", "--password-stdin"], f"{KEY}\n", 2, id="both"),
        pytest.param(["--name", "alice"], "", 2, id="nobody-to-ask-for-the-password"),
        pytest.param(["--password-stdin"], "correct horse\n", 2, id="nobody-to-ask-for-the-name"),
    ],
)
def test_what_does_not_sign_in(
    signed_out: Command, tmp_path: Path, arguments: list[str], stdin: str, code: int
) -> None:
    result = signed_out("login", signed_out.service.url, *arguments, stdin=stdin)
    assert (result.code, result.out, len(result.err.splitlines())) == (code, "", 1)
    assert not _kept(tmp_path).exists()


@pytest.mark.parametrize(
    "url",
    [
        "http://files.example.com",
        "ftp://localhost",
        "https://",
        "https://a:b@localhost",
        "https://localhost/?a=b",
        "::",
    ],
)
def test_addresses_that_no_password_is_sent_to(signed_out: Command, url: str) -> None:
    result = signed_out("login", url, "--name", "alice", "--password-stdin", stdin="correct horse\n")
    assert (result.code, len(result.err.splitlines())) == (2, 1)


@pytest.mark.parametrize(
    "answer", [(200, b"<html>"), (200, {"detail": 1}), (200, []), (404, b""), (301, b""), (501, b"")], ids=str
)
def test_something_else_at_the_address(signed_out: Command, answer: tuple[int, object], tmp_path: Path) -> None:
    signed_out.service.answers["POST", "/token"] = answer
    result = signed_out("login", signed_out.service.url, "--name", "alice", "--password-stdin", stdin="x\n")
    assert (result.code, len(result.err.splitlines())) == (1, 1)
    assert "is no Transfer Service" in result.err
    assert not _kept(tmp_path).exists()


def test_nobody_listens(signed_out: Command) -> None:
    result = signed_out("login", "localhost:9", "--name", "alice", "--password-stdin", stdin="x\n")
    assert (result.code, len(result.err.splitlines())) == (1, 1)
    assert "cannot be reached" in result.err


def test_logout_ends_the_session(transfer: Command, tmp_path: Path) -> None:
    assert transfer.service.tokens
    assert transfer("logout").code == 0
    assert not transfer.service.tokens
    assert not _kept(tmp_path).exists()
    assert transfer("ls").code == 3


def test_logout_of_a_session_that_has_ended(transfer: Command, tmp_path: Path) -> None:
    transfer.service.tokens.clear()
    transfer.service.answers["POST", "/auth/refresh"] = (401, {"detail": "Could not validate credentials"})
    assert transfer("logout").code == 0
    assert not _kept(tmp_path).exists()


def test_logout_removes_what_cannot_be_read(transfer: Command, tmp_path: Path) -> None:
    _kept(tmp_path).write_text('{"url": "https://files.example.com", "credentials": {"access": "secret"}')
    result = transfer("logout")
    assert (result.code, "cannot be read" in result.err) == (1, True)
    assert not _kept(tmp_path).exists()


def test_without_a_sign_in_every_command_is_3(signed_out: Command, tmp_path: Path) -> None:
    (tmp_path / "here/a").write_bytes(b"a")
    for arguments in (["ls"], ["put", "a"], ["logout"], ["whoami"]):
        result = signed_out(*arguments)
        assert (result.code, result.out) == (3, "")
        assert result.err == "transfer: Nobody is signed in: run `transfer login URL`\n"


@pytest.mark.parametrize("way", ["--password-stdin", "--key-stdin"])
def test_a_line_that_is_no_text_is_told_without_it(signed_out: Command, way: str) -> None:
    result = signed_out("login", signed_out.service.url, "--name", "alice", way, stdin="tsk_\udcff\n")
    assert (result.code, "not UTF-8" in result.err) == (2, True)
    assert "tsk_\\" not in result.err


def test_what_a_service_says_steers_no_terminal_with_debug_neither(transfer: Command) -> None:
    transfer.service.answers["GET", "/api/files"] = (400, {"detail": "\x1b]0;title\x07\u202e"})
    result = transfer("ls", "--debug")
    assert "Traceback" in result.err
    assert not set(result.err) & {"\x1b", "\x07", "\u202e"}


def test_a_name_of_any_length_is_told_in_words(transfer: Command) -> None:
    result = transfer("ls", "a" * 100_000)
    assert (result.code, result.err) == (1, "transfer: That is too long for a name\n")


def test_who_is_signed_in_where_and_with_how_much_room(transfer: Command) -> None:
    url, me = transfer.service.url, {"id": "1", "name": "alice", "is_admin": False}
    transfer.service.answers["GET", "/auth/me"] = (200, {**me, "used_bytes": 1_200_000, "quota_bytes": 10_000_000_000})
    assert transfer("whoami").out == f"alice at {url}: 1.2 MB of 10.0 GB used\n"
    expected = {"event": "account", "account": "alice", "url": url, "used_bytes": 5, "quota_bytes": None}
    transfer.service.answers["GET", "/auth/me"] = (200, {**me, "used_bytes": 5, "quota_bytes": None})
    assert transfer("whoami", "--json").objects == [expected]
    assert transfer("whoami").out == f"alice at {url}: 5 B used\n"
