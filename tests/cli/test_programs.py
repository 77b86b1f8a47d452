"""`serve` and `worker`: which program the command line becomes."""

import os
import sys
from typing import Any

import pytest
from flask import Flask

from transfer_service import __main__ as program
from transfer_service.cli.programs import PROGRAMS
from transfer_service.shipped import PACKAGE
from transfer_service.version import VERSION

CONFIG = ("--config", str(PACKAGE.parent / "gunicorn.conf.py"))

PATCHED = ("gevent.monkey", "--module")


class Became(Exception):
    """In place of another program."""


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What `execve` was called with, which then ends the call."""
    calls: list[Any] = []

    def execve(path: str, words: list[str], environment: dict[str, str]) -> None:
        calls.append((path, words, environment))
        raise Became

    monkeypatch.setattr(os, "execve", execve)
    return calls


@pytest.mark.parametrize(("words", "expected"), [
    (["worker"], [*PATCHED, "transfer_service.worker"]),
    (["serve"], [*PATCHED, "transfer_service.serve", *CONFIG]),
    (["serve", "--log-level", "debug"], [*PATCHED, "transfer_service.serve", *CONFIG, "--log-level", "debug"]),
    (["instance", "--check-config"], ["gunicorn", *CONFIG, "--check-config"]),
])  # fmt: skip
def test_the_program_is_patched_and_does_not_look_into_its_folder(
    monkeypatch: pytest.MonkeyPatch, become: list[Any], words: list[str], expected: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["transfer-service", *words])
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    with pytest.raises(Became):
        program.main()
    ((path, command, environment),) = become
    assert (path, command) == (sys.executable, [sys.executable, "-P", "-m", *expected])
    assert environment["PYTHONPATH"] == f"{PACKAGE.parent}{os.pathsep}/elsewhere"


@pytest.mark.parametrize("name", ["serve", "instance", "worker"])
def test_flask_has_them_too(app: Flask, become: list[Any], name: str) -> None:
    result = app.test_cli_runner().invoke(args=[name])
    assert isinstance(result.exception, Became)
    assert become[0][1][3:6] == [*PROGRAMS[name], *CONFIG][:3]


def test_the_version_is_told_without_reading_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["transfer-service", "--version"])
    monkeypatch.setenv("TRANSFER_QUOTA_BYTES", "much")
    program.main()
    assert capsys.readouterr().out == f"transfer-service {VERSION}\n"
