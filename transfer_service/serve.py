"""`scripts/serve`: bring the database up to date, make the first account, be gunicorn, and keep a download worker.

All of it is one start of Python: whatever runs is forked from here and shares its memory. It needs gevent's patches:
`python -m gevent.monkey --module transfer_service.serve [arguments of gunicorn]`.
"""

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click
from gevent.monkey import get_original
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter

from transfer_service.cli.accounts import make_first_admin
from transfer_service.cli.upkeep import bring_up_to_date
from transfer_service.web.context import services
from transfer_service.wsgi import app

WORKER_NAME = "transfer-worker"
"""What `ps -o comm` shows."""
STOP_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1
_SIGNALS_OF_THE_SERVICE = ("CHLD", "QUIT", "TERM", "TTIN", "TTOU", "USR1", "USR2", "WINCH")

# Those of the system: gevent's would begin its event loop, which no process may have that forks.
_fork, _wait, _sleep = get_original("os", "fork"), get_original("os", "waitpid"), get_original("time", "sleep")


def main() -> None:
    """Serve until a signal comes."""
    try:
        gc.collect()
        gc.freeze()  # or the collector would copy what is shared by looking at it
        _, status = _wait(_fork_to(_prepare), 0)
        if status:
            sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    Program("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn").run()


class Program(WSGIApplication):  # type: ignore[misc] # gunicorn has no types
    """gunicorn, with a first process that keeps the download worker too."""

    def run(self) -> None:
        """Serve until a signal comes."""
        FirstProcess(self).run()


class FirstProcess(Arbiter):  # type: ignore[misc]
    """Keeps the service and the download worker: each is begun again where it dies, and ends with this process.

    One process for both, since each more would hold some 10 MiB of its own of what they share.
    """

    def __init__(self, program: WSGIApplication) -> None:
        self._download_worker = 0
        super().__init__(program)

    def manage_workers(self) -> None:
        """What gunicorn does once a second and whenever a process of its own ends."""
        super().manage_workers()
        if not self._download_worker or _has_ended(self._download_worker):
            self._download_worker = _fork_to(self._work)

    def stop(self, graceful: bool = True) -> None:
        """End the download worker first: whatever it works on goes on with the next one."""
        child, self._download_worker = self._download_worker, 0
        if child:
            _send(child, signal.SIGTERM)
        super().stop(graceful)
        if child:
            _wait_for_the_end(child)

    def _work(self) -> int:
        """In the new process: be the download worker, and nothing of what it was copied from."""
        for name in _SIGNALS_OF_THE_SERVICE:
            signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # of the terminal: the first process gets it too
        for listener in self.LISTENERS:
            os.close(listener.fileno())  # `close` of the object would remove the name of a Unix socket
        for worker in self.WORKERS.values():
            worker.tmp.close()
        return _work(self.pid)


def _has_ended(child: int) -> bool:
    try:
        return bool(_wait(child, os.WNOHANG)[0])
    except ChildProcessError:  # libev, which waits for every child, was faster
        return True


def _send(child: int, number: int) -> None:
    if not _has_ended(child):
        os.kill(child, number)


def _wait_for_the_end(child: int) -> None:
    for _ in range(int(STOP_SECONDS * 10)):
        if _has_ended(child):
            return
        _sleep(0.1)
    _send(child, signal.SIGKILL)


def _fork_to(work: Callable[[], int]) -> int:
    """The id of a child that does `work` and ends with the exit code that this gives."""
    sys.stdout.flush()
    child: int = _fork()
    if child == 0:
        status = 1
        try:
            status = work()
        except KeyboardInterrupt:
            status = 130
        except Exception:  # noqa: BLE001 - nobody else would show it
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            os._exit(status)
    return child


def _prepare() -> int:
    """What `database upgrade` and `accounts create-first-admin` do: connections and threads end with this process."""
    try:
        with app.app_context():
            bring_up_to_date()
            if not services().database.is_read_only:
                make_first_admin()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return 0


def _work(service: int) -> int:
    """Be the download worker, for no longer than the first process lives."""
    Path("/proc/self/comm").write_text(WORKER_NAME)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != service:
        return 0
    try:
        # Here, since urllib3 opens a socket when it is loaded, and so gevent's loop.
        from transfer_service import worker

        worker.main()
    except SystemExit as end:
        sys.stderr.write(f"{end}\n")
        return 1
    return 0


if __name__ == "__main__":
    main()
