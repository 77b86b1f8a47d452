"""Runs the command in this process, against an account in memory."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from transfer_service_client.cli.main import run

from tests.client.account_service import AccountService, serving_account
from tests.client.result import Result


class Command:
    """Runs `transfer` with arguments."""

    def __init__(self, service: AccountService, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.service = service
        self._capture, self._patch = capture, patch

    def __call__(self, *arguments: str, stdin: str = "") -> Result:
        self._capture.readouterr()
        self._patch.setattr(sys, "stdin", io.StringIO(stdin))
        code = run(arguments)
        out, err = self._capture.readouterr()
        assert "Traceback" not in err or "--debug" in arguments
        return Result(code, out, err)

    def login(self) -> None:
        result = self("login", self.service.url, "--name", "alice", "--password-stdin", stdin="correct horse\n")
        assert result.code == 0, result.err


@pytest.fixture
def service() -> Iterator[AccountService]:
    with serving_account(AccountService()) as account:
        yield account


@pytest.fixture
def signed_out(
    service: AccountService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Command(service, capsys, monkeypatch)


@pytest.fixture
def transfer(signed_out: Command) -> Command:
    signed_out.login()
    return signed_out
