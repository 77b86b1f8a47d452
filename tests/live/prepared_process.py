"""Servers that start at once: forked from a process that has imported everything, as imports cost more than most tests.

Run as a program it is that process: each line of its standard input is a call, and each line that it prints the answer.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
NEEDS_OWN_PROGRAM = ("LD_", "PYTHON", "MALLOC_")
"""Beginnings of variables that count only at the start of a program."""


class ForkedServer:
    """A running gunicorn: what `subprocess.Popen` is to a started one."""

    def __init__(self, arguments: list[str], *, environment: dict[str, str], log: Path) -> None:
        call = {"start": arguments, "environment": environment, "log": str(log)}
        self.pid: int = _prepared().ask(call)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status, None while it runs."""
        if self.returncode is None:
            self.returncode = _prepared().ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status when it has ended. Raises subprocess.TimeoutExpired."""
        deadline = time.monotonic() + (timeout or 3600)
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("gunicorn", timeout or 3600)
            time.sleep(0.01)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal to it, unless it is known to have ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(15)

    def kill(self) -> None:
        """End it."""
        self.send_signal(9)


class _Prepared:
    """The process that is forked."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        atexit.register(self._end)

    def ask(self, call: dict[str, Any]) -> Any:
        """The answer to a call."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(json.dumps(call) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()


_making = threading.Lock()


def _prepared() -> _Prepared:
    with _making:  # servers may be started at once
        return _one()


@cache
def _one() -> _Prepared:
    return _Prepared()


def _serve_calls() -> None:
    """Answer calls until there are no more."""
    from gevent import monkey

    monkey.patch_all()
    # What is patched would make an event loop here, which no fork may inherit.
    fork, waitpid = monkey.get_original("os", "fork"), monkey.get_original("os", "waitpid")
    import gunicorn.app.wsgiapp
    import gunicorn.arbiter

    import transfer_service.app
    import transfer_service.server.access_log
    import transfer_service.server.worker  # noqa: F401

    for line in sys.stdin:
        call = json.loads(line)
        if "poll" in call:
            pid, status = waitpid(call["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = fork()
            if answer == 0:
                break
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    else:
        return
    _become(call["start"], call["environment"], call["log"])
    gunicorn.app.wsgiapp.run(prog="gunicorn")


def _become(arguments: list[str], environment: dict[str, str], log: str) -> None:
    """Be what a program would be that was started so."""
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["gunicorn", *arguments]
    nothing, printed = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(nothing, 0)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    os.close(nothing)
    os.close(printed)


if __name__ == "__main__":
    _serve_calls()
