"""`scripts/serve`: bring the database up to date, make the first account, be gunicorn, and keep a download worker.

All of it is one start of Python: whatever runs is forked from here and shares its memory. It needs gevent's patches:
`python -m gevent.monkey --module transfer_service.serve [arguments of gunicorn]`.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click
from gevent.monkey import get_original
from gunicorn.app.wsgiapp import WSGIApplication

from transfer_service.cli.accounts import make_first_admin
from transfer_service.cli.upkeep import bring_up_to_date
from transfer_service.web.context import services
from wsgi import app

WORKER_NAME, KEEPER_NAME = "transfer-worker", "transfer-keeper"
"""What `ps -o comm` shows."""
LOOK_SECONDS = 1.0

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
        service = os.getpid()
        _fork_to(lambda: _keep_worker(service))
    except KeyboardInterrupt:
        sys.exit(130)
    WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn").run()


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


def _keep_worker(service: int) -> int:
    """Run the download worker as long as the service lives: again where it dies, and not longer."""
    Path("/proc/self/comm").write_text(KEEPER_NAME)
    for number in (signal.SIGINT, signal.SIGHUP):  # of the terminal: the service gets them too
        signal.signal(number, signal.SIG_IGN)
    child = 0
    while os.getppid() == service:
        if child == 0 or _wait(child, os.WNOHANG)[0] == child:
            child = _fork_to(_work)
        _sleep(LOOK_SECONDS)
    if child:
        os.kill(child, signal.SIGTERM)
        _wait(child, 0)
    return 0


def _work() -> int:
    Path("/proc/self/comm").write_text(WORKER_NAME)
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
